"""The circuit editor in a real browser: mouse, keyboard, touch, and what reaches Python."""

from __future__ import annotations

import json
import re

import pytest
from playwright.sync_api import expect

from tests.browser.editor_hand import EditorHand

APP = "tests/browser/components/editor_app.py"


class Editor(EditorHand):
    def draft(self) -> dict:
        return json.loads(self.page.locator("code", has_text="draft {").inner_text()[6:])

    def nodes(self) -> dict[str, dict]:
        return {node["name"]: node for node in self.draft()["nodes"]}

    def wait_for(self, condition) -> None:
        """Until what Python keeps is as expected."""
        for _ in range(100):
            if condition(self.nodes()):
                return
            self.page.wait_for_timeout(50)
        raise AssertionError(self.draft())

    def children(self, name: str) -> list:
        found = {node["id"]: node["name"] for node in self.draft()["nodes"]}
        node = self.nodes()[name]
        below = [found[child] for child in node.get("children", [])]
        return list(zip(below, node["weights"], strict=True)) if "weights" in node else below


@pytest.fixture
def empty(open_app, page):
    open_app(page, APP)
    return Editor(page)


@pytest.fixture
def figure(open_app, page):
    open_app(page, APP, "/?start=figure")
    page.locator(".pc-editor .node").first.wait_for()
    return Editor(page)


def test_add_by_buttons_keys_and_double_click(empty):
    empty.page.get_by_role("button", name="Sum").click()
    empty.press("p")
    empty.add_at("leaf", 300, 300)
    empty.wait_for(lambda nodes: set(nodes) == {"s1", "p1", "x1"})
    leaf = empty.nodes()["x1"]["leaf"]
    assert (leaf["variable"], leaf["family"], leaf["values"]) == ("X1", "indicator", [1.0])
    expect(empty.live).to_contain_text("Added leaf x1")


def test_drag_from_the_handle_connects_and_the_weight_is_typed(empty):
    empty.add_at("sum", 300, 120)
    empty.add_at("leaf", 240, 300)
    empty.add_at("leaf", 400, 300)
    empty.wire("sum s1", "leaf x1")
    empty.type("0.3")
    empty.press("Enter")
    empty.wire("sum s1", "leaf x̄1")
    empty.wait_for(lambda nodes: len(nodes["s1"].get("children", [])) == 2)
    empty.wait_for(lambda nodes: nodes["s1"]["weights"] == [0.3, 0.5])
    assert empty.children("s1") == [("x1", 0.3), ("¬x1", 0.5)]
    # A child dropped on nothing.
    x, y = empty.centre("sum s1")
    empty.drag_handle("sum s1", x + 200, y + 90)
    empty.page.locator(".pc-editor .menu-box [data-add=product]").click()
    empty.wait_for(lambda nodes: "p1" in nodes and len(nodes["s1"]["children"]) == 3)


def test_what_makes_no_sense_is_refused_at_once(figure):
    figure.wire("sum A1", "sum S")
    expect(figure.hint).to_contain_text("cycle")
    figure.wire("product C1", "sum A1")
    expect(figure.hint).to_contain_text("already")
    assert figure.page.locator("code", has_text="batches").inner_text() == "batches 0"


def test_weights_in_place(figure):
    figure.page.locator(".pc-editor .weight", has_text=re.compile(r"^0\.5$")).dblclick()
    box = figure.page.get_by_role("textbox", name="Weight from S to C1")
    expect(box).to_have_value("0.5")
    box.fill("1/4")
    box.press("Enter")
    figure.wait_for(lambda nodes: nodes["S"]["weights"][0] == 0.25)
    figure.press("w")
    figure.type("-1")
    figure.press("Enter")
    box = figure.page.get_by_role("textbox", name="Weight from S to C1")
    expect(box).to_have_attribute("aria-invalid", "true")
    figure.press("Escape")
    assert figure.nodes()["S"]["weights"][0] == 0.25
    figure.press("w")
    for number in ("0.6", "0.3", "0.1"):
        figure.type(number)
        figure.press("Tab")
    figure.press("Escape")
    figure.wait_for(lambda nodes: nodes["S"]["weights"] == [0.6, 0.3, 0.1])
    figure.select("sum A1")
    figure.press("w")
    figure.type("3")
    figure.press("Enter")
    figure.wait_for(lambda nodes: nodes["A1"]["weights"] == [3, 0.4])
    figure.press("Shift+N")
    figure.wait_for(lambda nodes: abs(sum(nodes["A1"]["weights"]) - 1) < 1e-12)
    assert figure.nodes()["A1"]["weights"][0] == 3 / 3.4


