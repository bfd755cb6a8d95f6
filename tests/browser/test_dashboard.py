"""What people do on the dashboard, in a browser; nothing may go wrong in its console or fail on its network."""

import re
from pathlib import Path
from secrets import token_hex
from typing import Literal, NamedTuple

import pytest
from playwright.sync_api import Browser, Page, expect

from local.dashboard import WEB
from tests.browser.conftest import PATIENCE_MS, STANDSTILL_MS, settled


class Look(NamedTuple):
    """A colour scheme and a width in pixels."""

    scheme: Literal["dark", "light"]
    width: int


LOOKS = (Look("light", 360), Look("dark", 1440))
LONG_NAME = "Savings" * 10
PASSWORD = "two otters and a kite"
AXE = WEB / "node_modules" / "axe-core" / "axe.min.js"
SERIOUS = """
async () => (await axe.run()).violations
  .filter(({ impact }) => impact === "serious" || impact === "critical")
  .map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(" ")}`)
"""
SHIFTED = """
() => new Promise(resolve => {
  const told = new PerformanceObserver(list => resolve(
    list.getEntries().filter(({ hadRecentInput }) => !hadRecentInput).reduce((sum, { value }) => sum + value, 0)
  ));
  told.observe({ type: "layout-shift", buffered: true });
  setTimeout(() => resolve(0), 1000); // there was none to tell of
})
"""
SHIFT = 0.05
"""Half of the cumulative layout shift that web.dev calls good."""
AS_ON_A_PHONE = """
const { showNotification } = ServiceWorkerRegistration.prototype;
window.Notification = new Proxy(Notification, { construct() { throw new TypeError("Illegal constructor"); } });
ServiceWorkerRegistration.prototype.showNotification = async function (title, options) {
  await showNotification.call(this, title, options);
  window.notified = options.body;
};
"""
"""Only a service worker may notify; what was told is in `notified`."""
LINES = """type,asset,quantity,price,currency,time,external_id
buy,ETH,2,2500,USD,2026-03-01T12:00:00Z,import-1
buy,ETH,1,2700,USD,2026-04-01T12:00:00Z,import-2
buy,ETH,none,2700,USD,2026-05-01T12:00:00Z,import-3
"""


def assert_accessible(page: Page) -> None:
    """Nothing that axe calls serious or worse."""
    page.evaluate(AXE.read_text())
    assert page.evaluate(SERIOUS) == []


def assert_fits(page: Page) -> None:
    """Nothing sticks out sideways, once charts have the page's width too."""
    page.wait_for_function("() => document.documentElement.scrollWidth <= window.innerWidth")


def assert_stood_still(page: Page) -> None:
    """What was there stayed where it was while the rest came."""
    assert page.evaluate(SHIFTED) < SHIFT


def enter(page: Page, email: str) -> None:
    """Makes an account, and is signed in."""
    page.goto("/register")
    sign_up(page, email)
    page.wait_for_url("**/portfolios")


def sign_up(page: Page, email: str) -> None:
    """Fills in the form of the page to register."""
    page.get_by_label("E-mail").fill(email)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Create account").click()


@pytest.mark.parametrize("path", ["/", "/market/BTC-USD", "/correlation", "/news", "/sign-in", "/register", "/nowhere"])
def test_pages_fit_any_width_and_anybody_can_use_them(page: Page, path: str) -> None:
    for shown in LOOKS:
        page.set_viewport_size({"width": shown.width, "height": 800})
        page.emulate_media(color_scheme=shown.scheme)
        page.goto(path)
        settled(page)
        assert_stood_still(page)
        assert_fits(page)
        assert_accessible(page)


def test_the_market_is_live_and_what_a_visitor_watches_is_kept(page: Page) -> None:
    page.goto("/")
    prices = page.get_by_role("row").get_by_text(re.compile(r"^\$[\d,]+\.\d+$"))
    expect(prices.first).to_be_visible()
    expect(prices).not_to_have_text(prices.all_inner_texts(), timeout=STANDSTILL_MS)
    expect(page.get_by_role("banner").get_by_text("Simulated", exact=True)).to_be_visible()
    expect(page.get_by_role("contentinfo")).to_contain_text("Simulated prices")
    expect(page.get_by_role("contentinfo")).not_to_contain_text("Prices from")
    row = page.get_by_role("row").filter(has_text="BTC-USD")
    row.get_by_role("button", name=re.compile("Bitcoin")).click()
    page.reload()
    page.get_by_role("group").get_by_text("Watchlist", exact=True).click()
    expect(page.get_by_role("row").filter(has_text="BTC-USD")).to_be_visible()
    expect(page.get_by_role("row").filter(has_text="ETH-USD")).to_have_count(0)


