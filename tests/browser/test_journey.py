"""What the first working slice promises, done as a student does it: from signing in to a green lab."""

import re
from pathlib import Path

import pytest
from django.conf import settings
from playwright.sync_api import Page, expect

from tests.browser.site import RunningSite

pytestmark = [pytest.mark.browser, pytest.mark.kafka, pytest.mark.slow, pytest.mark.xdist_group("site")]

LAB = Path(settings.BASE_DIR, "lessons/content/05-first-producer/labs/first-events")
READY_MS = 60_000

HELLO = """\
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic

settings = dict(line.strip().split("=", 1) for line in open("../kafka.properties") if "=" in line)
admin = AdminClient(settings)
admin.create_topics([NewTopic("hello", num_partitions=3)])["hello"].exception(10)
producer = Producer(settings)
producer.produce("hello", key="ines", value="<b>first</b> record of mine")
print("unanswered:", producer.flush(20))
"""


def start_sandbox(page: Page) -> None:
    page.locator("[data-do=start]").click()
    expect(page.locator("#sandbox-panel[data-state=ready], #live")).not_to_have_count(0)
    expect(page.locator("#chip-state")).to_have_text("ready", timeout=READY_MS)


def open_workspace(page: Page) -> None:
    toggle = page.locator("#w-toggle")
    if toggle.get_attribute("aria-expanded") != "true":
        toggle.click()
    expect(page.locator(".cm-content")).to_be_visible()


def open_file(page: Page, name: str) -> None:
    page.get_by_role("tab", name=name, exact=True).click()


def type_program(page: Page, text: str) -> None:
    """Replace what is in the editor, as a paste does, and wait until the sandbox has it."""
    editor = page.locator(".cm-content")
    editor.click()
    page.keyboard.press("ControlOrMeta+a")
    page.keyboard.insert_text(text)
    expect(page.locator(".saved")).to_have_text(re.compile(r"^saved \d\d:\d\d:\d\d$"))


def test_from_signing_in_to_a_green_lab(ada: Page, site: RunningSite) -> None:
    """Sign in, map, lesson 5, Start, edit, save, reload, Run, see the record; then lab 5.1 to its last task."""
    page = ada
    page.get_by_role("link", name=re.compile("Your first producer")).first.click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("Your first producer")

    start_sandbox(page)
    page.locator("#lab-first-events").get_by_role("button", name="Begin").click()
    open_workspace(page)
    open_file(page, "producer.py")
    expect(page.locator(".cm-content")).to_contain_text("Announce every task")
    type_program(page, HELLO)

    page.reload()
    open_workspace(page)
    open_file(page, "producer.py")
    expect(page.locator(".cm-content")).to_contain_text("<b>first</b> record of mine")

    page.locator(".run").click()
    expect(page.locator(".outs")).to_contain_text("unanswered: 0", timeout=30_000)
    see_the_record(page)
    solve_the_lab(page)


def see_the_record(page: Page) -> None:
    """The record is on the page, live, and as the text that it is."""
    page.locator("#topic").select_option("hello")
    lanes = page.locator(".pane.lanes")
    lanes.get_by_role("button", name="As text").click()
    expect(lanes.locator(".table")).to_contain_text("<b>first</b> record of mine")
    expect(lanes.locator(".table b")).to_have_count(0)


def solve_the_lab(page: Page) -> None:
    """The reference solution turns every task green by itself, with no button pressed."""
    type_program(page, (LAB / "solutions/reference/producer.py").read_text())
    page.locator(".run").click()
    for task in page.locator("#lab-first-events .task").all():
        expect(task).to_have_class(re.compile(r"\bdone\b"), timeout=60_000)
