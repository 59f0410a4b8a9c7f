"""The whole story in a real browser: choose, build, inspect, train, complete, reload, repair."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Locator, Page, expect

APP = "app/main.py"
PATIENT = 60_000  # milliseconds: a worker process has to import torch

# The colour in the middle of every cell of a canvas, as drawn.
CELLS = """(canvas, side) => {
  const context = canvas.getContext("2d");
  const cell = canvas.width / side;
  const found = [];
  for (let y = 0; y < side; y++) for (let x = 0; x < side; x++) {
    const [r, g, b] = context.getImageData((x + 0.5) * cell, (y + 0.5) * cell, 1, 1).data;
    found.push(`${r},${g},${b}`);
  }
  return found;
}"""


@pytest.fixture(scope="module")
def workbench(app_server, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The app with models and runs of its own."""
    home = tmp_path_factory.mktemp("home")
    return app_server(APP, PC_WORKBENCH_HOME=str(home), OMP_NUM_THREADS="1")


def settled(page: Page) -> None:
    page.wait_for_selector('[data-testid="stApp"][data-test-script-state="notRunning"]')


def go(page: Page, title: str) -> None:
    """Follow a link of the sidebar."""
    link = page.get_by_test_id("stSidebarNav").get_by_role("link", name=title, exact=True)
    link.click(timeout=PATIENT)
    expect(page.get_by_role("heading", name=title, exact=True)).to_be_visible(timeout=PATIENT)
    settled(page)


def keyed(page: Page, key: str) -> Locator:
    return page.locator(f".st-key-{key}")


def badge(page: Page, text: str) -> Locator:
    """The state of the run; a table of runs may say the same word."""
    return page.locator(".stMarkdownBadge", has_text=re.compile(f"^{text}$"))


def epoch(page: Page) -> int:
    text = page.get_by_text(re.compile(r"epoch \d+ of")).inner_text()
    return int(re.search(r"epoch (\d+) of", text)[1])


def paint_stroke(page: Page, start: tuple[float, float], end: tuple[float, float]) -> None:
    """A stroke between two points of the evidence, in fractions of its sides."""
    box = page.locator('canvas[data-role="paint"]').bounding_box()
    at = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in (start, end)]
    page.mouse.move(*at[0])
    page.mouse.down()
    page.mouse.move(*at[1], steps=8)
    page.mouse.up()


def cells(page: Page, label: str) -> list[str]:
    canvas = page.locator(f'.tile canvas[aria-label^="{label}"]')
    return canvas.evaluate(CELLS, 8)


def test_every_page_opens_by_its_address(page: Page, workbench: str):
    for name in ("gallery", "build", "inspect", "train", "complete"):
        page.goto(f"{workbench}/{name}?model=figure1_naive_bayes")
        heading = page.get_by_role("heading", name=name.capitalize(), exact=True)
        expect(heading).to_be_visible(timeout=PATIENT)
        settled(page)
        expect(page.get_by_role("dialog")).to_have_count(0)
        expect(page).to_have_url(re.compile("model=figure1_naive_bayes"))
        expect(page.get_by_test_id("stSidebar").get_by_text("Naive Bayes")).to_be_visible()


def test_a_link_to_what_is_not_here_leads_to_the_gallery(page: Page, workbench: str):
    for name in ("inspect", "train", "complete"):
        page.goto(f"{workbench}/{name}?model=m-0123456789abcdef&dataset=nosuch&mask=x&run=../../x")
        expect(page.get_by_role("heading", name=name.capitalize(), exact=True)).to_be_visible(
            timeout=PATIENT
        )
        expect(page.get_by_role("alert").get_by_text("is not on this server")).to_be_visible()
        expect(page).not_to_have_url(re.compile("dataset="))  # the one that there is instead
        page.get_by_role("link", name="Go to Gallery").click()
        expect(page.get_by_role("heading", name="Gallery", exact=True)).to_be_visible()


