from __future__ import annotations

from collections.abc import Callable

import numpy as np

from superres.imaging.flow import local_flow
from superres.imaging.motion import Motion, centre_of, identity_motion, similarity
from superres.imaging.planes import blurred
from superres.imaging.registration import BLUR_PX, pyramid
from superres.imaging.sampler import Floats, Sampler

SIZE = (96, 104)
THING = (slice(30, 66), slice(34, 74))


def texture(seed: int) -> Floats:
    noise = np.random.default_rng(seed).normal(size=SIZE).astype(np.float32)
    soft = blurred(noise, 4.0)
    return (0.5 + 0.15 * soft / soft.std()).astype(np.float32)


GROUND, COAT = texture(1), texture(2)


def scene(row: int = 0, column: int = 0, seed: int = 9) -> Floats:
    """Draw a thing that moved by (row, column) before a ground that stands, and noise."""
    thing = np.zeros(SIZE, np.float32)
    thing[THING] = 1.0
    thing, coat = (np.roll(p, (row, column), (0, 1)) for p in (thing, COAT))
    noise = np.random.default_rng(seed).normal(0, 0.004, SIZE)
    return (np.where(thing > 0.5, coat, GROUND) + noise).astype(np.float32)


def shown(reference: Floats) -> Callable[[Floats], Floats]:
    soft = blurred(reference, BLUR_PX)
    return lambda places: Sampler(places + centre_of(SIZE), SIZE).gather(soft)


def flow_of(reference: Floats, frame: Floats, valid: Floats | None = None) -> Motion:
    levels = pyramid(reference), pyramid(frame, valid)
    return local_flow(*levels, identity_motion(), shown(reference))


def test_a_scene_that_stands_keeps_its_motion_as_it_was():
    standing = identity_motion()
    reference, frame = scene(seed=1), scene(seed=2)
    found = local_flow(pyramid(reference), pyramid(frame), standing, shown(reference))
    assert found is standing


def test_a_speck_is_not_followed():
    frame = scene(seed=2)
    frame[50:52, 50:52] = 1.0
    assert flow_of(scene(seed=1), frame).flow is None


def test_a_thing_that_came_new_and_is_nowhere_on_the_reference_is_not_followed():
    frame = scene(seed=2)
    frame[40:60, 40:60] = 0.0
    assert flow_of(scene(seed=1), frame).flow is None


def test_what_moves_under_a_mask_is_not_followed():
    valid = np.ones(SIZE, np.float32)
    valid[20:76, 24:84] = 0.0
    assert flow_of(scene(), scene(3, 3)).flow is not None
    assert flow_of(scene(), scene(3, 3), valid).flow is None


def test_a_frame_with_no_usable_pixel_or_wholly_beside_the_reference_keeps_its_motion():
    reference, frame = pyramid(scene()), pyramid(scene(2, 2))
    hidden = pyramid(scene(2, 2), np.zeros(SIZE, np.float32))
    away = Motion(similarity(500.0, 0.0, 0.0))
    assert local_flow(reference, hidden, identity_motion(), shown(scene())).flow is None
    assert local_flow(reference, frame, away, shown(scene())) is away
