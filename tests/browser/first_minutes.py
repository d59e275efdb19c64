"""A student's first ten minutes as pictures in order, for the README: from signing in to a green lab.

    python -m tests.browser.first_minutes http://127.0.0.1:8000 deploy/pictures/first-minutes

Each picture is what the page shows at that moment. Run it on a new site, as `make up` leaves it.
"""

from __future__ import annotations

import argparse
import re
from pathlib import Path

from playwright.sync_api import Page, Playwright, ViewportSize, expect, sync_playwright

from tests.browser.people import sign_in
from tests.browser.site import CHROMIUM
from tests.browser.workbench import begin_lab, open_file, open_workspace, run, type_program, watch_topic

ROOT = Path(__file__).resolve().parents[2]
SIZE: ViewportSize = {"width": 1280, "height": 800}
SOLUTION = ROOT / "lessons/content/05-first-producer/labs/first-events/solutions/reference/producer.py"
# What many write first: records without a key, and no wait for the broker's answer.
FIRST_TRY = """\
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic

settings = dict(line.strip().split("=", 1) for line in open("../kafka.properties") if "=" in line)
admin = AdminClient(settings)
admin.create_topics([NewTopic("hello", num_partitions=3)])["hello"].result(10)

producer = Producer(settings)
for name in ("ines", "noor", "tom"):
    producer.produce("hello", key=name, value=f"good morning from {name}")
print("unanswered:", producer.flush(20))
"""


class Album:
    """Numbered pictures of one page."""

    def __init__(self, page: Page, folder: Path) -> None:
        self._page, self._folder, self._number = page, folder, 0
        folder.mkdir(parents=True, exist_ok=True)

    def take(self, name: str) -> None:
        self._number += 1
        self._page.wait_for_timeout(700)  # the last movement on the page has ended
        self._page.screenshot(path=self._folder / f"{self._number}-{name}.png")


def first_minutes(page: Page, album: Album) -> None:
    page.goto("/accounts/login/")
    album.take("sign-in")
    sign_in(page, "ada")
    album.take("map")

    page.get_by_role("link", name=re.compile("Your first producer")).first.click()
    expect(page.locator("#sandbox-panel[data-state]:not([aria-busy])")).to_have_count(1)
    album.take("lesson")
    page.locator("[data-do=start]").first.click()
    expect(page.locator("#chip-state")).to_have_text("ready", timeout=60_000)
    album.take("cluster")

    begin_lab(page, "first-events")
    open_workspace(page)
    open_file(page, "producer.py", holds="Announce every task")
    type_program(page, FIRST_TRY)
    run(page, says="unanswered: 0")
    watch_topic(page, "hello")
    expect(page.locator(".pane.lanes .table")).to_contain_text("good morning from tom")
    page.locator(".pane.lanes .twin").click()
    album.take("records")

    in_view(page, "#lab-first-events .task >> nth=0")
    album.take("not-yet")
    type_program(page, SOLUTION.read_text())
    page.locator(".run").click()
    for task in page.locator("#lab-first-events .task >> nth=0").all():
        expect(task).to_have_class(re.compile(r"\bdone\b"), timeout=60_000)
    page.locator("#topic").select_option("task-events")
    in_view(page, "#lab-first-events .task >> nth=0")
    album.take("green")


def in_view(page: Page, selector: str) -> None:
    page.locator(selector).evaluate("node => node.scrollIntoView({behavior: 'instant', block: 'start'})")


def _run(playwright: Playwright, args: argparse.Namespace) -> None:
    browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
    page = browser.new_context(base_url=args.site, viewport=SIZE).new_page()
    page.set_default_timeout(15_000)
    first_minutes(page, Album(page, args.folder))
    browser.close()


def main() -> None:
    parser = argparse.ArgumentParser(description="A student's first ten minutes, as pictures.")
    parser.add_argument("site", help="its address, such as http://127.0.0.1:8000")
    parser.add_argument("folder", type=Path, help="where the pictures go")
    with sync_playwright() as playwright:
        _run(playwright, parser.parse_args())


if __name__ == "__main__":
    main()