def test_an_asset_has_its_candles_and_indicators(page: Page) -> None:
    page.goto("/market/ETH-USD?interval=1m")
    expect(page.get_by_role("heading", name="Ethereum")).to_be_visible()
    expect(page.locator("canvas").first).to_be_visible()
    page.get_by_text("15m", exact=True).click()
    page.wait_for_url("**interval=15m**")
    settled(page)
    expect(page.get_by_role("heading", name="Volatility")).to_be_visible()


def test_a_page_begins_at_its_top_and_has_the_focus(page: Page) -> None:
    page.set_viewport_size({"width": 360, "height": 320})
    page.goto("/")
    settled(page)
    page.evaluate("scrollTo(0, document.body.scrollHeight)")
    page.wait_for_function("() => scrollY > 0")
    page.get_by_role("row").get_by_role("link", name="Ethereum").click()
    expect(page.get_by_role("heading", name="Ethereum")).to_be_in_viewport()
    expect(page.get_by_role("main")).to_be_focused()
    assert page.evaluate("scrollY") == 0


def test_the_api_has_its_page(page: Page) -> None:
    page.goto("/api/docs")
    page.get_by_role("button", name="GET /time The time").click()
    page.get_by_role("button", name="Execute").click()
    expect(page.get_by_text(re.compile(r'"time": "20')).first).to_be_visible()


def test_who_is_offline_is_told_and_goes_on_by_himself(page: Page) -> None:
    page.goto("/")
    live = page.get_by_role("banner").get_by_role("status")
    expect(live).to_have_text("Live")
    settled(page)
    page.context.set_offline(True)
    expect(page.get_by_text("You are offline")).to_be_visible()
    page.context.set_offline(False)
    expect(live).to_have_text("Live")


def test_who_blocks_storage_sees_the_market_all_the_same(page: Page) -> None:
    page.add_init_script("Object.defineProperty(window, 'localStorage', { get() { throw new Error('denied') } })")
    page.goto("/")
    row = page.get_by_role("row").filter(has_text="BTC-USD")
    row.get_by_role("button", name=re.compile("Bitcoin")).click()
    page.get_by_role("group").get_by_text("Watchlist", exact=True).click()
    expect(row).to_be_visible()
    expect(page.get_by_role("row").filter(has_text="ETH-USD")).to_have_count(0)


def test_who_makes_an_account_is_back_where_he_was_with_what_he_watched(page: Page) -> None:
    page.goto("/market/ETH-USD?interval=1h")
    page.get_by_role("button", name=re.compile("Put Ethereum on the watchlist")).click()
    page.get_by_role("link", name="Sign in").click()
    expect(page.get_by_role("heading")).to_have_text(["Sign in"])
    page.get_by_role("link", name="Create an account").click()
    with page.expect_response(lambda told: told.request.method == "PUT"):
        sign_up(page, f"bob-{token_hex(4)}@example.com")
    page.wait_for_url("**/market/ETH-USD?interval=1h")
    page.reload()
    expect(page.get_by_role("button", name="Take Ethereum off the watchlist")).to_be_enabled()


def test_who_was_signed_out_elsewhere_is_told_and_comes_back(browser: Browser, dashboard: str) -> None:
    with browser.new_context(
        base_url=dashboard, locale="en-US"
    ) as context:  # what the server refuses is in its console
        context.set_default_timeout(PATIENCE_MS)
        page = context.new_page()
        email = f"eve-{token_hex(4)}@example.com"
        enter(page, email)
        page.goto("/settings/tokens")
        who = {"email": email, "password": PASSWORD}
        token = context.request.post("/api/auth/login", data=who).json()["access_token"]
        changed = context.request.post(
            "/api/users/me/password",
            data={"current_password": PASSWORD, "new_password": PASSWORD[::-1]},
            headers={"Authorization": f"Bearer {token}"},
        )
        assert changed.ok, changed.text()
        expect(page.get_by_text("Your session has ended. Sign in again.")).to_be_visible()
        page.get_by_label("E-mail").fill(email)
        page.get_by_label("Password").fill(PASSWORD[::-1])
        page.get_by_role("main").get_by_role("button", name="Sign in").click()
        page.wait_for_url("**/settings/tokens")

        # What is shown only once is not closed by the way.
        page.get_by_role("button", name="New token").click()
        dialog = page.get_by_role("dialog")
        expect(dialog.get_by_label("Name")).to_be_focused()
        dialog.get_by_label("Name").fill("Bot")
        dialog.get_by_role("button", name="Make token").click()
        secret = dialog.get_by_label("Bot")
        expect(secret).to_be_focused()
        page.keyboard.press("Escape")
        page.keyboard.press("Escape")
        page.mouse.click(5, 5)
        expect(secret).to_have_value(re.compile("^cp_"))
        dialog.get_by_role("button", name="Done").click()
        expect(dialog).to_have_count(0)


