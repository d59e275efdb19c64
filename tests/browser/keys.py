"""A page without a mouse: from one thing to the next by Tab, and the focus is always seen."""

from playwright.sync_api import Page

MOST_STOPS = 160
# The focus is seen at the element, or around or beside it: the editor's frame, a radio button's word.
FOCUS_IS_SEEN = """() => {
  const at = document.activeElement;
  const near = [at, at.parentElement, at.closest(".pad"), at.closest("form"), at.nextElementSibling];
  return near.filter(Boolean).some((node) => {
    const style = getComputedStyle(node);
    return style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 1;
  });
}"""


def press(page: Page, selector: str) -> None:
    """Reach it by Tab, and press Enter."""
    tab_to(page, selector)
    page.keyboard.press("Enter")


def tab_to(page: Page, selector: str) -> None:
    """Tab on until the focus is there; wherever it is on the way, it can be seen."""
    for _ in range(MOST_STOPS):
        if page.evaluate("(selector) => document.activeElement.matches(selector)", selector):
            return
        page.keyboard.press("Tab")
        # Asked at once: what has the focus may go from the page at any moment, and leave it to the body.
        seen = page.evaluate(f"document.activeElement === document.body || ({FOCUS_IS_SEEN})()")
        assert seen, page.evaluate("document.activeElement.outerHTML.slice(0, 200)")
    raise AssertionError(f"{selector} is not reached by Tab")
