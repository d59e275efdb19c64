"""{% rooms user path as rooms %}: the further rooms that somebody's role opens, for the header."""

from dataclasses import dataclass
from typing import Any

from django import template
from django.urls import NoReverseMatch, reverse

register = template.Library()

_CLASS = ("Class", "classroom:home")
_CONSOLE = (("Sandboxes", "console:sandboxes"), ("Clusters", "console:clusters"))


@dataclass(frozen=True, slots=True)
class Room:
    """A link in the header; here: the page that is open is in it."""

    title: str
    url: str
    here: bool


@register.simple_tag
def rooms(user: Any, path: str) -> list[Room]:
    """None for a student; the class for whoever teaches; the console besides for an admin."""
    wanted = [_CLASS, *(_CONSOLE if user.is_admin else ())] if user.is_staff_member else []
    addresses = {title: _address(name) for title, name in wanted}
    return [Room(title, url, (path or "").startswith(url)) for title, url in addresses.items() if url]


def _address(name: str) -> str:
    try:
        return reverse(name)
    except NoReverseMatch:
        return ""
