"""What people do before anything else: sign in."""

from playwright.sync_api import Page


def sign_in(page: Page, username: str, password: str | None = None) -> None:
    """Sign in through the form, as a demo account unless a password is given."""
    page.goto("/accounts/login/")
    page.get_by_label("User name or e-mail").fill(username)
    page.get_by_label("Password", exact=True).fill(password or f"millrace-{username}")
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url("**/")
