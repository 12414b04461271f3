"""Several pictures at once on one engine: each its own end, cancellation, fallback and notes."""

from __future__ import annotations

import numpy as np
from fake_backends import FakeBackend, blur_and_repeat, make_card, random_picture, whole

from superres.infer.engine import Engine
from superres.infer.prefetch import prefetch
from superres.watch import Watch

CARD = make_card(halo=2)
NETWORK = blur_and_repeat(CARD)


def rows_of(engine, picture):
    height, width = picture.shape[:2]
    blocks = [picture[y : y + 16] for y in range(0, height, 16)]
    return engine.enlarge_rows(blocks, height=height, width=width)


def test_the_end_of_a_small_picture_leaves_a_large_one_alone():
    engine = Engine(CARD, FakeBackend(NETWORK), tile=32, fallback=None, watch=Watch())
    large, small = random_picture(300, 64), random_picture(40, 50, seed=1)
    under_way = rows_of(engine, large)
    made = [next(under_way)]
    ended = np.concatenate(list(prefetch(rows_of(engine, small), depth=2)))
    made += under_way
    assert np.array_equal(ended, whole(NETWORK, small))
    assert np.array_equal(np.concatenate(made), whole(NETWORK, large))
