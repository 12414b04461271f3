"""Deflate streams: joined parts, joined checksums, and the choice by a sample."""

import zlib

import numpy as np
import pytest

from superres.encoding.deflate import (
    CODINGS,
    LAST_PART,
    RUNS,
    STREAM_START,
    Coding,
    joined_checksum,
    smallest,
)

NOISE = np.random.default_rng(0).integers(0, 256, 100_000, np.uint8).tobytes()
TEXT = b"a phrase of text that comes again and again; " * 3000


@pytest.mark.parametrize("sizes", [(0, 5), (5, 0), (1, 1), (65_521, 70_000), (3, 99_000)])
def test_the_checksum_of_two_parts_is_that_of_their_bytes(sizes):
    one, other = NOISE[: sizes[0]], NOISE[: sizes[1]]
    joined = joined_checksum(zlib.adler32(one), zlib.adler32(other), len(other))
    assert joined == zlib.adler32(one + other)


@pytest.mark.parametrize("codings", CODINGS.values(), ids=CODINGS)
def test_parts_of_all_codings_join_to_one_stream(codings):
    data, stream, checksum = b"", STREAM_START, 1
    for part in (TEXT, NOISE, b"", b"x"):
        for coding in codings:
            stream += coding.part(part)
            checksum = joined_checksum(checksum, zlib.adler32(part), len(part))
            data += part
    assert zlib.decompress(stream + LAST_PART + checksum.to_bytes(4, "big")) == data
    assert all(zlib.decompress(coding.stream(TEXT)) == TEXT for coding in codings)


def test_what_repeats_itself_is_matched_and_what_does_not_is_coded_by_runs():
    choices = [("as it is", RUNS), ("as it is", Coding(4))]
    tone = np.random.default_rng(1).normal(0, 3, 30_000).astype(np.int8).tobytes()
    assert smallest(choices, lambda _: TEXT)[1] == Coding(4)
    assert smallest(choices, lambda _: tone)[1] == RUNS


def test_the_only_choice_needs_no_sample():
    assert smallest([("way", RUNS)], lambda _: pytest.fail("sampled")) == ("way", RUNS)
