"""AVIF and HEIC: two codecs in one container, read by one library; HEIC is read only."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from superres.errors import OutputError
from superres.formats.format import MAX_RESERVED_BYTES, Holding, ReadOnly
from superres.metadata.picture import (
    Header,
    Notes,
    Picture,
    ReadLimits,
    WriteOptions,
    several_error,
    stream_of,
)

if TYPE_CHECKING:
    import pyvips

    from superres.metadata.header import Metadata

SEQUENCE_BRANDS = (b"avis", b"msf1", b"hevc", b"hevx", b"hevs")
_HEIC_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"mif1", b"mif2")
_HEIC_HINT = "this libvips may have no HEVC decoder: save the picture as AVIF, PNG or JPEG"
# Against libvips' 4, 2 takes a sixth of the time, and its files are a few percent larger.
_AVIF_EFFORTS = {"fast": 1, "default": 2, "small": 4}


class Avif:
    """AVIF: 8 or 12 bits, RGB, lossy or lossless; its encoder needs the whole picture."""

    name = "avif"
    title = "AVIF"
    suffixes = (".avif",)
    holding = Holding(
        dtypes=("uint8", "uint16"),
        wide_bits=12,
        grey=False,
        longest_edge=16_384,
        quality=90,
        exif_bytes=MAX_RESERVED_BYTES,
        dpi_in_exif=True,
        code_points="hdr",
    )

    def sniff(self, head: bytes) -> bool:
        """Check for AVIF's brand in the first box of a still picture."""
        major, brands = brands_of(head)
        return major not in SEQUENCE_BRANDS and b"avif" in (major, *brands)

    def open(self, source: Path | bytes, limits: ReadLimits) -> Picture:
        """Read an AVIF's header; sequences are refused."""
        return _open(source, limits, self.name, self.title)

    def write(
        self, path: Path, rows: Iterable[NDArray[Any]], header: Header, options: WriteOptions
    ) -> Notes:
        """Encode an AVIF, without chroma subsampling."""
        from superres.formats.carried import held_metadata
        from superres.formats.saving import save_with_exif
        from superres.vips.colour import srgb_profile

        wide = header.values.dtype == "uint16"
        bits = self.holding.wide_bits if wide else 8

        def saver(image: pyvips.Image, file: str, keep: int) -> None:
            image.heifsave(
                file,
                compression="av1",
                Q=options.quality or self.holding.quality,
                lossless=options.lossless,
                bitdepth=bits,
                effort=_AVIF_EFFORTS[options.compression],
                subsample_mode="off",
                keep=keep,
            )

        held, notes = held_metadata(self.holding, self.title, header)
        rows = _high(rows, bits) if wide else rows
        # A lossless file already has code points; else a profile reserves room for them.
        stand_in = srgb_profile() if held.cicp and not options.lossless else None
        placed = replace(held, icc=stand_in) if stand_in else held
        late_notes = save_with_exif(path, rows, header, saver, held=placed, check=options.check)
        return (*notes, *(late_notes or _finish(path, held, stand_in)))


class Heic:
    """HEIC: read where libvips has an HEVC decoder."""

    name = "heic"
    title = "HEIC"
    suffixes = (".heic", ".heif", ".hif")
    holding = ReadOnly("HEIC needs an HEVC encoder", "write AVIF (.avif) instead")

    def sniff(self, head: bytes) -> bool:
        """Check for HEIC's brands in the first box of a still picture."""
        major, brands = brands_of(head)
        return major not in SEQUENCE_BRANDS and (major in _HEIC_BRANDS or b"heic" in brands)

    def open(self, source: Path | bytes, limits: ReadLimits) -> Picture:
        """Read a HEIC's header; sequences are refused."""
        return _open(source, limits, self.name, self.title, damaged_hint=_HEIC_HINT)

    def write(
        self, path: Path, rows: Iterable[NDArray[Any]], header: Header, options: WriteOptions
    ) -> Notes:
        """Refuse: see `holding`."""
        raise OutputError(f"{path} cannot be written: {self.holding.reason}", self.holding.hint)


def brands_of(head: bytes) -> tuple[bytes, set[bytes]]:
    """Return the major and the compatible brands of an MP4-like file; b"" if it is not one."""
    if head[4:8] != b"ftyp":
        return b"", set()
    size = int.from_bytes(head[:4], "big")
    box = head[8 : max(size, 16)]
    return box[:4], {box[at : at + 4] for at in range(8, len(box), 4)}


def _finish(path: Path, held: Metadata, stand_in: bytes | None) -> Notes:
    """Put code points into the finished file; note what is not found in it."""
    from superres.containers.iso_boxes import put_code_points, read_iso_facts
    from superres.containers.kept import not_found

    if held.cicp:
        put_code_points(path, held.cicp, stand_in)
    with path.open("rb") as file:
        return not_found(held, read_iso_facts(file))


def _open(
    source: Path | bytes, limits: ReadLimits, name: str, title: str, *, damaged_hint: str = ""
) -> Picture:
    import pyvips

    from superres.containers.iso_boxes import read_iso_facts
    from superres.vips.decode import Found, Loader, open_image

    with closing(stream_of(source)) as stream:
        facts = read_iso_facts(stream)
    found = Found(facts, turned=facts.orientation)
    loader = Loader(
        name,
        title,
        pyvips.Image.heifload_source,
        many=several_error,
        orientation="turned",
        spare_bits=True,
        damaged_hint=damaged_hint,
    )
    return open_image(source, loader, limits, found)


def _high(rows: Iterable[NDArray[Any]], bits: int) -> Iterator[NDArray[Any]]:
    from superres.vips.levels import placed_high

    return (placed_high(block, bits) for block in rows)
