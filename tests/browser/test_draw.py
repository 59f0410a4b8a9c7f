"""Build by hand in a real browser: figure 1 of the SPN paper from nothing, broken, mended."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.editor_hand import EditorHand

APP = "app/main.py"
PATIENT = 60_000  # milliseconds

#: Sums of figure 1 over their two literals: (child, weight) twice.
MIXTURES = {
    "A1": (("x1", "0.6"), ("x̄1", "0.4")),
    "B1": (("x1", "0.9"), ("x̄1", "0.1")),
    "A2": (("x2", "0.3"), ("x̄2", "0.7")),
    "B2": (("x2", "0.2"), ("x̄2", "0.8")),
}
PRODUCTS = {"p1": ("A1", "A2"), "p2": ("A1", "B2"), "p3": ("B1", "B2")}


@pytest.fixture(scope="module")
def workbench(app_server, tmp_path_factory: pytest.TempPathFactory) -> str:
    home = tmp_path_factory.mktemp("home")
    return app_server(APP, PC_WORKBENCH_HOME=str(home), OMP_NUM_THREADS="1")


def settled(page: Page) -> None:
    page.wait_for_selector('[data-testid="stApp"][data-test-script-state="notRunning"]')


def open_build(page: Page, workbench: str, query: str = "") -> EditorHand:
    page.goto(f"{workbench}/build{query}")
    page.locator(".pc-editor svg[data-role=svg]").wait_for(timeout=PATIENT)
    settled(page)
    return EditorHand(page)


def start_empty(page: Page) -> None:
    page.get_by_role("button", name="Start from").click()
    page.get_by_role("button", name="Empty canvas").click()
    expect(page.locator(".pc-editor .empty")).to_be_visible()
    expect(page).to_have_url(re.compile("model=d-[0-9a-f]{16}"))
    settled(page)
    page.keyboard.press("Escape")
    expect(page.get_by_role("button", name="Empty canvas")).to_have_count(0)


def observe(page: Page, text: str) -> None:
    box = page.get_by_role("textbox", name="Evidence")
    box.fill(text)
    box.press("Enter")


def draw_figure_1(hand: EditorHand) -> None:
    """With the mouse and the keyboard, as somebody would who has the paper beside it."""
    hand.svg.focus()
    hand.press("s")
    for _ in range(3):
        hand.press("Shift+P")
    hand.press("w")
    for weight in ("0.5", "0.2", "0.3"):
        hand.type(weight)
        hand.press("Tab")
    hand.press("Escape")
    for number, name in enumerate(MIXTURES):
        hand.add_at("sum", 80 + 150 * number, 300)
        hand.press("n")
        hand.type(name)
        hand.press("Enter")
        expect(hand.node(f"sum {name}")).to_be_visible()
    for number in range(4):
        hand.add_at("leaf", 80 + 150 * number, 400)
    for parent, children in PRODUCTS.items():
        for child in children:
            hand.wire(f"product {parent}", f"sum {child}")
    for parent, terms in MIXTURES.items():
        for literal, weight in terms:
            hand.wire(f"sum {parent}", f"leaf {literal}")
            hand.type(weight)
            hand.press("Enter")


def test_draw_figure_1_break_it_and_repair_it(page: Page, workbench: str):
    hand = open_build(page, workbench)
    start_empty(page)
    draw_figure_1(hand)
    expect(page.get_by_text("A valid circuit: no violations.")).to_be_visible()
    observe(page, "x1=1, x2=0")
    expect(page.get_by_text("S(X1=1, X2=0) = 0.522")).to_be_visible()
    expect(page.get_by_text("S(1, 0, 0, 1) = 0.522")).to_be_visible()

    # The text says the same.
    text = page.locator(".pc-source textarea")
    expect(text).to_have_value(re.compile(r"A1 = 0\.6\*X1 \+ 0\.4\*!X1"))

    # Break it: p1 loses its factor over X2, so s1 is not smooth any more.
    hand.svg.focus()
    hand.select("product p1")
    hand.press("e")
    hand.press("e")
    expect(hand.live).to_contain_text("Edge from p1 to A2")
    hand.press("Delete")
    fault = page.get_by_role("button", name=re.compile("^Sum s1 is not smooth")).first
    expect(fault).to_be_visible()
    fault.click()
    expect(hand.node("sum s1")).to_have_class(re.compile(r"\bviolation\b"))
    expect(hand.node("sum s1")).to_have_class(re.compile(r"\bselected\b"))
    expect(page.get_by_text("not known to be valid")).to_be_visible()

    # Repair it with one click, which makes a valid circuit, though another one.
    page.locator('[class*="st-key-pcw_draw_repair_0"] button').click()
    expect(page.get_by_text("A valid circuit: no violations.")).to_be_visible()
    settled(page)
    hand.svg.focus()
    hand.press("Control+z")
    expect(fault).to_be_visible()

    # Or by hand: the edge comes back with one key.
    hand.press("Control+z")
    expect(page.get_by_text("A valid circuit: no violations.")).to_be_visible()
    expect(page.get_by_text("S(X1=1, X2=0) = 0.522")).to_be_visible()

    # Every page sees the drawing, a reload keeps it, and undo goes on after a page switch.
    link = page.get_by_test_id("stSidebarNav").get_by_role("link", name="Inspect", exact=True)
    link.click()
    expect(page.locator(".pc-graph .node")).to_have_count(12, timeout=PATIENT)
    page.get_by_test_id("stSidebarNav").get_by_role("link", name="Build", exact=True).click()
    expect(page.locator(".pc-editor .node")).to_have_count(12, timeout=PATIENT)
    settled(page)
    hand.svg.focus()
    hand.press("Control+z")
    expect(hand.node("sum B2")).to_have_attribute("aria-label", re.compile(r"x̄2 \(0\.5\)"))
    hand.press("Control+y")
    expect(hand.node("sum B2")).to_have_attribute("aria-label", re.compile(r"x̄2 \(0\.8\)"))
    settled(page)
    address = page.url
    page.reload()
    expect(page.locator(".pc-editor .node")).to_have_count(12, timeout=PATIENT)
    settled(page)
    expect(page.get_by_text("S(X1=1, X2=0) = 0.522")).to_be_visible()
    hand.svg.focus()
    hand.press("Home")
    hand.press("Alt+ArrowLeft")  # an edit after the reload goes to the same drawing
    page.wait_for_timeout(1000)
    settled(page)
    assert page.url == address


def test_text_and_drawing_are_one_circuit(page: Page, workbench: str):
    hand = open_build(page, workbench, "?model=figure1_naive_bayes")
    text = page.locator(".pc-source textarea")
    expect(text).to_have_value(re.compile("S = 0.5"))
    place = hand.centre("product C2")
    formula = text.input_value()
    text.fill(formula.replace("0.5*C1 + 0.2*C2", "0.4*C1 + 0.3*C2"))
    expect(hand.node("sum S")).to_have_attribute("aria-label", re.compile(r"C1 \(0\.4\)"))
    settled(page)
    after = hand.centre("product C2")
    assert abs(after[0] - place[0]) < 2  # the layout is kept
    # What a text adds is in the window, where all was before.
    text.fill("0.5*(x1*x2*x3*x4*x5*x6*x7*x8*x9) + 0.5*(!x1*!x2*!x3*!x4*!x5*!x6*!x7*!x8*!x9)")
    expect(hand.node("leaf x̄9")).to_be_visible()
    settled(page)
    window = hand.box(hand.svg)
    for name in ("leaf x1", "leaf x̄9"):
        x, y = hand.centre(name)
        assert window["x"] < x < window["x"] + window["width"]
        assert window["y"] < y < window["y"] + window["height"]
    text.fill(formula)
    expect(hand.node("sum A1")).to_be_visible()

    # A mistake: underlined, the drawing as it was, nothing typed is lost.
    wrong = formula.replace("0.6*X1 + 0.4*!X1", "0.6*X1 + 0.4*")
    text.fill(wrong)
    expect(page.get_by_text("stays as it was")).to_be_visible()
    expect(hand.node("sum A1")).to_have_attribute("aria-label", re.compile(r"x1 \(0\.6\)"))
    hand.select("sum A1")
    hand.press("w")
    hand.type("0.55")
    hand.press("Enter")
    expect(hand.node("sum A1")).to_have_attribute("aria-label", re.compile(r"x1 \(0\.55\)"))
    settled(page)
    expect(text).to_have_value(wrong)
    page.get_by_role("button", name="Discard").click()
    expect(text).to_have_value(re.compile(r"A1 = 0\.55\*X1"))

    # The same circuit as code, which can be pasted as well.
    page.get_by_text("pccore code").click()
    expect(text).to_have_count(1)  # not the one of before
    expect(text).to_have_value(re.compile(r"mix\("))
    code = text.input_value()
    text.fill(code.replace("0.55", "0.65"))
    expect(hand.node("sum A1")).to_have_attribute("aria-label", re.compile(r"x1 \(0\.65\)"))
    assert len(hand.page.locator(".pc-editor .node").all()) == 12


def test_start_from_a_figure_and_from_text(page: Page, workbench: str):
    hand = open_build(page, workbench, "?model=digits_pd")
    expect(page.get_by_text("can be drawn by hand")).to_be_visible()
    page.get_by_role("button", name="Start from").click()
    page.get_by_role("button", name="Draw the sample").hover()
    page.wait_for_timeout(500)  # the server hears of the open menu
    settled(page)
    page.get_by_role("button", name="Draw the sample").click()
    expect(page.locator(".pc-editor .node").first).to_be_visible()
    expect(page).to_have_url(re.compile("model=d-"))
    box = page.get_by_role("textbox", name="A formula, or code")
    expect(box).to_have_count(0)  # the menu has closed
    page.get_by_role("button", name="Start from").click()
    box.fill("0.3*x1*x2 + 0.7*!x1*!x2")
    box.press("Control+Enter")
    page.get_by_role("button", name="Draw the text").click()
    expect(page.locator(".pc-editor .node")).to_have_count(7)
    expect(hand.node("leaf x̄1")).to_be_visible()


def test_two_tabs_do_not_overwrite_each_other(page: Page, dark_page: Page, workbench: str):
    hand = open_build(page, workbench, "?model=figure1_naive_bayes")
    hand.svg.focus()
    hand.press("s")
    expect(page).to_have_url(re.compile("model=d-"))
    settled(page)
    other = open_build(dark_page, workbench, page.url[page.url.index("?") :])
    expect(dark_page.locator(".pc-editor .node")).to_have_count(13)
    other.svg.focus()
    other.press("p")
    expect(dark_page.locator(".pc-editor .node")).to_have_count(14)
    dark_page.wait_for_timeout(1000)
    settled(dark_page)
    assert dark_page.url != page.url
    hand.press("l")
    expect(page.locator(".pc-editor .node")).to_have_count(14)
    settled(page)
    expect(hand.node("product p1")).to_have_count(0)
