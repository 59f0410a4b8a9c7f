"""Two browsers on one server behind an access code: what is whose, links, copies, wrong codes."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

APP = "app/serve.py"
CODE = "open sesame"
PATIENT = 60_000  # milliseconds: the first page reads torch


@pytest.fixture(scope="module")
def workbench(app_server, tmp_path_factory: pytest.TempPathFactory) -> str:
    home = tmp_path_factory.mktemp("home")
    variables = {"PC_WORKBENCH_HOME": str(home), "PC_WORKBENCH_ACCESS_CODE": CODE}
    return app_server(APP, OMP_NUM_THREADS="1", **variables)


@pytest.fixture
def visitor(browser: Browser) -> Iterator[Callable[[], Page]]:
    """A function that opens a tab of another browser."""
    contexts = []

    def visit() -> Page:
        contexts.append(browser.new_context(viewport={"width": 1280, "height": 720}))
        page = contexts[-1].new_page()
        page.set_default_timeout(PATIENT)
        return page

    yield visit
    for context in contexts:
        context.close()


def give(page: Page, code: str) -> None:
    page.get_by_label("Access code").fill(code)
    page.get_by_role("button", name="Open").click()


def opened(page: Page, address: str, title: str) -> None:
    """Go to an address, with the code where it is asked for, and wait for the page."""
    page.goto(address)
    heading = page.get_by_role("heading", name=title, exact=True)
    form = page.get_by_label("Access code")
    expect(heading.or_(form).first).to_be_visible(timeout=PATIENT)
    if form.count():
        give(page, CODE)
    expect(heading).to_be_visible(timeout=PATIENT)
    settled(page)


def settled(page: Page) -> None:
    page.wait_for_selector('[data-testid="stApp"][data-test-script-state="notRunning"]')
    expect(page.get_by_test_id("stException")).to_have_count(0)


def metric(page: Page, label: str) -> str:
    cell = page.get_by_test_id("stMetric").filter(has_text=re.compile(f"^{label}"))
    return cell.get_by_test_id("stMetricValue").inner_text()


def link(page: Page, word: str) -> str:
    """The address with a word in it that the page shows."""
    return page.locator("pre code", has_text=word).first.inner_text().replace("\n", "")


def test_no_browser_sees_what_another_made_and_a_link_restores_it(
    workbench: str, visitor: Callable[[], Page]
):
    mine, hers = visitor(), visitor()
    query = "model=figure3_parity&dataset=parity&learner=em&training=epochs:2"
    opened(mine, f"{workbench}/train?{query}", "Train")
    mine.get_by_role("button", name="Start", exact=True).click()
    badge = mine.locator(".stMarkdownBadge", has_text=re.compile("^finished$"))
    expect(badge).to_be_visible(timeout=PATIENT)
    expect(mine.get_by_role("heading", name="Runs", exact=True)).to_be_visible()
    mine.get_by_role("button", name="Use the best model").click()
    expect(mine.get_by_text("is the current model")).to_be_visible()
    assert "workspace=" not in mine.url  # the address can be passed on

    opened(hers, f"{workbench}/train?{query}", "Train")
    expect(hers.get_by_role("heading", name="Runs", exact=True)).to_have_count(0)
    opened(hers, f"{workbench}/workspace", "Workspace")
    assert (metric(hers, "Models"), metric(hers, "Runs")) == ("0", "0")

    opened(mine, f"{workbench}/workspace", "Workspace")
    assert (metric(mine, "Models"), metric(mine, "Runs")) == ("1", "1")
    private = link(mine, "workspace=w-")
    assert private != link(hers, "workspace=w-")

    # The link restores it, in a browser that has never been here as in one that has another.
    for page in (visitor(), hers):
        opened(page, private.replace("/?", "/workspace?"), "Workspace")
        assert (metric(page, "Models"), metric(page, "Runs")) == ("1", "1")
        assert "workspace=w-" not in page.url
        page.reload()
        expect(page.get_by_role("heading", name="Workspace", exact=True)).to_be_visible()
        settled(page)
        assert link(page, "workspace=w-") == private
    expect(hers.get_by_role("link", name="Earlier one")).to_have_count(0)  # it held nothing


def test_a_published_drawing_opens_as_a_copy(workbench: str, visitor: Callable[[], Page]):
    teacher, pupil = visitor(), visitor()
    opened(teacher, f"{workbench}/build?model=figure3_parity", "Build")
    teacher.get_by_role("button", name="Start from").click()
    teacher.get_by_role("button", name="Empty canvas").click()
    expect(teacher).to_have_url(re.compile("model=d-[0-9a-f]{16}"))
    settled(teacher)
    teacher.keyboard.press("Escape")
    text = teacher.locator(".pc-source textarea")
    text.fill("0.3*x1*x2 + 0.7*!x1*!x2")
    expect(teacher.get_by_text(re.compile("no violations|valid")).first).to_be_visible()
    settled(teacher)
    drawn = re.search(r"model=(d-[0-9a-f]{16})", teacher.url)
    assert drawn is not None
    opened(teacher, f"{workbench}/workspace?model={drawn[1]}", "Workspace")
    assert metric(teacher, "Drawings") == "1"
    teacher.get_by_role("button", name="Publish", exact=True).click()
    teacher.locator("pre code", has_text="open=p-").first.wait_for()
    published = link(teacher, "open=p-")

    opened(pupil, published, "Inspect")
    expect(pupil).to_have_url(re.compile("model=d-[0-9a-f]{16}"))
    copied = re.search(r"model=(d-[0-9a-f]{16})", pupil.url)
    assert copied is not None and copied[1] != drawn[1] and "open=" not in pupil.url
    opened(pupil, f"{workbench}/build?model={copied[1]}", "Build")
    pupil.locator(".pc-source textarea").fill("0.4*x1*x2 + 0.6*!x1*!x2")
    expect(pupil.locator(".pc-source textarea")).to_have_value(re.compile("0.4"))
    settled(pupil)
    expect(pupil).to_have_url(re.compile(copied[1]))  # it is the pupil's own
    opened(teacher, f"{workbench}/build?model={drawn[1]}", "Build")
    expect(teacher.locator(".pc-source textarea")).to_have_value(re.compile("0.3"))


def test_a_wrong_code_is_refused_and_then_slowed_down(workbench: str, visitor: Callable[[], Page]):
    page = visitor()
    page.goto(f"{workbench}/train")
    for _ in range(5):
        give(page, "guess")
        expect(page.get_by_role("alert")).to_have_text("This is not the access code.")
    give(page, CODE)
    expect(page.get_by_role("alert")).to_contain_text("Too many wrong codes")
    assert page.request.get(f"{workbench}/_stcore/host-config").status == 401
    assert page.request.get(f"{workbench}/_stcore/health").status == 200
