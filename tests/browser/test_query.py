"""The Query page in a real browser: observe, watch every number follow, step through MPE."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

APP = "app/main.py"
PATIENT = 60_000


@pytest.fixture(scope="module")
def workbench(app_server, tmp_path_factory: pytest.TempPathFactory) -> str:
    home = tmp_path_factory.mktemp("home")
    return app_server(APP, PC_WORKBENCH_HOME=str(home), OMP_NUM_THREADS="1")


def opened(page: Page, workbench: str, path: str) -> Page:
    page.goto(f"{workbench}/{path}")
    page.locator(".pc-graph .node").first.wait_for(timeout=PATIENT)
    return page


def state(page: Page, text: str):
    return page.locator(".pc-evidence").get_by_role("button", name=text)


def test_observing_moves_every_number(workbench: str, page: Page):
    opened(page, workbench, "query?model=figure1_naive_bayes")
    expect(page.get_by_text("P(e) = 1")).to_be_visible()
    state(page, "X1 = 1").click()
    expect(page.get_by_text("P(e) = 0.69")).to_be_visible()
    expect(state(page, "X1 = 1")).to_have_attribute("aria-pressed", "true")
    # The keyboard does the same: down to X2 = 0, and Space.
    state(page, "X1 = 1").focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Space")
    expect(page.get_by_text("P(e) = 0.522")).to_be_visible()
    root = page.locator(".pc-graph .node", has_text=re.compile("^S"))
    expect(root.first).to_contain_text("0.522")
    assert "X1%3D1" in page.url
    page.get_by_role("button", name="Clear").click()
    expect(page.get_by_text("P(e) = 1")).to_be_visible()


def test_soft_evidence(workbench: str, page: Page):
    opened(page, workbench, "query?model=figure1_naive_bayes")
    page.locator('.pc-evidence [data-id="X1"]').get_by_role("button", name="soft").click()
    slider = page.get_by_role("slider", name="Likelihood of X1 = 0")
    slider.focus()
    for _ in range(20):
        page.keyboard.press("ArrowLeft")
    expect(page.get_by_text("P(e) = 0.69")).to_be_visible()


def test_stepping_through_the_most_probable_explanation(workbench: str, page: Page):
    opened(page, workbench, "query?model=figure1_junction_tree&evidence=X2%3D1")
    page.get_by_role("radio", name="MPE").or_(page.get_by_role("button", name="MPE")).first.click()
    page.get_by_role("button", name="›").click()
    expect(page.get_by_text(re.compile(r"Step 1 of \d+"))).to_be_visible()
    last = int(page.get_by_text(re.compile(r"Step 1 of \d+")).inner_text().split()[-1])
    page.goto(re.sub(r"step=\d+", f"step={last}", page.url))
    equation = page.locator(".pcw-step")
    expect(equation).to_contain_text("The induced tree is complete", timeout=PATIENT)
    expect(page.get_by_text("X1=1, X2=1, X3=0")).to_be_visible()
    # Winners are thick, losers dashed with their margin.
    expect(page.locator(".pc-graph .edge.dashed").first).to_be_attached()
    expect(page.locator(".pc-graph .weight", has_text="nats").first).to_be_attached()
    page.get_by_text("The induced tree alone").click()
    expect(page.locator('.pc-graph .node[style*="opacity: 0.2"]').first).to_be_attached()
