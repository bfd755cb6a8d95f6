"""The dashboard in a real browser, against the whole system as `make run` brings it up."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from local.dashboard import NodeError, build
from tests.e2e.conftest import System

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
MAC = Path("/Applications/Google Chrome.app/Contents/MacOS/Google Chrome")
FLAGS = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
)  # fmt: skip


PATIENCE_MS = 60_000
"""Two cores run another whole system meanwhile."""
STANDSTILL_MS = 300_000
"""No price of a simulated market stands still for longer."""
expect.set_options(timeout=PATIENCE_MS)


def chrome() -> str | None:
    """Where a Chromium or Chrome is on this machine, if it has one."""
    if named := os.environ.get("CHROME"):
        return named
    found = next(filter(None, map(shutil.which, NAMES)), None)
    return found or (str(MAC) if MAC.exists() else None)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """The browser; who has none is told so, and CI must have one.

    Closed with the module: while it is open, a loop runs in this thread, and `asyncio.run` has no place.
    """
    path = chrome()
    if path is None:
        message = "no Chromium or Chrome: the dashboard is NOT tested; install one, or name it by CHROME"
        assert "CI" not in os.environ, message
        pytest.skip(message)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(FLAGS))
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def dashboard(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The dashboard's origin, of a system of its own. Without a browser, or Node.js to build it, nothing is started."""
    try:
        build(print)
    except NodeError as problem:
        assert "CI" not in os.environ
        pytest.skip(f"the dashboard is NOT tested: {problem}")
    system = System(tmp_path_factory.mktemp("dashboard"))
    there = system.start()
    assert there.web is not None, system.output
    yield there.web
    assert system.stop() == 0, system.output


@pytest.fixture
def page(browser: Browser, dashboard: str) -> Iterator[Page]:
    """A page of a new visitor on which nothing goes wrong: no error in the console, no failed request."""
    context = browser.new_context(
        base_url=dashboard,
        viewport={"width": 1280, "height": 900},
        locale="en-US",
        timezone_id="UTC",
        reduced_motion="reduce",  # no colour is seen halfway to another
    )
    context.set_default_timeout(PATIENCE_MS)
    page = context.new_page()
    wrong: list[str] = []
    page.on("console", lambda said: wrong.append(said.text) if said.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("response", lambda answer: wrong.append(f"{answer.status} {answer.url}") if answer.status >= 400 else None)
    yield page
    context.close()
    assert wrong == []


def settled(page: Page) -> None:
    """Waits until all that the page asked for has come."""
    page.wait_for_load_state("networkidle")
    page.get_by_role("status", name="Loading").first.wait_for(state="detached")
