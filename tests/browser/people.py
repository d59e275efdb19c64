"""What people do before anything else: get an account, and sign in."""

from playwright.sync_api import BrowserContext, Page

from tests.browser.site import RunningSite


def newcomer(context: BrowserContext, site: RunningSite, username: str) -> Page:
    """Somebody new, signed in: no other test has touched their sandbox, files and labs."""
    page = context.new_page()
    sign_in(page, username, add_user(site, username))
    return page


def add_user(site: RunningSite, username: str) -> str:
    """An account from the site's own command; its password."""
    return site.manage("add_user", username).split("password ")[1].split()[0]


def sign_in(page: Page, username: str, password: str | None = None) -> None:
    """Sign in through the form, as a demo account unless a password is given."""
    page.goto("/accounts/login/")
    page.get_by_label("User name or e-mail").fill(username)
    page.get_by_label("Password", exact=True).fill(password or f"millrace-{username}")
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url("**/")
