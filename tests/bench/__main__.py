"""`python -m tests.bench [--prove] [name ...]`: measure, print a JSON line per figure, end with the table."""

import os
import sys
from pathlib import Path


def _prepare() -> None:
    """Django for the parts that run here; the programs that a bench starts get the real settings."""
    sys.path[:0] = [str(Path(__file__).resolve().parents[2] / "platform")]
    os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"
    os.environ["LIVE_TABS_PER_USER"] = "5000"  # one student stands for hundreds of viewers
    import django

    django.setup()
    os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings"


_prepare()

if __name__ == "__main__":
    from tests.bench.command import main

    sys.exit(main())
