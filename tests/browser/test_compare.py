"""Compare in a real browser: marks in both drawings, partners selected together, files."""

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
    page.goto(f"{address}/compare?{query}")
    expect(page.locator(".pc-graph .node").first).to_be_visible(timeout=PATIENT)
    page.wait_for_selector('[data-testid="stApp"][data-test-script-state="notRunning"]')


def test_differences_are_marked_by_sign_and_partners_light_up(workbench: str, page: Page):
    opened(page, workbench, "model=inconsistent&other=incomplete")
    left, right = page.locator(".pc-graph").all()
    expect(left.locator(".node.removed .mark-sign")).to_have_count(1)
    expect(right.locator(".node.added .mark-sign")).to_have_count(1)
    expect(left.locator(".node.changed")).to_have_count(3)
    expect(left.locator(".edge.removed")).to_have_count(3)
    expect(left.get_by_label("sum B1", exact=False).first).to_have_attribute(
        "aria-label", "sum B1; removed; children: x1 (0.2), x̄1 (0.8)"
    )
    left.locator(".node", has_text="A2").locator(".hit").click()
    expect(right.locator(".node.selected", has_text="A2")).to_be_visible()
    right.locator(".node", has_text="P2").locator(".hit").click()
    expect(left.locator(".node.selected")).to_have_count(0)


def test_pictures_can_be_downloaded(workbench: str, page: Page, tmp_path: Path):
    opened(page, workbench, "model=figure1_naive_bayes&other=figure2_hidden_variable")
    page.get_by_role("button", name="Save").click()
    starts = {"svg": b"<?xml", "pdf": b"%PDF", "png": b"\x89PNG", "tex": b"% ", "dot": b"digraph"}
    for ending, start in starts.items():
        button = page.locator(f".st-key-pcw_compare_current_{ending}").get_by_role("button")
        with page.expect_download() as download:
            button.click()
        path = tmp_path / download.value.suggested_filename
        download.value.save_as(path)
        assert path.stem == "figure1_naive_bayes"
        assert path.read_bytes().startswith(start)
