// Circuit editor: the document, the selection, and the exchange with Python.
//
// In:  data = { sheet, doc, acks, version, undo, redo, refused, look, families, height, label }
// Out: state "edits" = { stream, author, batches: [{ seq, sheet, ops }] }

const EDITORS = new WeakMap();
const EDIT_ICONS = {
  connect: "M10 3.2a2 2 0 1 0 0 4 2 2 0 0 0 0-4zM5 12.8a2 2 0 1 0 0 4 2 2 0 0 0 0-4zM9 7.2 6.2 12.8M15 11.5v6M12 14.5h6",
  edit: "M4 16l.8-3.4L13 4.4a1.6 1.6 0 0 1 2.4 2.4L7.2 15z",
  root: "M10 16.5V7M6.5 10 10 6.4 13.5 10M5 3.5h10",
  remove: "M4.5 6h11M8 6V4h4v2M6 6l.7 10.2h6.6L14 6M8.6 8.8v4.8M11.4 8.8v4.8",
  tidy: "M8 3h4v3H8zM3 13.5h4v3H3zM13 13.5h4v3h-4zM10 6v3.5M5 13.5v-4h10v4",
  area: "M4 4h3M10 4h2M15 4h1v3M16 10v2M16 15v1h-3M10 16H8M5 16H4v-3M4 10V8M4 5V4",
};
const GLIDE = 220; // milliseconds

class Editor extends Actions {
  constructor(root) {
    super();
    this.root = root;
    this.part = (role) => root.querySelector(`[data-role="${role}"]`);
    this.svg = this.part("svg");
    this.area = this.part("area");
    this.drawing = new EditorDrawing(this.part("edges"), this.part("labels"), this.part("nodes"), this.part("extras"));
    this.viewport = new Viewport(this.svg, this.part("world"), {
      changed: (k) => this.zoomed(k),
      tapped: () => this.tapped(),
      tappedTwice: (event) => this.tappedTwice(event),
    });
    this.popup = new Popup(this, this.part("popup"));
    this.gestures = new Gestures(this);
    this.finder = new FindBox(root, this);
    this.outbox = new Outbox((payload) => this.post(payload));
    this.steps = new Steps();
    this.selection = new Set();
    this.edge = null; // key of the selected edge
    this.focused = null;
    this.mode = null; // { source, target, edge } while a child is looked for
    this.areaMode = false;
    this.clipboard = [];
    this.measured = (window.__pcEditor ??= { drawn: [], answered: [] });
    this.bind();
    this.resize = new ResizeObserver(() => { if (!this.viewport.touched && this.doc) this.fit(); });
    this.resize.observe(this.area);
  }

  bind() {
    const actions = {
      connect: () => this.startConnect(), edit: () => this.editSelected(), root: () => this.markRoot(),
      remove: () => this.removeSelected(), undo: () => this.turn(true), redo: () => this.turn(false),
      tidy: () => this.tidy(), area: () => this.setAreaMode(!this.areaMode),
      in: () => this.viewport.zoom(1.3), out: () => this.viewport.zoom(1 / 1.3), fit: () => this.fit(),
    };
    const icons = { ...EDIT_ICONS, undo: ICONS.undo, redo: ICONS.redo, in: ICONS.plus, out: ICONS.minus, fit: ICONS.fit };
    this.buttons = {};
    for (const [name, action] of Object.entries(actions)) {
      const button = this.root.querySelector(`[data-action="${name}"]`);
      button.append(icon(icons[name]));
      button.addEventListener("click", () => { this.popup.close(true); action(); });
      this.buttons[name] = button;
    }
    for (const button of this.root.querySelectorAll(".bar [data-add]")) {
      const kind = button.getAttribute("data-add");
      button.append(kindIcon(kind), KIND_NAMES[kind][0].toUpperCase() + KIND_NAMES[kind].slice(1));
      button.addEventListener("click", () => { this.popup.close(true); this.add(kind, null, null); });
    }
    this.svg.addEventListener("keydown", (event) => {
      if (this.doc && editorKey(this, event)) { event.preventDefault(); event.stopPropagation(); }
    });
    this.svg.addEventListener("pointerover", (event) => {
      if (event.pointerType === "touch" || this.gestures.active || this.viewport.pointers.size) return;
      const node = event.target.closest && event.target.closest(".node");
      if (node && !this.popup.open) this.showCard(node.getAttribute("data-id"));
      else this.hideCard();
    });
    this.svg.addEventListener("pointerleave", () => this.hideCard());
  }

  tapped() {
    this.svg.focus({ preventScroll: true });
    this.popup.close(true);
    if (this.mode) this.leaveMode();
    else this.select([]);
  }

  tappedTwice(event) {
    const find = (selector) => event.target.closest && event.target.closest(selector);
    if (find("[data-edge]")) this.popup.weight(find("[data-edge]").getAttribute("data-edge"));
    else if (find(".node")) this.editUnit(find(".node").getAttribute("data-id"));
    else this.popup.menu(this.gestures.point(event), null);
  }

  // ---- changes ----

