"""The permission matrix: every address and every socket of the site, and what each kind of person gets.

Ada owns what the addresses are about. A row that is missing fails the build (test_permissions.py), so a new
address is decided on before it is served.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

PEOPLE = ("nobody", "ada", "edsger", "grace", "barbara", "root")

# What stands for what in a path: filled in by the tests.
SANDBOX = "{sandbox}"
CLUSTER = "{cluster}"
RESERVATION = "{reservation}"
COHORT = "{cohort}"
ADA = "{ada}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One address, asked in one way.

    route:  as the resolver knows it.
    path:   the address to ask, with {names} that the tests fill in.
    expect: person -> HTTP status.
    why:    what the difference between people is, where there is one.
    acts:   who but Ada may change what is hers by it.
    open:   it changes nothing of anybody's, so it is taken without the page's token.
    """

    route: str
    path: str
    expect: Mapping[str, int]
    method: str = "GET"
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    why: str = ""
    acts: frozenset[str] = frozenset()
    open: bool = False

    @property
    def name(self) -> str:
        return f"{self.method} {self.path}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Socket:
    """One websocket; expect: person -> 0 for open, or the code it is closed with."""

    route: str
    path: str
    expect: Mapping[str, int]


def all_get(status: int) -> dict[str, int]:
    return dict.fromkeys(PEOPLE, status)


def members_get(status: int, *, nobody: int = 302) -> dict[str, int]:
    """The same for everybody who is signed in: the page is about themselves."""
    return all_get(status) | {"nobody": nobody}


def ada_gets(status: int, *, others: int, nobody: int) -> dict[str, int]:
    """Ada has a sandbox and gets it; the others ask the same address and mean their own, which they lack."""
    return all_get(others) | {"ada": status, "nobody": nobody}


def admins_get(status: int) -> dict[str, int]:
    """For an admin; whoever is signed out signs in first, and to everybody else there is no such page."""
    return all_get(404) | {"nobody": 302, "root": status}


ACCOUNTS = (
    Row(route="accounts/login/", path="/accounts/login/", expect=members_get(302, nobody=200)),
    Row(
        route="accounts/login/",
        method="POST",
        path="/accounts/login/",
        body={"login": "ada", "password": "wrong"},
        expect=members_get(302, nobody=200),
    ),
    Row(route="accounts/logout/", path="/accounts/logout/", expect=members_get(200)),
    Row(route="accounts/logout/", method="POST", path="/accounts/logout/", expect=all_get(302)),
    Row(route="accounts/signup/", path="/accounts/signup/", expect=members_get(302, nobody=200)),
    Row(
        route="accounts/signup/",
        method="POST",
        path="/accounts/signup/",
        body={"username": "eve", "password1": "x", "password2": "x"},
        expect=members_get(302, nobody=200),
        why="sign-up is closed: the page says so and makes nobody",
    ),
    Row(route="accounts/inactive/", path="/accounts/inactive/", expect=all_get(200)),
    Row(route="accounts/password/change/", path="/accounts/password/change/", expect=members_get(200)),
    Row(
        route="accounts/password/change/",
        method="POST",
        path="/accounts/password/change/",
        body={"oldpassword": "wrong", "password1": "a", "password2": "b"},
        expect=members_get(200),
    ),
    Row(route="accounts/reauthenticate/", path="/accounts/reauthenticate/", expect=members_get(200)),
    Row(
        route="accounts/reauthenticate/",
        method="POST",
        path="/accounts/reauthenticate/",
        body={"password": "wrong"},
        expect=members_get(200),
    ),
    Row(route="accounts/password/reset/", path="/accounts/password/reset/", expect=all_get(200)),
    Row(
        route="accounts/password/reset/",
        method="POST",
        path="/accounts/password/reset/",
        body={"email": "ada@example.org"},
        expect=all_get(200),
        why="without a mail server it only says whom to ask",
    ),
    Row(route="accounts/password/reset/done/", path="/accounts/password/reset/done/", expect=all_get(200)),
    Row(
        route="accounts/password/reset/key/(?P<uidb36>[0-9A-Za-z]+)-(?P<key>.+)/",
        path="/accounts/password/reset/key/1-made-up/",
        expect=all_get(200),
        why="the key proves itself; a made-up one gets a page that says so",
    ),
    Row(
        route="accounts/password/reset/key/done/",
        path="/accounts/password/reset/key/done/",
        expect=all_get(200),
    ),
)

_JSON = {"Content-Type": "application/json"}

