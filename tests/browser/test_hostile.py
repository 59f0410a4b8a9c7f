"""Hostile names in a real browser: on every page and in every export they stay plain text."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from urllib.parse import quote

import pytest
from playwright.sync_api import Page, expect

from pc_workbench.views.questions import questions
from pc_workbench.views.questions_part import part_of
from pc_workbench.views.worksheet import Worksheet, key_to_html, to_html
from pccore.files import save_bytes
from tests.browser.hostile import (
    NAMES,
    TITLE,
    UNITS,
    Watch,
    hostile_circuit,
    traces,
    write_data,
    write_models,
    write_run,
)

APP = "app/main.py"
PATIENT = 60_000  # milliseconds


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return write_models(tmp_path_factory.mktemp("models"))


@pytest.fixture(scope="module")
def workbench(app_server, tmp_path_factory: pytest.TempPathFactory) -> str:
    home, data = tmp_path_factory.mktemp("home"), tmp_path_factory.mktemp("data")
    write_data(data)
    write_run(home / "runs" / "elsewhere")
    return app_server(APP, PC_WORKBENCH_HOME=str(home), PCCORE_DATA=str(data), OMP_NUM_THREADS="1")


def settled(page: Page) -> None:
    page.wait_for_selector('[data-testid="stApp"][data-test-script-state="notRunning"]')


def upload(page: Page, workbench: str, file: Path) -> str:
    """Upload a model in the Gallery; the link's id of it."""
    page.goto(f"{workbench}/gallery")
    page.get_by_role("tab", name="Upload").click(timeout=PATIENT)
    page.locator('input[type="file"]').first.set_input_files(file)
    expect(page.get_by_text("is the current model")).to_be_visible(timeout=PATIENT)
    settled(page)
    return page.url.partition("model=")[2].partition("&")[0]


def opened(page: Page, workbench: str, path: str) -> None:
    page.goto(f"{workbench}/{path}")
    title = path.partition("?")[0].capitalize()
    expect(page.get_by_role("heading", name=title, exact=True)).to_be_visible(timeout=PATIENT)
    settled(page)
    page.wait_for_timeout(300)  # components draw after the script has run


def unfold(page: Page) -> None:
    """Open what is folded: texts in it are only rendered then."""
    for box in page.locator('[data-testid="stExpander"] summary').all():
        if box.is_visible():
            box.click()
    settled(page)


def test_every_page(page: Page, workbench: str, files: dict[str, Path]):
    watch = Watch(page)
    whole = upload(page, workbench, files["whole"])
    unfold(page)
    assert traces(page, watch) == [], "after the upload"
    broken = upload(page, workbench, files["broken"])
    seen = quote(f"{NAMES[0]}=1")
    data = quote("hostile table")
    for path in (
        f"gallery?model={whole}&dataset={data}",
        f"build?model={whole}&dataset={data}",
        f"build?model={whole}&dataset={data}&building=generate",
        f"inspect?model={whole}&evidence={seen}",
        f"inspect?model={broken}",
        f"inspect?model={whole}&aspect=compile&layer=1",
        f"query?model={whole}&evidence={seen}&pass_=mpe",
        f"query?model={broken}&evidence={seen}",
        f"train?model={whole}&dataset={data}",
        f"train?model={whole}&run=elsewhere",
        f"complete?model={whole}&dataset={data}",
        f"compare?model={whole}&other={broken}",
        f"data?model={whole}&dataset={data}",
        f"data?dataset={data}&split=test",
        "workspace",
        f"learn?model={whole}&lesson=ask-me",
        f"learn?model={quote(NAMES[0])}&lesson={quote(NAMES[0])}&evidence={seen}",
    ):
        opened(page, workbench, path)
        unfold(page)
        assert traces(page, watch) == [], path
        for tab in page.get_by_role("tab").all():
            tab.click()
            settled(page)
        assert traces(page, watch) == [], f"{path}, its tabs"


