"""Recipes: what is read, what is extended, and what is refused by name."""

from datetime import UTC, date, datetime, time

import pytest

from superres.errors import RecipeError, UnknownNameError
from superres.networks.catalog import network_config
from superres.train.recipe import Ramp
from superres.train.recipe_file import built_in_recipes, load_recipe, to_toml
from superres.watch import Watch


@pytest.mark.parametrize("name", sorted(built_in_recipes()))
def test_every_built_in_recipe_builds_its_network(name):
    recipe = load_recipe(name)
    assert recipe.name == name
    network_config(recipe.network.architecture, recipe.network.config).build()


def test_a_recipe_takes_what_it_does_not_say_from_the_one_it_extends():
    base, over = load_recipe("default-x4"), load_recipe("default-x2")
    assert over.network.config["scale"] == 2
    assert over.network.config["blocks"] == base.network.config["blocks"]
    assert over.data.sources == base.data.sources


def test_a_recipe_written_out_reads_back_equal(tmp_path):
    recipe = load_recipe("default-x2")
    path = tmp_path / "copy.toml"
    path.write_text(to_toml(recipe), encoding="utf-8")
    assert load_recipe(str(path)) == recipe


def test_quotes_and_backslashes_survive_the_round_trip(tmp_path):
    recipe = load_recipe("default-x4").model_copy(update={"licence": 'a "b" \\ c\nd\x07é'})
    path = tmp_path / "copy.toml"
    path.write_text(to_toml(recipe), encoding="utf-8")
    assert load_recipe(str(path)) == recipe


@pytest.mark.parametrize(
    ("text", "near"),
    [
        ("extends = 'default-x4'\nnmae = 'a'", "name"),
        ("extends = 'default-x4'\n[optimizer]\nrat = 1", "rate"),
        ("extends = 'default-x44'", "default-x4"),
    ],
)
def test_an_unknown_key_or_recipe_names_the_nearest(tmp_path, text, near):
    path = tmp_path / "bad.toml"
    path.write_text(text)
    with pytest.raises(UnknownNameError, match=f"did you mean '{near}'"):
        load_recipe(str(path))


def test_a_value_out_of_range_names_its_place(tmp_path):
    path = tmp_path / "bad.toml"
    path.write_text("extends = 'default-x4'\n[data]\nbatch = 0")
    with pytest.raises(RecipeError, match=r"data\.batch"):
        load_recipe(str(path))


def test_a_budget_of_steps_replaces_one_of_minutes(tmp_path):
    path = tmp_path / "short.toml"
    path.write_text("extends = 'default-x4'\n[budget]\nsteps = 7")
    budget = load_recipe(str(path)).budget
    assert (budget.steps, budget.minutes) == (7, None)


@pytest.mark.parametrize("text", ["steps = 7\nminutes = 3", ""])
def test_a_budget_of_both_or_neither_is_refused(tmp_path, text):
    path = tmp_path / "bad.toml"
    path.write_text(f"extends = 'default-x4'\n[budget]\n{text}")
    with pytest.raises(RecipeError, match="budget"):
        load_recipe(str(path))


def test_a_recipe_that_extends_itself_is_refused(tmp_path):
    a, b = tmp_path / "a.toml", tmp_path / "b.toml"
    a.write_text(f"extends = {str(b)!r}")
    b.write_text(f"extends = {str(a)!r}")
    with pytest.raises(RecipeError, match="extends itself"):
        load_recipe(str(a))


@pytest.mark.parametrize("text", ["= 3", "name = "])
def test_broken_toml_is_refused(tmp_path, text):
    path = tmp_path / "bad.toml"
    path.write_text(text)
    with pytest.raises(RecipeError, match="is not TOML"):
        load_recipe(str(path))


def test_a_missing_recipe_file_says_so(tmp_path):
    with pytest.raises(RecipeError, match="cannot be read"):
        load_recipe(str(tmp_path / "none.toml"))


def test_a_family_has_recipes_for_scales_that_no_file_is_written_for():
    base, three = load_recipe("vdsr-x4"), load_recipe("vdsr-x3")
    assert (three.name, three.network.config["scale"]) == ("vdsr-x3", 3)
    assert three.data == base.data
    with pytest.raises(UnknownNameError, match="did you mean 'vdsr-x4'"):
        load_recipe("vdssr-x3")


