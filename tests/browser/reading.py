"""What every page must be to be read: whole within its width, and without a finding of axe."""

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

# A drawer that still fades in has less contrast than the one its reader sees.
AT_REST = """() => document.getAnimations().every(
  (one) => one.playState !== "running" || one.effect.getComputedTiming().endTime === Infinity
)"""


def assert_reads_well(page: Page, name: str) -> None:
    """Look once its transitions are over; the name says which page it was."""
    page.wait_for_function(AT_REST)
    assert width_beyond(page) <= 0, name
    # axe would fetch imported sheets by itself, from where they are not.
    found = Axe().run(page, options={"preload": False})
    assert found.violations_count == 0, f"{name}\n{found.generate_report()}"


def width_beyond(page: Page) -> int:
    """How many pixels of the page are cut off at the right."""
    return int(page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth"))
