"""Metadata fitted to what a format can hold, with notes on the rest."""

from __future__ import annotations

from superres.formats.format import Holding
from superres.metadata.colour_space import PQ, Cicp
from superres.metadata.exif import fit_exif, new_exif, settle_exif
from superres.metadata.geometry import Change
from superres.metadata.header import Metadata, icc_space
from superres.metadata.icc import grey_as_rgb
from superres.metadata.iptc import fit_iptc
from superres.metadata.photoshop import fit_resources, read_resources
from superres.metadata.picture import Header, Notes
from superres.metadata.tags import TagError
from superres.metadata.xmp import NOT_TEXT, fit_xmp, settle_xmp
from superres.vips.colour import srgb_profile
from superres.vips.library import prepare_library
from superres.vips.profile import fit_profile


def held_metadata(holding: Holding, title: str, header: Header) -> tuple[Metadata, Notes]:
    """Return the metadata that the format can hold, updated to this size, and notes on the rest."""
    prepare_library()
    metadata = header.metadata
    cicp, icc, icc_notes = _held_colour(holding, title, header)
    exif, exif_notes = _held_exif(holding, header)
    xmp, xmp_notes = _held_xmp(holding, title, header)
    iptc, iptc_notes = _held_iptc(holding, title, header)
    photoshop, photoshop_notes = _held_photoshop(holding, title, header, iptc)
    comments, comment_notes = _held_comments(holding, title, metadata.comments)
    held = Metadata(
        icc=icc,
        exif=exif,
        xmp=xmp,
        dpi=metadata.dpi if holding.dpi else None,
        iptc=iptc,
        photoshop=photoshop,
        comments=comments,
        cicp=cicp,
        size=(header.height, header.width),
    )
    notes = (*icc_notes, *exif_notes, *xmp_notes, *iptc_notes, *photoshop_notes, *comment_notes)
    if metadata.dpi and not holding.dpi:
        notes = (*notes, f"the resolution is not kept: {title} does not hold it")
    return held, notes


def _held_colour(
    holding: Holding, title: str, header: Header
) -> tuple[Cicp | None, bytes | None, Notes]:
    """Return the code points and the profile that the file will hold."""
    cicp = header.metadata.cicp
    if cicp and cicp.is_hdr and cicp.full and holding.code_points == "hdr":
        return cicp, None, ()  # a profile would take precedence over them
    icc, notes = _held_icc(holding, title, header)
    if holding.code_points == "all":
        return cicp, icc, notes
    if cicp and cicp.is_hdr and icc:
        kind = "PQ" if cicp.transfer == PQ else "HLG"
        alone = f"HDR ({kind}) is described only by an ICC profile: {title} has no other place"
        notes = (*notes, f"{alone}, and many viewers will show it as SDR")
    return None, icc, notes


def _held_iptc(holding: Holding, title: str, header: Header) -> tuple[bytes | None, Notes]:
    """Return the record with updated sizes, if the format has room for it."""
    iptc = header.metadata.iptc
    if not iptc:
        return None, ()
    if not holding.iptc_bytes:
        return None, (f"IPTC is not kept: {title} does not hold it",)
    iptc = fit_iptc(iptc, height=header.height, width=header.width)
    if len(iptc) > holding.iptc_bytes:
        return None, (f"IPTC of {len(iptc):,} bytes is not kept: {holding.iptc_bytes:,} fit",)
    return iptc or None, ()


def _held_photoshop(
    holding: Holding, title: str, header: Header, iptc: bytes | None
) -> tuple[bytes | None, Notes]:
    """Return Photoshop's resources, updated, if the format has room for them."""
    metadata = header.metadata
    if not metadata.photoshop:
        return None, ()
    size = (header.height, header.width)
    block = fit_resources(
        metadata.photoshop,
        dpi=metadata.dpi,
        change=Change(metadata.size, size) if metadata.size else None,
        has_same_iptc=iptc is not None and iptc == metadata.iptc,
    )
    room = holding.photoshop_bytes - (len(iptc) if iptc else 0)
    if len(block) <= room or not block:
        return block or None, ()
    numbers = ", ".join(f"0x{one.number:04X}" for one in read_resources(block))
    why = f"{room:,} bytes fit" if holding.photoshop_bytes else f"{title} does not hold them"
    return None, (f"Photoshop's resources {numbers} are not kept: {why}",)


def _held_comments(
    holding: Holding, title: str, comments: tuple[bytes, ...]
) -> tuple[tuple[bytes, ...], Notes]:
    if not comments or holding.comments:
        return comments, ()
    start = comments[0][:40].decode("utf-8", "replace").strip("\0")
    return (), (f"the comment {start!r} is not kept: {title} as written here holds none",)


def _held_icc(holding: Holding, title: str, header: Header) -> tuple[bytes | None, Notes]:
    """Return the profile if it fits the colours that the file will hold."""
    icc = header.metadata.icc
    written = "RGB" if header.bands.colour == "rgb" or not holding.grey else "GRAY"
    if icc is None or (icc == srgb_profile() and not holding.icc):
        return None, ()  # colours without a profile are sRGB
    if not holding.icc:
        hint = "--profile srgb converts the colours"
        return None, (f"the ICC profile is not kept: {title} does not hold one; {hint}",)
    if written == "RGB" and icc_space(icc) == "GRAY":
        icc = grey_as_rgb(icc) or icc
    if icc_space(icc) != written:
        return None, (
            f"the ICC profile is not for {written} pixels, as {title} holds, and not kept",
        )
    fitted = fit_profile(icc, whole_words=holding.whole_word_icc, grey=written == "GRAY")
    lost = f"the ICC profile is damaged, or of a kind that {title} does not take, and not kept"
    return fitted, () if fitted else (lost,)


def _held_xmp(holding: Holding, title: str, header: Header) -> tuple[bytes | None, Notes]:
    """Return the packet with updated sizes, if it is text and the format has room for it."""
    xmp, most = header.metadata.xmp, holding.xmp_bytes
    if not xmp:
        return None, ()
    settled = settle_xmp(xmp)
    if settled is None:
        return None, (NOT_TEXT,)
    fitted = fit_xmp(settled, height=header.height, width=header.width, before=header.metadata.size)
    if len(fitted) > most:
        return None, (f"XMP of {len(fitted):,} bytes is not kept: {most:,} fit into a {title}",)
    return fitted, ()


def _held_exif(holding: Holding, header: Header) -> tuple[bytes | None, Notes]:
    """Return the EXIF block, updated, or a new one where only EXIF holds a resolution."""
    exif, dpi, notes = header.metadata.exif, header.metadata.dpi, ()
    if exif:
        try:
            settled = settle_exif(exif)
            exif = fit_exif(
                settled,
                height=header.height,
                width=header.width,
                dpi=dpi,
                before=header.metadata.size,
            )
        except TagError as error:
            exif, notes = None, (f"EXIF is damaged ({error}) and not kept",)
    if exif and len(exif) > holding.exif_bytes:
        notes = (f"EXIF of {len(exif):,} bytes is not kept: {holding.exif_bytes:,} fit",)
        exif = None
    if exif is None and dpi and holding.dpi_in_exif:
        exif = new_exif(dpi)
    return exif, notes
