"""ICC profiles as encoders take them: cut to their size, padded to words, or refused."""

import pytest
from picture_files import grey_profile, profile

from superres.vips.profile import fit_profile

KINDS = {"grey": grey_profile(), "rgb": profile("srgb")}


def lengthened(icc, extra):
    """The profile with bytes at its end that its header counts in."""
    longer = bytearray(icc + b"z" * extra)
    longer[:4] = len(longer).to_bytes(4, "big")
    return bytes(longer)


@pytest.mark.parametrize("whole_words", [False, True])
@pytest.mark.parametrize("kind", ["grey", "rgb"])
def test_a_sound_profile_is_returned_as_it_is_and_without_what_follows_it(kind, whole_words):
    icc = lengthened(KINDS[kind], -len(KINDS[kind]) % 4)
    for follows in (b"", b"\0" * 7, b"junk" * 100):
        fitted = fit_profile(icc + follows, whole_words=whole_words, grey=kind == "grey")
        assert fitted == icc


@pytest.mark.parametrize("extra", [1, 2, 3, 4])
def test_whole_words_are_made_with_zeros_a_new_size_and_no_checksum(extra):
    icc = lengthened(KINDS["rgb"], -len(KINDS["rgb"]) % 4 + extra)
    fitted = fit_profile(icc, whole_words=True, grey=False)
    assert fitted is not None
    assert len(fitted) == len(icc) + (4 - extra)
    assert int.from_bytes(fitted[:4], "big") == len(fitted)
    assert fitted[len(icc) :] == bytes(4 - extra)
    assert fitted[4:84] == icc[4:84]
    assert fitted[100 : len(icc)] == icc[100:]
    assert fitted[84:100] == (bytes(16) if extra < 4 else icc[84:100])


def test_a_length_that_is_no_whole_word_is_kept_where_any_is_taken():
    icc = lengthened(KINDS["rgb"], -len(KINDS["rgb"]) % 4 + 1)
    assert fit_profile(icc, whole_words=False, grey=False) == icc


@pytest.mark.parametrize(("kind", "grey"), [("grey", False), ("rgb", True)])
def test_a_profile_of_other_colours_than_the_pixels_is_refused_by_png(kind, grey):
    icc = lengthened(KINDS[kind], -len(KINDS[kind]) % 4)
    assert fit_profile(icc, whole_words=True, grey=grey) is None


@pytest.mark.parametrize("whole_words", [False, True])
def test_a_header_with_nothing_sound_behind_it_is_refused(whole_words):
    icc = KINDS["rgb"]
    hollow = lengthened(icc[:128] + b"\xff" * (len(icc) - 128), -len(icc) % 4)
    assert fit_profile(hollow, whole_words=whole_words, grey=False) is None
