"""Lessons in a real browser: finishing one by clicking, steps by keyboard alone, presenting."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Locator, Page, expect

APP = "app/main.py"
PATIENT = 60_000  # milliseconds


@pytest.fixture(scope="module")
def workbench(app_server, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The app with models of its own."""
    home = tmp_path_factory.mktemp("home")
    return app_server(APP, PC_WORKBENCH_HOME=str(home), OMP_NUM_THREADS="1")


def settled(page: Page) -> None:
    page.wait_for_selector('[data-testid="stApp"][data-test-script-state="notRunning"]')


def start(page: Page, address: str, title: str) -> None:
    page.goto(f"{address}/learn")
    expect(page.get_by_role("heading", name="Learn", exact=True)).to_be_visible(timeout=PATIENT)
    card = page.get_by_test_id("stVerticalBlock").filter(has_text=title).last
    card.get_by_role("button", name="Start").click()
    expect(page.get_by_role("heading", name=title, exact=True)).to_be_visible()


def heading(page: Page, text: str) -> None:
    expect(page.get_by_role("heading", name=text)).to_be_visible(timeout=PATIENT)
    settled(page)


def node(page: Page, name: str) -> Locator:
    return page.locator(".pc-graph .node", has_text=re.compile(f"^{name}")).locator(".hit")


def right(page: Page) -> None:
    expect(page.get_by_test_id("stAlert").filter(has_text="✓")).to_be_visible(timeout=PATIENT)


def wrong(page: Page, text: str) -> None:
    box = page.get_by_test_id("stAlert").filter(has_text="Not yet")
    expect(box).to_contain_text(text, timeout=PATIENT)


def following(page: Page) -> None:
    page.get_by_role("button", name=re.compile("^Next")).click()


def test_finish_a_lesson(page: Page, workbench: str):
    start(page, workbench, "Completeness")
    # 1: select the sum in the drawing, after a wrong one.
    node(page, "A1").click()
    wrong(page, "They agree")
    node(page, "S").click()
    right(page)
    following(page)
    # 2: choose.
    heading(page, "2. Who forgets what")
    page.get_by_test_id("stRadio").get_by_text("X1", exact=True).click()
    page.get_by_role("button", name="Check").click()
    wrong(page, "Not X1")
    page.get_by_test_id("stRadio").get_by_text("X2", exact=True).click()
    page.get_by_role("button", name="Check").click()
    right(page)
    following(page)
    # 3: type a number.
    heading(page, "3. Counting too little")
    box = page.get_by_label("Your number")
    box.fill("1")
    box.press("Enter")
    wrong(page, "in one pass")
    box.fill("1.4")
    box.press("Enter")
    right(page)
    following(page)
    # 4: set evidence; the drawing follows.
    heading(page, "4. Where else")
    group = page.locator(".st-key-pcw_learn_w_completeness_3_e0")
    group.get_by_role("radio", name="1").click()
    right(page)
    expect(page.locator(".pc-graph .node.leaf", has_text=re.compile("x̄1"))).to_contain_text("0")
    following(page)
    # 5: repair. The wrong repair is refused, though the circuit is complete after it.
    heading(page, "5. Repair")
    page.get_by_role("button", name="Smooth B1 with a uniform X2").click()
    wrong(page, "another distribution")
    page.get_by_role("button", name="Reset this step").click()
    page.get_by_role("button", name="Smooth B1 with X2").click()
    right(page)
    following(page)
    # 6: the last one by the list of units, and done.
    heading(page, "6. A needle")
    page.get_by_role("combobox", name=re.compile("Selected unit")).click()
    page.keyboard.type("E3 (sum)")
    page.keyboard.press("Enter")
    right(page)
    page.get_by_role("button", name=re.compile("^Finish")).click()
    expect(page.get_by_text("✓ done")).to_be_visible(timeout=PATIENT)
    assert "lesson=" not in page.url


