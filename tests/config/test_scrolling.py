"""What scrolls can be reached with keys, and is said to whoever hears the page."""

import re
from pathlib import Path

from django.conf import settings

SCROLLS = re.compile(r'<[a-z]+ class="scrollx[^>]*>')
NEEDS = ('tabindex="0"', 'role="', "aria-label")


def test_every_wide_table_scrolls_with_keys_and_has_a_name() -> None:
    templates = Path(settings.BASE_DIR, "templates")
    found = [(path, tag) for path in templates.rglob("*.html") for tag in SCROLLS.findall(path.read_text())]
    assert found
    wrong = [f"{path.name}: {tag}" for path, tag in found if not all(need in tag for need in NEEDS)]
    assert not wrong, "\n".join(wrong)
