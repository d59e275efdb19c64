"""Whatever a student, or whoever writes into their cluster, puts into Kafka stays text on the page."""

import json

import pytest
from playwright.sync_api import BrowserContext, Dialog, Request, expect

from tests.browser.people import add_user, sign_in
from tests.browser.site import RunningSite
from tests.browser.workbench import (
    LESSON,
    begin_lab,
    open_file,
    open_workspace,
    run,
    start_sandbox,
    type_program,
    watch_topic,
)

pytestmark = [pytest.mark.browser, pytest.mark.kafka, pytest.mark.slow, pytest.mark.xdist_group("site")]

PAYLOADS = [
    "<script>window.hit = 1</script>",
    "<img src=x onerror='window.hit = 1'>",
    "<svg onload=window.hit=1>",
    "<a href='javascript:window.hit=1'>here</a>",
    "<div hx-get='/accounts/logout/' hx-trigger='load'>x</div>",
    "{{ 7|add:7 }} {% debug %} ${7*7}",
    "'\"><iframe srcdoc='<script>parent.hit=1</script>'>",
    "\u202egnirts\u202c zero\u200bwidth",
]

PROGRAM = """\
import json, time
from confluent_kafka import Consumer, Producer
from confluent_kafka.admin import AdminClient, NewTopic

settings = dict(line.strip().split("=", 1) for line in open("../kafka.properties") if "=" in line)
payloads = json.loads({payloads!r})
admin = AdminClient(settings)
admin.create_topics([NewTopic("hostile", num_partitions=1)])["hostile"].exception(10)
producer = Producer(settings)
for text in payloads:
    producer.produce("hostile", key=text, value=text, headers=[(text, text.encode())])
producer.produce("hostile", key=b"\\x00\\xff\\xfe", value=b"\\x1b]0;title\\x07\\x1b[31mred \\xff\\x00")
print("unanswered:", producer.flush(30))
names = {{"group.id": payloads[0], "client.id": payloads[1]}}
reader = Consumer(settings | names | {{"auto.offset.reset": "earliest"}})
reader.subscribe(["hostile"])
seen = 0
while seen < len(payloads):
    seen += reader.poll(1) is not None
reader.commit(asynchronous=False)
print(payloads[0], "\\x1b]8;;javascript:alert(1)\\x07link\\x1b]8;;\\x07", "all read")
time.sleep(20)
"""


def test_hostile_records_groups_and_output_stay_text(site: RunningSite, context: BrowserContext) -> None:
    page = context.new_page()
    strangers: list[str] = []
    dialogs: list[str] = []

    def note_stranger(asked: Request) -> None:
        if not asked.url.startswith(site.address):
            strangers.append(asked.url)

    def dismiss(dialog: Dialog) -> None:
        dialogs.append(dialog.message)
        dialog.dismiss()

    page.on("request", note_stranger)
    page.on("dialog", dismiss)
    sign_in(page, "mallory", add_user(site, "mallory"))
    page.goto(LESSON)
    start_sandbox(page)
    begin_lab(page, "first-events")
    open_workspace(page)
    open_file(page, "producer.py", holds="Announce every task")
    type_program(page, PROGRAM.format(payloads=json.dumps(PAYLOADS)))
    run(page, says="all read")

    watch_topic(page, "hostile")
    table = page.locator(".pane.lanes .table")
    for text in PAYLOADS[:5]:
        expect(table).to_contain_text(text)
    expect(page.locator(".outs")).to_contain_text(PAYLOADS[0])
    page.locator("#w-toggle").click()
    page.locator("#t-record").click()
    expect(page.locator("#lens-record")).to_contain_text(PAYLOADS[0])
    page.locator("#t-group").click()
    expect(page.locator("#lens-group")).to_contain_text(PAYLOADS[0])

    assert page.evaluate("window.hit") is None
    assert (
        page.locator(
            "#board :is(script, img, iframe, svg[onload], [hx-get*=logout], a[href^=javascript])"
        ).count()
        == 0
    )
    assert strangers == []
    assert dialogs == []
