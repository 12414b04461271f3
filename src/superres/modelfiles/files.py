"""Model files and their cards, read without torch, onnx or any runtime.

Only community checkpoints need torch, which derives their card from the shapes of their weights.
"""

from __future__ import annotations

import io
import json
import struct
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Literal

from superres.errors import ModelError, SuperresError
from superres.modelfiles.card import CARD_KEY, Card, parse_card

SUFFIXES = (".safetensors", ".onnx")
INT8_SUFFIX = ".int8.onnx"  # a model's int8 form, beside the others
FOREIGN_SUFFIXES = (".pth", ".pt", ".ckpt", ".param", ".bin")  # and .safetensors without a card
_MAX_HEADER_BYTES = 64 * 2**20  # a hostile header must not fill the memory
_MAX_CARD_BYTES = 2**20
_FIXED_BYTES = {1: 8, 5: 4}  # of protobuf's types without a length
_METADATA_PROPS = 14  # field number in onnx.proto's ModelProto
_NO_CARD_HINT = "superres writes cards: train or export the model with it"


@dataclass(frozen=True, slots=True)
class ModelFile:
    """A model on disk: its card and the files that hold its weights.

    Attributes:
        card: What the model needs.
        onnx: The graph with weights, for OpenVINO and ONNX Runtime; None if there is none.
        safetensors: The weights alone, for torch; None if there is none.
        foreign: A community checkpoint without a card, for torch; None if there is none.
        int8: The graph in int8, for OpenVINO and ONNX Runtime; None if there is none.
    """

    card: Card
    onnx: Path | None
    safetensors: Path | None
    foreign: Path | None = None
    int8: Path | None = None

    @property
    def weights(self) -> Path | None:
        """The file that torch loads; the graph holds the weights too, unless it was merged."""
        return self.safetensors or self.foreign or self.onnx


def read_card(path: Path) -> Card:
    """Read the card of a `.safetensors` or `.onnx` file.

    Raises:
        ModelError: The file is missing, of another kind, damaged, or has no card.
    """
    if path.suffix not in SUFFIXES:
        raise ModelError(
            f"{path} is not a model file: its name ends in {path.suffix or 'nothing'!r}",
            "model files end in .safetensors or .onnx; pickles (.pth, .pt) are not read here",
        )
    text = _card_text(path)
    if text is None:
        raise ModelError(f"{path} carries no card", _NO_CARD_HINT)
    return parse_card(text, str(path))


def model_name(path: Path) -> str:
    """Return the name that all files of one model share: the file's without its suffixes."""
    return path.name.removesuffix(INT8_SUFFIX) if path.name.endswith(INT8_SUFFIX) else path.stem


def is_foreign(path: Path) -> bool:
    """Say whether a file is a community checkpoint, without a card.

    Raises:
        ModelError: It is a missing or damaged .safetensors file.
    """
    if path.suffix == ".safetensors":
        return _card_text(path) is None
    return path.suffix in FOREIGN_SUFFIXES


def _card_text(path: Path) -> str | None:
    """Return the text of a file's card; None if it has none."""
    with read_errors_as(path), path.open("rb") as file:
        if path.suffix == ".safetensors":
            return _safetensors_card(file, path)
        return onnx_metadata(file, path, CARD_KEY)


@contextmanager
def read_errors_as(path: Path) -> Generator[None]:
    """Turn the system's errors when reading a file into ours.

    Raises:
        ModelError: The block raised an OSError, or a ValueError for an impossible file name.
    """
    try:
        yield
    except SuperresError:
        raise
    except (OSError, ValueError) as error:
        raise ModelError(
            f"{path} cannot be read: {getattr(error, 'strerror', None) or error}",
            "check the path and its permissions",
        ) from error


def open_model_file(path: Path) -> ModelFile:
    """Read a model file's card and find its twins of other formats next to it.

    Raises:
        ModelError: See `read_card` and `interop.recognise.read_foreign`; or it is an int8 form,
            which is not used without its float form.
    """
    foreign = is_foreign(path)
    card = _recognised_card(path) if foreign else read_card(path)
    if card.precision == "int8":
        raise ModelError(
            f"{path} is the int8 form of model {card.name}, its float form was expected",
            f"name {card.name} or its float file, and request --precision int8",
        )
    files = {} if foreign else {path.suffix: path}
    for suffix in SUFFIXES:
        twin = path.with_suffix(suffix)
        if suffix not in files and twin.exists() and _is_twin(card, twin, "float"):
            files[suffix] = twin
    int8 = path.with_suffix(INT8_SUFFIX)
    return ModelFile(
        card,
        onnx=files.get(".onnx"),
        safetensors=files.get(".safetensors"),
        foreign=path if foreign else None,
        int8=int8 if int8.exists() and _is_twin(card, int8, "int8") else None,
    )


