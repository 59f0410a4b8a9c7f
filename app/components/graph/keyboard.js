// Keyboard in the graph and the find box.

const ARROWS = { ArrowUp: "up", ArrowDown: "down", ArrowLeft: "left", ArrowRight: "right" };

// viewer: { model, focused, focus(id), select(id), toggle(id, type), fit(), openFind(), clear() }
function graphKey(viewer, event) {
  if (event.ctrlKey || event.metaKey || event.altKey) return false;
  const id = viewer.focused && viewer.model.nodes.has(viewer.focused) ? viewer.focused : null;
  const name = event.key;
  if (ARROWS[name]) {
    const next = id ? viewer.model.step(id, ARROWS[name]) : viewer.selected || viewer.model.root();
    if (next) viewer.focus(next);
    return true;
  }
  if (name === "Enter" || name === " ") { if (id) viewer.select(id); return true; }
  if (name === "+" || name === "=") { if (id) viewer.toggle(id, "expand"); return true; }
  if (name === "-") { if (id) viewer.toggle(id, "collapse"); return true; }
  if (name === "Home") { viewer.focus(viewer.model.root()); return true; }
  if (name === "/") { viewer.openFind(); return true; }
  if (name.toLowerCase() === "f") { viewer.fit(); return true; }
  if (name === "Escape") { viewer.clear(); return true; }
  return false;
}

class FindBox {
  constructor(root, viewer) {
    this.viewer = viewer;
    this.box = root.querySelector('[data-role="find"]');
    this.input = root.querySelector('[data-role="query"]');
    this.count = root.querySelector('[data-role="matches"]');
    this.button = root.querySelector('[data-action="find"]');
    this.button.append(icon(ICONS.find));
    this.button.addEventListener("click", () => (this.box.hidden ? this.open() : this.close()));
    this.input.addEventListener("input", () => this.search());
    this.input.addEventListener("keydown", (event) => {
      event.stopPropagation();
      if (event.key === "Enter") this.next(event.shiftKey ? -1 : 1);
      if (event.key === "Escape") { this.close(); viewer.svg.focus(); }
    });
  }

  open() {
    this.box.hidden = false;
    this.button.setAttribute("aria-expanded", "true");
    this.input.focus();
    this.input.select();
    this.search();
  }

  close() {
    this.box.hidden = true;
    this.button.setAttribute("aria-expanded", "false");
    this.hits = [];
    this.viewer.light(null);
  }

  search() {
    this.hits = this.viewer.model.find(this.input.value);
    this.at = -1;
    const asked = this.input.value.trim() !== "";
    this.count.textContent = asked ? `${this.hits.length} found` : "";
    this.viewer.light(asked ? { nodes: new Set(this.hits), edges: new Set() } : null);
  }

  // Walk through the matches; the view follows.
  next(step) {
    if (!this.hits || !this.hits.length) return;
    this.at = (this.at + step + this.hits.length) % this.hits.length;
    this.count.textContent = `${this.at + 1} of ${this.hits.length}`;
    this.viewer.focus(this.hits[this.at], true);
    this.viewer.light({ nodes: new Set(this.hits), edges: new Set() });
  }
}
