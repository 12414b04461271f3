"""Tables and JSON of an evaluation's scores."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence

from superres.errors import SuperresError
from superres.evaluate.benchmark import SetResult
from superres.metrics import Protocol

_SMALL = {
    "published": "small pictures as published",
    "made": "small pictures made by MATLAB's bicubic, antialiased, mirrored borders, rounded",
}


def summary_table(results: Sequence[SetResult], *, model: str) -> str:
    """Return one line per set, under a header with the protocol.

    Args:
        results: All of one scale and protocol.
        model: The name of the upscaler.
    """
    rows = [
        (
            result.name,
            str(len(result.pictures)),
            f"{result.psnr_db:.3f}",
            _similarity(result.ssim),
            f"{result.seconds / len(result.pictures):.3f}",
        )
        for result in results
    ]
    heading = ("set", "pictures", "PSNR (dB)", "SSIM", "s a picture")
    return "\n".join([_header(results, model), *_aligned([heading, *rows])])


def picture_table(result: SetResult, *, model: str) -> str:
    """Return one line per picture of a set, the mean last, under a header with the protocol."""
    rows = [
        (score.name, f"{score.psnr_db:.3f}", _similarity(score.ssim), f"{score.seconds:.3f}")
        for score in result.pictures
    ]
    mean = (
        f"mean of {len(rows)}",
        f"{result.psnr_db:.3f}",
        _similarity(result.ssim),
        f"{result.seconds / len(rows):.3f}",
    )
    heading = ("picture", "PSNR (dB)", "SSIM", "s")
    return "\n".join([_header([result], model), *_aligned([heading, *rows, mean])])


def to_json(
    results: Sequence[SetResult],
    *,
    model: str,
    failed: Mapping[str, SuperresError] | None = None,
    others: Mapping[str, int] | None = None,
) -> dict[str, object]:
    """Return everything as plain values; what is infinite or was not taken is null.

    Args:
        results: The sets that were measured.
        model: The name of what upscaled the pictures.
        failed: The errors of the others, by the set's folder.
        others: The number of files in the sets that are left alone, by suffix.
    """
    return {
        "model": model,
        "failed": [
            {"set": folder, "error": error.message, "hint": error.hint}
            for folder, error in (failed or {}).items()
        ],
        "left_alone": dict(others or {}),
        "sets": [
            {
                "set": result.name,
                "scale": result.scale,
                "protocol": dataclasses.asdict(result.protocol)
                | {"description": result.protocol.describe()},
                "small": result.small,
                "psnr_db": _finite(result.psnr_db),
                "ssim": _finite(result.ssim),
                "seconds": result.seconds,
                "pictures": [
                    dataclasses.asdict(score)
                    | {"psnr_db": _finite(score.psnr_db), "ssim": _finite(score.ssim)}
                    for score in result.pictures
                ],
            }
            for result in results
        ],
    }


def _header(results: Sequence[SetResult], model: str) -> str:
    protocol = results[0].protocol
    taken = "PSNR and SSIM on " if isinstance(protocol, Protocol) else ""
    lines = [f"{model} ×{results[0].scale}: {taken}{protocol.describe()}"]
    for small, words in _SMALL.items():
        names = [result.name for result in results if result.small == small]
        if names:
            lines.append(f"{', '.join(names)}: {words}")
    return "\n".join(lines)


def _aligned(rows: Sequence[tuple[str, ...]]) -> list[str]:
    """Return rows as lines: the first column left-aligned, numbers right-aligned."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return [
        "  ".join(
            cell.ljust(width) if column == 0 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    ]


def _similarity(value: float) -> str:
    return "–" if math.isnan(value) else f"{value:.4f}"


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
