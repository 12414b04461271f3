"""Compression of a batch by real encoders on the CPU: JPEG, WebP, AVIF and H.264."""

from __future__ import annotations

import io
from collections.abc import Sequence
from fractions import Fraction
from importlib import import_module
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from superres.degrade.ragged import Sizes, upload
from superres.errors import ArgumentError, BackendError
from superres.frame import UINT8, Bands, from_unit, to_unit
from superres.media import WriteOptions, open_picture, read_pixels, write_picture
from superres.metadata.header import Metadata

Codec = Literal["jpeg", "webp", "avif", "h264"]
_Picture = NDArray[np.uint8]


def code_batch(
    x_BCHW: Tensor, codec: Codec, qualities: Sequence[int], sizes_B2: Sizes | None = None
) -> Tensor:
    """Encode each sample with a real encoder and decode it again.

    Args:
        x_BCHW: (B, C, H, W), nominally in [0, 1], of 1 (grey) or 3 (RGB) channels.
        codec: The encoder. JPEG keeps chroma at full size here; `jpeg.jpeg_batch` can halve it.
        qualities: 1 to 100 for each sample; H.264 takes 51 - quality / 2 as its rate factor.
        sizes_B2: Sizes of the samples, as of `ragged`; None if each fills its canvas.

    Returns:
        (B, C, H, W) float32 in [0, 1] on the batch's device, multiples of 1/255.

    Raises:
        ArgumentError: There are not 1 or 3 channels, or not one quality for each sample.
        BackendError: H.264 was requested, and the package `av` is not installed or has no encoder.
    """
    batch, channels = x_BCHW.shape[:2]
    if channels not in (1, 3) or len(qualities) != batch:
        raise ArgumentError(
            f"codecs take (B, 1 or 3, H, W) and B qualities, "
            f"got {tuple(x_BCHW.shape)} and {len(qualities)}",
            "pass grey or RGB pictures, and a quality for each",
        )
    canvases = from_unit(x_BCHW.detach().permute(0, 2, 3, 1).float().cpu().numpy(), UINT8)
    coded = np.array(canvases, np.uint8)
    code = _through_h264 if codec == "h264" else _through_file
    for index, quality in enumerate(qualities):
        height, width = coded.shape[1:3] if sizes_B2 is None else sizes_B2[index].tolist()
        picture = np.ascontiguousarray(coded[index, :height, :width])
        coded[index, :height, :width] = code(picture, codec, int(quality))[..., :channels]
    return upload(to_unit(coded), x_BCHW.device).permute(0, 3, 1, 2).contiguous()


def _through_file(picture: _Picture, codec: str, quality: int) -> _Picture:
    """Return (H, W, C) pixels as decoded from a picture file; grey may come back as RGB."""
    file = io.BytesIO()
    write_picture(
        file,
        [picture],
        height=picture.shape[0],
        width=picture.shape[1],
        bands=Bands.of(picture.shape[2]),
        values=UINT8,
        metadata=Metadata(),
        format=codec,
        options=WriteOptions(quality=quality),
    )
    return read_pixels(open_picture(file.getvalue()))


def _through_h264(picture: _Picture, codec: str, quality: int) -> _Picture:
    """Return (H, W, 3) pixels as decoded from a video's first frame, with halved chroma."""
    try:
        av: Any = import_module("av")  # Any: an extra, whose types may be missing
    except ModuleNotFoundError as error:
        raise BackendError(
            f"{codec} needs the package av, which is not installed",
            "pip install 'superres[video]', or leave h264 out of the degradation",
        ) from error
    height, width = picture.shape[:2]
    rgb = np.repeat(picture, 3, axis=2) if picture.shape[2] == 1 else picture
    even = np.pad(rgb, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")  # 4:2:0 needs it
    try:
        encoder = av.CodecContext.create("libx264", "w")
        encoder.width, encoder.height = even.shape[1], even.shape[0]
        encoder.pix_fmt = "yuv420p"
        encoder.time_base = Fraction(1, 25)
        encoder.options = {"crf": f"{51 - quality / 2:g}", "preset": "veryfast"}
        frame = av.VideoFrame.from_ndarray(even, format="rgb24").reformat(format="yuv420p")
        frame.pts = 0
        packets = [*encoder.encode(frame), *encoder.encode(None)]
        decoder = av.CodecContext.create("h264", "r")
        frames = [shown for packet in packets for shown in decoder.decode(packet)]
        frames += decoder.decode(None)
        decoded: _Picture = frames[0].to_ndarray(format="rgb24")
    except (av.error.FFmpegError, ValueError, IndexError) as error:
        raise BackendError(
            f"the installed av cannot encode a picture of {height} x {width} as H.264: {error}",
            "leave h264 out of the degradation, or install an av whose FFmpeg has libx264",
        ) from error
    return decoded[:height, :width]
