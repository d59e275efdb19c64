"""The three typefaces, cut down to what the course is written in.

Whole Latin files weigh 157 KB together; without the scripts and features that no page uses, 110 KB.
"""

import logging
from dataclasses import dataclass
from pathlib import Path

from config import paths

# It reports every table of every font at INFO.
logging.getLogger("fontTools").setLevel(logging.ERROR)

_MODULES = paths.BASE_DIR / "node_modules"

# Latin-1, dashes and quotes, bullet, ellipsis, arrows, times and minus signs.
_TEXT = "U+20-7E U+A0-FF U+2013-2014 U+2018-201D U+2022 U+2026 U+2190-2193 U+D7 U+2212"
# The same without accents, and the box lines that a terminal draws trees with.
_CODE = "U+20-7E U+A0-B7 U+2013-2014 U+2018-201D U+2022 U+2026 U+2190-2193 U+D7 U+2500-2502 U+251C U+2514"

_SERIF = ("ccmp", "kern", "liga", "mark", "lnum", "onum", "pnum", "tnum")
_SANS = ("ccmp", "kern", "liga", "calt", "mark", "lnum", "tnum", "case", "cv11", "ss03")
# No ligatures: in code, != is two characters.
_MONO = ("ccmp", "kern", "mark", "zero")


@dataclass(frozen=True, slots=True, kw_only=True)
class Face:
    """One font file. source: below node_modules; characters: ranges; features: OpenType tags to keep."""

    name: str
    source: str
    characters: str = _TEXT
    features: tuple[str, ...] = _SERIF


FACES = (
    Face(name="charis-sil-400", source="@fontsource/charis-sil/files/charis-sil-latin-400-normal"),
    Face(name="charis-sil-400-italic", source="@fontsource/charis-sil/files/charis-sil-latin-400-italic"),
    Face(name="charis-sil-700", source="@fontsource/charis-sil/files/charis-sil-latin-700-normal"),
    Face(
        name="inter",
        source="@fontsource-variable/inter/files/inter-latin-wght-normal",
        characters=f"{_TEXT} U+2713",
        features=_SANS,
    ),
    Face(
        name="jetbrains-mono",
        source="@fontsource-variable/jetbrains-mono/files/jetbrains-mono-latin-wght-normal",
        characters=_CODE,
        features=_MONO,
    ),
)


def cut_all(folder: Path) -> int:
    """Write every face into `folder` as woff2; returns their weight in bytes."""
    folder.mkdir(parents=True, exist_ok=True)
    return sum(_cut(face, folder / f"{face.name}.woff2") for face in FACES)


def _cut(face: Face, target: Path) -> int:
    # Here, where a font is cut: to load it takes longer than all else that a start looks at.
    from fontTools.subset import Options, Subsetter
    from fontTools.ttLib import TTFont

    with TTFont(_MODULES / f"{face.source}.woff2") as font:
        subsetter = Subsetter(Options(layout_features=list(face.features)))
        subsetter.populate(unicodes=_codepoints(face.characters))
        subsetter.subset(font)
        font.flavor = "woff2"
        font.save(target)
    return target.stat().st_size


def _codepoints(ranges: str) -> list[int]:
    """The code points of "U+20-7E U+D7"."""
    found: list[int] = []
    for part in ranges.replace("U+", "").split():
        first, _, last = part.partition("-")
        found.extend(range(int(first, 16), int(last or first, 16) + 1))
    return found
