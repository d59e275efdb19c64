"""A record made fit to be shown: bounded, text where it is text, hex where it is not. Pure.

Record bytes come from programs that anybody may have written. Nothing here interprets them.
"""

from __future__ import annotations

from typing import Any

import orjson

from live.frames import HEADERS, KEY_BYTES, VALUE_BYTES
from sandboxes.wire.batches import WireRecord

HEX_BYTES = 512
_HEADERS_BYTES = 1024
_HEADER_BYTES = 256
# Control characters that text does not hold; tab, newline, return and escape it does.
_NOT_TEXT = frozenset(map(chr, [*range(9), 11, 12, *range(14, 27), *range(28, 32), 127]))
_UTF8_TAIL = 3


def preview(partition: int, record: WireRecord) -> bytes:
    """The record as one JSON object; fields as in the fixtures (p, o, ts, k, v, kb, vb, h, size, cut)."""
    key, key_is_binary, key_cut = shown(record.key, KEY_BYTES)
    value, value_is_binary, value_cut = shown(record.value, VALUE_BYTES)
    headers, headers_cut = _headers(record)
    fields: dict[str, Any] = {
        "p": partition,
        "o": record.offset,
        "ts": record.ts,
        "k": key,
        "v": value,
        "kb": key_is_binary,
        "vb": value_is_binary,
        "h": headers,
        "size": record.cut_from or len(record.value or b""),
        "cut": key_cut or value_cut or headers_cut or bool(record.cut_from),
    }
    return orjson.dumps(fields)


def shown(data: bytes | None, most: int) -> tuple[str | None, bool, bool]:
    """Text or hex of at most `most` bytes; whether it is hex; whether something was left out."""
    if data is None:
        return None, False, False
    head = data[:most]
    text = _text(head, is_cut=len(data) > most)
    if text is not None:
        return text, False, len(data) > most
    some = data[: min(most, HEX_BYTES)]
    return some.hex(), True, len(data) > len(some)


def _text(head: bytes, *, is_cut: bool) -> str | None:
    """The bytes as text, None when they are not; a character that the cut went through is left out."""
    for dropped in range(_UTF8_TAIL + 1 if is_cut else 1):
        try:
            text = head[: len(head) - dropped].decode()
        except UnicodeDecodeError:
            continue
        return None if _NOT_TEXT.intersection(text) else text
    return None


def _headers(record: WireRecord) -> tuple[list[list[str | None]], bool]:
    """Name and value of the first headers; the second result says whether any was cut or left out."""
    found: list[list[str | None]] = []
    room, cut = _HEADERS_BYTES, len(record.headers) > HEADERS
    for name, value in record.headers[:HEADERS]:
        text, _, value_cut = shown(value, _HEADER_BYTES)
        room -= len(name) + len(text or "")
        if room < 0:
            return found, True
        found.append([name[:_HEADER_BYTES], text])
        cut = cut or value_cut or len(name) > _HEADER_BYTES
    return found, cut
