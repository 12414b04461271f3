"""Camera raw files, recognised by their first bytes; those that are TIFFs, by their tags."""

from __future__ import annotations

from pathlib import Path

from superres.errors import PictureError
from superres.metadata.picture import name_of

# (offset, bytes): the format's maker
_STARTS: dict[tuple[int, bytes], str] = {
    (0, b"FUJIFILMCCD-RAW"): "RAF",
    (0, b"IIU\0"): "RW2",
    (0, b"IIRO"): "ORF",
    (0, b"IIRS"): "ORF",
    (0, b"MMOR"): "ORF",
    (0, b"FOVb"): "X3F",
    (0, b"\0MRM"): "MRW",
    (0, b"ARRI"): "ARI",
    (6, b"HEAPCCDR"): "CRW",
    (4, b"ftypcrx "): "CR3",
    (8, b"CR\x02\0"): "CR2",
}
CAMERA_RAW = "camera raw"


def raw_kind(head: bytes) -> str:
    """Return a camera raw file's kind, by its first bytes; "" if it is not one."""
    for (at, start), kind in _STARTS.items():
        if head[at : at + len(start)] == start:
            return kind
    return ""


def raw_error(source: Path | bytes, kind: str = "") -> PictureError:
    """Build the error for a camera raw file.

    Args:
        source: The file, or its bytes.
        kind: Name of its format.
    """
    what = f"a camera raw file{f' ({kind})' if kind else ''}"
    return PictureError(
        f"{name_of(source)} is {what} whose preview alone can be read",
        "develop it first (darktable, RawTherapee, Lightroom, the camera's own program), save it "
        "as 16-bit TIFF, and upscale that",
    )
