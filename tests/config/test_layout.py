"""Guards that keep `platform/` a harmless source root."""

import platform
import sys
import sysconfig
from pathlib import Path

from django.conf import settings

ROOTS = [settings.BASE_DIR, settings.BASE_DIR / "platform"]


def test_platform_is_the_standard_library_module() -> None:
    assert Path(str(platform.__file__)).parent == Path(sysconfig.get_path("stdlib"))


def test_platform_folder_is_a_source_root_not_a_package() -> None:
    assert not list((settings.BASE_DIR / "platform").glob("*.py"))


def test_no_package_shadows_the_standard_library() -> None:
    packages = {path.parent.name for root in ROOTS for path in root.glob("*/__init__.py")}

    assert not packages & sys.stdlib_module_names