def test_leaf_form(figure):
    figure.node("leaf x1").locator(".hit").dblclick()
    form = figure.page.locator(".pc-editor .leaf-form")
    expect(form.get_by_role("textbox", name="Variable")).to_be_focused()
    form.get_by_role("textbox", name="Variable").fill("Height")
    form.get_by_role("combobox", name="Family").select_option("gaussian")
    numbers = form.get_by_role("textbox", name="mean, variance")
    numbers.fill("1.5, -2")
    numbers.press("Enter")
    expect(form.get_by_role("alert")).to_contain_text("variance is positive")
    numbers.fill("1.5, 2")
    numbers.press("Enter")
    figure.wait_for(lambda nodes: "Height gaussian" in nodes)
    leaf = figure.nodes()["Height gaussian"]["leaf"]
    assert leaf["values"] == [1.5, 2.0] and leaf["min_variance"] == 1e-4
    assert figure.draft()["variables"] == ["X1", "X2", "Height"]
    expect(figure.node("leaf N(Height; 1.5, 2)")).to_be_visible()
    figure.press("Enter")  # the keyboard gets there as well
    form.get_by_role("combobox", name="Family").select_option("categorical")
    numbers = form.get_by_role("textbox", name="probability of each state")
    numbers.fill("0.2 0.3 0.5")
    numbers.press("Enter")
    figure.wait_for(lambda nodes: "Height categorical" in nodes)
    assert figure.nodes()["Height categorical"]["leaf"]["categories"] == 3


def test_selection_by_band_and_click_and_moving_it(figure):
    figure.select("sum A1")
    figure.node("sum A2").locator(".hit").click(modifiers=["Shift"])
    expect(figure.selected).to_have_count(2)
    figure.node("sum A2").locator(".hit").click(modifiers=["Shift"])
    expect(figure.selected).to_have_count(1)
    leaves = [figure.centre(f"leaf {name}") for name in ("x1", "x̄1", "x2", "x̄2")]
    corner = (min(x for x, _ in leaves) - 40, leaves[0][1] - 40)
    other = (max(x for x, _ in leaves) + 40, leaves[0][1] + 40)
    figure.page.keyboard.down("Shift")
    figure.drag(corner, other)
    figure.page.keyboard.up("Shift")
    expect(figure.selected).to_have_count(5)  # four leaves, and A1 from before
    figure.select("leaf x1")
    figure.page.get_by_role("button", name="Select an area").click()
    figure.drag(corner, other)
    expect(figure.selected).to_have_count(4)
    before = {name: node["y"] for name, node in figure.nodes().items()}
    x, y = figure.centre("leaf x1")
    figure.drag((x, y), (x, y + 40))
    figure.wait_for(lambda nodes: nodes["x1"]["y"] > before["x1"] + 20)
    after = figure.nodes()
    moved = {name for name in before if after[name]["y"] != before[name]}
    assert moved == {"x1", "¬x1", "x2", "¬x2"}
    assert len({round(after[name]["y"] - before[name]) for name in moved}) == 1
    figure.press("Alt+ArrowUp")
    figure.wait_for(lambda nodes: round(after["x1"]["y"] - nodes["x1"]["y"]) == 20)


def test_edges_are_selected_moved_and_deleted(figure):
    figure.select("sum A1")
    figure.press("e")
    expect(figure.live).to_contain_text("Edge from A1 to x1, weight 0.6")
    figure.press("0")  # typing begins a weight
    figure.type(".7")
    figure.press("Enter")
    figure.wait_for(lambda nodes: nodes["A1"]["weights"] == [0.7, 0.4])
    figure.press("c")  # another child, by keyboard
    figure.press("/")
    figure.page.get_by_role("searchbox").fill("x2")
    figure.page.get_by_role("searchbox").press("Enter")
    figure.svg.focus()
    figure.press("Enter")
    figure.wait_for(lambda nodes: "x2" in dict(figure.children("A1")))
    assert figure.children("A1") == [("x2", 0.7), ("¬x1", 0.4)]
    grip = figure.page.locator(".pc-editor .grip[data-grip=target]")
    figure.select("sum A1")
    figure.press("e")
    box = grip.bounding_box()
    figure.drag((box["x"] + 7, box["y"] + 7), figure.centre("leaf x1"))
    figure.wait_for(lambda nodes: figure.children("A1") == [("x1", 0.7), ("¬x1", 0.4)])
    figure.select("sum A1")
    figure.press("e")
    figure.press("Delete")
    figure.wait_for(lambda nodes: figure.children("A1") == [("¬x1", 0.4)])


