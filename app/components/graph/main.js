// Circuit viewer: selection, expansion, hover and the exchange with Python.
//
// In:  data = { scene: { id, nodes, edges }, selected, height, label }
// Out: trigger "event" = { type: "select" | "expand" | "collapse", id, nonce }

const GRAPHS = new WeakMap();
const MOVE_TIME = 280; // milliseconds
const LABELS_FROM = { weight: 0.62, name: 0.34 }; // zoom below which labels are left out

class Viewer {
  constructor(root) {
    this.root = root;
    this.part = (role) => root.querySelector(`[data-role="${role}"]`);
    this.svg = this.part("svg");
    this.area = this.part("area");
    this.drawing = new Drawing(this.part("edges"), this.part("labels"), this.part("nodes"));
    this.viewport = new Viewport(this.svg, this.part("world"), {
      changed: (k) => this.zoomed(k),
      tapped: (event) => this.tapped(event),
      tappedTwice: (event) => { if (!this.nodeAt(event)) this.viewport.zoom(1.7, this.viewport.local(event)); },
    });
    this.finder = new FindBox(root, this);
    this.nonce = Math.floor(Date.now() / 1000) % 1e8 * 10; // also grows over a remount
    this.bind();
    this.drawLegend();
    this.resize = new ResizeObserver(() => { if (!this.viewport.touched && this.model) this.fit(); });
    this.resize.observe(this.area);
  }

  bind() {
    const actions = {
      in: () => this.viewport.zoom(1.3), out: () => this.viewport.zoom(1 / 1.3), fit: () => this.fit(),
      svg: () => saveSvg(this.svg, this.model.bounds(), this.label, this.theme.background),
      png: () => savePng(this.svg, this.model.bounds(), this.label, this.theme.background),
    };
    const icons = { in: ICONS.plus, out: ICONS.minus, fit: ICONS.fit };
    for (const [name, action] of Object.entries(actions)) {
      const button = this.root.querySelector(`[data-action="${name}"]`);
      if (icons[name]) button.append(icon(icons[name]));
      button.addEventListener("click", action);
    }
    this.svg.addEventListener("keydown", (event) => {
      if (this.model && graphKey(this, event)) { event.preventDefault(); event.stopPropagation(); }
    });
    this.svg.addEventListener("blur", () => { this.drawing.mark("focused", null); this.hideCard(); });
    this.svg.addEventListener("pointerover", (event) => {
      if (event.pointerType === "touch" || this.viewport.pointers.size) return;
      const id = this.nodeAt(event);
      if (id !== this.hovered) this.hover(id);
    });
    this.svg.addEventListener("pointerleave", () => this.hover(null));
  }

  nodeAt(event) {
    const node = event.target.closest && event.target.closest(".node");
    return node ? node.getAttribute("data-id") : null;
  }

  // ---- what people do ----

  send(type, id) {
    this.nonce++;
    this.trigger("event", { type, id, nonce: this.nonce });
  }

  tapped(event) {
    this.svg.focus({ preventScroll: true });
    const id = this.nodeAt(event);
    const toggle = event.target.closest && event.target.closest(".toggle");
    if (id && toggle) this.toggle(id, toggle.getAttribute("data-toggle"));
    else if (id) this.select(id);
    else this.clear();
  }

  select(id) {
    this.selected = id;
    this.focused = id;
    this.drawing.mark("selected", id);
    this.part("live").textContent = id ? `Selected ${this.model.describe(id)}` : "Nothing selected";
    this.send("select", id);
  }

  toggle(id, type) {
    const node = this.model.nodes.get(id);
    if (!node.expandable || Boolean(node.expanded) !== (type === "collapse")) return;
    this.anchor = id; // stays where it is on the screen while its surroundings change
    this.send(type, id);
  }

  focus(id, centre) {
    this.focused = id;
    this.drawing.mark("focused", id);
    this.viewport.reveal(this.model.nodes.get(id), centre);
    this.svg.setAttribute("aria-activedescendant", this.drawing.nodes.get(id).group.id);
    this.part("live").textContent = this.model.describe(id);
    this.showCard(id);
  }

  clear() {
    this.light(null);
    this.hideCard();
    this.drawing.mark("focused", null);
    if (this.selected !== null && this.selected !== undefined) this.select(null);
  }

  hover(id) {
    this.hovered = id;
    this.light(id ? this.model.related(id) : null);
    if (id) this.showCard(id);
    else this.hideCard();
  }

  light(related) {
    this.drawing.light(related);
    this.svg.classList.toggle("lit", Boolean(related));
  }

  openFind() { this.finder.open(); }

  fit() { this.viewport.fit(this.model.bounds()); }

  zoomed(k) {
    const dense = this.model && this.model.edges.length > 160 ? 1.5 : 1;
    this.svg.classList.toggle("far", k < LABELS_FROM.weight * dense);
    this.svg.classList.toggle("farther", k < LABELS_FROM.name);
  }

