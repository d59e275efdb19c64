"""What a module sets up is set up once (a pytest plugin, for --dist loadgroup).

Tests that need Kafka, PostgreSQL or time stay with those of their module, unless they are marked with a group
that spans several: things that must not happen side by side.
"""

import pytest

_DEAR = ("kafka", "postgres", "slow")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        is_dear = any(item.get_closest_marker(name) for name in _DEAR)
        if is_dear and not item.get_closest_marker("xdist_group"):
            item.add_marker(pytest.mark.xdist_group(item.nodeid.partition("::")[0]))