def int8_losses(model: ModelFile) -> dict[str, float]:
    """Return what a model's int8 form loses in dB, by benchmark set; {} without a form.

    Raises:
        ModelError: The file is missing or damaged.
    """
    return {} if model.int8 is None else read_card(model.int8).losses_db


def _recognised_card(path: Path) -> Card:
    """Return the card of a community checkpoint, which needs torch."""
    try:
        from superres.interop.recognise import read_foreign
    except ModuleNotFoundError as error:
        if error.name != "torch":
            raise
        raise ModelError(
            f"{path} was made elsewhere, and only torch, which is not installed, can read it",
            "pip install 'superres[torch]', once even elsewhere: superres export makes an .onnx of "
            "it that runs without",
        ) from error
    return read_foreign(path)[0]


def _is_twin(card: Card, path: Path, precision: Literal["float", "int8"]) -> bool:
    """Say whether a file next to a model holds the same weights in a number format.

    A stale export does not.

    A file that is not a model of ours was not requested, so it is not an error here.
    """
    try:
        other = read_card(path)
    except ModelError:
        return False
    same = card.weights_sha256 != "" and card.weights_sha256 == other.weights_sha256
    return same and other.precision == precision


def _safetensors_card(file: BinaryIO, path: Path) -> str | None:
    """Return the card's text from the header: 8 bytes of length, then JSON."""
    start = file.read(8)
    length: int = struct.unpack("<Q", start)[0] if len(start) == 8 else 0
    if not 2 <= length <= min(_MAX_HEADER_BYTES, _end(file) - file.tell()):
        raise damaged(path, f"its header claims {length} bytes")
    try:
        header = json.loads(file.read(length))
        metadata = header.get("__metadata__", {})
        card = metadata.get(CARD_KEY)
    except (ValueError, AttributeError, RecursionError) as error:
        raise damaged(path, "its header is not JSON") from error
    return card if isinstance(card, str) else None


def onnx_metadata(file: BinaryIO, path: Path, wanted: str) -> str | None:
    """Return an entry of ModelProto.metadata_props, seeking over the graph; None without one.

    Raises:
        ModelError: The file is damaged.
    """
    for number, size in protobuf_fields(file, path):
        if number != _METADATA_PROPS:
            file.seek(size, 1)
        elif size > _MAX_CARD_BYTES:
            raise damaged(path, f"a metadata entry claims {size} bytes")
        else:
            entry = file.read(size)
            key, value = _string_pair(entry, path)
            if key == wanted:
                return value
    return None


def _string_pair(entry: bytes, path: Path) -> tuple[str, str]:
    """Decode a StringStringEntryProto: field 1 is the key, field 2 the value."""
    strings = {1: "", 2: ""}
    stream = io.BytesIO(entry)
    for number, size in protobuf_fields(stream, path):
        strings[number] = stream.read(size).decode("utf-8", errors="replace")
    return strings[1], strings[2]


def protobuf_fields(
    file: BinaryIO, path: Path, end: int | None = None
) -> Iterator[tuple[int, int]]:
    """Yield (field number, payload size) of each length-delimited field.

    The caller must read or skip the payload. Format: https://protobuf.dev/programming-guides/encoding

    Args:
        file: Open at the message's first byte.
        path: Its path, for errors.
        end: Position of the message's end; None for the end of the file.

    Raises:
        ModelError: A field is of an unknown type, or ends beyond its message.
    """
    end = _end(file) if end is None else end
    while (start := file.tell()) < end:
        key = read_varint(file)
        if key is None:
            raise damaged(path, f"it ends inside a field, the one at byte {start}")
        number, wire = key >> 3, key & 7
        if wire not in (0, *_FIXED_BYTES, 2):
            raise damaged(path, f"it holds a field of unknown type {wire}")
        # Either the field's single number, or the count of bytes that follow.
        size = _FIXED_BYTES.get(wire) or read_varint(file)
        if size is None:
            raise damaged(path, f"it ends inside a field, the one at byte {start}")
        claimed = 0 if wire == 0 else size
        if file.tell() + claimed > end:
            left = max(0, end - file.tell())
            raise damaged(path, f"the field at byte {start} claims {claimed} bytes of {left}")
        if wire == 2:
            yield number, size
        else:
            file.seek(claimed, 1)


def _end(file: BinaryIO) -> int:
    """Return a file's size, and keep its position."""
    at = file.tell()
    end = file.seek(0, io.SEEK_END)
    file.seek(at)
    return end


def read_varint(file: BinaryIO) -> int | None:
    """Read one base-128 number; None at the end of the file or if it is longer than 64 bits."""
    value = 0
    for shift in range(0, 70, 7):
        byte = file.read(1)
        if not byte:
            return None
        value |= (byte[0] & 0x7F) << shift
        if byte[0] < 0x80:
            return value
    return None


def damaged(path: Path, what: str) -> ModelError:
    """Build the error for a damaged file."""
    return ModelError(f"{path} is damaged: {what}", "download or export the file again")