def test_the_users_journey(page: Page, tmp_path: Path) -> None:
    enter(page, f"ann-{token_hex(4)}@example.com")

    # A portfolio, and what was bought.
    page.get_by_role("button", name=re.compile("portfolio", re.IGNORECASE)).first.click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_label("Name")).to_be_focused()
    dialog.get_by_label("Name").fill(LONG_NAME)
    dialog.get_by_role("button", name="Create portfolio").click()
    page.wait_for_url(re.compile(r"/portfolios/\w+"))
    portfolio = page.url
    page.goto(f"{portfolio}/transactions")
    page.get_by_role("button", name="Add", exact=True).click()
    dialog.get_by_label("Asset").fill("BTC")
    dialog.get_by_label("Quantity").fill("0,5")
    dialog.get_by_label("Unit price").fill("40000")
    dialog.get_by_label("Time").fill("2026-02-03T10:00:00")
    dialog.get_by_role("button", name="Add transaction").click()
    expect(page.get_by_text("The transaction is added.")).to_be_visible()

    # It is worth something, and each moment something else.
    page.goto(portfolio)
    value = page.get_by_role("definition").filter(has_text="$").first
    first = value.inner_text()
    assert float(first.strip("$").replace(",", "")) > 0
    expect(value).not_to_have_text(first, timeout=STANDSTILL_MS)
    assert_accessible(page)

    # On a phone nothing scrolls sideways, whatever it is called.
    page.set_viewport_size({"width": 360, "height": 800})
    expect(page.get_by_role("list", name="Holdings").get_by_role("listitem")).to_have_text([re.compile("^BTC.*0.5 ×")])
    assert_fits(page)
    assert_accessible(page)
    page.goto("/portfolios")
    expect(page.get_by_role("link", name=LONG_NAME)).to_be_visible()
    assert_fits(page)
    page.set_viewport_size({"width": 1280, "height": 900})

    # A file, of which one line cannot be read.
    csv = tmp_path / "trades.csv"
    csv.write_text(LINES)
    page.goto(f"{portfolio}/transactions")
    page.get_by_role("button", name="Import").first.click()
    page.locator("input[type=file]").set_input_files(csv)
    lines = dialog.get_by_role("row")
    expect(lines.nth(1)).to_have_text(re.compile(r"^2\s*Buy\s*\+2 ETH.*Mar 1, 2026.*\$2,500"))
    expect(lines.nth(3)).to_contain_text("quantity")
    assert_accessible(page)
    dialog.get_by_role("button", name="Import the other 2 transactions").click()
    dialog.get_by_role("button", name="Done").click()
    expect(page.get_by_role("row").filter(has_text="ETH")).to_have_count(2)
    page.goto(f"{portfolio}/gains")
    settled(page)
    assert_stood_still(page)
    assert_accessible(page)

    page.goto("/correlation")
    cells = page.get_by_role("cell").filter(has_text=re.compile(r"^[-−]?[01]\.\d\d$"))
    expect(cells.first).to_be_visible()

    # An alert that holds already fires at once, and is told wherever one is, by the browser too.
    page.context.grant_permissions(["notifications"])
    page.add_init_script(AS_ON_A_PHONE)
    page.goto("/alerts")
    page.get_by_role("button", name="New alert").first.click()
    dialog.get_by_label("Price in USD").fill("1")
    dialog.get_by_role("button", name="Make alert").click()
    expect(page.get_by_role("region", name="Notifications").get_by_text("BTC-USD is above $1.00")).to_be_visible()
    page.wait_for_function("() => window.notified?.startsWith('BTC-USD is above $1.00')")
    assert_accessible(page)

    page.goto("/settings/sessions")
    expect(page.get_by_text("This one")).to_be_visible()
    page.get_by_role("button", name="Account").click()
    page.get_by_role("button", name="Sign out").click()
    page.wait_for_url(re.compile(r"/$"))
    expect(page.get_by_role("link", name="Sign in")).to_be_visible()
    page.goto("/portfolios")
    page.wait_for_url("**/sign-in?next=%2Fportfolios")
