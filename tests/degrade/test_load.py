from __future__ import annotations

import pytest

from superres.degrade.load import built_in_degradations, load_degradation
from superres.errors import RecipeError, UnknownNameError


def test_the_built_in_chains_are_read_and_say_what_they_are():
    assert set(built_in_degradations()) == {"bicubic", "bsrgan", "real"}
    for name, path in built_in_degradations().items():
        assert load_degradation(name).steps
        assert path.read_text(encoding="utf-8").startswith("# ")


def test_a_file_is_a_chain(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text('[steps.mild]\nkind = "blur"\nsigma = [0.2, 1]\n[steps.end]\nkind = "small"\n')
    config = load_degradation(str(path))
    assert list(config.steps) == ["mild", "end"]
    assert config.clean == 0.0


def test_overrides_replace_single_values_of_a_chain():
    config = load_degradation("real", {"clean": 0.5, "steps": {"noise": {"chance": 0.2}}})
    plain = load_degradation("real")
    assert config.clean == 0.5
    assert config.steps["noise"] == plain.steps["noise"].model_copy(update={"chance": 0.2})
    assert config.steps["jpeg"] == plain.steps["jpeg"]


@pytest.mark.parametrize(
    ("overrides", "near"),
    [
        ({"claen": 0.5}, "clean"),
        ({"steps": {"noise": {"chanse": 0.2}}}, "chance"),
        ({"steps": {"noise": {"kinds": {"gausian": 1}}}}, "gaussian"),
        ({"steps": {"noise": {"kind": "nois"}}}, "noise"),
    ],
)
def test_an_unknown_key_names_the_nearest(overrides, near):
    with pytest.raises(UnknownNameError, match=f"did you mean '{near}'"):
        load_degradation("real", overrides)


def test_an_unknown_chain_names_the_nearest():
    with pytest.raises(UnknownNameError, match="did you mean 'real'"):
        load_degradation("reel")


def test_a_bad_value_is_an_error_that_says_where():
    with pytest.raises(RecipeError, match=r"steps\.noise\.noise\.chance: .*got 2"):
        load_degradation("real", {"steps": {"noise": {"chance": 2}}})


def test_files_that_are_no_chain_are_errors(tmp_path):
    with pytest.raises(RecipeError, match="cannot be read"):
        load_degradation(str(tmp_path / "none.toml"))
    broken = tmp_path / "broken.toml"
    broken.write_text("clean = ")
    with pytest.raises(RecipeError, match="is not TOML"):
        load_degradation(str(broken))
