"""A module of functions as a process that a test may ask: one function, one line of JSON as its answer."""

import json
import sys
import time
from collections.abc import Callable
from typing import Any


def answer(*commands: Callable[..., Any]) -> None:
    """Do what the command line asks for by name; its words are the arguments."""
    name, *words = sys.argv[1:]
    print(json.dumps({command.__name__: command for command in commands}[name](*words)))


def until(holds: Callable[[], bool], seconds: str, *, said: Callable[[], object]) -> float:
    """Wait until it holds; after how many seconds it did. said: what to say when it did not in time."""
    began = time.monotonic()
    while not holds():
        assert time.monotonic() - began < float(seconds), said()
        time.sleep(0.05)
    return time.monotonic() - began
