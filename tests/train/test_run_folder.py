"""Who may write into a run's folder: new runs, runs that go on, and nobody over a user's recipe."""

import pytest

from superres.errors import ArgumentError
from superres.train.recipe_file import load_recipe
from superres.train.run_folder import RECIPE_NAME, claim_folder


@pytest.mark.parametrize("own", ['extends = "espcn-x4"  # mine\n', "not TOML at all", "seed = 3\n"])
def test_a_recipe_that_no_run_wrote_is_not_replaced(own, tmp_path):
    (tmp_path / RECIPE_NAME).write_text(own, encoding="utf-8")
    with pytest.raises(ArgumentError, match=r"recipe\.toml already exists"):
        claim_folder(tmp_path, load_recipe("espcn-x4"), resume=False)
    assert (tmp_path / RECIPE_NAME).read_text(encoding="utf-8") == own


def test_a_recipe_left_by_a_run_that_never_began_is_replaced(tmp_path):
    claim_folder(tmp_path, load_recipe("espcn-x4"), resume=False)
    claim_folder(tmp_path, load_recipe("espcn-x2"), resume=False)
    assert load_recipe(str(tmp_path / RECIPE_NAME)).name == "espcn-x2"
