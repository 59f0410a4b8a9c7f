"""Data in a real browser: from a table of words to a query in words, and passed on as one file."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

APP = "app/main.py"
PATIENT = 60_000  # milliseconds
HOSTILE = "<img src=x onerror=window.hurt=1>"


@pytest.fixture(scope="module")
def workbench(app_server, tmp_path_factory: pytest.TempPathFactory) -> str:
    home = tmp_path_factory.mktemp("home")
    return app_server(APP, PC_WORKBENCH_HOME=str(home), OMP_NUM_THREADS="1", PCCORE_DATA="")


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """Words and numbers, among them some that would be markup."""
    colours = ["red", "green", HOSTILE]
    lines = [f"colour,{HOSTILE},age"]
    lines += [f"{colours[i % 3]},{['a', 'b', ''][i % 3]},{20 + i}" for i in range(60)]
    path = tmp_path / "people.csv"
    path.write_text("\n".join(lines))
    return path


def settled(page: Page) -> None:
    page.wait_for_timeout(300)
    page.wait_for_selector('[data-testid="stApp"][data-test-script-state="notRunning"]')


def test_from_a_table_to_a_query_and_back_from_a_bundle(
    workbench: str, page: Page, table: Path, tmp_path: Path
):
    page.goto(f"{workbench}/data")
    expect(page.get_by_role("heading", name="Data", exact=True)).to_be_visible(timeout=PATIENT)
    page.get_by_role("button", name="Upload").click()
    page.locator("input[type=file]").set_input_files(table)
    expect(page).to_have_url(re.compile("dataset=people-"), timeout=PATIENT)
    page.keyboard.press("Escape")
    settled(page)
    expect(page.get_by_text("3 variables")).to_be_visible()
    expect(page.get_by_text("Suggested, and already chosen")).to_contain_text("age: count")
    page.get_by_role("button", name="Save", exact=True).click()
    page.get_by_role("button", name="Save as a new dataset").click()
    expect(page.get_by_text("is kept and is the current dataset")).to_be_visible(timeout=PATIENT)

    page.get_by_role("button", name="Build a model for it").click()
    page.get_by_role("button", name="Create").click(timeout=PATIENT)
    expect(page.get_by_text("is the current model")).to_be_visible(timeout=PATIENT)

    page.get_by_role("link", name="Query").click()
    chip = page.get_by_role("button", name=re.compile("^colour = red"))
    chip.click(timeout=PATIENT)
    expect(page).to_have_url(re.compile("evidence=colour%3Dred"))
    expect(chip).to_have_attribute("aria-pressed", "true")
    assert page.evaluate("window.hurt") is None

    settled(page)
    page.get_by_role("button", name="Share").click()
    with page.expect_download(timeout=PATIENT) as waiting:
        page.get_by_role("button", name=re.compile("^Download")).click()
    kept = tmp_path / "shared.pcbundle"
    waiting.value.save_as(kept)

    page.goto(f"{workbench}/")
    page.get_by_role("tab", name="Upload a model").click(timeout=PATIENT)
    page.locator("input[type=file]").set_input_files(kept)
    expect(page).to_have_url(re.compile("evidence=colour%3Dred"), timeout=PATIENT)
    expect(page).to_have_url(re.compile("dataset=people-"))
    assert page.evaluate("window.hurt") is None


def test_a_link_holds_a_small_circuit(workbench: str, page: Page):
    formula = "S = 0.3*x*y + 0.7*!x*!y"
    page.goto(f"{workbench}/build?evidence=x%3D1")
    box = page.get_by_role("textbox", name=re.compile("ormula|ource")).first
    box.click(timeout=PATIENT)
    page.keyboard.press("Control+A")
    page.keyboard.type(formula)
    expect(page).to_have_url(re.compile("model=d-"), timeout=PATIENT)
    settled(page)
    page.get_by_role("button", name="Share").click()
    link = page.get_by_role("dialog").locator("code").first
    expect(link).to_contain_text("circuit=", timeout=PATIENT)
    address = link.inner_text().strip().replace("\n", "")
    page.goto(address.replace("/build", "/query"))
    expect(page.get_by_role("button", name=re.compile("^x = 1"))).to_be_visible(timeout=PATIENT)
    expect(page).to_have_url(re.compile("model=m-"))
    expect(page).not_to_have_url(re.compile("circuit="))
