"""PNG and TIFF as our encoders write them, read by libvips and by strict readers."""

import errno
import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
import pyvips
from picture_files import png_chunks

from superres.encoding import file_parts, row_groups
from superres.errors import ArgumentError, OutputError
from superres.formats.format import EncoderError
from superres.frame import Bands, Values
from superres.media import format_for, open_picture, read_pixels, write_picture
from superres.metadata.header import Metadata
from superres.metadata.picture import COMPRESSIONS, Header, WriteOptions

SIZES = [(1, 1), (1, 40), (40, 1), (67, 31)]


def pixels(height, width, channels, dtype):
    """Smooth rows, noise and text-like repeats, so that each coding is chosen somewhere."""
    rng = np.random.default_rng(height * width)
    down, across = np.mgrid[:height, :width]
    smooth = np.sin(down / 9) + np.cos(across / 7)
    tone = np.stack([smooth + band for band in range(channels)], 2)
    tone = (tone - tone.min()) / max(np.ptp(tone), 1e-9)
    tone[height // 3 :] += rng.normal(0, 0.1, tone[height // 3 :].shape)
    tone[height // 2 :, :, 0] = (across[height // 2 :] % 5) / 5
    if dtype == "float32":
        return (tone * 3 - 1).astype(dtype)
    return (tone.clip(0, 1) * np.iinfo(dtype).max).astype(dtype)


def written(kind, array, *, block=5, metadata=None, **options):
    stream = io.BytesIO()
    height, width, channels = array.shape
    notes = write_picture(
        stream,
        (array[start : start + block] for start in range(0, height, block)),
        height=height,
        width=width,
        bands=Bands.of(channels),
        values=Values.of(array.dtype),
        metadata=metadata or Metadata(),
        format=kind,
        options=WriteOptions(**options),
    )
    assert notes == ()
    return stream.getvalue()


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
@pytest.mark.parametrize("compression", COMPRESSIONS)
@pytest.mark.parametrize("kind", ["png", "tiff"])
def test_pixels_come_back_to_the_last_bit(kind, compression, dtype, channels, monkeypatch):
    if kind == "png" and dtype == "float32":
        return
    monkeypatch.setattr(row_groups, "_GROUP_BYTES", 700)  # many groups
    for size in SIZES:
        array = pixels(*size, channels, dtype)
        data = written(kind, array, compression=compression)
        loaded = pyvips.Image.new_from_buffer(data, "", fail_on="warning")
        assert np.array_equal(loaded.numpy().reshape(array.shape), array)
        assert np.array_equal(read_pixels(open_picture(data)), array)


@pytest.mark.parametrize("kind", ["png", "tiff"])
def test_the_same_picture_is_the_same_file_in_blocks_of_any_height(kind, monkeypatch):
    monkeypatch.setattr(row_groups, "_GROUP_BYTES", 700)
    array = pixels(67, 31, 3, "uint8")
    assert len({written(kind, array, block=block) for block in (1, 3, 64, 67)}) == 1


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
@pytest.mark.parametrize("kind", ["png", "tiff"])
def test_the_layout_in_memory_does_not_matter(kind, dtype, monkeypatch):
    if kind == "png" and dtype == "float32":
        return
    monkeypatch.setattr(row_groups, "_GROUP_BYTES", 2000)
    array = pixels(67, 31, 3, dtype)
    planar = np.ascontiguousarray(array.transpose(2, 0, 1)).transpose(1, 2, 0)
    for compression in COMPRESSIONS:
        one = written(kind, array, block=67, compression=compression)
        assert written(kind, planar, block=67, compression=compression) == one


@pytest.mark.parametrize("kind", ["png", "tiff"])
def test_more_effort_makes_smaller_files(kind):
    photo = pixels(400, 300, 3, "uint8")
    sizes = [len(written(kind, photo, compression=one)) for one in COMPRESSIONS]
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[0] > photo.nbytes


def test_text_takes_as_little_as_with_matches_alone():
    page = np.repeat(np.random.default_rng(3).integers(0, 2, (40, 60, 1), np.uint8) * 255, 3, 2)
    page = np.tile(page, (8, 8, 1))
    best = len(zlib.compress(page.tobytes(), 9))
    assert len(written("png", page)) < 1.1 * best + 500


def test_a_png_s_parts_are_one_stream_with_one_checksum(monkeypatch):
    monkeypatch.setattr(row_groups, "_GROUP_BYTES", 700)
    array = pixels(67, 31, 3, "uint8")
    chunks = png_chunks(written("png", array))
    parts = [body for name, body in chunks if name == b"IDAT"]
    assert len(parts) > 5
    unpacker = zlib.decompressobj()
    lines = unpacker.decompress(b"".join(parts))
    assert unpacker.eof
    assert len(lines) == 67 * (1 + 31 * 3)


def test_png_holds_exif_of_any_length(tmp_path):
    comment = bytes(200_000)
    block = struct.pack("<2sHI", b"II", 42, 8)
    block += struct.pack("<HHHII", 1, 0x9286, 7, len(comment), 26) + bytes(4) + comment
    data = written("png", pixels(4, 5, 3, "uint8"), metadata=Metadata(exif=block))
    assert dict(png_chunks(data))[b"eXIf"] == block


@pytest.mark.parametrize("kind", ["jpeg", "webp", "avif", "gif"])
def test_formats_that_always_compress_say_so(kind):
    with pytest.raises(ArgumentError, match="cannot be written without compression"):
        written(kind, pixels(4, 5, 3, "uint8"), compression="none")


def test_an_unknown_effort_is_named():
    with pytest.raises(ArgumentError, match="none, fast, default, small, got 'tiny'"):
        WriteOptions(compression="tiny")  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize("kind", ["png", "tiff"])
def test_a_full_disk_is_the_output_s_error_and_the_source_s_own_stays_itself(
    kind, tmp_path, monkeypatch
):
    target = tmp_path / f"large.{kind}"
    array = pixels(64, 64, 3, "uint8")

    def write(blocks):
        write_picture(
            target, blocks, height=64, width=64, bands=Bands.of(3), values=Values.of("uint8"),
            metadata=Metadata(),
        )  # fmt: skip

    def reading_fails():
        yield array[:10]
        raise OSError(errno.EIO, "the source's disk")

    with pytest.raises(OSError, match="the source's disk"):
        write(reading_fails())

    def full(*_arguments, **_options):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(file_parts.Path, "open", full)
    with pytest.raises(OutputError, match="No space left on device"):
        write([array])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
@pytest.mark.parametrize("kind", ["png", "tiff"])
def test_a_disk_that_fills_up_while_pixels_are_written_is_named(kind):
    array = pixels(64, 64, 3, "uint8")
    header = Header(64, 64, Bands.of(3), Values.of("uint8"), Metadata())
    with pytest.raises(EncoderError, match="No space left"):
        format_for(kind).write(Path("/dev/full"), iter([array]), header, WriteOptions())