SANDBOX_PAGES = (
    Row(route="sandbox/", path="/sandbox/", expect=members_get(200)),
    Row(route="sandbox/why/", path="/sandbox/why/", expect=members_get(200)),
    Row(
        route="sandbox/<uuid:sandbox_id>/why/",
        path=f"/sandbox/{SANDBOX}/why/",
        expect=all_get(404) | {"ada": 200, "grace": 200, "root": 200, "nobody": 302},
        why="read by its owner, the owner's instructor and an admin; to others it does not exist",
    ),
    *(
        Row(route=f"sandbox/{what}/", method="POST", path=f"/sandbox/{what}/", expect=all_get(302))
        for what in ("start", "stop", "resume", "delete", "start-over", "extend")
    ),
    Row(
        route="sandbox/faults/<slug:kind>/",
        method="POST",
        path="/sandbox/faults/latency/",
        body="{}",
        headers=_JSON,
        expect=ada_gets(201, others=409, nobody=401),
    ),
    Row(
        route="sandbox/faults/<slug:kind>/undo/",
        method="POST",
        path="/sandbox/faults/latency/undo/",
        headers={"Accept": "application/json"},
        expect=ada_gets(204, others=409, nobody=401),
    ),
    Row(route="sandbox/files/", path="/sandbox/files/", expect=ada_gets(200, others=409, nobody=401)),
    Row(
        route="sandbox/files/<path:path>",
        path="/sandbox/files/ada.py",
        expect=ada_gets(200, others=409, nobody=401),
    ),
    Row(
        route="sandbox/files/<path:path>",
        method="PUT",
        path="/sandbox/files/ada.py",
        body='{"text": "print(1)\\n", "base_version": null}',
        headers=_JSON,
        expect=ada_gets(200, others=409, nobody=401),
    ),
    Row(
        route="sandbox/files/<path:path>",
        method="DELETE",
        path="/sandbox/files/ada.py",
        expect=ada_gets(204, others=409, nobody=401),
    ),
)

_LAB = "lessons/<slug:slug>/labs/<slug:lab>/"
_AT_LAB = "/lessons/first/labs/one/"

LESSONS = (
    Row(route="", path="/", expect=all_get(200), why="without an account it says what the course is"),
    Row(route="search/", path="/search/?q=record", expect=members_get(200)),
    Row(route="board/", path="/board/", expect=members_get(200)),
    Row(
        route="lessons/<slug:slug>/place/",
        method="POST",
        path="/lessons/first/place/",
        body={"anchor": "record"},
        expect=members_get(204),
    ),
    Row(route="lessons/<slug:slug>/", path="/lessons/first/", expect=members_get(200)),
    Row(route=_LAB, path=_AT_LAB, expect=members_get(200)),
    # A refusal ("start your sandbox first") is a sentence on the panel, so the status is the same.
    *(
        Row(route=_LAB + more, method="POST", path=_AT_LAB + at, expect=members_get(200))
        for more, at in (
            ("start/", "start/"),
            ("reset/", "reset/"),
            ("tasks/<slug:task>/check/", "tasks/run/check/"),
            ("tasks/<slug:task>/hint/<int:step>/", "tasks/run/hint/1/"),
        )
    ),
    *(
        Row(
            route=f"lessons/<slug:slug>/{kind}/<slug:item>/",
            method="POST",
            path=f"/lessons/first/{kind}/{item}/",
            body={"answer": answer},
            expect=members_get(200),
        )
        for kind, item, answer in (("quiz", "where", "log"), ("predict", "guess", "a"))
    ),
)

_ONE = "console/sandboxes/<uuid:sandbox_id>/"
_AT_ONE = f"/console/sandboxes/{SANDBOX}/"

CONSOLE = (
    Row(route="console/", path="/console/", expect=admins_get(302)),
    Row(route="console/sandboxes/", path="/console/sandboxes/", expect=admins_get(200)),
    Row(route="console/clusters/", path="/console/clusters/", expect=admins_get(200)),
    Row(
        route="console/clusters/<int:cluster_id>/",
        path=f"/console/clusters/{CLUSTER}/",
        expect=admins_get(200),
    ),
    Row(
        route="console/clusters/<int:cluster_id>/<slug:what>/",
        method="POST",
        path=f"/console/clusters/{CLUSTER}/close/",
        expect=admins_get(302),
    ),
    Row(
        route="console/reservations/<int:reservation_id>/release/",
        method="POST",
        path=f"/console/reservations/{RESERVATION}/release/",
        expect=admins_get(302),
    ),
    Row(route=_ONE, path=_AT_ONE, expect=admins_get(200)),
    Row(route=f"{_ONE}seen/", path=f"{_AT_ONE}seen/", expect=admins_get(200)),
    Row(route=f"{_ONE}<slug:name>/", path=f"{_AT_ONE}stop/", expect=admins_get(200)),
    Row(
        route=f"{_ONE}<slug:name>/",
        method="POST",
        path=f"{_AT_ONE}let-go/",
        expect=admins_get(302),
        why="nobody holds it, so even an admin changes nothing and is told so",
    ),
    Row(
        route=f"{_ONE}<slug:name>/",
        path=f"{_AT_ONE}delete/",
        expect=admins_get(302),
        why="what destroys asks for the password again first",
    ),
    Row(
        route=f"{_ONE}<slug:name>/",
        method="POST",
        path=f"{_AT_ONE}delete/",
        body={"reference": "guessed"},
        expect=admins_get(302),
    ),
)

