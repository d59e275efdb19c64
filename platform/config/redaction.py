"""The last defence against a secret in a log: fields by their names, and texts by what stands in them.

No line of ours holds one to begin with (tests/security looks for planted ones). This is for what a library
puts into its own messages: a connection's URL, a header, a client's settings.
"""

import re
from functools import lru_cache
from typing import Any

from structlog.typing import EventDict

REDACTED = "[redacted]"

_NAMES = ("passw", "secret", "token", "cookie", "authorization", "sasl", "credential", "apikey", "api_key")
_WORD = r"[\w.\-]*(?:passw|secret|token|cookie|authorization|sasl\.|credential|api_?key)[\w.\-]*"
# name=value, "name": "value", name: value.
_PAIR = re.compile(
    rf"""(["']?{_WORD}["']?\s*[=:]\s*)(?:"[^"]*"|'[^']*'|(?:Bearer|Basic)\s+[^\s"']+|[^\s"',;&)}}]+)""",
    re.IGNORECASE,
)
# A header's value goes on to the end of its line.
_HEADER = re.compile(r"""\b((?:set-)?cookie|authorization)(["']?\s*:\s*)[^\n"']+""", re.IGNORECASE)
_URL = re.compile(r"(://[^\s/:@]*:)[^\s/@]+@")


@lru_cache(1024)
def is_secret(name: str) -> bool:
    """Whether a field of this name is nobody's business."""
    low = name.lower().replace("-", "_")
    return any(word in low for word in _NAMES)


def redact(logger: object, method: str, event: EventDict) -> EventDict:
    """A structlog processor; what comes out is plain: texts, numbers, and lists and mappings of these."""
    return {name: REDACTED if is_secret(name) else _clean(value) for name, value in event.items()}


def _clean(value: Any) -> Any:
    if isinstance(value, str):
        return redact_text(str(value))
    if value is None or isinstance(value, (int, float)):
        return value
    if isinstance(value, dict):
        return redact(None, "", {str(name): inner for name, inner in value.items()})
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_clean(inner) for inner in value]
    return redact_text(str(value))


def redact_text(text: str) -> str:
    """The text without what looks like a secret; costs next to nothing where no word speaks of one."""
    low = text.lower()
    if any(word in low for word in _NAMES):
        text = _HEADER.sub(rf"\1\2{REDACTED}", text)
        text = _PAIR.sub(rf"\1{REDACTED}", text)
    return _URL.sub(rf"\1{REDACTED}@", text) if "@" in text else text
