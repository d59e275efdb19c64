"""Static files: sent before Django with their own headers, and bundled so that a page asks for few."""

import asyncio
import json
import re
import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from django.template import Context, Template

from config import paths, static
from config.install import node
from tests.config.test_handler import Reader, scope

DRIVER = paths.BASE_DIR / "deploy" / "assets.mjs"
PAGES = sorted(path.name for path in (paths.BASE_DIR / "static/js/pages").glob("*.js"))


# -- sent --------------------------------------------------------------------------------------------------


@pytest.fixture
def files(tmp_path: Path, settings: Any) -> Path:
    settings.STATIC_ROOT = tmp_path
    settings.SERVESTATIC_AUTOREFRESH = False
    (tmp_path / "icon.svg").write_text("<svg/>")
    (tmp_path.parent / "secret.txt").write_text("not yours")
    return tmp_path


def get(address: str) -> tuple[Reader, dict[str, str]]:
    """What comes of an address, and the head; "passed on" is Django's turn."""
    headers: dict[str, str] = {}

    async def django(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 418, "headers": []})
        await send({"type": "http.response.body", "body": b"passed on"})

    async def main() -> Reader:
        reader = Reader()

        async def send(event: Any) -> None:
            headers.update({name.decode(): value.decode() for name, value in event.get("headers", ())})
            await reader.send(event)

        await static.StaticFirst(django)(scope(address), reader.receive, send)
        return reader

    return asyncio.run(main()), headers


def test_a_file_is_sent_and_may_not_be_taken_for_anything_else(files: Path) -> None:
    reader, headers = get("/static/icon.svg")

    assert reader.status == 200
    assert reader.body == b"<svg/>"
    assert headers["content-type"] == "image/svg+xml"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cross-origin-resource-policy"] == "same-origin"
    assert "default-src 'none'" in headers["content-security-policy"]
    assert "access-control-allow-origin" not in headers


@pytest.mark.parametrize(
    "address", ["/", "/static/", "/static/none.js", "/static/../secret.txt", "/static/%2e%2e/secret.txt"]
)
def test_what_is_no_file_is_passed_on(files: Path, address: str) -> None:
    reader, _ = get(address)

    assert (reader.status, reader.body) == (418, b"passed on")


# -- bundled -----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Everything that set-up bundles."""
    found = node.find()
    if found is None:
        pytest.skip("There is no Node.js on this machine. Run make setup.")
    out = tmp_path_factory.mktemp("assets")
    subprocess.run([*found.node, str(DRIVER), str(out)], check=True, cwd=paths.BASE_DIR)
    return out


@pytest.mark.slow
def test_each_page_is_its_own_file_and_at_most_one_more(bundles: Path) -> None:
    needs = json.loads((bundles / "bundles.json").read_text())

    assert sorted(needs) == [f"js/pages/{name}" for name in PAGES]
    assert all(len(more) <= 1 for more in needs.values()), needs
    for module, more in needs.items():
        text = (bundles / "bundled" / module).read_text()
        imported = re.findall(r'(?:from|import) ?"(\.[^"]+)"', text)
        assert len(imported) == len(more), module


@pytest.mark.slow
def test_editor_workspace_and_deck_are_not_in_what_a_reader_without_a_cluster_gets(bundles: Path) -> None:
    needs = json.loads((bundles / "bundles.json").read_text())
    first = ["js/pages/lesson.js", *needs["js/pages/lesson.js"]]
    sent = "".join((bundles / "bundled" / name).read_text() for name in first)
    later = "".join(path.read_text() for path in (bundles / "bundled/js/chunks").glob("lesson-*.js"))

    for word in ("no-output", "/sandbox/faults/"):
        assert word not in sent
        assert word in later
    assert "cm-editor" not in sent + later
    assert "cm-editor" in (bundles / "vendor/js/editor.bundle.js").read_text()


@pytest.mark.slow
def test_sheets_are_whole_and_find_their_fonts(bundles: Path) -> None:
    for sheet in (bundles / "bundled/css").glob("*.css"):
        assert "@import" not in sheet.read_text(), sheet.name
    assert "../fonts/inter.woff2" in (bundles / "bundled/css/shell.css").read_text()


def test_a_page_asks_for_its_module_and_for_what_that_needs(settings: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr(static, "_needs", lambda: {"js/pages/home.js": ["js/chunks/home-1.js"]})
    tag = Template('{% load modules %}{% module "js/pages/home.js" %}')

    as_modules = tag.render(Context())
    settings.STATICFILES_DIRS = [paths.BUNDLED_DIR]
    bundled = tag.render(Context())

    script = '<script type="module" src="/static/js/pages/home.js"></script>'
    assert as_modules == script
    assert bundled == f'<link rel="modulepreload" href="/static/js/chunks/home-1.js">{script}'


def test_where_bundles_are_served_sources_are_not_collected(settings: Any) -> None:
    def collected() -> set[str]:
        return {path for path, _ in static.SiteFiles().list(None)}

    settings.STATICFILES_DIRS = [paths.BASE_DIR / "static"]
    assert {"js/pages/home.js", "css/base.css", "icon.svg"} <= collected()

    settings.STATICFILES_DIRS = [paths.BUNDLED_DIR, paths.BASE_DIR / "static"]
    assert "icon.svg" in collected()
    assert "js/board.js" not in collected()


# -- the header --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("role", "titles"),
    [("student", []), ("instructor", ["Class"]), ("admin", ["Class", "Sandboxes", "Clusters"])],
)
def test_the_header_opens_the_rooms_of_ones_role(role: str, titles: list[str], monkeypatch: Any) -> None:
    from config.templatetags import rooms

    user = SimpleNamespace(is_admin=role == "admin", is_staff_member=role != "student")
    monkeypatch.setattr(rooms, "reverse", lambda name: f"/{name.replace(':', '/')}/")

    found = rooms.rooms(user, "/classroom/home/edsger/")

    assert [room.title for room in found] == titles
    assert [room.title for room in found if room.here] == titles[:1]
