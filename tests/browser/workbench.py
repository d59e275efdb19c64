"""A student's moves on the lesson page: start, open a file, type, run."""

import re

from playwright.sync_api import Page, expect

READY_MS = 60_000
LESSON = "/lessons/first-producer/"


def start_sandbox(page: Page) -> None:
    """Press Start and wait until the sandbox is theirs."""
    expect(page.locator("#sandbox-panel[data-state]:not([aria-busy])")).to_have_count(1)
    page.locator("[data-do=start]").first.click()
    expect(page.locator("#chip-state")).to_have_text("ready", timeout=READY_MS)


def have_sandbox(page: Page) -> None:
    """For what is not about starting one: theirs is ready, from before or from now."""
    expect(page.locator("#sandbox-panel[data-state]:not([aria-busy])")).to_have_count(1)
    if page.locator("#sandbox-panel").get_attribute("data-state") != "ready":
        page.locator("[data-do=start], [data-do=resume]").first.click()
        expect(page.locator("#chip-state")).to_have_text("ready", timeout=READY_MS)


def begin_lab(page: Page, slug: str) -> None:
    """Press Begin and wait until the lab is under way."""
    lab = page.locator(f"#lab-{slug}")
    lab.get_by_role("button", name="Begin").click()
    expect(lab.get_by_role("button", name="Reset")).to_be_visible()


def open_workspace(page: Page) -> None:
    toggle = page.locator("#w-toggle")
    if toggle.get_attribute("aria-expanded") != "true":
        toggle.click()
    expect(page.locator(".cm-content")).to_be_visible()


def open_file(page: Page, name: str, *, holds: str) -> None:
    """Show a file and wait until the editor has its text."""
    page.get_by_role("tab", name=name, exact=True).click()
    expect(page.locator(".cm-content")).to_contain_text(holds)


def type_program(page: Page, text: str) -> None:
    """Replace what is in the editor, as a paste does, and wait until the sandbox has it."""
    page.locator(".cm-content").focus()  # its middle, where a click goes, may be scrolled out of sight
    page.keyboard.press("ControlOrMeta+a")
    page.keyboard.insert_text(text)
    expect(page.locator(".saved")).to_have_text(re.compile(r"^saved \d\d:\d\d:\d\d$"))


def run(page: Page, *, says: str) -> None:
    """Run the open file and wait for a word of its output."""
    page.locator(".run").click()
    expect(page.locator(".outs")).to_contain_text(says, timeout=40_000)


def watch_topic(page: Page, topic: str) -> None:
    """Turn the board to a topic, lanes as text."""
    page.locator("#topic").select_option(topic)
    as_text = page.locator(".pane.lanes .twin")
    if as_text.get_attribute("aria-pressed") != "true":
        as_text.click()
