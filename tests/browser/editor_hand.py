"""A hand for the circuit editor: mouse, keyboard and finger, by the names of the units."""

from __future__ import annotations

from playwright.sync_api import Locator, Page

Point = tuple[float, float]


class EditorHand:
    """Units are named as the screen reader names them: "sum s1", "leaf x̄1"."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.svg = page.locator(".pc-editor svg[data-role=svg]")
        self.live = page.locator(".pc-editor [data-role=live]")
        self.hint = page.locator(".pc-editor [data-role=hint]")
        self.selected = page.locator(".pc-editor .node.selected")
        self.svg.wait_for()

    def node(self, name: str) -> Locator:
        exact = f'.pc-editor .node[aria-label="{name}"]'
        return self.page.locator(f'{exact}, .pc-editor .node[aria-label^="{name};"]')

    def press(self, key: str) -> None:
        self.page.keyboard.press(key)

    def type(self, text: str) -> None:
        self.page.keyboard.type(text)

    def box(self, locator: Locator) -> dict[str, float]:
        for _ in range(50):  # it may be drawn anew just now
            found = locator.bounding_box()
            if found is not None:
                return found
        raise AssertionError("nothing is to be seen of it")

    def middle(self, locator: Locator) -> Point:
        box = self.box(locator)
        return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2

    def centre(self, name: str) -> Point:
        return self.middle(self.node(name).locator(".body"))

    def select(self, name: str) -> None:
        self.node(name).locator(".hit").click()

    def drag(self, start: Point, end: Point) -> None:
        mouse = self.page.mouse
        mouse.move(*start)
        mouse.down()
        mouse.move((start[0] + end[0]) / 2, (start[1] + end[1]) / 2, steps=3)
        mouse.move(*end, steps=3)
        mouse.up()

    def drag_handle(self, name: str, x: float, y: float, again: bool = False) -> None:
        self.page.mouse.move(*self.centre(name))
        if again:
            self.page.keyboard.down("Shift")
        self.drag(self.middle(self.node(name).locator(".handle-dot")), (x, y))
        if again:
            self.page.keyboard.up("Shift")

    def wire(self, parent: str, child: str, again: bool = False) -> None:
        """Drag an edge from a unit to a child."""
        self.drag_handle(parent, *self.centre(child), again=again)

    def add_at(self, kind: str, x: float, y: float) -> None:
        """Double-click at a point of the canvas and choose what to add."""
        box = self.box(self.svg)
        self.page.mouse.dblclick(box["x"] + x, box["y"] + y)
        self.page.locator(f".pc-editor .menu-box [data-add={kind}]").click()

    def touch_drag(self, name: str, dx: float, dy: float) -> None:
        """One finger on a unit, moved and lifted."""
        x, y = self.centre(name)
        touch = self.page.context.new_cdp_session(self.page)
        steps = [("touchStart", 0.0), *(("touchMove", t / 4) for t in range(1, 5))]
        for kind, t in steps:
            points = [{"x": x + t * dx, "y": y + t * dy}]
            touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
        touch.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
