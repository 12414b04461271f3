"""Metadata fitted to what a format can hold, with notes on the rest."""

from __future__ import annotations

from superres.formats.format import Holding
from superres.metadata.exif import fit_exif, new_exif, settle_exif
from superres.metadata.header import Metadata, icc_space
from superres.metadata.picture import Header, Notes
from superres.metadata.tags import TagError
from superres.metadata.xmp import NOT_TEXT, fit_xmp, settle_xmp
from superres.vips.library import prepare_library
from superres.vips.profile import fit_profile


def held_metadata(holding: Holding, title: str, header: Header) -> tuple[Metadata, Notes]:
    """Return what the format can hold, made true of this size, and notes on the rest."""
    prepare_library()
    metadata = header.metadata
    icc, icc_notes = _held_icc(holding, title, header)
    exif, exif_notes = _held_exif(holding, header)
    xmp, xmp_notes = _held_xmp(holding, title, header)
    iptc, notes = metadata.iptc, [*icc_notes, *exif_notes, *xmp_notes]
    if iptc and not holding.iptc_bytes:
        notes.append(f"IPTC is not kept: {title} does not hold it")
        iptc = None
    if iptc and len(iptc) > holding.iptc_bytes:
        notes.append(f"IPTC of {len(iptc):,} bytes is not kept: {holding.iptc_bytes:,} fit")
        iptc = None
    return Metadata(icc=icc, exif=exif, xmp=xmp, dpi=metadata.dpi, iptc=iptc), tuple(notes)


def _held_icc(holding: Holding, title: str, header: Header) -> tuple[bytes | None, Notes]:
    """Return the profile if it is for the colours that the file will hold."""
    icc = header.metadata.icc
    written = "RGB" if header.bands.colour == "rgb" or not holding.grey else "GRAY"
    if icc is None:
        return None, ()
    if icc_space(icc) != written:
        return None, (
            f"the ICC profile is not for {written} pixels, as {title} holds, and not kept",
        )
    fitted = fit_profile(icc, whole_words=holding.whole_word_icc, grey=written == "GRAY")
    lost = f"the ICC profile is damaged, or of a kind that {title} does not take, and not kept"
    return fitted, () if fitted else (lost,)


def _held_xmp(holding: Holding, title: str, header: Header) -> tuple[bytes | None, Notes]:
    """Return the packet with true sizes, if it is text that the format has room for."""
    xmp, most = header.metadata.xmp, holding.xmp_bytes
    if not xmp:
        return None, ()
    settled = settle_xmp(xmp)
    if settled is None:
        return None, (NOT_TEXT,)
    fitted = fit_xmp(settled, height=header.height, width=header.width)
    if len(fitted) > most:
        return None, (f"XMP of {len(fitted):,} bytes is not kept: {most:,} fit into a {title}",)
    return fitted, ()


def _held_exif(holding: Holding, header: Header) -> tuple[bytes | None, Notes]:
    """Return the EXIF block made true, or a new one where only EXIF holds a resolution."""
    exif, dpi, notes = header.metadata.exif, header.metadata.dpi, ()
    if exif:
        try:
            settled = settle_exif(exif)
            exif = fit_exif(settled, height=header.height, width=header.width, dpi=dpi)
        except TagError as error:
            exif, notes = None, (f"EXIF is damaged ({error}) and not kept",)
    if exif and len(exif) > holding.exif_bytes:
        notes = (f"EXIF of {len(exif):,} bytes is not kept: {holding.exif_bytes:,} fit",)
        exif = None
    if exif is None and dpi and holding.dpi_in_exif:
        exif = new_exif(dpi)
    return exif, notes