def test_tables_are_saved_without_formulas(page: Page, workbench: str):
    """Streamlit's own download would write names such as =HYPERLINK(...) as they are."""
    opened(page, workbench, f"data?dataset={quote('hostile table')}&split=train")
    table = page.get_by_test_id("stDataFrame").first
    table.hover()
    expect(page.get_by_role("button", name="Search").first).to_be_visible()
    assert page.get_by_role("button", name="Download as CSV").count() == 0
    for tab, button in (("Variables", "CSV"), ("Rows", "All 36 rows (CSV)")):
        page.get_by_role("tab", name=tab).click()
        with page.expect_download(timeout=PATIENT) as download:
            page.get_by_role("button", name=button, exact=True).click()
        found = list(csv.reader(io.StringIO(Path(download.value.path()).read_text())))
        cells = [cell for row in found for cell in row]
        assert f"'{NAMES[7]}" in cells, tab
        assert not any(cell.startswith(tuple("=+@")) for cell in cells), tab
        settled(page)


def test_units_that_are_clicked_and_repaired(
    page: Page, workbench: str, files: dict[str, Path], tmp_path: Path
):
    watch = Watch(page)
    broken = upload(page, workbench, files["broken"])
    opened(page, workbench, f"inspect?model={broken}")
    drawn = page.locator(".pc-graph .node")
    expect(drawn.first).to_be_visible(timeout=PATIENT)
    for number in (0, drawn.count() // 2, drawn.count() - 1):
        drawn.nth(number).locator(".hit").click()
        settled(page)
        unfold(page)
        assert traces(page, watch) == [], f"unit {number}"
    expect(page.get_by_text(UNITS[0]).first).to_be_visible()
    page.get_by_role("button", name="is not decomposable").first.click()
    settled(page)
    assert traces(page, watch) == [], "a violation"
    for button in page.get_by_role("button", name="Repair").all()[:1]:
        button.click()
        settled(page)
    assert traces(page, watch) == [], "a repair"
    with page.expect_download() as download:
        page.locator('.pc-graph [data-action="svg"]').first.click()
    picture = tmp_path / "graph.svg"
    download.value.save_as(picture)
    assert NAMES[0] in picture.read_text().replace("&lt;", "<").replace("&gt;", ">")
    page.goto(picture.as_uri())
    assert traces(page, watch) == [], "the picture that the page saves"


def test_messages_quote_names_as_text(page: Page, workbench: str, tmp_path: Path):
    watch = Watch(page)
    page.goto(f"{workbench}/gallery")
    page.get_by_role("tab", name="Upload").click(timeout=PATIENT)
    refused = {
        f"{UNITS[0][2:]}.pc.json": '{"<img src=x onerror=window.__x=1>": 1}',
        "![a](http:).psdd": f"psdd 1\n{NAMES[4]}\n",
        "[b](javascript:window.__x=1).pc.txt": f"x + {NAMES[0]}",
        "$c$.pc.py": f"model = {NAMES[5]}",
    }
    for name, text in refused.items():
        bad = tmp_path / name.replace("/", "_")
        bad.write_text(text)
        page.locator('input[type="file"]').first.set_input_files(bad)
        expect(page.get_by_role("alert").first).to_be_visible(timeout=PATIENT)
        settled(page)
        assert traces(page, watch) == [], name


def test_exports_opened_as_files(page: Page, tmp_path: Path):
    watch = Watch(page)
    circuit = hostile_circuit()
    part = part_of(circuit, 1)
    sheet = Worksheet(part, questions(part.circuit, 1, 6), TITLE, 1)
    for number, text in enumerate((to_html(sheet), key_to_html(sheet))):
        (tmp_path / f"{number}.html").write_text(text)
        page.goto((tmp_path / f"{number}.html").as_uri())
        expect(page.get_by_text("<img src=x").first).to_be_visible()
        assert traces(page, watch) == [], "a worksheet"
    for suffix in (".svg", ".dot", ".tex", ".pc.txt", ".pc.json", ".build.py"):
        content = save_bytes(circuit, f"m{suffix}")
        # Text that a browser takes for HTML is the worst case for those that are no pictures.
        name = f"m{suffix}" if suffix == ".svg" else f"m{suffix}.txt"
        (tmp_path / name).write_bytes(content)
        page.goto((tmp_path / name).as_uri())
        assert traces(page, watch) == [], suffix
