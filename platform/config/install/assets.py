"""Steps: front-end packages by npm, then bundles by esbuild and fonts into ASSETS_DIR."""

import shutil
from pathlib import Path

from config import paths
from config.install import fonts, node, tools
from config.install.faults import SetupFault
from config.install.stamps import SHARED, fingerprint
from config.install.steps import Step

_LOCK = paths.BASE_DIR / "package-lock.json"
_MODULES = paths.BASE_DIR / "node_modules"
_DRIVER = paths.BASE_DIR / "deploy" / "assets.mjs"
_SOURCES = paths.BASE_DIR / "static"


def _node() -> node.Node:
    found = node.find()
    if found is None:
        raise SetupFault("Node.js is missing although it was installed.", "Run `make clean`, then `make up`.")
    return found


def packages_mark() -> str:
    return fingerprint(_LOCK)


def packages_are_current() -> bool:
    return _MODULES.is_dir() and SHARED.is_fresh("npm", packages_mark())


def fetch_packages() -> str:
    """Exactly what package-lock.json lists; install scripts stay off, nothing of ours needs one."""
    found = _node()
    cache = paths.CACHE_DIR / "npm"
    tools.run(
        [*found.npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--cache", cache],
        what="the front-end packages",
        source="the npm registry",
        env=found.env,
    )
    shutil.rmtree(cache, ignore_errors=True)
    SHARED.write("npm", packages_mark())
    return ""


def bundles_mark() -> str:
    sources = sorted(path for kind in ("*.js", "*.css") for path in _SOURCES.rglob(kind))
    names = "\n".join(str(path.relative_to(_SOURCES)) for path in sources)
    return fingerprint(packages_mark(), _DRIVER, Path(fonts.__file__), names, *sources)


def bundles_are_current() -> bool:
    return paths.ASSETS_DIR.is_dir() and SHARED.is_fresh("assets", bundles_mark())


def bundle() -> str:
    """Build into a fresh folder, then put it in place of the old one."""
    fresh = paths.ASSETS_DIR.with_name("assets.new")
    shutil.rmtree(fresh, ignore_errors=True)
    tools.run([*_node().node, _DRIVER, fresh], what="the front-end bundles")
    weight = fonts.cut_all(fresh / "vendor" / "fonts")
    _replace(fresh, paths.ASSETS_DIR)
    SHARED.write("assets", bundles_mark())
    return f"fonts {weight / 1000:.0f} KB"


def _replace(fresh: Path, place: Path) -> None:
    shutil.rmtree(place, ignore_errors=True)
    fresh.rename(place)


PACKAGES = Step(title="Front-end packages", is_current=packages_are_current, run=fetch_packages)
BUNDLES = Step(title="Front-end bundles", is_current=bundles_are_current, run=bundle)
