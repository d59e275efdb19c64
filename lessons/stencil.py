"""Pages that are made once and filled for each reader: pieces of HTML with holes between them.

A piece is compressed when it is made. Pieces that were compressed apart may follow each other in one stream
of deflate when each ends with a full flush (RFC 1951; zlib.h on Z_FULL_FLUSH), so that a filled page is sent
without compressing it again. What differs from reader to reader is never compressed together with anything
else, so the length of an answer tells nothing of a secret in it (BREACH).
"""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

# Gzip without a file's name or time (RFC 1952), and the empty last block of a stream.
_HEAD = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"
_LAST = b"\x03\x00"
_STORED_MOST = 0xFFFF
# From Unicode's private use area: nothing that is meant to be read begins like this.
_HOLE = re.compile("\ue000([a-z]+(?::[a-z0-9-]+)*)\ue001")


@dataclass(frozen=True, slots=True)
class Piece:
    """Bytes of a page, and the same as whole blocks of deflate."""

    plain: bytes
    deflated: bytes


def pressed(html: str) -> Piece:
    """A piece that will be sent often: compressed as well as it goes."""
    plain = html.encode()
    squeeze = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    return Piece(plain, squeeze.compress(plain) + squeeze.flush(zlib.Z_FULL_FLUSH))


def stored(text: str) -> Piece:
    """A short piece for one reader, in a block that is not compressed."""
    plain = text.encode()
    if len(plain) > _STORED_MOST:
        return pressed(text)
    return Piece(plain, b"\x00" + struct.pack("<HH", len(plain), len(plain) ^ _STORED_MOST) + plain)


def hole(name: str) -> str:
    """What a template writes where something is to be filled in; safe in text and in a quoted attribute."""
    return f"\ue000{name}\ue001"


class Stencil:
    """A page with holes."""

    def __init__(self, html: str) -> None:
        # Every second part is what the expression caught: a hole's name.
        self._parts = [
            part if is_hole else pressed(part)
            for is_hole, part in ((n % 2, part) for n, part in enumerate(_HOLE.split(html)))
            if part
        ]

    @property
    def holes(self) -> set[str]:
        return {part for part in self._parts if isinstance(part, str)}

    def fill(self, filling: Mapping[str, Piece]) -> list[Piece]:
        """The page's pieces in order; KeyError for a hole that was forgotten."""
        return [filling[part] if isinstance(part, str) else part for part in self._parts]


def plain(pieces: Iterable[Piece]) -> bytes:
    return b"".join(piece.plain for piece in pieces)


def gzipped(pieces: Iterable[Piece]) -> bytes:
    """The pieces as one gzip file."""
    pieces = list(pieces)
    whole = plain(pieces)
    tail = struct.pack("<II", zlib.crc32(whole), len(whole) & 0xFFFFFFFF)
    return b"".join((_HEAD, *(piece.deflated for piece in pieces), _LAST, tail))
