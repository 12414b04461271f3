"""Side data of video frames: display names, and kinds that do not describe the picture.

A kind in no table keeps FFmpeg's name: nothing that a frame carries is ignored.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, cast

if TYPE_CHECKING:
    import av

# Kinds that are handled separately, with their own field in `VideoFacts`.
ROTATION: Final = "DISPLAYMATRIX"
MASTERING: Final = "MASTERING_DISPLAY_METADATA"
LIGHT: Final = "CONTENT_LIGHT_LEVEL"

NAMES: Final[Mapping[str, str]] = {
    "A53_CC": "closed captions",
    "AFD": "active format description",
    "AMBIENT_VIEWING_ENVIRONMENT": "ambient viewing environment",
    "DOVI_METADATA": "Dolby Vision",
    "DYNAMIC_HDR_PLUS": "HDR10+",
    "DYNAMIC_HDR_VIVID": "HDR Vivid",
    "FILM_GRAIN_PARAMS": "film grain",
    "GOP_TIMECODE": "time codes in the video stream",
    "ICC_PROFILE": "colour profile",
    "LCEVC": "LCEVC enhancement",
    "PANSCAN": "pan and scan",
    "S12M_TIMECODE": "time codes of frames",
    "SEI_UNREGISTERED": "user data of frames",
    "SPHERICAL": "360° projection",
    "STEREO3D": "stereoscopic layout",
}
"""Display names of the kinds of side data, by FFmpeg's names."""

# How a frame was coded, hints to its decoder, and Dolby Vision's metadata in coded form.
_TRIFLES = {
    "DOVI_RPU_BUFFER", "DOVI_RPU_BUFFER_T35", "MOTION_VECTORS", "REGIONS_OF_INTEREST",
    "SKIP_SAMPLES", "VIDEO_ENC_PARAMS", "VIDEO_HINT",
}  # fmt: skip
# The names under which x264 and x265 leave their settings in a stream.
_ENCODERS_OWN = (
    bytes.fromhex("dc45e9bde6d948b7962cd820d923eeef"),
    bytes.fromhex("2ca2de09b51747dbbb55a4fe7fc2fc4e"),
)
_OWN_FIELDS = {ROTATION, MASTERING, LIGHT}


def side_data(frame: av.VideoFrame) -> dict[str, bytes]:
    """Return a frame's side data, by FFmpeg's names."""
    # Any: av's types promise a dictionary. By index: iteration differs between releases.
    held = cast("Any", frame.side_data)
    found = [held[place] for place in range(len(held))]
    # A kind unknown to PyAV has a number as its name.
    return {str(getattr(data.type, "name", data.type)): bytes(data) for data in found}


def named(side: Mapping[str, bytes]) -> dict[str, bytes]:
    """Return the side data that a copy should have, by display name.

    Args:
        side: A frame's side data, by FFmpeg's names.
    """
    return {
        NAMES.get(kind, kind.lower().replace("_", " ")): data
        for kind, data in side.items()
        if kind not in _TRIFLES | _OWN_FIELDS
        and not (kind == "SEI_UNREGISTERED" and data.startswith(_ENCODERS_OWN))
    }


def needs_dolby_vision(side: Mapping[str, bytes]) -> bool:
    """Return whether a frame's colours need Dolby Vision, as in profile 5.

    FFmpeg's AVDOVIMetadata begins with the offset of the header, whose bytes 4 and 10 are the
    profile of the bit stream and whether the base layer has full range. ETSI GS CCM 001 has the
    profiles: a base layer of full range in bit stream profile 0 is IPT, not luma and chroma.
    """
    data = side.get("DOVI_METADATA", b"")
    start = int.from_bytes(data[:8], "little")
    header = data[start : start + 11]
    return len(header) == 11 and header[4] == 0 and header[10] == 1
