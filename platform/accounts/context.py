"""What base.html needs on every page, without a query."""

from typing import Any

from django.conf import settings
from django.http import HttpRequest

THEMES = ("light", "dark", "auto")


def shell(request: HttpRequest) -> dict[str, Any]:
    """theme: the cookie's theme, or auto when it names none; demo: whether the demo accounts are open."""
    wished = request.COOKIES.get("theme", "")
    return {"theme": wished if wished in THEMES else "auto", "demo": settings.DEMO}
