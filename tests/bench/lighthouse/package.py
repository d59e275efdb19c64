"""Lighthouse itself: an npm package for the bench only, installed into the cache when it is first needed."""

from __future__ import annotations

import shutil
from pathlib import Path

from config import paths
from config.install import node, tools
from config.install.faults import SetupFault
from config.install.stamps import SHARED, fingerprint

_HERE = Path(__file__).parent
_FILES = ("package.json", "package-lock.json", ".npmrc")
_PLACE = paths.CACHE_DIR / "lighthouse"


class NotInstalledError(Exception):
    """Lighthouse is not here and cannot be fetched; says why."""


def command() -> tuple[list[str], dict[str, str]]:
    """How to call it, and the environment that it needs."""
    found = node.find()
    if found is None:
        raise NotInstalledError("Lighthouse needs Node.js. Run `make setup`; pages are not audited.")
    if not SHARED.is_fresh("lighthouse", _mark()):
        _install(found)
    return [*found.node, str(_PLACE / "node_modules" / "lighthouse" / "cli" / "index.js")], found.env


def _mark() -> str:
    return fingerprint(*(_HERE / name for name in _FILES))


def _install(found: node.Node) -> None:
    shutil.rmtree(_PLACE, ignore_errors=True)
    _PLACE.mkdir(parents=True)
    for name in _FILES:
        shutil.copy(_HERE / name, _PLACE / name)
    argv = [*found.npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
    try:
        tools.run(argv, what="Lighthouse", source="the npm registry", env=found.env, cwd=_PLACE)
    except SetupFault as fault:
        raise NotInstalledError(f"Lighthouse cannot be installed, so no page is audited: {fault}") from fault
    SHARED.write("lighthouse", _mark())