def test_values_can_be_replaced_by_their_path():
    words = [
        "data.patch=64",
        "name=mine",
        "network.config.scale = 2",
        "loss.fourier={end=1, until=0.5}",
    ]
    recipe = load_recipe("default-x4", words)
    assert (recipe.data.patch, recipe.name, recipe.network.config["scale"]) == (64, "mine", 2)
    assert (recipe.loss.model_extra or {})["fourier"] == Ramp(end=1.0, until=0.5)


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("data.patch", "replaces nothing"),
        ("name.first=a", "name is not a table"),
        ("data.patch=huge", r"data\.patch"),
        ("loss.l1=-1", r"loss\.l1"),
    ],
)
def test_a_replacement_that_cannot_be_is_refused(word, message):
    with pytest.raises(RecipeError, match=message):
        load_recipe("default-x4", [word])


def test_a_replacement_of_an_unknown_key_names_the_nearest():
    with pytest.raises(UnknownNameError, match="did you mean 'patch'"):
        load_recipe("default-x4", ["data.pach=64"])


def test_another_architecture_takes_over_nothing_of_the_one_it_replaces(tmp_path):
    path = tmp_path / "other.toml"
    path.write_text("extends = 'default-x2'\n[network]\narchitecture = 'espcn'")
    network = load_recipe(str(path)).network
    assert (network.config, network.pretrained) == ({}, "")


def test_a_ramp_goes_from_its_start_to_its_end_and_stays():
    ramp = Ramp(start=1.0, end=3.0, after=0.2, until=0.6)
    assert [ramp.at(done) for done in (0.0, 0.2, 0.4, 0.6, 1.0)] == pytest.approx([1, 1, 2, 3, 3])


@pytest.mark.parametrize("text", ["{end = 1.0, after = 0.5, until = 0.2}", "{start = 1.0}", "true"])
def test_a_ramp_that_cannot_be_is_refused(text):
    with pytest.raises(RecipeError, match=r"loss\.l1"):
        load_recipe("default-x4", [f"loss.l1={text}"])


def test_distillation_needs_its_teacher():
    with pytest.raises(RecipeError, match="a weight and a teacher"):
        load_recipe("default-x4", ["loss.distillation=1"])


def test_a_recipe_with_ramps_reads_back_equal(tmp_path):
    recipe = load_recipe("default-x4", ["loss.ssim={end=1, until=0.5}", "adversarial.weight=0.1"])
    path = tmp_path / "copy.toml"
    path.write_text(to_toml(recipe), encoding="utf-8")
    assert load_recipe(str(path)) == recipe


def test_a_weight_of_0_and_none_are_the_same_recipe():
    with_zero = load_recipe("default-x4", ["loss.lpips=0"])
    assert with_zero == load_recipe("default-x4")


def test_an_unknown_loss_is_told_with_the_nearest():
    with pytest.raises(UnknownNameError, match=r"did you mean 'fourier'"):
        load_recipe("default-x4", ["loss.furier=1"])


def test_a_ramp_of_a_table_s_term_is_written_and_read_back(tmp_path):
    recipe = load_recipe("default-x4", ["loss.lpips={start=0.1, end=1, until=0.5}"])
    path = tmp_path / "recipe.toml"
    path.write_text(to_toml(recipe))
    assert load_recipe(str(path)) == recipe
    assert recipe.loss.weights["lpips"] == Ramp(start=0.1, end=1.0, until=0.5)


OLD_AND_NEW = {
    "network": {"start_from": "pretrained", "fresh": "reinitialise"},
    "optimizer": {"matrix_rate": "matrix_lr"},
    "degradation": {"chain": "name"},
}


def old_text(recipe) -> str:
    """Return a recipe as earlier versions wrote it."""
    text = to_toml(recipe)
    for section, names in OLD_AND_NEW.items():
        head, mark, body = text.partition(f"[{section}]\n")
        for old, new in names.items():
            assert f"\n{new} = " in f"\n{body}"
            body = f"\n{body}".replace(f"\n{new} = ", f"\n{old} = ", 1)[1:]
        text = head + mark + body
    return text


def test_a_recipe_of_an_earlier_version_reads_as_todays_and_says_what_was_renamed(tmp_path):
    recipe = load_recipe("real-x4", ['network.reinitialise=["tail."]'])
    path = tmp_path / "old.toml"
    path.write_text(old_text(recipe), encoding="utf-8")
    watch = Watch()
    assert load_recipe(str(path), watch=watch) == recipe
    assert watch.notes == (
        f"recipe {path}: network.start_from is now called network.pretrained",
        f"recipe {path}: network.fresh is now called network.reinitialise",
        f"recipe {path}: degradation.chain is now called degradation.name",
        f"recipe {path}: optimizer.matrix_rate is now called optimizer.matrix_lr",
    )


