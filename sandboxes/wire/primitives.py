"""Kafka's primitive types: numbers, strings, arrays and tagged fields, read and written.

Names follow the protocol guide: `string` is the compact form of flexible versions, `old_string` the
int16 form before them. A Reader raises CorruptAnswer and never reads past its bytes.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import TypeVar

from sandboxes.wire.errors import CorruptAnswer

T = TypeVar("T")

_I16 = struct.Struct(">h")
_I32 = struct.Struct(">i")
_I64 = struct.Struct(">q")
_VARINT_BYTES = 10


class Reader:
    """Reads one answer or one record from front to back."""

    __slots__ = ("data", "pos")

    def __init__(self, data: bytes, pos: int = 0) -> None:
        self.data = data
        self.pos = pos

    def left(self) -> int:
        return len(self.data) - self.pos

    def raw(self, size: int) -> bytes:
        if size < 0 or size > self.left():
            raise CorruptAnswer(f"{size} bytes wanted, {self.left()} left")
        start, self.pos = self.pos, self.pos + size
        return self.data[start : self.pos]

    def i8(self) -> int:
        return int.from_bytes(self.raw(1), "big", signed=True)

    def i16(self) -> int:
        return int(_I16.unpack(self.raw(2))[0])

    def i32(self) -> int:
        return int(_I32.unpack(self.raw(4))[0])

    def i64(self) -> int:
        return int(_I64.unpack(self.raw(8))[0])

    def flag(self) -> bool:
        return self.i8() != 0

    def uuid(self) -> bytes:
        return self.raw(16)

    def uvarint(self) -> int:
        value = shift = 0
        for _ in range(_VARINT_BYTES):
            byte = self.raw(1)[0]
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value
            shift += 7
        raise CorruptAnswer("a variable-length number without an end")

    def varint(self) -> int:
        value = self.uvarint()
        return (value >> 1) ^ -(value & 1)

    def maybe_bytes(self) -> bytes | None:
        size = self.uvarint() - 1
        return None if size < 0 else self.raw(size)

    def maybe_string(self) -> str | None:
        value = self.maybe_bytes()
        return None if value is None else value.decode("utf-8", "replace")

    def string(self) -> str:
        return self.maybe_string() or ""

    def old_maybe_string(self) -> str | None:
        size = self.i16()
        return None if size < 0 else self.raw(size).decode("utf-8", "replace")

    def old_string(self) -> str:
        return self.old_maybe_string() or ""

    def old_bytes(self) -> bytes:
        size = self.i32()
        return b"" if size < 0 else self.raw(size)

    def array(self, item: Callable[[Reader], T]) -> list[T]:
        """A compact array; null reads as empty."""
        return self._items(self.uvarint() - 1, item)

    def old_array(self, item: Callable[[Reader], T]) -> list[T]:
        return self._items(self.i32(), item)

    def _items(self, count: int, item: Callable[[Reader], T]) -> list[T]:
        if count > self.left():  # an item takes one byte at least
            raise CorruptAnswer(f"an array of {count} in {self.left()} bytes")
        return [item(self) for _ in range(count)]

    def tags(self) -> dict[int, bytes]:
        """The tagged fields that end every flexible structure."""
        return dict(self._items(self.uvarint(), _tag))


def _tag(reader: Reader) -> tuple[int, bytes]:
    tag = reader.uvarint()
    return tag, reader.raw(reader.uvarint())


def i16(value: int) -> bytes:
    return _I16.pack(value)


def i32(value: int) -> bytes:
    return _I32.pack(value)


def i64(value: int) -> bytes:
    return _I64.pack(value)


def uvarint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append((value & 0x7F) | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def blob(value: bytes) -> bytes:
    return uvarint(len(value) + 1) + value


def string(value: str) -> bytes:
    return blob(value.encode())


def old_string(value: str) -> bytes:
    encoded = value.encode()
    return i16(len(encoded)) + encoded


def array(items: list[bytes]) -> bytes:
    return uvarint(len(items) + 1) + b"".join(items)


NULL = b"\x00"  # a compact array or string that is null
NO_TAGS = b"\x00"
FALSE = b"\x00"
