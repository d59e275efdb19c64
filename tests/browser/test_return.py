"""Coming back to a lesson: what was seen is there again, and the lab's own file is at hand."""

import re

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.browser.people import newcomer
from tests.browser.site import RunningSite
from tests.browser.workbench import READY_MS, begin_lab, open_workspace, run, start_sandbox, type_program

pytestmark = [pytest.mark.browser, pytest.mark.kafka, pytest.mark.slow, pytest.mark.xdist_group("site")]

LESSON = "/lessons/first-producer/"
# Two topics, of which the lesson names the one that stays empty.
TWO_TOPICS = """\
import time
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic

settings = dict(line.strip().split("=", 1) for line in open("../kafka.properties") if "=" in line)
admin = AdminClient(settings)
for name in ("first-steps", "later"):
    try:
        admin.create_topics([NewTopic(name, num_partitions=1)])[name].result(10)
    except Exception as error:
        print(error)
producer = Producer(settings)
producer.produce("later", key="T-1", value="here")
print("unanswered:", producer.flush(20))
time.sleep(3)
"""


def test_a_lesson_is_found_again_as_it_was_left(context: BrowserContext, site: RunningSite) -> None:
    page = newcomer(context, site, "mary")
    page.goto(LESSON)
    start_sandbox(page)
    open_workspace(page)
    a_name_that_cannot_be(page)
    one_run_for_a_double_click(page)
    the_full_topic_is_back(page)
    the_lab_brings_its_file(page)
    the_output_of_a_file_at_the_top(page)
    the_text_is_free_on_a_phone(page)


def a_name_that_cannot_be(page: Page) -> None:
    page.locator("#file-new").click()
    for name, said in (
        ("../x.py", "begins with a letter from a to z, a digit or an underscore"),
        ("", "Give the file a name"),
    ):
        page.fill("#file-name", name)
        page.keyboard.press("Enter")
        expect(page.locator(".file-ask .err")).to_contain_text(said)
    page.fill("#file-name", "try/two.py")
    page.keyboard.press("Enter")
    expect(page.get_by_role("tab", name="two.py")).to_have_attribute("aria-selected", "true")


def one_run_for_a_double_click(page: Page) -> None:
    type_program(page, TWO_TOPICS)
    page.locator(".run").dblclick()
    expect(page.locator(".outs")).to_contain_text("unanswered: 0", timeout=READY_MS)
    expect(page.locator(".outs .out")).to_have_count(1)
    expect(page.locator(".out .how")).to_have_text("finished", timeout=READY_MS)
    run(page, says="already exists")
    expect(page.locator(".outs .out:visible")).to_have_count(1)


def the_full_topic_is_back(page: Page) -> None:
    for address in (LESSON, "/board/"):
        page.goto(address)
        expect(page.locator("#topic")).to_have_value("later", timeout=READY_MS)
        expect(page.locator("#topic-fact")).to_contain_text("2 records")
    page.goto(LESSON)
    page.locator("#topic").select_option("first-steps")
    page.reload()
    expect(page.locator("#topic")).to_have_value("first-steps", timeout=READY_MS)


def the_lab_brings_its_file(page: Page) -> None:
    expect(page.locator(".cm-content")).to_contain_text("first-steps")
    begin_lab(page, "first-events")
    expect(page.locator("#lab-first-events")).to_have_attribute("data-state", "open", timeout=READY_MS)
    expect(page.locator(".cm-content")).to_contain_text("Announce every task", timeout=READY_MS)
    tab = page.get_by_role("tab", name="producer.py")
    expect(tab).to_have_attribute("aria-selected", "true")
    expect(tab).to_be_in_viewport(ratio=1)
    expect(page.get_by_role("tab", name="two.py")).to_be_visible()
    expect(page.locator("#topic")).to_have_value("task-events")


def the_output_of_a_file_at_the_top(page: Page) -> None:
    page.locator("#file-new").click()
    page.fill("#file-name", "/top.py")
    page.keyboard.press("Enter")
    expect(page.get_by_role("tab", name="top.py")).to_have_attribute("aria-selected", "true")
    type_program(page, "print('from', 'the top')")
    run(page, says="from the top")
    expect(page.locator(".out:visible .how").last).to_have_text("finished", timeout=READY_MS)
    expect(page.locator(".outs")).to_contain_text("from the top", use_inner_text=True)


def the_text_is_free_on_a_phone(page: Page) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    page.reload()
    expect(page.locator("#chip-state")).to_have_text("ready", timeout=READY_MS)
    expect(page.locator("#work")).to_have_js_property("hidden", False)
    expect(page.locator("#w-body")).to_be_hidden()
    expect(page.locator("body")).not_to_have_class(re.compile("under-sheet"))
    expect(page.get_by_role("heading", level=1)).to_be_visible()
