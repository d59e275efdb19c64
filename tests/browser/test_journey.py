"""What the first working slice promises, done as a student does it: from signing in to a green lab."""

import re
from pathlib import Path

import pytest
from django.conf import settings
from playwright.sync_api import BrowserContext, Page, expect

from tests.browser.people import newcomer
from tests.browser.site import RunningSite
from tests.browser.workbench import (
    begin_lab,
    open_file,
    open_workspace,
    run,
    start_sandbox,
    type_program,
    watch_topic,
)

pytestmark = [pytest.mark.browser, pytest.mark.kafka, pytest.mark.slow, pytest.mark.xdist_group("site")]

LAB = Path(settings.BASE_DIR, "lessons/content/05-first-producer/labs/first-events")

HELLO = """\
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic

settings = dict(line.strip().split("=", 1) for line in open("../kafka.properties") if "=" in line)
admin = AdminClient(settings)
admin.create_topics([NewTopic("hello", num_partitions=3)])["hello"].exception(10)
producer = Producer(settings)
producer.produce("hello", key="ines", value="first record of mine")
print("unanswered:", producer.flush(20))
"""


def test_from_signing_in_to_a_green_lab(context: BrowserContext, site: RunningSite) -> None:
    """Sign in, map, lesson 5, Start, edit, save, reload, Run, see the record; then all of lab 5.1."""
    page = newcomer(context, site, "ines")
    page.get_by_role("link", name=re.compile("Your first producer")).first.click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("Your first producer")

    start_sandbox(page)
    begin_lab(page, "first-events")
    open_workspace(page)
    open_file(page, "producer.py", holds="Announce every task")
    type_program(page, HELLO)

    page.reload()
    open_workspace(page)
    open_file(page, "producer.py", holds="first record of mine")
    run(page, says="unanswered: 0")

    watch_topic(page, "hello")
    expect(page.locator(".pane.lanes .table")).to_contain_text("first record of mine")

    solve_the_lab(page)


def solve_the_lab(page: Page) -> None:
    """The reference solution turns every task green by itself, with no button pressed."""
    type_program(page, (LAB / "solutions/reference/producer.py").read_text())
    page.locator(".run").click()
    for task in page.locator("#lab-first-events .task").all():
        expect(task).to_have_class(re.compile(r"\bdone\b"), timeout=60_000)
