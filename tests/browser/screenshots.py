"""A picture of every page, light and dark, at 1280 x 720.

    python tests/browser/screenshots.py [FOLDER]        (default: screenshots)
    python tests/browser/screenshots.py --readme        (assets/complete.png, the README's picture)

It starts a server of its own with an empty home, so that the pictures are the same everywhere; a
short training run is made for the Train page. Chromium is looked for as in the browser tests.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, FloatRect, Page, sync_playwright

REPOSITORY = Path(__file__).resolve().parents[2]
PATIENT = 90_000  # milliseconds


def chosen_preset(page: Page) -> None:
    page.locator('[data-preset="bottom"]').click()
    page.get_by_text(re.compile("MSE")).first.wait_for(timeout=PATIENT)


def first_violation(page: Page) -> None:
    page.get_by_role("button", name="is not decomposable").click()
    page.locator(".pc-graph .node.violation.selected").wait_for(timeout=PATIENT)


def root_selected(page: Page) -> None:
    page.locator(".pc-graph .node", has_text=re.compile("^S$")).locator(".hit").click()
    page.get_by_text("S = ").first.wait_for(timeout=PATIENT)


def opened_leaves(page: Page) -> None:
    page.locator(".pc-graph .node.leaf .toggle").click()
    page.get_by_role("button", name="Reset view").wait_for(timeout=PATIENT)


def trained(page: Page) -> None:
    page.get_by_role("button", name="Start").click()
    page.get_by_text(re.compile(r"epoch [2-9]\d of")).wait_for(timeout=PATIENT)


def datasets_tab(page: Page) -> None:
    page.get_by_role("tab", name="Datasets").click()
    page.get_by_text("Current dataset").wait_for(timeout=PATIENT)


def nothing(_: Page) -> None:
    """The page as it opens."""


#: Name of the picture, address, what is done before it is taken.
PICTURES: tuple[tuple[str, str, Callable[[Page], None]], ...] = (
    ("gallery", "", nothing),
    ("gallery-datasets", "", datasets_tab),
    ("draw", "build?model=figure1_naive_bayes", nothing),
    (
        "build",
        "build?building=generate&dataset=digits&structure=rat&options=depth:2~replicas:3",
        nothing,
    ),
    ("inspect", "inspect?model=figure1_naive_bayes", root_selected),
    ("inspect-broken", "inspect?model=inconsistent", first_violation),
    ("inspect-large", "inspect?model=digits_rat", nothing),
    ("inspect-large-open", "inspect?model=digits_rat", opened_leaves),
    ("query", "query?model=figure1_naive_bayes&evidence=X1=1", nothing),
    ("query-step", "query?model=figure1_junction_tree&evidence=X2=1&pass_=mpe&step=18", nothing),
    ("query-refused", "query?model=inconsistent", nothing),
    ("compare", "compare?model=incomplete&other=figure1_naive_bayes", nothing),
    ("learn", "learn", nothing),
    ("train", "train?model=digits_rat&training=epochs:200~patience:0", trained),
    ("complete", "complete?model=digits_pd&image=5", nothing),
    ("complete-painted", "complete?model=digits_pd&image=5", chosen_preset),
)


@contextmanager
def server(home: str) -> Iterator[str]:
    """The app on a free port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = subprocess.Popen(
        [sys.executable, "-m", "pc_workbench", "--headless", "--host=127.0.0.1", f"--port={port}"],
        env=os.environ | {"PC_WORKBENCH_HOME": home},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    address = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and process.poll() is None:
            try:
                with urllib.request.urlopen(f"{address}/_stcore/health", timeout=2):
                    break
            except OSError:
                time.sleep(0.2)
        else:
            raise SystemExit("the server did not start")
        yield address
    finally:
        process.terminate()
        try:
            process.wait(timeout=15)
        except subprocess.TimeoutExpired:
            process.kill()


def settle(page: Page) -> None:
    """Wait until the script has run and what moves has come to rest."""
    page.get_by_test_id("stHeading").first.wait_for(timeout=PATIENT)
    page.wait_for_selector('[data-testid="stApp"][data-test-script-state="notRunning"]')
    page.wait_for_timeout(700)


def painted_digit(page: Page) -> None:
    chosen_preset(page)
    # The picture explains the canvas, not how quick this machine is.
    page.locator('[data-role="latency"]').evaluate("node => node.remove()")


#: The README's picture: file, address, what is done, where it is cut off (pixels from the top).
README = ("assets/complete.png", "complete?model=digits_pd&image=54", painted_digit, 706)


def readme(browser: Browser, address: str) -> None:
    """The picture of the README, in the light theme."""
    name, path, act, height = README
    page = browser.new_page(viewport={"width": 1280, "height": 720}, color_scheme="light")
    page.goto(f"{address}/{path}")
    settle(page)
    act(page)
    page.mouse.move(760, 20)  # over nothing, and not over the sidebar, which would offer to fold
    settle(page)
    clip: FloatRect = {"x": 0, "y": 0, "width": 1280, "height": height}
    page.screenshot(path=REPOSITORY / name, clip=clip)
    print(REPOSITORY / name)


def main() -> int:
    """Write the pictures; returns the exit status."""
    parser = argparse.ArgumentParser(description="Pictures of every page, light and dark.")
    parser.add_argument("folder", nargs="?", default="screenshots")
    parser.add_argument("--readme", action="store_true", help="only the README's picture")
    arguments = parser.parse_args()
    names = ("chromium", "chromium-browser", "google-chrome", "chrome")
    executable = os.environ.get("PC_CHROMIUM") or next(filter(None, map(shutil.which, names)), None)
    with (
        tempfile.TemporaryDirectory() as home,
        server(home) as address,
        sync_playwright() as playwright,
    ):
        browser = playwright.chromium.launch(executable_path=executable, args=["--no-sandbox"])
        if arguments.readme:
            readme(browser, address)
            return 0
        target = Path(arguments.folder)
        target.mkdir(parents=True, exist_ok=True)
        for scheme in ("light", "dark"):
            for name, path, act in PICTURES:
                page = browser.new_page(
                    viewport={"width": 1280, "height": 720}, color_scheme=scheme
                )
                page.goto(f"{address}/{path}")
                settle(page)
                act(page)
                page.mouse.move(2, 2)
                settle(page)
                file = target / f"{name}-{scheme}.png"
                page.screenshot(path=file)
                print(file)
                page.close()
        browser.close()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
