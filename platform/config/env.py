"""Readers of the environment: one function per kind of value, each with a default.

Every setting that an operator may change comes through here, so `deploy/README.md` can list them and a
test can compare the two.
"""

import os
from collections.abc import Sequence

_TRUE = {"1", "true", "yes", "on"}
_FALSE = {"0", "false", "no", "off", ""}


class BadSetting(Exception):
    """An environment variable that cannot be read; the sentence names it and what it may be."""


def text(name: str, default: str) -> str:
    """The variable as it stands."""
    return os.environ.get(name, default)


def flag(name: str, *, default: bool) -> bool:
    """A yes or no; raises BadSetting for anything else."""
    value = os.environ.get(name)
    if value is None:
        return default
    if value.lower() in _TRUE:
        return True
    if value.lower() in _FALSE:
        return False
    raise BadSetting(f"{name} is {value!r}. Set it to 1 or 0.")


def number(name: str, default: int, *, least: int, most: int | None = None) -> int:
    """A whole number from least to most; raises BadSetting for anything else."""
    value = os.environ.get(name)
    if value is None:
        return default
    may_be = f"of {least} or more" if most is None else f"from {least} to {most}"
    wrong = BadSetting(f"{name} is {value!r}. Set it to a whole number {may_be}.")
    try:
        found = int(value)
    except ValueError:
        raise wrong from None
    if found < least or (most is not None and found > most):
        raise wrong
    return found


def port(name: str, default: int) -> int:
    """The number of a TCP port that can be named; raises BadSetting for anything else."""
    return number(name, default, least=1, most=65535)


def choice(name: str, default: str, among: Sequence[str]) -> str:
    """One of a few words; raises BadSetting for anything else."""
    value = os.environ.get(name, default)
    if value not in among:
        raise BadSetting(f"{name} is {value!r}. Set it to {', '.join(among[:-1])} or {among[-1]}.")
    return value


def words(name: str, default: str) -> list[str]:
    """A list separated by commas; empty entries are left out."""
    return [word.strip() for word in text(name, default).split(",") if word.strip()]
