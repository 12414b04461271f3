"""Animated WebP, PNG and GIF are upscaled frame by frame, with their times, into any of them."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import pytest
from picture_files import noise, vips_image
from PIL import Image
from strict_readers import read_strictly

import superres
from superres.errors import OutputError, PictureError
from superres.jobs.picture import upscale_picture
from superres.jobs.spec import PictureJob
from superres.media import open_picture, read_pixels
from superres.metadata.header import set_blob
from superres.model_pool import ModelPool
from superres.upscaler import RunOptions
from superres.watch import Watch

POOL = ModelPool()
DELAYS, LOOP = [50, 120, 30], 4
FRAMES = [noise(10, 14, 3, seed=seed) for seed in range(3)]


def animation(kind, frames=FRAMES):
    import pyvips

    if kind == "png":
        file = io.BytesIO()
        first, *rest = [Image.fromarray(frame) for frame in frames]
        first.save(file, "PNG", save_all=True, append_images=rest, duration=DELAYS, loop=LOOP)
        return file.getvalue()
    image = vips_image(np.concatenate(frames))
    for type_, name, value in (
        (pyvips.GValue.array_int_type, "delay", DELAYS),
        (pyvips.GValue.gint_type, "loop", LOOP),
    ):
        image.set_type(type_, name, value)
    options = {"lossless": True, "exact": True} if kind == "webp" else {}
    return bytes(image.write_to_buffer(f".{kind}", page_height=10, keep=0, **options))


def shown(data):
    """The frames as Pillow composes them, with what it knows of their times."""
    with Image.open(io.BytesIO(data)) as file:
        frames = []
        for index in range(getattr(file, "n_frames", 1)):
            file.seek(index)
            frames.append(np.asarray(file.convert("RGB")))
        return frames


def upscaled(tmp_path, data, target, **values):
    (tmp_path / "a").write_bytes(data)
    job = PictureJob(
        source=tmp_path / "a", target=tmp_path / target, model="espcn", scale=2,
        run=RunOptions(precision="fp32"), **values,
    )  # fmt: skip
    report = upscale_picture(job, POOL, Watch())
    return (tmp_path / target).read_bytes(), report


@pytest.mark.parametrize("kind", ["webp", "gif", "png"])
def test_frames_are_read_as_they_are_shown_in_any_order(kind):
    data = animation(kind)
    picture = open_picture(data, max_planes=3)
    assert (picture.planes, picture.height, picture.width) == (3, 10, 14)
    assert picture.metadata.animation is not None
    assert picture.metadata.animation.delays_ms == tuple(DELAYS)
    assert picture.metadata.animation.loop == LOOP
    expected = shown(data)
    for plane in (0, 1, 2, 1, 0, 2):
        assert np.array_equal(read_pixels(picture, plane)[..., :3], expected[plane])


@pytest.mark.parametrize("kind", ["webp", "gif"])
def test_frames_that_change_a_part_are_composed(kind):
    pieces = [Image.fromarray(FRAMES[0]).convert("P", palette=Image.Palette.ADAPTIVE)]
    for x in (2, 8):
        frame = pieces[-1].copy()
        frame.paste(5, (x, 3, x + 4, 7))
        pieces.append(frame)
    file = io.BytesIO()
    options = {"lossless": True} if kind == "webp" else {}
    first, *rest = [piece.convert("RGB") for piece in pieces] if kind == "webp" else pieces
    first.save(
        file, kind.upper(), save_all=True, append_images=rest, duration=40, loop=0, **options
    )
    picture = open_picture(file.getvalue(), max_planes=3)
    for plane, expected in enumerate(shown(file.getvalue())):
        assert np.array_equal(read_pixels(picture, plane)[..., :3], expected)


@pytest.mark.parametrize("source", ["webp", "gif", "png"])
@pytest.mark.parametrize("target", ["webp", "gif", "png"])
def test_frames_and_their_times_come_out_as_they_went_in(tmp_path, source, target):
    data = animation(source)
    large, report = upscaled(tmp_path, data, f"b.{target}", lossless=target == "webp" or None)
    found = read_strictly(large)
    assert (found.format, found.height, found.width, found.pages) == (target, 20, 28, 3)
    assert found.delays_ms == tuple(DELAYS)
    assert found.loop == (found.loop if target == "gif" else LOOP)
    again = open_picture(large, max_planes=3)
    assert again.metadata.animation is not None
    assert again.metadata.animation.loop == LOOP
    model = superres.load("espcn", scale=2, precision="fp32")
    small = open_picture(data, max_planes=3)
    for plane, frame in enumerate(shown(large)):
        expected = model(read_pixels(small, plane))[..., :3].astype(int)
        off = np.abs(frame - expected)
        assert off.mean() < 40 if target == "gif" else off.max() == 0
    assert any("256" in note for note in report.notes) == (target == "gif")


def test_progress_counts_the_rows_of_all_frames(tmp_path):
    (tmp_path / "a").write_bytes(animation("webp"))
    seen = []
    job = PictureJob(source=tmp_path / "a", target=tmp_path / "b.webp", model="espcn", scale=2)
    upscale_picture(job, POOL, Watch(on_progress=lambda done, total: seen.append((done, total))))
    assert seen[-1] == (60, 60)
    assert sorted(seen) == seen


@pytest.mark.parametrize("target", ["b.jpg", "b.tif", "b.avif"])
def test_a_format_of_stills_is_refused_with_those_of_animations(tmp_path, target):
    with pytest.raises(OutputError, match="holds one picture, got 3 frames") as caught:
        upscaled(tmp_path, animation("webp"), target)
    assert ".webp" in caught.value.hint
    assert not (tmp_path / target).exists()


def test_an_animation_that_is_cut_off_leaves_nothing(tmp_path):
    data = animation("gif")
    with pytest.raises(PictureError):
        upscaled(tmp_path, data[: len(data) * 2 // 3], "b.gif")
    assert not (tmp_path / "b.gif").exists()


@pytest.mark.parametrize("kind", ["webp", "gif"])
def test_where_one_picture_is_expected_an_animation_is_named(kind):
    with pytest.raises(PictureError, match=r"is an animated .* of 3 frames"):
        open_picture(animation(kind))


def test_a_still_gif_says_that_it_holds_few_colours(tmp_path):
    file = io.BytesIO()
    Image.fromarray(FRAMES[0]).convert("P").save(file, "GIF")
    large, report = upscaled(tmp_path, file.getvalue(), "b.gif")
    assert read_strictly(large).pages == 1
    assert any("256" in note for note in report.notes)


def moving(frames, *, size=(20, 24), default=None, loop=0):
    """Build an animated PNG of RGBA frames by hand: (pixels, left, top, delay, dispose, blend)."""
    height, width = size

    def packed(pixels):
        rows = np.zeros((len(pixels), 1 + 4 * pixels.shape[1]), np.uint8)
        rows[:, 1:] = pixels.reshape(len(pixels), -1)
        return zlib.compress(rows.tobytes())

    def chunk(name, body):
        checksum = struct.pack(">I", zlib.crc32(name + body))
        return struct.pack(">I", len(body)) + name + body + checksum

    data = b"\x89PNG\r\n\x1a\n"
    data += chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 6, 0, 0, 0))
    data += chunk(b"acTL", struct.pack(">II", len(frames), loop))
    sequence, at_start = 0, default is None
    if default is not None:
        data += chunk(b"IDAT", packed(default))
    for pixels, left, top, (part, whole), dispose, blend in frames:
        rows, columns = pixels.shape[:2]
        place = struct.pack(">IIIII", sequence, columns, rows, left, top)
        data += chunk(b"fcTL", place + struct.pack(">HHBB", part, whole, dispose, blend))
        sequence += 1
        if at_start:
            data += chunk(b"IDAT", packed(pixels))
            at_start = False
        else:
            data += chunk(b"fdAT", struct.pack(">I", sequence) + packed(pixels))
            sequence += 1
    return data + chunk(b"IEND", b"")


def clear(height, width, seed, alpha):
    opacity = np.full((height, width), alpha, np.uint8)
    return np.ascontiguousarray(np.dstack([noise(height, width, 3, seed=seed), opacity]))


def composed(frames, size):
    """Compose frames as the specification says, blended by Pillow."""
    canvas, shown = Image.new("RGBA", size[::-1]), []
    for pixels, left, top, _, dispose, blend in frames:
        before, frame = canvas.copy(), Image.fromarray(pixels)
        if blend:
            canvas.alpha_composite(frame, (left, top))
        else:
            canvas.paste(frame, (left, top))
        shown.append(np.asarray(canvas).astype(int))
        if dispose == 1:
            canvas.paste((0, 0, 0, 0), (left, top, left + frame.width, top + frame.height))
        elif dispose == 2:
            canvas = before
    return shown


@pytest.mark.parametrize("dispose", [0, 1, 2])
@pytest.mark.parametrize("blend", [0, 1])
def test_frames_of_a_png_are_composed_by_their_operations(dispose, blend):
    frames = [
        (clear(20, 24, 1, 255), 0, 0, (1, 10), 0, 0),
        (clear(6, 8, 2, 120), 3, 4, (1, 20), dispose, blend),
        (clear(5, 9, 3, 200), 8, 7, (0, 0), dispose, blend),
        (clear(4, 4, 4, 255), 20, 16, (7, 0), 0, 1),
    ]
    picture = open_picture(moving(frames), max_planes=4)
    assert picture.metadata.animation is not None
    assert picture.metadata.animation.delays_ms == (100, 50, 0, 70)
    for plane, expected in enumerate(composed(frames, (20, 24))):
        found = read_pixels(picture, plane).astype(int)
        solid = expected[..., 3] > 0
        assert np.abs(found - expected)[solid].max() <= 2
        assert np.array_equal(found[..., 3] > 0, solid)


def test_a_default_picture_that_is_no_frame_is_not_shown():
    frames = [(clear(20, 24, n, 255), 0, 0, (1, 10), 0, 0) for n in (1, 2)]
    picture = open_picture(moving(frames, default=clear(20, 24, 9, 255)), max_planes=2)
    assert picture.planes == 2
    assert np.array_equal(read_pixels(picture, 0), clear(20, 24, 1, 255))


def test_what_is_wrong_with_an_animated_png_is_an_error():
    frames = [(clear(20, 24, n, 255), 0, 0, (1, 10), 0, 0) for n in (1, 2)]
    good = moving(frames)
    outside = moving([frames[0], (clear(20, 24, 2, 255), 1, 0, (1, 10), 0, 0)])
    bad_sum = bytearray(good)
    bad_sum[good.index(b"fdAT") + 20] ^= 1
    for data, match in (
        (outside, "partly outside"),
        (bytes(bad_sum), "checksum"),
        (good[:-40], "ends too early"),
    ):
        with pytest.raises(PictureError, match=match):
            open_picture(data, max_planes=2)
    frame_first = good.index(b"fcTL") - 4
    pixels = b"fdAT" + struct.pack(">I", 0)
    early = struct.pack(">I", 4) + pixels + struct.pack(">I", zlib.crc32(pixels))
    with pytest.raises(PictureError, match="animation is damaged"):
        open_picture(good[:frame_first] + early + good[frame_first:], max_planes=2)
    cut = moving([frames[0], (clear(20, 24, 2, 255)[:10], 0, 0, (1, 10), 0, 0)])
    assert open_picture(cut, max_planes=2).planes == 2
    for at in range(8, len(good), 7):
        spoilt = bytearray(good)
        spoilt[at] ^= 0x41
        try:
            picture = open_picture(bytes(spoilt), max_planes=2)
            for plane in range(picture.planes):
                read_pixels(picture, plane)
        except PictureError:
            continue


def test_a_still_is_written_as_a_still(tmp_path):
    file = io.BytesIO()
    Image.fromarray(FRAMES[0]).save(file, "PNG")
    large, _ = upscaled(tmp_path, file.getvalue(), "b.png")
    assert b"acTL" not in large
    assert read_strictly(large).pages == 1


def test_an_animation_keeps_xmp_that_is_too_large_for_reserved_room(tmp_path):
    import pyvips

    image = pyvips.Image.new_from_buffer(animation("webp"), "", n=-1).copy()
    xmp = b"<x:xmpmeta xmlns:x='adobe:ns:meta/'>" + b" " * 70_000 + b"</x:xmpmeta>"
    set_blob(image, "xmp-data", xmp)
    data = bytes(image.write_to_buffer(".webp", lossless=True, keep="xmp"))
    large, report = upscaled(tmp_path, data, "b.png")
    assert read_strictly(large).xmp is not None
    assert not any("XMP" in note for note in report.notes)
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []
