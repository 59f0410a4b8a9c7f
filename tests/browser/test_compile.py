"""The Compile view in a real browser: a layer and its units light up together; it measures."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

APP = "app/main.py"
PATIENT = 60_000  # milliseconds


@pytest.fixture(scope="module")
def workbench(app_server, tmp_path_factory: pytest.TempPathFactory) -> str:
    home = tmp_path_factory.mktemp("home")
    return app_server(APP, PC_WORKBENCH_HOME=str(home), OMP_NUM_THREADS="1")


def opened(page: Page, address: str, query: str) -> None:
    page.goto(f"{address}/inspect?{query}")
    expect(page.locator(".pc-layers .row").first).to_be_visible(timeout=PATIENT)
    page.wait_for_selector('[data-testid="stApp"][data-test-script-state="notRunning"]')


def layer(page: Page, number: int):
    return page.locator(f'.pc-layers .row[data-layer="{number}"]')


def test_a_layer_and_its_units_are_selected_together(workbench: str, page: Page):
    opened(page, workbench, "model=figure1_naive_bayes&aspect=compile")
    expect(page.locator(".pc-layers .row")).to_have_count(4)
    marked = page.locator(".pc-graph .node.layer")
    expect(marked).to_have_count(0)
    layer(page, 2).locator(".name").click()
    expect(marked).to_have_count(3)
    expect(marked.locator(".mark-sign")).to_have_count(3)
    expect(layer(page, 2)).to_have_attribute("aria-selected", "true")
    page.locator(".pc-graph .node", has_text="B2").locator(".hit").click()
    expect(layer(page, 1)).to_have_attribute("aria-selected", "true")
    expect(layer(page, 1).locator(".chosen")).to_have_count(1)
    expect(page.get_by_text("B2 is computed in layer 1: row 2 of 0 to 3")).to_be_visible()
    expect(marked).to_have_count(4)
    # The link says it all.
    page.wait_for_url("**layer=1**")
    page.reload()
    expect(marked).to_have_count(4, timeout=PATIENT)
    layer(page, 1).locator(".name").click()
    expect(marked).to_have_count(0)
    expect(page.get_by_text("Select a unit to see where")).to_be_visible()


def test_hover_and_keyboard(workbench: str, page: Page):
    opened(page, workbench, "model=figure3_mixture&aspect=compile")
    expect(page.locator(".pc-layers .row .padding")).to_have_count(1)
    layer(page, 2).locator(".padding").hover()
    card = page.locator(".pc-layers .card")
    expect(card).to_contain_text("16 and 1 of padding")
    page.locator(".pc-layers .area").focus()
    page.keyboard.press("Home")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(page.locator(".pc-graph .node.layer")).to_have_count(16)
    page.keyboard.press("Escape")
    expect(page.locator(".pc-graph .node.layer")).to_have_count(0)


def test_the_layers_are_measured_and_saved(workbench: str, dark_page: Page, tmp_path: Path):
    page = dark_page
    page.goto(f"{workbench}/inspect?model=digits_rat")
    page.get_by_text("Compile", exact=True).click()
    head = page.locator(".pc-layers .head")
    expect(head).to_have_text("share of FLOPs")
    page.get_by_role("button", name="Measure").click()
    expect(head).to_have_text("share of time", timeout=PATIENT)
    expect(page.get_by_text("Measured on rows of digits")).to_be_visible()
    for button, start in (("svg", b"<svg"), ("png", b"\x89PNG")):
        with page.expect_download() as download:
            page.locator(f".pc-layers [data-action={button}]").click()
        path = tmp_path / download.value.suggested_filename
        download.value.save_as(path)
        assert path.read_bytes().startswith(start)
    with page.expect_download() as download:
        page.get_by_role("button", name="CSV", exact=True).click()
    download.value.save_as(tmp_path / "layers.csv")
    assert len((tmp_path / "layers.csv").read_text().splitlines()) == 7
