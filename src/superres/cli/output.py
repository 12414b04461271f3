"""Output streams: results to stdout, status and errors to stderr."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence

from superres.errors import SuperresError


def print_result(line: str) -> None:
    """Print one line of a result to stdout."""
    print(line)


def print_status(line: str) -> None:
    """Print one line of status to stderr."""
    print(line, file=sys.stderr, flush=True)


def error_lines(message: str, hint: str) -> tuple[str, str]:
    """Return an error as the two lines to print."""
    return f"error: {_one_line(message)}", f"hint: {_one_line(hint)}"


def print_error(message: str, hint: str) -> None:
    """Print an error to stderr in its two lines."""
    for line in error_lines(message, hint):
        print_status(line)


def print_exception(error: SuperresError) -> None:
    """Print one of our errors to stderr in its two lines."""
    print_error(error.message, error.hint)


def print_json(value: object) -> None:
    """Print a value to stdout as JSON, in ASCII so that every pipe can carry it."""
    print(json.dumps(value, indent=2, default=str))


def print_table(header: Sequence[str], rows: Sequence[Sequence[str]], *, right: str = "") -> None:
    """Print aligned columns to stdout.

    Args:
        header: The columns' names.
        rows: The cells of each row, as many as the header has.
        right: One character per column: `r` aligns it to the right, anything else to the left.
    """
    table = [list(header), *(list(row) for row in rows)]
    widths = [max(len(row[column]) for row in table) for column in range(len(header))]
    for row in table:
        cells = [
            cell.rjust(width) if right[column : column + 1] == "r" else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        print_result("  ".join(cells).rstrip())


def survive_any_file_name() -> None:
    """Let stdout and stderr carry names that their encoding cannot, instead of raising.

    File names on POSIX are bytes, and pipes on Windows have a small code page.
    """
    errors = "surrogateescape" if os.name == "posix" else "backslashreplace"
    for stream in (sys.stdout, sys.stderr):
        # None under pythonw, and another class if a test or a host program replaced it.
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors=errors)


def _one_line(text: str) -> str:
    return " ".join(text.split())
