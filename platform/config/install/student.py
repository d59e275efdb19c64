"""Step: what students' programs may import, for the interpreter that runs them."""

import shutil

from config import paths
from config.install import tools
from config.install.interpreter import student_python
from config.install.python import REQUIREMENTS, UV, UV_ENV
from config.install.stamps import SHARED, fingerprint
from config.install.steps import Step

_LOCK = REQUIREMENTS / "student.txt"
_OPTIONS = ("--require-hashes", "--compile-bytecode")


def _mark() -> str:
    python = student_python()
    return fingerprint(_LOCK, str(python), str(python.resolve()))


def is_current() -> bool:
    return paths.STUDENT_SITE.is_dir() and SHARED.is_fresh("student", _mark())


def install() -> str:
    """Install into a fresh folder, compiled: programs see it read-only and could not keep bytecode."""
    fresh = paths.STUDENT_SITE.with_name("student-site.new")
    shutil.rmtree(fresh, ignore_errors=True)
    tools.run(
        [UV, "pip", "install", "--python", student_python(), "--target", fresh, *_OPTIONS, "-r", _LOCK],
        what="the students' packages",
        source="the Python package index",
        env=UV_ENV,
    )
    # uv leaves its own lock there, writable for everybody.
    (fresh / ".lock").unlink(missing_ok=True)
    shutil.rmtree(paths.STUDENT_SITE, ignore_errors=True)
    fresh.rename(paths.STUDENT_SITE)
    SHARED.write("student", _mark())
    return f"for {student_python()}"


STEP = Step(title="Students' packages", is_current=is_current, run=install)
