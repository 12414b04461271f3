"""Log of a run: JSON lines, TensorBoard scalars and pictures."""

from __future__ import annotations

import json
from pathlib import Path

from torch.utils.tensorboard.writer import SummaryWriter

from superres.atomic import atomic_write_bytes
from superres.frame import Pixels
from superres.runs.log import LOG_NAME, read_log


class Journal:
    """Appends to a run folder's log and TensorBoard events.

    Args:
        folder: The run's folder.
        step: The step that the run continues from; later lines are dropped.
    """

    def __init__(self, folder: Path, step: int) -> None:
        self._log = folder / LOG_NAME
        kept = [line for line in read_log(folder) if line["step"] <= step]
        text = "".join(json.dumps(line) + "\n" for line in kept)
        atomic_write_bytes(self._log, text.encode())  # a kill in between leaves the old lines
        self._events = SummaryWriter(str(folder), purge_step=step if step else None)

    def close(self) -> None:
        """Flush and close the log."""
        self._events.close()

    def scalars(self, step: int, values: dict[str, float]) -> None:
        """Write named numbers of one step."""
        with self._log.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"step": step, **values}) + "\n")
        for name, value in values.items():
            self._events.add_scalar(name, value, step)

    def picture(self, step: int, name: str, pixels: Pixels) -> None:
        """Write one (H, W, C) picture of one step."""
        self._events.add_image(name, pixels, step, dataformats="HWC")
