"""Pictures of every page of a running dashboard, in both themes at three widths: `make screenshots`."""

import sys
from dataclasses import dataclass
from secrets import token_hex
from typing import Literal

import httpx
from playwright.sync_api import Page, sync_playwright

from local import endpoints
from local.endpoints import HOME
from local.processes import ProblemError
from local.template import ROOT
from tests.browser.conftest import FLAGS, chrome

FOLDER = ROOT / ".screenshots"
WIDTHS = (360, 768, 1440)
THEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
SETTLED_MS = 2500
PASSWORD = "two otters and a kite"


@dataclass(frozen=True)
class Shown:
    """A page, and what opens what is to be seen of it: the name of a button, if any."""

    name: str
    path: str
    opened_by: str | None = None


PUBLIC = (
    Shown("market", "/"),
    Shown("asset", "/market/BTC-USD"),
    Shown("correlation", "/correlation"),
    Shown("news", "/news"),
    Shown("sign-in", "/sign-in"),
    Shown("register", "/register"),
    Shown("not-found", "/nowhere"),
)


def private(portfolio: str) -> tuple[Shown, ...]:
    """The pages of a user."""
    return (
        Shown("portfolios", "/portfolios"),
        Shown("portfolio", f"/portfolios/{portfolio}"),
        Shown("transactions", f"/portfolios/{portfolio}/transactions"),
        Shown("transaction", f"/portfolios/{portfolio}/transactions", "Add"),
        Shown("import", f"/portfolios/{portfolio}/transactions", "Import"),
        Shown("gains", f"/portfolios/{portfolio}/gains"),
        Shown("alerts", "/alerts"),
        Shown("alert", "/alerts", "New alert"),
        Shown("settings", "/settings"),
        Shown("preferences", "/settings/preferences"),
        Shown("sessions", "/settings/sessions"),
        Shown("tokens", "/settings/tokens"),
    )


def invest(api: httpx.Client) -> tuple[str, str]:
    """A user who has something to see: the e-mail, and a portfolio's id."""
    email = f"ann-{token_hex(4)}@example.com"
    me = {"email": email, "password": PASSWORD}
    _post(api, "/auth/register", me | {"display_name": "Ann Otter"})
    token = _post(api, "/auth/login", me)["access_token"]
    api.headers["Authorization"] = f"Bearer {token}"
    main = _post(api, "/portfolios", {"name": "Long term"})["id"]
    _post(api, "/portfolios", {"name": "Trading", "cost_basis": "hifo"})
    for asset, quantity, price, day in (
        ("BTC", "0.5", "41200", "2026-01-12"),
        ("ETH", "6", "2310.5", "2026-02-20"),
        ("SOL", "80", "142.1", "2026-03-03"),
        ("LINK", "400", "14.25", "2026-05-17"),
        ("BTC", "0.25", "58900", "2026-08-01"),
    ):
        bought = {"type": "buy", "asset": asset, "quantity": quantity, "price": price, "fee": "9.5", "time": day}
        _post(api, f"/portfolios/{main}/transactions", bought)
    sold = {
        "type": "sell",
        "asset": "ETH",
        "quantity": "2",
        "price": "2801",
        "time": "2026-09-30",
        "note": "for the roof",
    }
    _post(api, f"/portfolios/{main}/transactions", sold)
    _post(api, "/alerts", {"symbol": "BTC-USD", "condition": "above", "threshold": "1"})
    _post(api, "/alerts", {"symbol": "ETH-USD", "condition": "change_pct", "threshold": "-5", "window": "4h"})
    return email, main


def main() -> int:
    """Takes them all.

    Raises:
        ProblemError: No dashboard runs, or there is no browser.
    """
    there = endpoints.read(HOME)
    path = chrome()
    if there.web is None or path is None:
        raise ProblemError("this needs `make run` with the dashboard, and a Chromium or Chrome")
    FOLDER.mkdir(exist_ok=True)
    with httpx.Client(base_url=there.http, timeout=30, trust_env=False) as api:
        email, portfolio = invest(api)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(FLAGS))
        for theme in THEMES:
            context = browser.new_context(base_url=there.web, color_scheme=theme, locale="en-US")
            page = context.new_page()
            for shown in PUBLIC:
                take(page, shown, theme)
            page.goto("/sign-in")
            page.get_by_label("E-mail").fill(email)
            page.get_by_label("Password").fill(PASSWORD)
            page.get_by_role("button", name="Sign in").click()
            page.wait_for_url("**/portfolios")
            for shown in private(portfolio):
                take(page, shown, theme)
            context.close()
        browser.close()
    print(f"{len(list(FOLDER.glob('*.png')))} pictures in {FOLDER}")
    return 0


def take(page: Page, shown: Shown, theme: str) -> None:
    """Takes one page at all widths."""
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 900})
        page.goto(shown.path)
        page.wait_for_timeout(SETTLED_MS)
        if shown.opened_by:
            page.get_by_role("button", name=shown.opened_by, exact=True).first.click()
            page.wait_for_timeout(SETTLED_MS / 5)
        file = FOLDER / f"{shown.name}-{theme}-{width}.png"
        page.screenshot(path=file, full_page=shown.opened_by is None)
        print(f"  {file.name}", flush=True)


def _post(api: httpx.Client, path: str, body: dict[str, str]) -> dict[str, str]:
    answer = api.post(path, json=body)
    answer.raise_for_status()
    told: dict[str, str] = answer.json()
    return told


if __name__ == "__main__":
    try:
        sys.exit(main())
    except ProblemError as problem:
        sys.exit(f"✗ {problem}")
