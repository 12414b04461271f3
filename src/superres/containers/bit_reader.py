"""Reader of single bits, as coded pictures' headers need it."""

from __future__ import annotations

_MOST_ZEROS = 32  # before a number's first digit


class Bits:
    """Reads bits in order, from the highest of each byte.

    Args:
        data: The bytes.
    """

    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, 0

    def take(self, count: int) -> int:
        """Return the next bits as a number.

        Raises:
            IndexError: Too few bytes are left.
        """
        number = 0
        for _ in range(count):
            number = 2 * number + (self._data[self._at >> 3] >> (7 - self._at % 8) & 1)
            self._at += 1
        return number

    def golomb(self) -> int:
        """Return the next number in Exp-Golomb coding (ITU-T H.265, 9.2).

        Raises:
            IndexError: Too few bytes are left, or it has more than 32 digits.
        """
        zeros = 0
        while not self.take(1):
            zeros += 1
            if zeros > _MOST_ZEROS:
                raise IndexError("the number is too long")
        return (1 << zeros) - 1 + self.take(zeros)
