"""System checks: what can be wrong in an operator's settings, each with its next step."""

from collections.abc import Sequence
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, register

_LOOPBACK = {"127.0.0.1", "localhost", "::1", "[::1]"}


@register()
def demo_stays_on_loopback(app_configs: Sequence[Any] | None, **kwargs: Any) -> list[CheckMessage]:
    """Demo passwords are printed for everybody to read; they must not be reachable from outside.

    A site behind a proxy listens on loopback and is public all the same: its hosts and TLS give it away.
    """
    if not settings.DEMO or not (where := _reached_by()):
        return []
    return [
        Error(
            f"Demo accounts are on while the site {where}.",
            hint="Set DEMO=0, or leave the site to this machine: BIND=127.0.0.1, SECURE=0, no ALLOWED_HOSTS.",
            id="millrace.E001",
        )
    ]


@register()
def debug_stays_on_loopback(app_configs: Sequence[Any] | None, **kwargs: Any) -> list[CheckMessage]:
    """Debug pages show code and settings; they are for whoever sits at this machine."""
    if not settings.DEBUG or not (where := _reached_by()):
        return []
    return [
        Error(
            f"Debug pages are on while the site {where}.",
            hint="Set DEBUG=0, or keep the site to this machine: BIND=127.0.0.1, SECURE=0, no ALLOWED_HOSTS.",
            id="millrace.E002",
        )
    ]


def _reached_by() -> str:
    """What says that others than this machine may reach the site; nothing when none does."""
    if settings.BIND not in _LOOPBACK:
        return f"listens on {settings.BIND}"
    if hosts := sorted(set(settings.ALLOWED_HOSTS) - _LOOPBACK):
        return f"answers for {', '.join(hosts)}"
    return "is served over TLS (SECURE=1)" if settings.SECURE else ""