# Over plain HTTP, where websockets are not let through: the same people as on the socket.
_WATCHERS = dict.fromkeys(PEOPLE, 403) | {"ada": 200, "grace": 200, "root": 200, "nobody": 401}

LIVE = (
    *(
        Row(route=f"live/<uuid:sandbox_id>/{way}/", path=f"/live/{SANDBOX}/{way}/", expect=_WATCHERS)
        for way in ("events", "poll")
    ),
    Row(
        route="live/<uuid:sandbox_id>/ops/",
        method="POST",
        path=f"/live/{SANDBOX}/ops/",
        body='{"stream": "made-up", "op": {"op": "ack", "seq": 1}}',
        headers=_JSON,
        expect={who: 202 if status == 200 else status for who, status in _WATCHERS.items()},
    ),
)

# Grace teaches Ada's class, Barbara another one; Root sees all.
_TEACHERS = all_get(404) | {"grace": 200, "root": 200, "nobody": 302}
_ONE_CLASS, _AT_CLASS = "class/<int:cohort_id>/", f"/class/{COHORT}/"
_ONE_STUDENT, _AT_STUDENT = f"{_ONE_CLASS}<int:student_id>/", f"{_AT_CLASS}{ADA}/"

CLASSROOM = (
    Row(
        route="class/",
        path="/class/",
        expect=_TEACHERS | {"grace": 302, "barbara": 302},
        why="whoever teaches one class is led to it; a student finds nothing",
    ),
    *(
        Row(route=_ONE_CLASS + more, path=_AT_CLASS + more, expect=_TEACHERS)
        for more in ("", "people/", "gradebook/", "gradebook.csv")
    ),
    Row(route=f"{_ONE_CLASS}rows/", path=f"{_AT_CLASS}rows/?parts=say.old", expect=_TEACHERS),
    Row(route=_ONE_STUDENT, path=_AT_STUDENT, expect=_TEACHERS),
    Row(
        route=f"{_ONE_STUDENT}changes/",
        path=f"{_AT_STUDENT}changes/?parts=who.old",
        expect=_TEACHERS,
    ),
    Row(
        route=f"{_ONE_STUDENT}keep-awake/",
        method="POST",
        path=f"{_AT_STUDENT}keep-awake/",
        expect=_TEACHERS | {"grace": 302, "root": 302},
        why="those who teach her may give her time; it is all that they may do to her sandbox",
        acts=frozenset({"grace", "root"}),
    ),
)

OPERATION = (
    Row(route="healthz/", path="/healthz/", expect=all_get(200)),
    Row(
        route="readyz/",
        path="/readyz/",
        expect=all_get(503),
        why="No worker and no Redis run beside this test; it says so to anybody, and names no address.",
    ),
    Row(
        route="metrics",
        path="/metrics",
        expect=all_get(200),
        why="Asked from this machine, without a token set: tests/config/test_scrape.py has the others.",
    ),
    Row(
        route="csp-report/",
        method="POST",
        path="/csp-report/",
        body="{}",
        headers={"Content-Type": "application/csp-report"},
        expect=all_get(204),
        open=True,
        why="A browser sends it by itself, without a token; it becomes a bounded line in the log, no more.",
    ),
)

ROWS: tuple[Row, ...] = (*ACCOUNTS, *SANDBOX_PAGES, *LESSONS, *CONSOLE, *CLASSROOM, *LIVE, *OPERATION)

# 4401 not signed in, 4403 not yours. Those who teach her may watch her cluster; only Ada runs programs in it.
SOCKETS: tuple[Socket, ...] = (
    Socket(
        route="ws/workspace/<uuid:sandbox_id>/",
        path=f"/ws/workspace/{SANDBOX}/",
        expect=dict.fromkeys(PEOPLE, 4403) | {"ada": 0, "nobody": 4401},
    ),
    Socket(
        route="ws/live/<uuid:sandbox_id>/",
        path=f"/ws/live/{SANDBOX}/",
        expect=dict.fromkeys(PEOPLE, 4403) | {"ada": 0, "grace": 0, "root": 0, "nobody": 4401},
    ),
    # Of whom it tells is another matter: tests/sandboxes/test_overview.py.
    Socket(
        route="ws/overview/",
        path="/ws/overview/",
        expect=dict.fromkeys(PEOPLE, 0) | {"ada": 4403, "edsger": 4403, "nobody": 4401},
    ),
)
