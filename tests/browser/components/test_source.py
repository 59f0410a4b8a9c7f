"""The text field in a real browser: typing, the mistake at its place, texts from Python."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

APP = "tests/browser/components/source_app.py"


@pytest.fixture
def source(open_app, page: Page) -> Page:
    open_app(page, APP)
    page.locator(".pc-source textarea").wait_for()
    return page


def units(page: Page, count: int) -> None:
    expect(page.locator("code", has_text="units")).to_have_text(f"units {count}")


def test_a_mistake_is_underlined_at_its_place(source: Page):
    units(source, 3)
    field = source.get_by_role("textbox", name="Formula")
    field.fill("0.5*x +\n0.5*$y")
    alert = source.get_by_role("alert")
    expect(alert).to_contain_text("'$' means nothing here")
    expect(source.locator(".pc-source mark")).to_have_text("$")
    expect(field).to_have_attribute("aria-invalid", "true")
    expect(source.locator(".pc-source .gutter .bad")).to_have_text("!2")
    # Nothing that was typed is lost, and the mistake goes when it is mended.
    expect(field).to_have_value("0.5*x +\n0.5*$y")
    field.press("End")
    field.fill("0.5*x +\n0.5*y")
    units(source, 3)
    expect(alert).to_be_hidden()
    expect(field).to_have_attribute("aria-invalid", "false")


def test_typing_is_not_overtaken_by_answers(source: Page):
    field = source.get_by_role("textbox", name="Formula")
    field.fill("")
    text = "0.25*a*b + 0.75*!a*b + 0*c"
    field.press_sequentially(text, delay=60)
    expect(field).to_have_value(text)
    units(source, 7)
    expect(field).to_have_value(text)


def test_python_may_change_the_text_and_tab_leaves_the_field(source: Page):
    source.get_by_role("button", name="Another text").click()
    field = source.get_by_role("textbox", name="Formula")
    expect(field).to_have_value("a = x + !x\na*y")
    units(source, 5)
    field.focus()
    field.press("Tab")
    expect(field).not_to_be_focused()
