"""Program output made safe to show: text, and the escape sequences that only set colours (SGR); nothing else.

A terminal's other sequences move the cursor, rename windows, fill the clipboard, or make the terminal answer
as if the reader had typed. Output arrives in pieces, so a sequence may be cut anywhere: `ColourOnly`
remembers where it was. The states are those of ECMA-48; one object per program.
"""

import re
from enum import Enum, auto

_PLAIN = re.compile(r"[\t\n\r\x20-\x7e\xa0-\U0010ffff]*")
_COLOUR_BODY = frozenset("0123456789;:")
# Longer than any colour (48;2;255;255;255 twice); what does not end by then is not one.
_LONGEST = 48
_STRING_STARTS = frozenset("]PX^_\x9d\x90\x98\x9e\x9f")
_STRING_ENDS = frozenset("\x07\x9c\n")
_CANCELS = frozenset("\x18\x1a")


class _In(Enum):
    TEXT = auto()
    ESCAPE = auto()
    CSI = auto()
    STRING = auto()
    STRING_ESCAPE = auto()


class ColourOnly:
    """Cleans the output of one program, piece by piece."""

    def __init__(self) -> None:
        self._state = _In.TEXT
        self._body = ""

    def feed(self, text: str) -> str:
        """What may be shown of this piece; a colour cut at its end comes out with the next piece."""
        shown: list[str] = []
        at = 0
        while at < len(text):
            if self._state is _In.TEXT:
                plain = _PLAIN.match(text, at)
                if plain and plain.end() > at:
                    shown.append(plain.group())
                    at = plain.end()
                    continue
            shown.append(self._take(text[at]))
            at += 1
        return "".join(shown)

    def _take(self, char: str) -> str:
        """One character that is not plain text; returns what it completes, mostly nothing."""
        if char in _CANCELS:
            self._state = _In.TEXT
            return ""
        if self._state is _In.CSI:
            return self._take_in_csi(char)
        if self._state in {_In.STRING, _In.STRING_ESCAPE}:
            return self._take_in_string(char)
        return self._take_start(char)

    def _take_start(self, char: str) -> str:
        after_escape = self._state is _In.ESCAPE
        if char == "\x1b":
            self._state = _In.ESCAPE
        elif char == "\x9b" or (after_escape and char == "["):
            self._state, self._body = _In.CSI, ""
        elif char in _STRING_STARTS and (after_escape or char >= "\x80"):
            self._state = _In.STRING
        elif not (after_escape and " " <= char <= "/"):
            # The last character of a short escape, or a lone control character: dropped.
            self._state = _In.TEXT
            return char if after_escape and char in "\n\r\t" else ""
        return ""

    def _take_in_csi(self, char: str) -> str:
        if char == "\x1b":
            self._state = _In.ESCAPE
        elif "@" <= char <= "~":
            self._state = _In.TEXT
            return f"\x1b[{self._body}m" if char == "m" and self._is_colour() else ""
        elif " " <= char <= "?":
            self._body = (self._body + char)[: _LONGEST + 1]
        elif char == "\n":
            self._state = _In.TEXT
            return char
        return ""

    def _is_colour(self) -> bool:
        return len(self._body) <= _LONGEST and _COLOUR_BODY.issuperset(self._body)

    def _take_in_string(self, char: str) -> str:
        if char == "\x1b":
            self._state = _In.STRING_ESCAPE
        elif char in _STRING_ENDS or (self._state is _In.STRING_ESCAPE and char == "\\"):
            self._state = _In.TEXT
            # A forgotten end must not swallow the rest of the program's output: a new line ends it too.
            return char if char == "\n" else ""
        elif self._state is _In.STRING_ESCAPE:
            self._state = _In.ESCAPE
            return self._take_start(char)
        return ""


def clean(text: str) -> str:
    """A whole text without any control sequence but colours, and without stray control characters."""
    return ColourOnly().feed(text)
