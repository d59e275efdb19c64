"""Pictures of what a browser test looks at, when SHOTS names a folder for them; tests compare none."""

import os
from pathlib import Path

from playwright.sync_api import Page

FOLDER = os.environ.get("SHOTS", "")


def take(page: Page, name: str) -> None:
    """Picture the page as it is, under this name with its width and theme."""
    if not FOLDER:
        return
    dark = page.evaluate("matchMedia('(prefers-color-scheme: dark)').matches")
    width = (page.viewport_size or {"width": 0})["width"]
    Path(FOLDER).mkdir(parents=True, exist_ok=True)
    page.screenshot(path=Path(FOLDER, f"{name}-{width}-{'dark' if dark else 'light'}.png"))
