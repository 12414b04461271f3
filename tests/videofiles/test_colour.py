"""Numbers of video frames as RGB, and back: against the ITU's formulas, written down once more."""

from __future__ import annotations

from fractions import Fraction

import av
import numpy as np
import pytest
from clips import has_encoder, view, whole_plane, write_clip

from superres.videofiles.colour import FromRgb, Numbers, ToRgb, colour_of_copy, numbers_of
from superres.videofiles.probe import UNSAID, Colour

SIZE = (16, 24)
# ITU-R BT.601-7 2.5.1, BT.709-6 3.2 and BT.2020-2 table 4: red's and blue's weight in luma.
WEIGHTS = {1: (0.2126, 0.0722), 6: (0.299, 0.114), 9: (0.2627, 0.0593)}
FORMATS = {8: ("yuv420p", "yuv422p", "yuv444p", "nv12"), 10: ("yuv420p10le", "yuv444p10le")}
EVERY = [
    (format, matrix, range_)
    for formats in FORMATS.values()
    for format in formats
    for matrix in WEIGHTS
    for range_ in (1, 2)
]


def quantised(rgb, matrix, range_, bits):
    """Return the Y, Cb and Cr of one colour; BT.709-6 items 3.2 to 3.5, BT.2100 table 9."""
    kr, kb = WEIGHTS[matrix]
    red, green, blue = rgb
    y = kr * red + (1 - kr - kb) * green + kb * blue
    cb, cr = (blue - y) / (2 - 2 * kb), (red - y) / (2 - 2 * kr)
    if range_ == 2:
        top, middle = 2**bits - 1, 2 ** (bits - 1)
        return y * top, cb * top + middle, cr * top + middle
    unit = 2 ** (bits - 8)
    return (219 * y + 16) * unit, (224 * cb + 128) * unit, (224 * cr + 128) * unit


def colour_of(values, matrix, range_, bits):
    """Return the RGB of Y, Cb and Cr, by solving the same formulas."""
    kr, kb = WEIGHTS[matrix]
    unit = 2 ** (bits - 8)
    black, white, swing = (0, 2**bits - 1, 2**bits - 1)
    if range_ == 1:
        black, white, swing = 16 * unit, 219 * unit, 224 * unit
    y = (values[0] - black) / white
    cb, cr = ((value - 2 ** (bits - 1)) / swing for value in values[1:])
    red, blue = y + (2 - 2 * kr) * cr, y + (2 - 2 * kb) * cb
    return np.array([red, (y - kr * red - kb * blue) / (1 - kr - kb), blue])


def flat(pix_fmt, values, bits):
    """Return a frame of one colour."""
    frame = av.VideoFrame(SIZE[1], SIZE[0], pix_fmt)
    dtype = np.uint8 if bits == 8 else np.uint16
    if pix_fmt == "nv12":
        view(frame.planes[0])[...] = values[0]
        both = whole_plane(frame.planes[1], np.uint8)
        both[0::2], both[1::2] = values[1:]
        return frame
    for plane, value in zip(frame.planes, values, strict=True):
        view(plane, dtype)[...] = value
    return frame


def converter(pix_fmt, matrix, range_):
    colour = Colour(range_, matrix, UNSAID, UNSAID)
    return FromRgb(pix_fmt, numbers_of(pix_fmt, colour, SIZE), colour, SIZE)


def codes(frame, bits):
    dtype = np.uint8 if bits == 8 else np.uint16
    if frame.format.name == "nv12":
        both = whole_plane(frame.planes[1], np.uint8).reshape(frame.planes[1].height, -1)
        return [view(frame.planes[0]), both[:, 0 : SIZE[1] : 2], both[:, 1 : SIZE[1] : 2]]
    return [view(plane, dtype) for plane in frame.planes]


@pytest.mark.parametrize(("pix_fmt", "matrix", "range_"), EVERY)
def test_a_frames_numbers_become_rgb_by_the_formula(pix_fmt, matrix, range_):
    bits = 10 if "10" in pix_fmt else 8
    for colour in np.random.default_rng(0).uniform(0.15, 0.85, (4, 3)):
        values = np.rint(quantised(colour, matrix, range_, bits))
        frame = flat(pix_fmt, values.astype(int), bits)
        rgb = ToRgb(SIZE, Colour(range_, matrix, UNSAID, UNSAID))(frame)
        assert rgb.shape == (*SIZE, 3)
        assert np.abs(rgb - colour_of(values, matrix, range_, bits)).max() * (2**bits - 1) < 0.01