def test_delete_undo_redo_without_end(figure):
    start = figure.draft()["nodes"]
    for name in ("leaf x1", "sum A1", "product C1"):
        figure.select(name)
        figure.press("Delete")
    figure.wait_for(lambda nodes: len(nodes) == 9)
    figure.press("Control+a")
    figure.press("Delete")
    figure.wait_for(lambda nodes: len(nodes) == 0)
    for _ in range(4):
        figure.press("Control+z")
    expect(figure.page.locator(".pc-editor .node")).to_have_count(12)
    figure.wait_for(lambda nodes: len(nodes) == 12)
    assert figure.draft()["nodes"] == start
    figure.press("Control+Shift+Z")
    figure.press("Control+y")
    figure.wait_for(lambda nodes: len(nodes) == 10)
    figure.page.get_by_role("button", name="Undo").click()
    figure.wait_for(lambda nodes: len(nodes) == 11)


def test_copy_paste_duplicate(figure):
    figure.select("sum A1")
    figure.press("Control+d")
    figure.wait_for(lambda nodes: "A1_2" in nodes)
    assert figure.children("A1_2") == figure.children("A1")  # the leaves are shared
    figure.press("Control+a")
    figure.press("Control+c")
    figure.press("Control+v")
    figure.wait_for(lambda nodes: len(nodes) == 26)
    assert {child for child, _ in figure.children("S_2")} == {"C1_2", "C2_2", "C3_2"}
    figure.press("Control+x")
    figure.wait_for(lambda nodes: len(nodes) == 13)
    figure.press("Control+v")
    figure.wait_for(lambda nodes: len(nodes) == 26)


def test_names_roots_and_arranging(figure):
    figure.select("sum A1")
    figure.press("F2")
    figure.type("S")
    figure.press("Enter")
    expect(figure.live).to_contain_text("Another unit is named S")
    figure.type("um of X1")
    figure.press("Enter")
    figure.wait_for(lambda nodes: "Sum of X1" in nodes)
    figure.press("r")
    figure.wait_for(lambda nodes: figure.draft()["roots"] == [nodes["Sum of X1"]["id"]])
    before = figure.nodes()["S"]["x"]
    figure.select("sum S")
    figure.press("Alt+ArrowRight")
    figure.wait_for(lambda nodes: nodes["S"]["x"] > before + 5)
    figure.press("t")
    # The longer name takes a little more room.
    figure.wait_for(lambda nodes: abs(nodes["S"]["x"] - before) < 5)


def test_everything_by_keyboard_alone(empty):
    empty.svg.focus()
    empty.press("s")
    empty.press("Shift+P")
    empty.press("Shift+P")
    empty.press("ArrowDown")
    expect(empty.live).to_contain_text("product p1")
    empty.press("Shift+L")
    empty.press("Shift+L")
    empty.wait_for(lambda nodes: len(nodes) == 5)
    assert empty.children("p1") == ["x1", "¬x1"]
    empty.press("ArrowRight")
    expect(empty.live).to_contain_text("product p2")
    empty.press("c")
    expect(empty.hint).to_contain_text("Child of p2")
    empty.press("ArrowDown")
    expect(empty.hint).to_contain_text("Enter connects")
    empty.press("Enter")
    empty.wait_for(lambda nodes: len(nodes["p2"].get("children", [])) == 1)
    empty.press("c")
    empty.press("ArrowUp")
    expect(empty.hint).to_contain_text("cycle")
    empty.press("Escape")
    empty.press("Control+ArrowUp")
    empty.press("Space")
    expect(empty.selected).to_have_count(2)


