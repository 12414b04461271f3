"""GIF, after the Graphics Interchange Format's specification of 1990 (89a)."""

from __future__ import annotations

from strict_readers.contents import Contents, Cursor, require


def read_gif(data: bytes) -> Contents:
    cursor = Cursor(data, "GIF")
    require(cursor.take(6) in (b"GIF87a", b"GIF89a"), "not a GIF's signature")
    width, height, flags, background, _ = cursor.unpack("<HHBBB")
    require(width and height, f"a GIF of {height} x {width} px")
    palette = 2 << (flags & 7) if flags & 0x80 else 0
    require(not palette or background < palette, "a background outside its palette")
    cursor.take(3 * palette)
    delays, frames, loop, delay = [], 0, None, 0
    while (kind := cursor.take(1)) != b";":
        if kind == b"!":
            label = cursor.take(1)
            blocks = _blocks(cursor)
            if label == b"\xf9":
                require(len(blocks) == 4, "a graphic control of another length")
                delay = 10 * int.from_bytes(blocks[1:3], "little")
            elif label == b"\xff" and blocks.startswith(b"NETSCAPE2.0\x01"):
                loop = int.from_bytes(blocks[12:14], "little")
            continue
        require(kind == b",", f"a block that begins with {kind!r}")
        left, top, across, down, local = cursor.unpack("<HHHHB")
        require(left + across <= width and top + down <= height, "a frame outside the screen")
        cursor.take(3 * (2 << (local & 7)) if local & 0x80 else 0)
        require(local & 0x80 or palette, "a frame without a palette")
        least = cursor.number(1)
        require(2 <= least <= 8, f"a code size of {least}")
        count = _pixels(_blocks(cursor), least)
        require(count == across * down, f"{count} pixels, expected {across * down}")
        frames += 1
        delays.append(delay)
    require(not cursor.left, "bytes behind the trailer")
    require(frames, "no frame")
    return Contents("gif", height, width, pages=frames, delays_ms=tuple(delays), loop=loop)


def _blocks(cursor: Cursor) -> bytes:
    """Return the data of sub-blocks, up to the empty one."""
    found = b""
    while size := cursor.number(1):
        found += cursor.take(size)
    return found


def _pixels(packed: bytes, least: int) -> int:
    """Return how many pixels a stream of LZW codes stands for; only lengths are kept."""
    clear, end = 1 << least, (1 << least) + 1
    bits, at, size, total = int.from_bytes(packed, "little"), 0, least + 1, 0
    lengths = [1] * clear + [0, 0]
    before = 0
    whole = bits.to_bytes(len(packed) + 4, "little")
    while True:
        require(at + size <= 8 * len(packed), "LZW data without its end")
        code = int.from_bytes(whole[at // 8 : at // 8 + 4], "little") >> at % 8 & (1 << size) - 1
        at += size
        if code == end:
            return total
        if code == clear:
            lengths, size, before = [1] * clear + [0, 0], least + 1, 0
            continue
        require(code < len(lengths) + bool(before), "an LZW code that is not in the table yet")
        length = lengths[code] if code < len(lengths) else before + 1
        total += length
        if before and len(lengths) < 4096:
            lengths.append(before + 1)
        if len(lengths) == 1 << size and size < 12:
            size += 1
        before = length
