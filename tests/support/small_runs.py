"""Pictures and options for runs of a few steps."""

import dataclasses

import numpy as np
import pyvips

from superres.optim.schedule import Budget
from superres.train.devices import Devices
from superres.train.loop import TrainingOptions


def write_pictures(folder, *, count, cells, cell_px):
    """Write square pictures of coloured cells, and return their new folder."""
    folder.mkdir()
    rng = np.random.default_rng(0)
    for index in range(count):
        coarse = rng.random((cells, cells, 3)).repeat(cell_px, 0).repeat(cell_px, 1)
        pyvips.Image.new_from_array((coarse * 255).astype(np.uint8)).write_to_file(
            str(folder / f"{index}.png")
        )
    return folder


def options(pictures, folder, steps=12, **more) -> TrainingOptions:
    plain = TrainingOptions(
        folder, (pictures,), budget=Budget(steps=steps), devices=Devices("cpu"), log_every=1
    )
    return dataclasses.replace(plain, **more)