def test_nothing_is_lost_while_python_is_slow(open_app, page):
    open_app(page, APP, "/?slow=0.6")
    editor = Editor(page)
    editor.svg.focus()
    for key in "splspl":
        editor.press(key)
    expect(page.locator(".pc-editor .node")).to_have_count(6, timeout=500)  # at once
    editor.press("Control+z")
    expect(page.locator(".pc-editor .node")).to_have_count(5, timeout=500)
    editor.press("l")
    editor.wait_for(lambda nodes: len(nodes) == 6)
    expect(page.locator("code", has_text="batches")).to_have_text("batches 8")
    assert set(editor.nodes()) == {"s1", "p1", "x1", "s2", "p2", "x2"} or len(editor.nodes()) == 6
    shown = {n["id"] for n in editor.draft()["nodes"]}
    assert set(page.locator(".pc-editor .node").evaluate_all(
        "nodes => nodes.map((node) => node.dataset.id)")) == shown  # fmt: skip


def test_a_change_from_elsewhere_and_a_remount(figure):
    figure.select("sum A1")
    figure.press("Delete")
    figure.page.get_by_role("button", name="elsewhere").click()
    expect(figure.node("sum extra0")).to_be_visible()
    figure.svg.focus()
    figure.press("Control+z")
    expect(figure.node("sum extra0")).to_have_count(0)
    expect(figure.page.locator(".pc-editor .node")).to_have_count(11)
    figure.page.get_by_text("away", exact=True).click()
    expect(figure.page.locator(".pc-editor")).to_have_count(0)
    figure.page.get_by_text("away", exact=True).click()
    expect(figure.page.locator(".pc-editor .node")).to_have_count(11)
    figure.svg.focus()
    figure.press("Control+z")
    expect(figure.page.locator(".pc-editor .node")).to_have_count(12)
    figure.wait_for(lambda nodes: len(nodes) == 12)


def test_screen_reader_outline_and_names(figure):
    items = figure.page.locator(".pc-editor [data-role=outline] li")
    expect(items).to_have_count(12)
    assert "sum S; root; children: C1 (0.5), C2 (0.2), C3 (0.3)" in items.all_inner_texts()
    figure.svg.focus()
    figure.press("Home")
    active = figure.svg.get_attribute("aria-activedescendant")
    label = figure.page.locator(f"#{active}").get_attribute("aria-label")
    assert label.startswith("sum S")
    for button in figure.page.locator(".pc-editor button").all():
        name = button.get_attribute("aria-label") or button.inner_text()
        assert name.strip()


def test_text_is_never_markup(figure):
    figure.select("sum A1")
    figure.press("n")
    figure.type("<img src=x onerror=alert(1)>")
    figure.press("Enter")
    figure.wait_for(lambda nodes: "<img src=x onerror=alert(1)>" in nodes)
    expect(figure.page.locator(".pc-editor img")).to_have_count(0)


def test_violations_are_marked(figure):
    figure.select("sum A1")
    figure.press("e")
    figure.press("Delete")
    figure.press("e")
    figure.press("Delete")
    figure.select("product C1")
    figure.wire("product C1", "sum A2", again=True)
    expect(figure.page.locator(".pc-editor .node.violation")).not_to_have_count(0)


def test_touch(open_app, touch_page):
    open_app(touch_page, APP)
    editor = Editor(touch_page)
    for kind in ("Sum", "Leaf"):
        touch_page.get_by_role("button", name=kind).tap()
    editor.wait_for(lambda nodes: len(nodes) == 2)
    editor.node("sum s1").locator(".hit").tap()
    touch_page.get_by_role("button", name="Connect to a child").tap()
    editor.node("leaf x1").locator(".hit").tap()
    editor.wait_for(lambda nodes: editor.children("s1") == [("x1", 0.5)])
    editor.touch_drag("leaf x1", 60, 50)
    editor.wait_for(lambda nodes: nodes["x1"]["y"] > nodes["s1"]["y"] + 30)


@pytest.mark.parametrize("theme", ["page", "dark_page"])
def test_looks_the_same_in_both_themes(open_app, request, theme):
    page = request.getfixturevalue(theme)
    open_app(page, APP, "/?start=figure")
    root = page.locator(".pc-editor")
    expect(root).to_have_attribute("data-theme", "dark" if theme == "dark_page" else "light")
    body = page.locator(".pc-editor .node .body").first
    assert body.evaluate("e => getComputedStyle(e).fill") != "rgb(0, 0, 0)"
