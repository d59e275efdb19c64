"""System checks: what can be wrong in an operator's settings, each with its next step."""

from collections.abc import Sequence
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, register

_LOOPBACK = {"127.0.0.1", "localhost", "::1"}


@register()
def demo_stays_on_loopback(app_configs: Sequence[Any] | None, **kwargs: Any) -> list[CheckMessage]:
    """Demo passwords are printed for everybody to read; they must not be reachable from outside."""
    if not settings.DEMO or settings.BIND in _LOOPBACK:
        return []
    return [
        Error(
            f"Demo accounts are on while the site listens on {settings.BIND}.",
            hint="Set DEMO=0, or BIND=127.0.0.1.",
            id="millrace.E001",
        )
    ]
