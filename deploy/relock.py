"""`make lock`: resolve requirements/*.in, deploy/kafka.in and package.json anew; run in the environment.

Writes no address of any registry: uv and npm are told to leave them out, the jars' lock has none.
"""

import hashlib
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from jgo.maven import Artifact

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "platform"))

from config.install import maven, node  # noqa: E402 - found through the line above
from config.install.python import REQUIREMENTS, UV, UV_ENV  # noqa: E402

# The oldest Python in support: Debian 12's.
_PYTHON = "3.11.2"
_ABOUT = "# Kafka's jars as `make lock` resolved them: group:artifact:version[:classifier] sha256 bytes.\n"


def lock_python() -> None:
    for name in ("base", "dev", "student", "assets"):
        argv = [str(UV), "pip", "compile", "--quiet", "--universal", "--python-version", _PYTHON]
        argv += ["--generate-hashes", "--no-emit-index-url", "--custom-compile-command", "make lock"]
        argv += [f"requirements/{name}.in", "-o", f"requirements/{name}.txt"]
        subprocess.run(argv, cwd=ROOT, env={**os.environ, **UV_ENV}, check=True)
        print(f"requirements/{name}.txt {(REQUIREMENTS / f'{name}.txt').read_text().count('==')} packages")


def lock_npm() -> None:
    found = node.find()
    if found is None:
        sys.exit("Node.js is needed to lock the front-end packages. Run `make up` once; it installs one.")
    argv = [*found.npm, "install", "--package-lock-only", "--ignore-scripts"]
    subprocess.run(argv, cwd=ROOT, check=True)


def lock_jars() -> None:
    wanted = [line for line in (ROOT / "deploy/kafka.in").read_text().split("\n") if line and line[0] != "#"]
    with tempfile.TemporaryDirectory() as folder:
        lines = _resolved(wanted, Path(folder))
    (ROOT / "deploy/kafka.lock").write_text(_ABOUT + "".join(f"{line}\n" for line in sorted(lines)))
    print(f"deploy/kafka.lock {len(lines)} jars")


def _resolved(wanted: list[str], cache: Path) -> set[str]:
    """One line per jar that `wanted` needs at run time.

    The "!" keeps jgo from applying each coordinate's dependency management to all others, which silently
    resolves another set of versions than Maven does.
    """
    context = maven.context(cache)
    roots = [context.create_dependency(f"{coordinates}!") for coordinates in wanted]
    inputs, needed = context.resolver.resolve(roots)
    return {_line(dependency.artifact) for dependency in [*inputs, *needed] if dependency.scope != "test"}


def _line(artifact: Artifact) -> str:
    path = Path(artifact.resolve())
    tail = f":{artifact.classifier}" if artifact.classifier else ""
    name = f"{artifact.groupId}:{artifact.artifactId}:{artifact.version}{tail}"
    return f"{name} {hashlib.sha256(path.read_bytes()).hexdigest()} {path.stat().st_size}"


if __name__ == "__main__":
    parts = {"python": lock_python, "npm": lock_npm, "jars": lock_jars}
    for part in sys.argv[1:] or parts:
        parts[part]()