def test_an_old_recipe_may_extend_a_new_one_and_replaces_its_values(tmp_path):
    path = tmp_path / "old.toml"
    path.write_text('extends = "real-x4"\n[network]\nstart_from = "mine"\n')
    assert load_recipe(str(path)).network.pretrained == "mine"


def test_an_old_name_on_the_command_line_replaces_the_new_key():
    watch = Watch()
    recipe = load_recipe("real-x4", ["network.start_from=mine"], watch)
    assert recipe.network.pretrained == "mine"
    assert watch.notes == (
        "--set network.start_from: network.start_from is now called network.pretrained",
    )


def test_a_key_by_both_its_names_is_an_error(tmp_path):
    path = tmp_path / "both.toml"
    path.write_text('extends = "real-x4"\n[network]\nstart_from = "a"\npretrained = "b"\n')
    with pytest.raises(RecipeError, match=r"both network\.start_from and network\.pretrained"):
        load_recipe(str(path))


POINTS = {
    "control characters": [chr(code) for code in range(1, 32)],
    "NUL": ["\0"],
    "DEL and C1": [chr(code) for code in range(0x7F, 0xA0)],
    "quotes and backslashes": ["'", '"', '"""', "'''", "\\", "\\u0041", '\\"', "\\\n"],
    "line ends": ["\r", "\n", "\r\n", "\u2028", "\u2029", "\x85"],
    "no characters": ["\ufeff", "\ufffd", "\ufffe", "\uffff", "\ue000", "\U0010ffff"],
    "beyond the first plane": ["\U0001f600", "\U00020000"],
    "around the surrogates": ["\ud7ff", "\ue000"],
    "TOML's own signs": ["#", "=", "[", "]", "{", "}", ".", ",", ""],
}


@pytest.mark.parametrize("kind", POINTS)
def test_text_of_every_kind_of_character_survives_the_round_trip(tmp_path, kind):
    path = tmp_path / "copy.toml"
    for point in POINTS[kind]:
        text = f"a{point}b{point}"
        changes = {text: text, "n": {text: [text, {text: text}]}}
        recipe = load_recipe("default-x4")
        degradation = recipe.degradation.model_copy(update={"changes": changes})
        recipe = recipe.model_copy(update={"licence": text, "degradation": degradation})
        path.write_bytes(to_toml(recipe).encode())
        assert load_recipe(str(path)) == recipe


@pytest.mark.parametrize("text", ["\ud800", "a\udcff", "\udfff\ud800"])
def test_half_a_character_is_refused_when_it_is_set_and_when_it_is_written(text):
    with pytest.raises(RecipeError, match=r"licence.*not Unicode"):
        load_recipe("default-x4", [f"licence={text}"])
    with pytest.raises(RecipeError, match=r"licence.*not Unicode"):
        to_toml(load_recipe("default-x4").model_copy(update={"licence": text}))


def test_dates_and_extreme_numbers_survive_the_round_trip(tmp_path):
    changes = {
        "dates": [date(1979, 5, 27), time(7, 32, 0, 999), datetime(1979, 5, 27, 7, tzinfo=UTC)],
        "floats": [1e300, 5e-324, -0.0, float("inf"), -float("inf"), 1e16, 1e22],
        "whole": [2**63 - 1, -(2**63), True, False],
        "empty": [{}, []],
    }
    recipe = load_recipe("default-x4")
    degradation = recipe.degradation.model_copy(update={"changes": changes})
    recipe = recipe.model_copy(update={"degradation": degradation})
    path = tmp_path / "copy.toml"
    path.write_text(to_toml(recipe), encoding="utf-8")
    assert load_recipe(str(path)) == recipe


@pytest.mark.parametrize(
    "override",
    [
        "licence=" + "9" * 5000,
        "licence=" + "[" * 3000,
        "network.config.features=0x" + "f" * 5000,
        "network.config.features=9223372036854775808",
        "network.config." + "a." * 3000 + "b=1",
    ],
    ids=lambda text: text[:30],
)
def test_a_value_on_the_command_line_that_no_recipe_can_hold_is_refused(override):
    with pytest.raises(RecipeError, match=r"\nhint: ."):
        load_recipe("default-x4", [override])
