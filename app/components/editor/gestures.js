// Mouse, pen and finger on the canvas. What is not caught here moves the view (viewport.js).

class Gestures {
  constructor(editor) {
    this.editor = editor;
    this.active = null;
    const svg = editor.svg;
    svg.addEventListener("pointerdown", (event) => this.down(event), true);
    svg.addEventListener("pointermove", (event) => this.move(event), true);
    for (const end of ["pointerup", "pointercancel"]) svg.addEventListener(end, (event) => this.up(event), true);
    // A double-click adds a unit; it is not to select the text below the canvas.
    svg.addEventListener("mousedown", (event) => { if (event.detail > 1) event.preventDefault(); });
    this.redraw = perFrame(() => { if (this.active) this.track(); });
  }

  point(event) {
    const { x, y } = this.editor.viewport.local(event);
    const view = this.editor.viewport;
    return { x: (x - view.x) / view.k, y: (y - view.y) / view.k };
  }

  kindOf(event) {
    const find = (selector) => event.target.closest && event.target.closest(selector);
    const node = find(".node");
    if (find(".grip")) return { type: "rewire", end: find(".grip").getAttribute("data-grip") };
    if (find(".handle")) return { type: "wire", id: node.getAttribute("data-id") };
    if (node) return { type: "node", id: node.getAttribute("data-id") };
    const edge = find("[data-edge]");
    if (edge) return { type: "edge", key: edge.getAttribute("data-edge") };
    return { type: event.shiftKey || this.editor.areaMode ? "band" : "view" };
  }

  down(event) {
    if (event.button !== 0) return;
    this.editor.popup.close(true);
    if (this.active) { // a second finger: it zooms, nothing is dragged
      this.cancel();
      return;
    }
    const what = this.kindOf(event);
    if (what.type === "view") return;
    event.stopPropagation();
    event.preventDefault(); // no text is selected, no picture dragged
    this.editor.svg.focus({ preventScroll: true });
    this.active = { ...what, pointer: event.pointerId, start: this.point(event), now: this.point(event),
      shift: event.shiftKey, moved: false, touch: event.pointerType === "touch" };
  }

  move(event) {
    const active = this.active;
    if (!active || event.pointerId !== active.pointer) return;
    event.stopPropagation();
    active.now = this.point(event);
    active.shift = event.shiftKey;
    const far = Math.hypot(active.now.x - active.start.x, active.now.y - active.start.y) * this.editor.viewport.k;
    if (!active.moved && far < (active.touch ? 8 : 4)) return;
    if (!active.moved) {
      active.moved = true;
      this.editor.svg.setPointerCapture(event.pointerId); // not before: it would hide what is double-clicked
      if (active.type === "node") this.lift(active);
    }
    this.redraw();
  }

  // Drag the unit and, where it is selected, everything that is.
  lift(active) {
    const { editor } = this;
    if (!editor.selection.has(active.id)) editor.select([active.id], active.shift);
    active.from = [...editor.selection].map((id) => [id, editor.doc.nodes.get(id)]);
    editor.hideCard();
  }

  track() {
    const { editor, active } = this;
    const { start, now } = active;
    if (active.type === "node") {
      active.places = active.from.map(([id, { x, y }]) => [id, [Math.round(x + now.x - start.x), Math.round(y + now.y - start.y)]]);
      editor.drawing.drag(active.places);
    } else if (active.type === "wire") {
      const from = editor.doc.nodes.get(active.id);
      active.target = this.aim((id) => obstacle(editor.doc, active.id, id, active.shift), active.id);
      editor.drawing.showWire({ x: from.x, y: from.y + RADIUS }, now);
    } else if (active.type === "rewire") {
      const [source, target] = editor.edgeOf(editor.edge);
      const fixed = editor.doc.nodes.get(active.end === "source" ? target : source);
      const rest = applyOps(editor.doc, [{ op: "delete", edges: [editor.edgeOf(editor.edge)] }]);
      active.target = this.aim((id) => (active.end === "source"
        ? obstacle(rest, id, target, active.shift) : obstacle(rest, source, id, active.shift)));
      editor.drawing.showWire(fixed, now);
    } else if (active.type === "band") {
      active.box = { left: Math.min(start.x, now.x), right: Math.max(start.x, now.x),
        top: Math.min(start.y, now.y), bottom: Math.max(start.y, now.y) };
      editor.drawing.showBand(active.box);
    }
  }

  // The unit under the pointer, marked as fitting or not; the reason is said.
  aim(reason, without) {
    const { editor, active } = this;
    const id = unitAt(editor.doc, active.now, NEAR);
    const why = id && id !== without ? reason(id) : "";
    editor.drawing.aim(id === without ? null : id, !why);
    if (why !== active.why) editor.hint(why || "", Boolean(why));
    active.why = why;
    return id && id !== without ? id : null;
  }

  up(event) {
    const active = this.active;
    if (!active || event.pointerId !== active.pointer) return;
    event.stopPropagation();
    this.clear();
    if (event.type === "pointercancel") { this.editor.redraw(false); return; }
    if (active.moved) this.drop(active);
    else this.tap(active, event);
    this.editor.settle();
  }

  drop(active) {
    const { editor } = this;
    if (active.type === "node" && active.places) {
      editor.edit([{ op: "move", places: Object.fromEntries(active.places) }],
        `Moved ${active.places.length === 1 ? "the unit" : `${active.places.length} units`}`);
    } else if (active.type === "wire") {
      if (active.target) editor.connect(active.id, active.target, active.shift);
      else editor.popup.menu(active.now, active.id);
    } else if (active.type === "rewire" && active.target) {
      editor.reconnect(editor.edge, active.end, active.target, active.shift);
    } else if (active.type === "band" && active.box) {
      const { left, right, top, bottom } = active.box;
      const inside = [...editor.doc.nodes.values()]
        .filter(({ x, y }) => x >= left && x <= right && y >= top && y <= bottom).map((node) => node.id);
      editor.select(inside, active.shift);
    }
  }

  tap(active, event) {
    const { editor } = this;
    if (editor.mode) {
      if (active.id) editor.finishConnect(active.id, event.shiftKey);
      else editor.leaveMode();
    } else if (active.type === "edge") editor.selectEdge(active.key);
    else if (active.id && event.shiftKey) editor.toggleSelected(active.id);
    else if (active.id) editor.select([active.id]);
    else if (active.type === "band") editor.select([]);
  }

  cancel() {
    this.clear();
    this.editor.redraw(false);
    this.editor.settle();
  }

  clear() {
    this.active = null;
    this.editor.drawing.showWire(null);
    this.editor.drawing.showBand(null);
    this.editor.drawing.aim(null, true);
    this.editor.hint("");
  }
}
