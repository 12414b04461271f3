"""A network for tests of videos, which repeats pixels."""

from __future__ import annotations

import pytest
from clips import Repeater


@pytest.fixture
def repeating_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every model repeat pixels."""
    monkeypatch.setattr(
        "superres.upscaler.open_checked",
        lambda model, options, **_: Repeater(model.card.scale),
    )
