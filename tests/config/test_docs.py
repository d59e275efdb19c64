"""The operators' page names every setting, and no other; the map and `make help` are whole."""

import re
import subprocess
from pathlib import Path

from django.conf import settings

from sandboxes import limits
from sandboxes.limits import Limit

READERS = re.compile(r"""env\.(?:text|flag|number|port|words|choice)\(\s*"([A-Z_]+)\"""")
ENVIRON = re.compile(r"""os\.environ(?:\.get\(|\[)\s*"([A-Z_]+)\"""")
# Not settings: Django's own switch, and what a machine sets for every program.
NOT_OURS = {"DJANGO_SETTINGS_MODULE", "PATH", "HOME"}


def settings_in_code() -> set[str]:
    found: set[str] = set()
    for root in ("platform", "sandboxes", "lessons"):
        for path in Path(settings.BASE_DIR, root).rglob("*.py"):
            if "content" in path.parts:
                continue
            text = path.read_text()
            found |= set(READERS.findall(text)) | set(ENVIRON.findall(text))
    return found - NOT_OURS


def settings_in_docs() -> set[str]:
    section = (
        Path(settings.BASE_DIR, "deploy/README.md").read_text().split("## Settings")[1].split("\n## ")[0]
    )
    rows = [line.split("|")[1] for line in section.splitlines() if line.startswith("| `")]
    return {name for row in rows for name in re.findall(r"`([A-Z_]+)`", row)}


def test_every_setting_is_in_the_operators_page_and_nothing_else_is() -> None:
    assert settings_in_code() == settings_in_docs()


def test_every_limit_is_in_the_operators_page() -> None:
    page = Path(settings.BASE_DIR, "deploy/README.md").read_text()
    said = set(re.findall(r"\d+", page.split("\n## Limits\n")[1].split("\n## ")[0].partition("Beyond")[0]))

    there = {str(limit.times) for limit in vars(limits).values() if isinstance(limit, Limit)}

    assert len(there) > 3
    assert there | {str(limits.CLASS)} == said


def paths_on_the_map() -> list[Path]:
    """Every file and folder named in the drawing; a line's depth says below which folder it stands."""
    drawing = Path(settings.BASE_DIR, "ARCHITECTURE.md").read_text().split("```")[1]
    folders: list[str] = []
    found = []
    for line in drawing.strip("\n").splitlines():
        depth = (len(line) - len(line.lstrip())) // 2
        names = re.findall(r"^\s*((?:[\w.]+/? )+)\s", line)[0].split()
        found += [Path(*folders[:depth], name) for name in names]
        folders[depth:] = [found[-1].name]
    return found


def test_everything_on_the_map_is_there() -> None:
    missing = [str(path) for path in paths_on_the_map() if not (settings.BASE_DIR / path).exists()]

    assert not missing
    assert len(paths_on_the_map()) > 50


def test_make_help_lists_all_that_can_be_made() -> None:
    phony = re.search(r"^\.PHONY: (.*)$", (settings.BASE_DIR / "Makefile").read_text(), re.MULTILINE)
    assert phony
    told = subprocess.run(
        ["make", "help"], cwd=settings.BASE_DIR, capture_output=True, text=True, check=True
    ).stdout
    assert set(re.findall(r"^  make ([a-z-]+) ", told, re.MULTILINE)) == set(phony[1].split())