def test_the_story(page: Page, workbench: str):
    page.goto(workbench)
    expect(page.get_by_role("heading", name="Gallery", exact=True)).to_be_visible(timeout=PATIENT)

    # choose
    page.get_by_role("tab", name="Datasets").click()
    keyed(page, "pcw_data_shapes").get_by_role("button").click()
    settled(page)
    keyed(page, "pcw_data_digits").get_by_role("button").click()
    expect(keyed(page, "pcw_data_digits").get_by_text("Current dataset")).to_be_visible()

    # build
    go(page, "Build")
    keyed(page, "pcw_widget_building").get_by_text("Generate").click()
    slider = keyed(page, "pcw_options_units").get_by_role("slider")
    for _ in range(4):
        slider.press("ArrowLeft")
        settled(page)
    expect(page).to_have_url(re.compile("options=.*units"))
    expect(page.locator(".pc-graph .node").first).to_be_visible()
    page.get_by_role("button", name="Create").click()
    expect(page.get_by_text("is the current model")).to_be_visible(timeout=PATIENT)

    # inspect
    go(page, "Inspect")
    expect(page.get_by_text("no violations")).to_be_visible(timeout=PATIENT)
    nodes = page.locator(".pc-graph .node")
    before = nodes.count()
    assert before > 5
    page.locator(".pc-graph .toggle").first.click()
    expect(nodes).not_to_have_count(before, timeout=PATIENT)
    expect(page.get_by_role("button", name="Reset view")).to_be_visible()
    page.get_by_role("button", name="Reset view").click()
    expect(nodes).to_have_count(before, timeout=PATIENT)

    # train
    go(page, "Train")
    for key, end in (("epochs", "End"), ("patience", "Home")):  # it is to run until it is stopped
        keyed(page, f"pcw_training_{key}").get_by_role("slider").press(end)
        expect(page).to_have_url(re.compile(f"training=.*{key}"))
        settled(page)
    page.get_by_role("button", name="Start").click()
    expect(badge(page, "running")).to_be_visible(timeout=PATIENT)
    expect(page.get_by_text(re.compile(r"epoch [3-9]\d* of"))).to_be_visible(timeout=PATIENT)
    page.get_by_role("button", name="Pause").click()
    expect(page.get_by_role("button", name="Resume")).to_be_visible(timeout=PATIENT)
    paused = epoch(page)
    page.get_by_role("button", name="Resume").click()
    expect(page.get_by_role("button", name="Pause")).to_be_visible(timeout=PATIENT)
    expect(page.get_by_text(re.compile(r"epoch \d+ of"))).not_to_contain_text(
        f"epoch {paused} of", timeout=PATIENT
    )
    page.get_by_role("button", name="Stop").click()
    expect(badge(page, "stopped")).to_be_visible(timeout=PATIENT)
    page.get_by_role("button", name="Use the best model").click()
    expect(page.get_by_text("is the current model")).to_be_visible(timeout=PATIENT)

    # complete
    go(page, "Complete")
    expect(page.get_by_text("nothing to complete").first).to_be_visible(timeout=PATIENT)
    page.get_by_label("Outline of the hidden region").uncheck()
    truth = cells(page, "MPE")
    paint_stroke(page, (0.05, 0.3), (0.95, 0.3))
    expect(page.get_by_text(re.compile("MSE")).first).to_be_visible(timeout=PATIENT)
    expect(page).to_have_url(re.compile("mask="))
    page.mouse.move(5, 5)  # the cursor marks a pixel on every picture
    for label in ("MPE", "Posterior mean", "Sample 1"):
        found = cells(page, label)
        changed = {i // 8 for i in range(64) if found[i] != truth[i]}
        assert changed == {2}, f"{label} changed in the rows {sorted(changed)}"

    # reload
    hidden = page.locator('.pc-canvas [data-role="hidden"]').inner_text()
    model = page.get_by_test_id("stSidebarUserContent").inner_text()
    page.reload()
    expect(page.get_by_text(re.compile("MSE")).first).to_be_visible(timeout=PATIENT)
    expect(page.locator('.pc-canvas [data-role="hidden"]')).to_have_text(hidden)
    assert page.get_by_test_id("stSidebarUserContent").inner_text() == model


def test_a_broken_model_shows_its_violations(page: Page, workbench: str):
    page.goto(workbench)
    expect(page.get_by_role("heading", name="Gallery", exact=True)).to_be_visible(timeout=PATIENT)
    keyed(page, "pcw_use_inconsistent").get_by_role("button").click()
    settled(page)
    go(page, "Inspect")
    expect(page.get_by_text("2 violations found")).to_be_visible(timeout=PATIENT)
    expect(page.locator(".pc-graph .node.violation")).to_have_count(1)
    expect(page.locator(".pc-graph .edge.violation")).to_have_count(2)
    page.get_by_role("button", name="is not decomposable").click()
    expect(page.locator(".pc-graph .node.violation.selected")).to_have_count(1)
    expect(page.get_by_text("P2 = x1")).to_be_visible()
    expect(page).to_have_url(re.compile("view=w"))


def test_a_unit_that_is_clicked_is_explained(page: Page, workbench: str):
    page.goto(workbench)
    keyed(page, "pcw_use_figure1_naive_bayes").get_by_role("button").click(timeout=PATIENT)
    settled(page)
    go(page, "Inspect")
    page.locator(".pc-graph .node", has_text=re.compile("^S$")).locator(".hit").click()
    expect(page.get_by_text("S = 0.5 · C1 + 0.2 · C2 + 0.3 · C3")).to_be_visible()
    page.reload()
    expect(page.get_by_text("S = 0.5 · C1 + 0.2 · C2 + 0.3 · C3")).to_be_visible(timeout=PATIENT)


@pytest.mark.parametrize("path", ["/inspect?model=incomplete", "/complete?model=digits_pd"])
def test_a_link_into_the_app_opens_its_page(page: Page, workbench: str, path: str):
    page.goto(workbench + path)
    title = path[1:].partition("?")[0].capitalize()
    expect(page.get_by_role("heading", name=title, exact=True)).to_be_visible(timeout=PATIENT)


@pytest.mark.parametrize(
    "path", ["/complete?model=digits_pd&mask=%00%FF&image=-5", "/inspect?model=../../etc/passwd"]
)
def test_a_hostile_link_is_harmless(page: Page, workbench: str, path: str):
    page.goto(workbench + path)
    expect(page.get_by_text(re.compile("Ignored in the link")).first).to_be_visible(timeout=PATIENT)
