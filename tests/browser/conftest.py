"""Fixtures for tests that drive a real browser against a running Streamlit script.

`app_server(script)` starts a server for a script and returns its address; it is shared by all
tests of a module and ended with it. `page` is a fresh 1280 x 720 tab in the light theme,
`dark_page` the same in the dark one, `touch_page` has a touch screen and twice the pixels.
Pages come with a guard: at the end the test fails if Streamlit showed an exception box or the
console logged an error. Ask for `open_app` to load a script and wait until it has run::

    def test_story(open_app, page):
        open_app(page, "app/main.py")
        page.get_by_role("button", name="Train").click()

Without Chromium these tests are skipped, except where CI is set: there they must run. A browser
elsewhere is named by PC_CHROMIUM.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
START_TIMEOUT = 60  # seconds; a cold import of torch is slow on a small machine
RUN_TIMEOUT = 30_000  # milliseconds
# Browsers report these for reasons outside the app.
# The last two are looked for below the page's address first, as Streamlit does not know its root.
HARMLESS = ("favicon", "ResizeObserver loop", "_stcore/health", "_stcore/host-config")

MEDIA = re.compile(r"/media/[0-9a-f]+\.\w+")

AppServer = Callable[..., str]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything below this folder that uses a page carries the marker `browser`."""
    for item in items:
        if {"browser", "page"} & set(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.browser)


def _chromium() -> str | None:
    named = os.environ.get("PC_CHROMIUM")
    if named:
        return named
    names = ("chromium", "chromium-browser", "google-chrome", "chrome")
    return next((found for name in names if (found := shutil.which(name))), None)


def _unavailable(reason: str) -> None:
    if os.environ.get("CI"):
        pytest.fail(f"{reason}, and CI must run the browser tests")
    pytest.skip(reason)


@pytest.fixture(scope="session")
def browser():
    """A headless Chromium."""
    executable = _chromium()
    if executable is None:
        _unavailable("there is no Chromium")
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        _unavailable("playwright is not installed")
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(
            executable_path=executable, headless=True, args=["--no-sandbox"]
        )
        yield running
        running.close()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _wait_until_healthy(process: subprocess.Popen, address: str, log: Path) -> None:
    deadline = time.monotonic() + START_TIMEOUT
    while time.monotonic() < deadline:
        if process.poll() is not None:
            break
        with (
            contextlib.suppress(OSError),
            urllib.request.urlopen(f"{address}/_stcore/health", timeout=2) as answer,
        ):
            if answer.status == 200:
                return
        time.sleep(0.1)
    pytest.fail(f"the server did not start: {log.read_text(errors='replace')[-2000:]}")


@pytest.fixture(scope="module")
def app_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AppServer]:
    """A function `app_server(script, **environment) -> address`; one server per script."""
    started: dict[Path, tuple[subprocess.Popen, str]] = {}

    def start(script: str | Path, **environment: str) -> str:
        path = (REPOSITORY / script).resolve()
        if path in started:
            return started[path][1]
        port = _free_port()
        address = f"http://127.0.0.1:{port}"
        log = tmp_path_factory.mktemp("server") / "log.txt"
        options = {
            "server.port": port,
            "server.address": "127.0.0.1",
            "server.headless": "true",
            "server.fileWatcherType": "none",
            "browser.gatherUsageStats": "false",
            "client.showErrorDetails": "full",  # so that a failing test can quote it
        }
        command = [sys.executable, "-m", "streamlit", "run", str(path)]
        command += [f"--{name}={value}" for name, value in options.items()]
        with log.open("wb") as out:
            process = subprocess.Popen(
                command,
                cwd=REPOSITORY / "app",  # its .streamlit/config.toml has the theme of the app
                env=os.environ | {"PYTHONPATH": str(REPOSITORY)} | environment,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        started[path] = (process, address)
        _wait_until_healthy(process, address, log)
        return address

    yield start
    for process, _ in started.values():
        # The session of the server holds its worker processes as well.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def problems_on(page) -> list[str]:
    """What went wrong on a page so far: exception boxes and errors on the console."""
    boxes = page.locator('[data-testid="stException"]').all_inner_texts()
    # Streamlit drops a picture with the run of the script that showed it; a browser that was
    # still on its way to it then reports that it is gone. It matters where it is still shown.
    shown = {image.get_attribute("src") or "" for image in page.locator("img").all()}
    said = [
        error
        for error in page.console_errors
        if (media := MEDIA.search(error)) is None or any(media[0] in src for src in shown)
    ]
    return [f"exception box: {text[:800]}" for text in boxes] + said


def _open_tab(browser, **context_options):
    context = browser.new_context(viewport={"width": 1280, "height": 720}, **context_options)
    page = context.new_page()
    page.set_default_timeout(RUN_TIMEOUT)
    page.console_errors = []

    def listen(message) -> None:
        said = f"{message.text} {message.location.get('url', '')}"
        if message.type == "error" and not any(text in said for text in HARMLESS):
            page.console_errors.append(f"console: {said}")

    page.on("console", listen)
    page.on("pageerror", lambda error: page.console_errors.append(f"uncaught: {error}"))
    return context, page


def _guarded(browser, **context_options):
    context, page = _open_tab(browser, **context_options)
    yield page
    found = problems_on(page)
    context.close()
    assert not found, "\n".join(found)


@pytest.fixture
def page(browser):
    """A tab in the light theme; the test fails if the page shows or logs an error."""
    yield from _guarded(browser, color_scheme="light")


@pytest.fixture
def dark_page(browser):
    """A tab in the dark theme, guarded like `page`."""
    yield from _guarded(browser, color_scheme="dark")


@pytest.fixture
def touch_page(browser):
    """A tab with a touch screen of two device pixels per CSS pixel, guarded like `page`."""
    yield from _guarded(browser, color_scheme="light", has_touch=True, device_scale_factor=2)


def wait_for_run(page) -> None:
    """Wait until the script has run to its end and nothing is being computed."""
    page.wait_for_selector('[data-testid="stApp"][data-test-script-state="notRunning"]')


@pytest.fixture
def open_app(app_server: AppServer):
    """A function `open_app(page, script, path="")`: load a script and wait until it has run."""

    def load(page, script: str | Path, path: str = "") -> str:
        address = app_server(script)
        page.goto(address + path)
        page.wait_for_selector('[data-testid="stAppViewContainer"]')
        wait_for_run(page)
        return address

    return load
