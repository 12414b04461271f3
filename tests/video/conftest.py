"""Every test here runs with a network that repeats pixels."""

import pytest


@pytest.fixture(autouse=True)
def every_model_repeats(repeating_network):
    """Every test here runs with it."""
