"""Strict readers of the picture formats, written from their specifications alone.

They share no code with the package, forgive nothing, and answer with what a file carries.
"""

from strict_readers.contents import Contents, CorruptError
from strict_readers.picture import read_strictly

__all__ = ["Contents", "CorruptError", "read_strictly"]
