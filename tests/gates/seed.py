"""One seed for everything random in a run of the tests (a pytest plugin): printed first, repeatable.

    MILLRACE_SEED=1234 make test

Hypothesis draws from it; a test that rolls its own dice takes them from `dice`.
"""

import os
import random

import pytest

NAME = "MILLRACE_SEED"
# In the environment, so that xdist's workers and programs that tests start have the same one.
SEED = int(os.environ.setdefault(NAME, str(random.SystemRandom().randrange(10**9))))


def dice(name: str) -> random.Random:
    """Random numbers of one test's own: the same for one seed and name, whatever ran before."""
    return random.Random(f"{SEED} {name}")


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    if hasattr(config.option, "hypothesis_seed") and config.option.hypothesis_seed is None:
        config.option.hypothesis_seed = SEED


def pytest_sessionstart(session: pytest.Session) -> None:
    if printer := session.config.pluginmanager.get_plugin("terminalreporter"):
        printer.write_line(f"Seed: {NAME}={SEED}")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Once more at the end, where whoever reads of a failure looks."""
    if terminalreporter.stats.get("failed") or terminalreporter.stats.get("error"):
        terminalreporter.write_line(f"To see the same again: {NAME}={SEED}")