  // Show what the operations lead to at once, and tell Python.
  edit(ops, message) {
    const start = performance.now();
    this.steps.push(this.doc);
    this.doc = applyOps(this.doc, ops);
    this.redraw(false);
    this.outbox.send(this.sheet, ops);
    this.canUndo = true;
    this.canRedo = false;
    this.showButtons();
    this.hint("");
    if (message) this.say(message);
    this.measured.drawn.push(performance.now() - start);
    this.measured.drawn.splice(0, this.measured.drawn.length - 200);
  }

  turn(back) {
    if (!(back ? this.canUndo : this.canRedo)) { this.say(back ? "Nothing to undo." : "Nothing to redo."); return; }
    const start = performance.now();
    this.popup.close(false);
    const doc = this.steps.turn(this.doc, back);
    if (doc) {
      this.doc = doc;
      this.redraw(true);
      this.measured.drawn.push(performance.now() - start);
    }
    this.outbox.send(this.sheet, [{ op: back ? "undo" : "redo" }]);
    this.say(back ? "Undone" : "Done again");
  }

  redraw(glide) {
    this.model = new EditorModel(this.doc, this.sheet);
    this.drawing.show(this.model, this.doc, true);
    this.arrange(glide);
    this.showSelection();
    this.part("empty").hidden = this.doc.nodes.size > 0;
    this.popup.follow();
    clearTimeout(this.outlining);
    this.outlining = setTimeout(() => this.writeOutline(), 150);
  }

  arrange(glide) {
    cancelAnimationFrame(this.gliding);
    if (!(glide && this.drawing.moved() && !reducedMotion() && this.model.edges.length < 800
      && document.visibilityState === "visible")) {
      this.drawing.place(1);
      return;
    }
    const start = performance.now();
    const step = (now) => {
      const t = Math.min(1, Math.max(0, (now - start) / GLIDE));
      this.drawing.place(t === 1 ? 1 : t * t * (3 - 2 * t));
      if (t < 1) this.gliding = requestAnimationFrame(step);
    };
    step(start);
  }

  // ---- from Python ----

  update(data) {
    if (this.gestures.active || this.popup.open) { this.deferred = data; if (this.popup.open) this.receive(data, true); return; }
    this.deferred = null;
    this.receive(data, false);
  }

  // What came in the middle of a gesture is looked at after it.
  settle() { if (this.deferred) this.update(this.deferred); }

  receive(data, busy) {
    const fresh = data.sheet !== this.sheet;
    const version = this.version;
    this.theme = readTheme(this.root);
    this.area.style.height = `${data.height}px`;
    this.families = data.families;
    const took = this.outbox.acknowledge(data.acks);
    if (took !== null) {
      this.measured.answered.push(took);
      this.measured.answered.splice(0, this.measured.answered.length - 200);
    }
    if (busy && !fresh) return;
    if (fresh || !this.outbox.waiting) {
      const moved = !fresh && this.version !== undefined && version !== data.version;
      if (fresh || moved) this.steps.forget();
      if (fresh) { this.popup.close(false); this.selection.clear(); this.edge = null; this.focused = null; this.mode = null; }
      const known = moved && this.viewport.holds(this.model.bounds()) ? this.doc.nodes : null;
      this.sheet = data.sheet;
      this.version = data.version;
      this.doc = docOf(data.doc);
      this.canUndo = data.undo;
      this.canRedo = data.redo;
      this.redraw(!fresh);
      if (data.refused && data.refusal !== this.refusal) this.say(data.refused, true);
      this.refusal = data.refusal;
      // Who saw all of the drawing is to see all of what a text or a repair has made of it.
      const added = known !== null && [...this.doc.nodes.keys()].some((id) => !known.has(id));
      if (fresh || (added && !this.viewport.holds(this.model.bounds()))) this.fit();
    }
    this.label = data.label;
    this.svg.setAttribute("aria-label", `${data.label}: ${this.doc.nodes.size} units. `
      + "S, P and L add units, C connects, Enter edits, arrow keys move between units.");
    if (data.look && data.look.number !== this.looked) {
      this.looked = data.look.number;
      this.select(data.look.ids.filter((id) => this.doc.nodes.has(id)));
      for (const id of [...this.selection].slice(0, 1)) this.viewport.reveal(this.doc.nodes.get(id), false);
    }
    this.showButtons();
  }

  writeOutline() {
    const order = [...this.model.nodes.values()].sort((a, b) => a.y - b.y || a.x - b.x);
    this.part("outline").replaceChildren(...order.map(({ id }) => el("li", { text: this.model.describe(id) })));
  }

  release() {
    this.resize.disconnect();
    cancelAnimationFrame(this.gliding);
    clearTimeout(this.outlining);
  }
}

export default function (component) {
  const { data, parentElement, setStateValue } = component;
  let editor = EDITORS.get(parentElement);
  if (!editor) {
    editor = new Editor(parentElement.querySelector(".pc-root"));
    EDITORS.set(parentElement, editor);
  }
  editor.post = (payload) => setStateValue("edits", payload);
  editor.update(data);
  return cleanupWhenGone(parentElement, () => editor.release());
}