def test_steps_by_keyboard_alone(page: Page, workbench: str):
    page.goto(f"{workbench}/learn?lesson=hidden&stage=3")
    heading(page, "4. Rolling the die")
    # To the options, to the second one, and to Check.
    for _ in range(60):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.type") == "radio" and page.evaluate(
            "!!document.activeElement.closest('[data-testid=stRadio]')"
        ):
            break
    page.keyboard.press("Space")
    page.keyboard.press("ArrowDown")
    settled(page)
    page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="Check")).to_be_focused()
    page.keyboard.press("Enter")
    right(page)
    page.keyboard.press("n")
    heading(page, "5. The die under evidence")
    page.keyboard.press("b")
    heading(page, "4. Rolling the die")
    assert "stage=3" in page.url
    # The link restores lesson and step.
    page.reload()
    heading(page, "4. Rolling the die")


def test_the_circuit_of_a_step_can_be_taken_along(page: Page, workbench: str):
    page.goto(f"{workbench}/learn?lesson=hidden&stage=5")
    heading(page, "6. Many samples")
    page.get_by_role("button", name="Open in").click()
    page.get_by_role("button", name="Inspect").click()
    heading(page, "Inspect")
    sidebar = page.get_by_test_id("stSidebar")
    expect(sidebar.get_by_text("Sums as hidden variables")).to_be_visible(timeout=PATIENT)
    assert "evidence=X1" in page.url


@pytest.mark.parametrize("path", ["inspect", "build", "query", "learn?lesson=mpe&stage=1"])
def test_presentation_mode_is_larger_and_fits(page: Page, workbench: str, path: str):
    sign = "&" if "?" in path else "?"
    page.goto(f"{workbench}/{path}{sign}model=figure1_naive_bayes")
    expect(page.locator(".pc-graph .node").first).to_be_visible(timeout=PATIENT)
    settled(page)
    size = "parseFloat(getComputedStyle(document.documentElement).fontSize)"
    before = page.evaluate(size)
    name = page.locator(".pc-graph .name").first
    small = name.evaluate("e => parseFloat(getComputedStyle(e).fontSize)")
    page.keyboard.press("p")
    way_out = page.get_by_role("button", name=re.compile("End presentation"))
    expect(way_out).to_be_visible(timeout=PATIENT)
    settled(page)
    assert "presenting=yes" in page.url
    assert page.evaluate(size) > 1.2 * before
    assert name.evaluate("e => parseFloat(getComputedStyle(e).fontSize)") > 1.15 * small
    expect(page.get_by_test_id("stSidebar")).to_have_attribute("data-collapsed", "true")
    # Nothing is wider than the projector, and the title is not under the buttons.
    assert page.evaluate("document.scrollingElement.scrollWidth") <= 1280
    title = page.get_by_role("heading", level=1).bounding_box()
    assert title is not None and title["y"] < 100
    way_out.click()
    expect(page.get_by_test_id("stSidebar")).to_have_attribute("data-collapsed", "false")
    page.wait_for_function(f"{size} === {before}", timeout=PATIENT)


def test_ask_me_and_take_the_worksheet_home(page: Page, workbench: str):
    page.goto(f"{workbench}/learn?lesson=ask-me&model=figure1_junction_tree&seed=3")
    expect(page.get_by_text("0 right of 0 answered")).to_be_visible(timeout=PATIENT)
    settled(page)
    if page.get_by_label("Your number").count():
        page.get_by_label("Your number").fill("0.123")
        page.keyboard.press("Enter")
    else:
        page.get_by_test_id("stRadio").get_by_role("radio").first.check(force=True)
        page.get_by_role("button", name="Check").click()
    expect(page.get_by_text(re.compile(r"[01] right of 1 answered"))).to_be_visible(timeout=PATIENT)
    page.get_by_role("button", name="Worksheet", exact=True).click()
    with page.expect_download() as download:
        page.get_by_role("button", name="Worksheet to print").click()
    text = download.value.path().read_text(encoding="utf-8")
    assert "<svg" in text and "seed 3" in text
    assert download.value.suggested_filename == "worksheet-3.html"
