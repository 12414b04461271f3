"""How often `--model auto` takes pictures to be damaged, by what was done to them, as a table.

    python benchmarks/choice.py --set DIR/Set5 --set DIR/Set14 --set DIR/BSD100

Of each set's truth, small pictures are made at scales of 2 and 4: by bicubic, by the chain `real`
without its clean samples, and by bicubic with JPEG after it; a JPEG once as the file, which tells
its quality, and once as the PNG of what it decodes to, which does not.
"""

from __future__ import annotations

import argparse
import io
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import torch

from superres.data.folders import PICTURE_SUFFIXES
from superres.degrade.config import DegradationConfig
from superres.degrade.load import load_degradation
from superres.jobs.auto_model import find_flaw
from superres.jobs.degrade import degrade_picture_file
from superres.jobs.spec import DegradeJob
from superres.media import WriteOptions, open_picture, write_picture
from superres.metadata.header import Metadata
from superres.watch import Watch

QUALITIES = (95, 92, 90, 85, 75, 50)
SCALES = (2, 4)
SEEDS = (0, 1, 2)  # of the chain


def coded(picture_bytes: bytes, format: str, quality: int | None = None) -> bytes:
    """Return a picture file in another format."""
    picture, file = open_picture(picture_bytes), io.BytesIO()
    write_picture(
        file,
        picture.rows(),
        height=picture.height,
        width=picture.width,
        bands=picture.bands,
        values=picture.values,
        metadata=Metadata(),
        format=format,
        options=WriteOptions(quality=quality),
    )
    return file.getvalue()


def degraded(source: Path, target: Path, chain: DegradationConfig, scale: int, seed: int) -> None:
    """Write a picture as training would see it."""
    job = DegradeJob(
        source=source, target=target, existing="replace", degradation=chain, scale=scale, seed=seed
    )
    degrade_picture_file(job, Watch())


def variants(source: Path, scale: int, scratch: Path) -> Iterator[tuple[str, bytes]]:
    """Yield what was done to a small picture, and the picture's file."""
    target = scratch / "small.png"
    degraded(source, target, load_degradation("bicubic"), scale, 0)
    clean = target.read_bytes()
    yield "clean", clean
    chain = load_degradation("real", {"clean": 0.0})
    for seed in SEEDS:
        degraded(source, target, chain, scale, seed)
        yield "degradation real", target.read_bytes()
    for quality in QUALITIES:
        jpeg = coded(clean, "jpeg", quality)
        yield f"JPEG {quality}", jpeg
        yield f"PNG of JPEG {quality}", coded(jpeg, "png")


def main() -> None:
    """Print the table: percent of the pictures in which a flaw was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--set", type=Path, action="append", required=True, dest="sets")
    arguments = parser.parse_args()
    torch.set_num_threads(1)

    asked, flawed = Counter[tuple[str, str]](), Counter[tuple[str, str]]()
    columns: list[str] = []
    with tempfile.TemporaryDirectory() as scratch:
        for folder in arguments.sets:
            for scale in SCALES:
                columns.append(f"{folder.name} ×{scale}")
                for source in sorted((folder / "HR").iterdir()):
                    if source.suffix.lower() not in PICTURE_SUFFIXES:
                        continue
                    for done, data in variants(source, scale, Path(scratch)):
                        asked[done, columns[-1]] += 1
                        flawed[done, columns[-1]] += bool(find_flaw(open_picture(data)))
    print(f"| | {' | '.join(columns)} | {' | '.join(f'all ×{scale}' for scale in SCALES)} |")
    print("|---" * (1 + len(columns) + len(SCALES)) + "|")
    for done in dict.fromkeys(done for done, _ in asked):
        shares = [flawed[done, column] / asked[done, column] for column in columns]
        for scale in SCALES:
            of_scale = [column for column in columns if column.endswith(f"×{scale}")]
            found = sum(flawed[done, column] for column in of_scale)
            shares.append(found / sum(asked[done, column] for column in of_scale))
        print(f"| {done} | {' | '.join(f'{100 * share:.0f}' for share in shares)} |")


if __name__ == "__main__":
    main()