@pytest.mark.parametrize(("pix_fmt", "matrix", "range_"), EVERY)
def test_rgb_becomes_a_frames_numbers_within_half_a_level_of_the_formula(pix_fmt, matrix, range_):
    bits = 10 if "10" in pix_fmt else 8
    like = av.VideoFrame(SIZE[1] // 2, SIZE[0] // 2, "yuv420p")
    for colour in np.random.default_rng(1).uniform(0.0, 1.0, (4, 3)):
        rgb = np.broadcast_to(colour.astype(np.float32), (*SIZE, 3))
        frame = converter(pix_fmt, matrix, range_)(rgb, like)
        assert frame.format.name == pix_fmt
        assert (frame.colorspace, frame.color_range) == (matrix, range_)
        for plane, exact in zip(
            codes(frame, bits), quantised(colour, matrix, range_, bits), strict=True
        ):
            assert np.abs(plane.astype(float) - exact).max() <= 0.501


@pytest.mark.parametrize("pix_fmt", ["yuv420p", "yuv420p10le", "gray", "gray10le"])
@pytest.mark.parametrize("range_", [1, 2])
@pytest.mark.parametrize(("level", "expected"), [(0.0, 0.0), (1.0, 1.0), (1.3, 1.0), (-0.2, 0.0)])
def test_white_and_black_are_exact_and_have_no_tint(pix_fmt, range_, level, expected):
    bits = 10 if "10" in pix_fmt else 8
    rgb = np.full((*SIZE, 3), level, np.float32)
    frame = converter(pix_fmt, 1, range_)(rgb, av.VideoFrame(8, 8, "yuv420p"))
    unit = 2 ** (bits - 8)
    black, white = (16 * unit, 235 * unit) if range_ == 1 else (0, 2**bits - 1)
    y, *chroma = codes(frame, bits)
    assert set(y.ravel()) == {white if expected else black}
    for plane in chroma:
        assert set(plane.ravel()) == {128 * unit}


@pytest.mark.parametrize("pix_fmt", ["yuv420p", "gray", "rgb24"])
def test_pixels_make_the_same_frame_however_they_lie_in_memory(pix_fmt):
    colour = Colour(1, 1, UNSAID, UNSAID)
    like = av.VideoFrame(SIZE[1], SIZE[0], pix_fmt)
    rgb = np.random.default_rng(3).random((*SIZE, 3), dtype=np.float32)
    planes = np.ascontiguousarray(rgb.transpose(2, 0, 1)).transpose(1, 2, 0)
    make = FromRgb(pix_fmt, numbers_of(pix_fmt, colour, SIZE), colour, SIZE)
    ours, theirs = make(rgb, like).to_ndarray(), make(planes, like).to_ndarray()
    np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("pix_fmt", ["rgb24", "bgr24", "bgr0", "gbrp", "gbrp10le", "rgb48le"])
def test_rgb_formats_come_back_number_for_number(pix_fmt):
    generator = np.random.default_rng(2)
    frame = av.VideoFrame(SIZE[1], SIZE[0], pix_fmt)
    for plane in frame.planes:
        data = whole_plane(plane, np.uint16 if "le" in pix_fmt else np.uint8)
        data[...] = generator.integers(0, 1024 if "10" in pix_fmt else 256, data.shape)
    colour = Colour(0, 0, UNSAID, UNSAID)
    rgb = ToRgb(SIZE, colour)(frame)
    numbers = numbers_of(pix_fmt, colour, SIZE)
    back = FromRgb(pix_fmt, numbers, colour, SIZE)(rgb, frame)
    assert back is not frame
    depth = "gbrp16le" if numbers.bits > 8 else "rgb24"
    np.testing.assert_array_equal(
        back.reformat(format=depth).to_ndarray(), frame.reformat(format=depth).to_ndarray()
    )


@pytest.mark.parametrize("size", [(15, 23), (1, 1), (16, 25)])
def test_odd_sizes_become_rgb_of_that_very_size(size):
    frame = av.VideoFrame(size[1], size[0], "yuv420p")
    for plane, value in zip(frame.planes, (180, 110, 140), strict=True):
        view(plane)[...] = value
    rgb = ToRgb(size, Colour(1, 6, UNSAID, UNSAID))(frame)
    assert rgb.shape == (*size, 3)
    assert np.ptp(rgb, axis=(0, 1)).max() == 0.0


def test_frames_of_another_size_are_brought_to_the_first_one():
    rgb = ToRgb((16, 24), Colour(1, 6, UNSAID, UNSAID))(av.VideoFrame(48, 40, "yuv420p"))
    assert rgb.shape == (16, 24, 3)


def test_chroma_lies_after_a_round_trip_where_the_decoder_said_it_lay():
    """MPEG-2 puts it at the left; taken for centred it would move by a quarter of its grid."""
    coder = av.CodecContext.create("mpeg2video", "w")
    coder.width, coder.height, coder.pix_fmt = 64, 32, "yuv420p"
    coder.framerate, coder.time_base = Fraction(25), Fraction(1, 25)
    ramp = av.VideoFrame(64, 32, "yuv420p")
    view(ramp.planes[0])[...] = 120
    view(ramp.planes[1])[...] = 70 + 4 * np.arange(32)
    view(ramp.planes[2])[...] = 128
    decoder = av.CodecContext.create("mpeg2video", "r")
    packets = [*coder.encode(ramp), *coder.encode(None)]
    decoded = [frame for packet in packets for frame in decoder.decode(packet)]
    [small] = [*decoded, *decoder.decode(None)]
    chroma = view(small.planes[1]).astype(int)
    colour = Colour(1, 1, UNSAID, UNSAID)
    rgb = ToRgb((32, 64), colour)(small)
    back = FromRgb("yuv420p", numbers_of("yuv420p", colour, (32, 64)), colour, (32, 64))(rgb, small)
    inner = np.s_[2:-2, 4:-4]
    assert np.abs(view(back.planes[1]).astype(int) - chroma)[inner].max() <= 1
    # Read as luma's grid is: at the left, chroma i stands over luma 2 i exactly.
    kr, kb = WEIGHTS[1]
    cb = (rgb[..., 2] - rgb @ [kr, 1 - kr - kb, kb]) / (2 - 2 * kb) * 224 + 128
    assert np.abs(cb[::2, ::2] - chroma)[inner].max() < 1.0


@pytest.mark.skipif(not has_encoder("libx264"), reason="this av has no libx264")
def test_what_a_frame_carries_besides_pixels_is_handed_on(tmp_path):
    with av.open(str(write_clip(tmp_path / "a.mkv", frames=1, codec="libx264"))) as clip:
        [small] = clip.decode(video=0)
    assert len(small.side_data)
    rgb = np.zeros((48, 64, 3), np.float32)
    colour = Colour(1, 1, UNSAID, UNSAID)
    numbers = numbers_of("yuv420p", colour, (48, 64))
    large = FromRgb("yuv420p", numbers, colour, (48, 64))(rgb, small)
    # PyAV's stub takes side data for a dict; it is a sequence, too.
    made, given = large.side_data[0], small.side_data[0]  # pyright: ignore[reportGeneralTypeIssues]
    assert bytes(made) == bytes(given)
    assert large.pict_type == 0  # or the encoder would put its key frames where the source had them


def test_untagged_video_is_taken_for_bt601_up_to_576_lines_and_for_bt709_above():
    unsaid = Colour(0, UNSAID, UNSAID, UNSAID)
    assert numbers_of("yuv420p", unsaid, (576, 720)).matrix == 6
    assert numbers_of("yuv420p", unsaid, (720, 1280)).matrix == 1


def test_a_copy_of_untagged_video_names_the_matrix_it_was_taken_for():
    unsaid = Colour(0, UNSAID, UNSAID, UNSAID)
    source = numbers_of("yuv420p", unsaid, (480, 640))
    numbers, colour = colour_of_copy(source, unsaid, "yuv420p")
    assert (numbers.matrix, colour.matrix, colour.range) == (6, 6, 0)


def test_what_a_source_says_is_said_again():
    said = Colour(2, 9, 9, 16)
    source = numbers_of("yuv420p10le", said, (2160, 3840))
    assert colour_of_copy(source, said, "yuv420p10le") == (Numbers("yuv", 10, True, 9), said)


def test_rgb_in_luma_and_chroma_is_limited_bt709_and_says_so():
    said = Colour(0, 0, 1, 13)
    numbers, colour = colour_of_copy(numbers_of("gbrp", said, SIZE), said, "yuv444p")
    assert numbers == Numbers("yuv", 8, False, 1)
    assert colour == Colour(1, 1, 1, 13)
