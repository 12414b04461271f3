"""Output streams: results to stdout, status and errors to stderr."""

from __future__ import annotations

import codecs
import json
import os
import sys
from collections.abc import Sequence

from superres.errors import SuperresError

# Signs of our sentences, as ASCII writes them.
_PLAIN = {"×": "x", "→": "->", "…": "...", "–": "-", "—": "-", "²": "^2", "³": "^3", "°": " deg",
          "±": "+-", "≤": "<=", "≥": ">=", "≈": "~", "µ": "u", "“": '"', "”": '"', "‘": "'",
          "’": "'", "·": "*", "•": "*", "−": "-", "\u00a0": " "}  # fmt: skip
_TO_TEXT, _TO_BYTES = "superres_plain", "superres_plain_bytes"


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


def survive_any_text() -> None:
    """Let stdout and stderr carry what their encoding cannot, instead of raising.

    File names on POSIX are bytes: they go out as they are, if the encoding extends ASCII. Signs of
    ours become a plain form, and anything else a backslash and its number. Pipes on Windows have a
    small code page, and PYTHONIOENCODING may ask for any.
    """
    codecs.register_error(_TO_TEXT, _in_plain_text)
    codecs.register_error(_TO_BYTES, _in_plain_text_or_bytes)
    for stream in (sys.stdout, sys.stderr):
        # None under pythonw, and another class if a test or a host program replaced it.
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            as_bytes = os.name == "posix" and _extends_ascii(stream.encoding)
            reconfigure(errors=_TO_BYTES if as_bytes else _TO_TEXT)


def _extends_ascii(encoding: str) -> bool:
    """Say whether an encoding writes ASCII as ASCII does: UTF-16 and EBCDIC do not."""
    ascii_text = "".join(map(chr, range(128)))
    return ascii_text.encode(encoding, "replace") == ascii_text.encode()


def _in_plain_text(error: UnicodeError) -> tuple[str, int]:
    """Replace one character that cannot be encoded; a handler for `codecs.register_error`."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    sign = error.object[error.start]
    return _PLAIN.get(sign) or sign.encode("ascii", "backslashreplace").decode(), error.start + 1


def _in_plain_text_or_bytes(error: UnicodeError) -> tuple[str | bytes, int]:
    """Do as `_in_plain_text` does, but keep the byte that a surrogate of a file name stands for."""
    if isinstance(error, UnicodeEncodeError) and "\udc80" <= error.object[error.start] <= "\udcff":
        return bytes([ord(error.object[error.start]) - 0xDC00]), error.start + 1
    return _in_plain_text(error)


def _one_line(text: str) -> str:
    return " ".join(text.split())
