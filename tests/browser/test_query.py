"""The Query page in a real browser: observe, watch every number follow, step through MPE."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Locator, Page, expect

APP = "app/main.py"
PATIENT = 60_000


@pytest.fixture(scope="module")
def workbench(app_server, tmp_path_factory: pytest.TempPathFactory) -> str:
    home = tmp_path_factory.mktemp("home")
    return app_server(APP, PC_WORKBENCH_HOME=str(home), OMP_NUM_THREADS="1")


def opened(page: Page, workbench: str, query: str) -> Page:
    page.goto(f"{workbench}/query?{query}")
    page.locator(".pc-graph .node").first.wait_for(timeout=PATIENT)
    page.locator(".pc-evidence .row").first.wait_for(timeout=PATIENT)
    page.wait_for_selector('[data-testid="stApp"][data-test-script-state="notRunning"]')
    return page


def state(page: Page, text: str) -> Locator:
    return page.locator(".pc-evidence").get_by_role("button", name=text)


def node(page: Page, name: str) -> Locator:
    return page.locator(".pc-graph .node", has=page.get_by_text(name, exact=True))


def says(page: Page, text: str) -> None:
    expect(page.locator('[data-testid="stMarkdownContainer"]', has_text=text).first).to_be_visible()


def counter(page: Page) -> Locator:
    return page.locator('.pc-stepper [data-role="counter"]')


def test_observing_moves_every_number(workbench: str, page: Page):
    opened(page, workbench, "model=figure1_naive_bayes")
    says(page, "P(∗) = 1")
    state(page, "X1 = 1").click()
    says(page, "P(e) = 0.69")
    expect(state(page, "X1 = 1")).to_have_attribute("aria-pressed", "true")
    expect(state(page, "X2 = 0")).to_have_attribute("aria-label", "X2 = 0, probability 0.757")
    expect(node(page, "S")).to_contain_text("0.69")
    assert "X1%3D1" in page.url
    # The keyboard does the same: right and down to X2 = 0, and Space.
    state(page, "X1 = 1").focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowDown")
    expect(state(page, "X2 = 0")).to_be_focused()
    page.keyboard.press("Space")
    says(page, "P(e) = 0.522")
    expect(node(page, "S")).to_contain_text("0.522")
    expect(page.locator('.pc-stepper [data-role="filled"]')).to_have_text(
        "0.5·0.42 + 0.2·0.48 + 0.3·0.72 = 0.522"
    )
    # Again forgets it; then all of it.
    page.keyboard.press("Space")
    says(page, "P(e) = 0.69")
    page.get_by_role("button", name="Forget all").click()
    says(page, "P(∗) = 1")
    expect(page.locator(".pc-evidence .chip[aria-pressed=true]")).to_have_count(0)


def test_quick_clicks_are_all_kept(workbench: str, page: Page):
    opened(page, workbench, "model=chow_liu_tree")
    for v in range(8):
        state(page, f"X{v} = 1").click()
    expect(page.locator(".pc-evidence .chip[aria-pressed=true]")).to_have_count(8)
    says(page, "P(e) = 0.0")
    page.wait_for_timeout(1500)
    expect(page.locator(".pc-evidence .chip[aria-pressed=true]")).to_have_count(8)
    assert page.url.count("%3D1") == 8


def test_soft_evidence(workbench: str, page: Page):
    opened(page, workbench, "model=figure1_naive_bayes")
    page.get_by_role("button", name="Soft evidence on X1").click()
    slider = page.get_by_role("slider", name="Likelihood of X1 = 0")
    slider.focus()
    page.keyboard.press("Home")
    says(page, "P(e) = 0.69")  # a likelihood of 0 is an observation of the other state
    expect(page.locator(".pc-evidence .row.soft")).to_have_count(1)
    page.locator(".pc-evidence").get_by_role("button", name="Remove").click()
    says(page, "P(∗) = 1")


def test_a_value_of_a_real_variable_is_typed(workbench: str, page: Page):
    opened(page, workbench, "model=old_geyser")
    field = page.get_by_role("spinbutton", name="Value of Waiting")
    field.fill("60")
    field.press("Enter")
    says(page, "P(e) = 0.0159506")
    expect(page.locator(".pc-evidence .number .seen")).to_have_count(1)
    field.fill("")
    field.press("Enter")
    says(page, "P(∗) = 1")


def test_stepping_through_the_most_probable_explanation(workbench: str, page: Page):
    opened(page, workbench, "model=figure1_naive_bayes&evidence=X1%3D1")
    stepper = page.locator(".pc-stepper")
    stepper.get_by_role("button", name="MPE").click()
    expect(counter(page)).to_have_text("all 18 steps")
    stepper.get_by_role("button", name="First step").click()
    expect(counter(page)).to_have_text("step 1 of 18")
    # What is not computed yet is hidden, and the current unit stands out.
    expect(page.locator(".pc-graph .badge.value")).to_have_count(1)
    expect(node(page, "x1")).to_have_class(re.compile("selected"))
    # The arrow keys go on: the last maximum, then the trace.
    slider = stepper.get_by_role("slider", name="Step")
    slider.focus()
    for at in range(2, 13):
        page.keyboard.press("ArrowRight")
        expect(counter(page)).to_have_text(f"step {at} of 18")
    board = stepper.locator(".board")
    expect(board).to_contain_text("max(0.5·0.42, 0.2·0.48, 0.3·0.72) = 0.216")
    page.keyboard.press("ArrowRight")
    expect(board).to_contain_text("Sum S: C3 wins")
    expect(board).to_contain_text("0.3·C3 = 0.216 beats 0.5·C1 = 0.21")
    expect(page.locator(".pc-graph .edge.chosen")).to_have_count(1)
    expect(page.locator(".pc-graph .edge.dashed")).to_have_count(2)
    expect(page.locator(".pc-graph .weight", has_text="÷1.03")).to_be_attached()
    page.keyboard.press("End")
    expect(board).to_contain_text("multiply to 0.3·0.9·0.8·1·1 = 0.216")
    stepper.get_by_role("button", name="Show all").click()
    expect(board).to_contain_text("X1 = 1, X2 = 0")
    stepper.get_by_role("button", name="Tree alone").click()
    expect(page.locator(".pc-graph .node")).to_have_count(6)
    expect(board).to_contain_text("0.3·0.9·0.8·1·1 = 0.216")
    stepper.get_by_role("button", name="log").click()
    expect(board).to_contain_text("= −1.532")


def test_a_pass_plays_and_a_click_goes_to_the_step_of_a_unit(workbench: str, page: Page):
    opened(page, workbench, "model=figure1_naive_bayes")
    page.get_by_role("button", name="Play", exact=True).click()
    expect(counter(page)).to_have_text("step 3 of 12", timeout=15_000)
    page.get_by_role("button", name="Pause").click()
    node(page, "A2").locator(".hit").click()
    expect(counter(page)).to_have_text("step 6 of 12")
    expect(page.locator(".pc-stepper .board")).to_contain_text("A2 = 0.3·x2 + 0.7·¬x2")


def test_dice(workbench: str, page: Page):
    opened(page, workbench, "model=figure1_naive_bayes&pass_=sample&step=1&seed=3")
    die = page.locator(".pc-stepper .die")
    expect(die.locator(".face")).to_have_text(["C1 ✓", "C2", "C3"])
    expect(die.locator(".u")).to_contain_text("S rolls 0.034")
    page.get_by_role("button", name="Roll", exact=True).click()
    expect(die.locator(".u")).not_to_contain_text("S rolls 0.034")


def test_what_is_not_licensed_is_greyed_and_says_why(workbench: str, dark_page: Page):
    page = opened(dark_page, workbench, "model=inconsistent")
    says(page, "needs a circuit that is consistent")
    refused = page.locator(".pc-stepper").get_by_role(
        "button", name=re.compile("MPE: not licensed")
    )
    expect(refused).to_have_class(re.compile("refused"))
    refused.click()
    expect(page.locator(".pc-stepper .board")).to_contain_text("needs a circuit that is")
    page.get_by_role("link", name="See why on Inspect").click()
    page.wait_for_url("**/inspect**")