  // ---- the card ----

  showCard(id) {
    const node = this.model.nodes.get(id);
    const card = this.part("card");
    const line = (className, text) => (text ? [el("div", { class: className, text })] : []);
    const head = el("div", { class: "head", text: node.label || node.id });
    head.append(el("small", { text: KIND_NAMES[node.kind] + (node.size_badge ? ` ${node.size_badge}` : "") }));
    card.replaceChildren(head, ...line("line", node.sublabel), ...line("line", node.value && `value ${node.value}`),
      ...line("line", node.title), ...line("alarm", node.violation === true ? "Violation" : node.violation));
    card.hidden = false;
    // In the upper corner across from the node: it hides neither the node nor its relatives' names.
    const left = this.viewport.screen(node).x > this.area.clientWidth / 2;
    card.classList.toggle("left", left);
  }

  hideCard() { this.part("card").hidden = true; }

  drawLegend() {
    const entry = (kind, text) => {
      const group = svgEl("g", { class: kind, transform: "translate(10,10) scale(0.5)" },
        shapeOf(kind, 0, "body", 0), signOf({ kind, symbol: "bars" }));
      return el("span", {}, svgEl("svg", { viewBox: "0 0 20 20" }, group), text);
    };
    this.part("legend").append(entry("sum", "sum"), entry("product", "product"), entry("leaf", "leaf"));
  }

  // ---- from Python ----

  update(data) {
    const before = this.model;
    const model = new GraphModel(data.scene);
    const same = before && before.id === model.id;
    this.label = data.label;
    this.theme = readTheme(this.root);
    this.area.style.height = `${data.height}px`;
    this.svg.setAttribute("aria-label", `${data.label}: ${model.nodes.size} nodes, ${model.edges.length} edges. `
      + "Arrow keys move between nodes, Enter selects, slash finds.");
    if (same && this.anchor && model.nodes.has(this.anchor) && before.nodes.has(this.anchor)) {
      const [from, to] = [before.nodes.get(this.anchor), model.nodes.get(this.anchor)];
      this.anchored = { dx: (from.x - to.x) * this.viewport.k, dy: (from.y - to.y) * this.viewport.k };
    }
    if (this.anchored || !same) this.anchor = null;
    this.model = model;
    this.drawing.sync(model, same);
    this.arrange(same);
    const told = data.selected !== null && data.selected !== this.toldSelected && data.selected !== this.selected;
    if (data.selected !== null && data.selected !== this.toldSelected) this.selected = data.selected;
    else if (data.selected === null && this.toldSelected) this.selected = null;
    this.toldSelected = data.selected;
    if (!model.nodes.has(this.selected)) this.selected = null;
    if (!model.nodes.has(this.focused)) this.focused = null;
    this.drawing.mark("selected", this.selected);
    if (!same) { this.fit(); this.hover(null); }
    else if (this.hovered && model.nodes.has(this.hovered)) this.hover(this.hovered);
    else if (this.hovered) this.hover(null);
    if (told && same && this.selected) this.viewport.reveal(model.nodes.get(this.selected), false);
    this.writeOutline();
    this.zoomed(this.viewport.k);
  }

  // Move the nodes to their places: gliding if that is cheap and wanted, else at once.
  arrange(same) {
    cancelAnimationFrame(this.gliding);
    const anchored = this.anchored;
    this.anchored = null;
    const glide = same && this.drawing.moved() && !reducedMotion()
      && this.model.edges.length < 800 && document.visibilityState === "visible";
    if (!glide) {
      if (anchored) this.viewport.shift(anchored.dx, anchored.dy);
      this.drawing.place(1);
      return;
    }
    const start = performance.now();
    let done = 0;
    const step = (now) => {
      const t = Math.min(1, Math.max(0, (now - start) / MOVE_TIME));
      const eased = t * t * (3 - 2 * t);
      this.drawing.place(t === 1 ? 1 : eased);
      if (anchored) this.viewport.shift(anchored.dx * (eased - done), anchored.dy * (eased - done));
      done = eased;
      if (t < 1) this.gliding = requestAnimationFrame(step);
    };
    step(start);
  }

  writeOutline() {
    const order = [...this.model.nodes.values()].sort((a, b) => a.y - b.y || a.x - b.x);
    this.part("outline").replaceChildren(...order.map((node) => el("li", { text: this.model.describe(node.id) })));
  }

  release() {
    this.resize.disconnect();
    cancelAnimationFrame(this.gliding);
  }
}

export default function (component) {
  const { data, parentElement, setTriggerValue } = component;
  let viewer = GRAPHS.get(parentElement);
  if (!viewer) {
    viewer = new Viewer(parentElement.querySelector(".pc-root"));
    GRAPHS.set(parentElement, viewer);
  }
  viewer.trigger = setTriggerValue;
  viewer.update(data);
  return cleanupWhenGone(parentElement, () => viewer.release());
}
