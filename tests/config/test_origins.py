"""A websocket is opened by our own page or not at all."""

import pytest

from config.origins import allowed_host, same_origin


def scope(origin: str | None, host: str = "localhost:8000") -> dict[str, object]:
    headers = [(b"host", host.encode())]
    if origin is not None:
        headers.append((b"origin", origin.encode()))
    return {"type": "websocket", "headers": headers}


def test_our_own_page_may_open_a_websocket() -> None:
    assert same_origin(scope("http://localhost:8000"))


@pytest.mark.parametrize(
    "origin",
    [
        None,
        "",
        "null",
        "http://evil.example",
        "http://localhost:8001",
        "http://localhost",
        "file://localhost:8000",
        "http://localhost:8000.evil.example",
    ],
)
def test_any_other_origin_is_refused(origin: str | None) -> None:
    assert not same_origin(scope(origin))


def test_a_host_that_is_not_ours_is_refused() -> None:
    assert not allowed_host(scope("http://evil.example", host="evil.example"))
    assert allowed_host(scope("http://localhost:8000"))
