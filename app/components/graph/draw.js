// SVG elements for nodes and edges. Shape and sign carry the meaning, colour repeats it.

const RADIUS = 18;
const LEAF = { width: 46, height: 30 };

const LEAF_GLYPHS = {
  bars: { d: "M-13 8V1h5v7zM-5.5 8V-8h5V8zM2 8V-3h5v11zM9.5 8V4h4v4z", solid: true },
  bell: { d: "M-15 8C-7 8-6-8 0-8S7 8 15 8", solid: false },
  indicator: { d: "M-9 -2 -3 5 9 -7", solid: false },
  steps: { d: "M-14 8V4h7V-6h7v5h7v5h7v4", solid: false },
};

const SIGNS = { sum: "M-8.5 0h17M0-8.5v17", product: "M-6.5-6.5l13 13M6.5-6.5l-13 13" };

// Marks of a comparison: plus, minus, delta. Mark of what one layer computes: stacked lines.
const MARKS = { added: "M-4.5 0h9M0-4.5v9", removed: "M-4.5 0h9", changed: "M0-4.6 4.8 4h-9.6z",
  layer: "M-4.5-3.2h9M-4.5 0h9M-4.5 3.2h9" };

function shapeOf(kind, grow, className, shift) {
  if (kind === "leaf") {
    return svgEl("rect", { class: className, x: -LEAF.width / 2 - grow + shift, y: -LEAF.height / 2 - grow - shift,
      width: LEAF.width + 2 * grow, height: LEAF.height + 2 * grow, rx: 6 + grow });
  }
  return svgEl("circle", { class: className, cx: shift, cy: -shift, r: RADIUS + grow });
}

function signOf(node) {
  if (node.kind !== "leaf") return svgEl("path", { class: "sign", d: SIGNS[node.kind] });
  const glyph = LEAF_GLYPHS[node.symbol || "bars"];
  if (!glyph) return svgEl("text", { class: "symbol", text: String(node.symbol).slice(0, 6) });
  return svgEl("path", { class: glyph.solid ? "sign solid" : "sign", d: glyph.d });
}

function pill(text, x, y, className) {
  const width = 7.1 * text.length + 12;
  return svgEl("g", { class: className, transform: `translate(${x},${y})` },
    svgEl("rect", { class: "pill", x: -width / 2, y: -9.5, width, height: 19, rx: 9.5 }),
    svgEl("text", { class: "pill-text", y: 0.5, text }));
}

function shorten(text, length) {
  return text.length > length ? `${text.slice(0, length - 1)}…` : text;
}

function fillNode(group, node) {
  const half = node.kind === "leaf" ? LEAF.width / 2 : RADIUS;
  const low = node.kind === "leaf" ? LEAF.height / 2 : RADIUS;
  group.replaceChildren(svgEl("rect", { class: "hit", x: -half - 8, y: -low - 8, width: 2 * half + 16, height: 2 * low + 16 }));
  if (node.size_badge) group.append(shapeOf(node.kind, 0, "stack", 7), shapeOf(node.kind, 0, "stack", 3.5));
  group.append(shapeOf(node.kind, 6, "select-ring", 0), shapeOf(node.kind, 0, "body", 0), signOf(node));
  if (node.violation) {
    group.append(shapeOf(node.kind, 5, "alarm-ring", 0),
      svgEl("g", { class: "alarm-mark", transform: `translate(${-half - 4},${-low - 4})` },
        svgEl("circle", { r: 9 }), svgEl("path", { d: "M0-4.8V1M0 4.6v.1" })));
  }
  if (MARKS[node.mark]) {
    group.append(shapeOf(node.kind, 5, "mark-ring", 0),
      svgEl("g", { class: "mark-sign", transform: `translate(${-half - 4},${-low - 4})` },
        svgEl("circle", { r: 9 }), svgEl("path", { d: MARKS[node.mark] })));
  }
  if (node.kind === "leaf") writeBelow(group, node, half, low);
  else writeBeside(group, node, half, low);
  if (node.expandable) {
    group.append(svgEl("g", { class: "toggle", "data-toggle": node.expanded ? "collapse" : "expand",
      transform: `translate(${-half * 0.78},${low * 0.78})` },
      svgEl("circle", { r: 9 }), svgEl("path", { d: node.expanded ? "M-4 0h8" : "M-4 0h8M0-4v8" })));
  }
}

// A leaf has nothing below it: its texts hang there.
function writeBelow(group, node, half, low) {
  let line = low + 17;
  if (node.label) {
    group.append(svgEl("text", { class: "name", y: line, text: shorten(node.label, node.room) }));
    line += 15;
  }
  if (node.sublabel) group.append(svgEl("text", { class: "detail", y: line, text: shorten(node.sublabel, node.room) }));
  if (node.size_badge) group.append(pill(String(node.size_badge), half + 16, -low - 2, "badge"));
  if (node.value) {
    const text = String(node.value);
    group.append(pill(text, half + 10 + 3.55 * text.length, node.size_badge ? 7 : 0, "badge value"));
  }
}

// Edges leave an inner node downwards, so its texts stand on the right.
function writeBeside(group, node, half, low) {
  const left = half + (node.size_badge ? 15 : 8);
  const text = node.value ? String(node.value) : "";
  const lines = [node.label, node.sublabel, text].filter(Boolean).length;
  let line = [0, 4, -4, -13][lines];
  if (node.label) {
    group.append(svgEl("text", { class: "name beside", x: left, y: line, text: shorten(node.label, node.room) }));
    line += 15;
  }
  if (node.sublabel) {
    group.append(svgEl("text", { class: "detail beside", x: left, y: line, text: shorten(node.sublabel, node.room) }));
    line += 15;
  }
  if (text) group.append(pill(text, left + 5 + 3.55 * text.length, line - 1, "badge value"));
  if (node.size_badge) group.append(pill(String(node.size_badge), half + 10, -low - 9, "badge"));
}

// From below the parent to above the child, upright at both ends and at the points between.
// Returns the path and its last curve, { from: [x, y], to: [x, y] }, for the label.
function edgeCurve(source, target, number, via) {
  const shift = number * 10;
  const y0 = source.y + (source.kind === "leaf" ? LEAF.height / 2 : RADIUS);
  const y1 = target.y - (target.kind === "leaf" ? LEAF.height / 2 : RADIUS) - 1;
  const stops = [...(via || []), [target.x, y1]];
  // Edges of one parent leave side by side.
  let x = source.x + Math.max(-9, Math.min(9, (stops[0][0] - source.x) * 0.1));
  let y = y0 - (source.kind === "leaf" ? 0 : RADIUS - Math.sqrt(RADIUS ** 2 - (x - source.x) ** 2));
  let path = `M${x} ${y}`;
  let from = [x, y];
  for (const [nextX, nextY] of stops) {
    const bend = (nextY - y) * 0.5;
    path += `C${x + shift} ${y + bend} ${nextX + shift} ${nextY - bend} ${nextX} ${nextY}`;
    from = [x, y];
    [x, y] = [nextX, nextY];
  }
  return { path, from, to: [x, y], shift };
}

// A point of such a curve, whose bends are half its height.
function pointOn({ from, to, shift }, t) {
  const s = t * t * (3 - 2 * t);
  const middle = 3 * t * (1 - t);
  return [from[0] + (to[0] - from[0]) * s + middle * shift,
    from[1] + (to[1] - from[1]) * (1.5 * t - 1.5 * t * t + t * t * t)];
}

// Where the label of an edge may stand, the best place first: where its siblings have parted.
const LABEL_PLACES = [0.6, 0.5, 0.7, 0.42, 0.78, 0.34];

const opacityOf = (emphasis) => (emphasis === null || emphasis === undefined ? null : 0.18 + 0.82 * emphasis);

// Keeps the elements of one SVG in step with a model; elements live as long as their id.
// One of seven colours, that repeats a number written beside the node.
function tint(element, number) {
  element.classList.toggle("tint", Boolean(number));
  for (let n = 1; n <= 7; n++) element.classList.toggle(`tint-${n}`, number === n);
}

class Drawing {
  constructor(edges, labels, nodes) {
    this.layers = { edges, labels, nodes };
    this.nodes = new Map(); // id -> { group, data, x, y, text }
    this.edges = new Map(); // key -> { path, label, data }
  }

  sync(model, animate) {
    this.model = model;
    this.syncNodes(model, animate);
    this.syncEdges(model, animate);
  }

  syncNodes(model, animate) {
    for (const [id, item] of this.nodes) {
      if (!model.nodes.has(id)) { item.group.remove(); this.nodes.delete(id); }
    }
    let before = null;
    for (const [id, node] of model.nodes) {
      let item = this.nodes.get(id);
      if (!item) {
        item = { group: svgEl("g", { "data-id": id, id: `pc-node-${this.nodes.size}-${Math.random().toString(36).slice(2, 8)}`, role: "img" }), x: node.x, y: node.y };
        if (animate) { item.group.classList.add("new"); }
        this.nodes.set(id, item);
      }
      const text = JSON.stringify({ ...node, x: 0, y: 0 });
      if (item.text !== text) {
        fillNode(item.group, node);
        item.text = text;
      }
      item.data = node;
      for (const kind of Object.keys(KIND_NAMES)) item.group.classList.toggle(kind, node.kind === kind);
      item.group.classList.add("node");
      item.group.classList.toggle("violation", Boolean(node.violation));
      for (const mark of Object.keys(MARKS)) item.group.classList.toggle(mark, node.mark === mark);
      tint(item.group, node.tint);
      item.group.setAttribute("aria-label", model.describe(id));
      item.group.style.opacity = opacityOf(node.emphasis) ?? "";
      // Moved only where the order changed: what is moved loses hover and half a double-click.
      const next = before ? before.nextSibling : this.layers.nodes.firstChild;
      if (next !== item.group) this.layers.nodes.insertBefore(item.group, next);
      before = item.group;
    }
  }

  syncEdges(model, animate) {
    const wanted = new Set(model.edges.map((edge) => edge.key));
    for (const [key, item] of this.edges) {
      if (wanted.has(key)) continue;
      item.path.remove();
      if (item.label) item.label.remove();
      this.edges.delete(key);
    }
    for (const edge of model.edges) {
      let item = this.edges.get(edge.key);
      if (!item) {
        item = { path: svgEl("path", { class: animate ? "edge new" : "edge" }), label: null };
        this.layers.edges.append(item.path);
        this.edges.set(edge.key, item);
      }
      item.data = edge;
      const width = edge.width === null || edge.width === undefined ? 1.4 : 0.7 + 5 * edge.width;
      item.path.style.strokeWidth = `${width}px`;
      item.path.classList.toggle("violation", Boolean(edge.violation));
      item.path.classList.toggle("dashed", Boolean(edge.dashed));
      item.path.classList.toggle("chosen", Boolean(edge.chosen));
      for (const mark of Object.keys(MARKS)) item.path.classList.toggle(mark, edge.mark === mark);
      tint(item.path, edge.tint);
      item.path.style.opacity = opacityOf(edge.emphasis) ?? 0.85;
      if (edge.label && !item.label) {
        item.label = svgEl("text", { class: animate ? "weight new" : "weight" });
        this.layers.labels.append(item.label);
      }
      if (item.label) {
        item.label.textContent = edge.label || "";
        item.label.style.opacity = opacityOf(edge.emphasis) ?? "";
      }
    }
  }

  // Put everything where it belongs; t in 0..1 moves from the old place to the new one.
  place(t) {
    const place = new Map();
    for (const [id, item] of this.nodes) {
      const { x, y, kind } = item.data;
      const at = { kind, x: item.x + (x - item.x) * t, y: item.y + (y - item.y) * t };
      place.set(id, at);
      item.shown = at;
      item.group.setAttribute("transform", `translate(${at.x},${at.y})`);
      if (t === 1) { item.x = x; item.y = y; }
    }
    for (const item of this.edges.values()) {
      const { source, target, number, via } = item.data;
      const [a, b] = [place.get(source), place.get(target)];
      item.curve = edgeCurve(a, b, number, via);
      item.path.setAttribute("d", item.curve.path);
      if (item.label && t < 1) this.putLabel(item, pointOn(item.curve, LABEL_PLACES[0]));
    }
    if (t === 1) this.placeLabels();
  }

  putLabel(item, [x, y]) {
    item.label.setAttribute("x", x);
    item.label.setAttribute("y", y);
  }

  // Each label takes the first place that no other has; without one it shows on hover only.
  placeLabels() {
    const taken = new Map(); // cell of the plane -> points in it
    const cell = (x, y) => `${Math.round(x / 40)},${Math.round(y / 20)}`;
    const near = ([x, y]) => {
      for (let i = -1; i <= 1; i++) {
        for (let j = -1; j <= 1; j++) {
          const points = taken.get(cell(x + 40 * i, y + 20 * j)) || [];
          if (points.some(([u, v]) => Math.abs(u - x) < 36 && Math.abs(v - y) < 16)) return true;
        }
      }
      return false;
    };
    for (const item of this.edges.values()) {
      if (!item.label) continue;
      const places = LABEL_PLACES.map((t) => pointOn(item.curve, t));
      const free = places.find((point) => !near(point));
      item.label.classList.toggle("crowded", !free);
      const [x, y] = free || places[0];
      this.putLabel(item, [x, y]);
      if (!free) continue;
      const key = cell(x, y);
      if (!taken.has(key)) taken.set(key, []);
      taken.get(key).push([x, y]);
    }
  }

  // Is anything to be moved? A movement that was interrupted goes on from where it is.
  moved() {
    for (const item of this.nodes.values()) {
      if (item.shown) { item.x = item.shown.x; item.y = item.shown.y; }
    }
    return [...this.nodes.values()].some(({ x, y, data }) => Math.abs(x - data.x) + Math.abs(y - data.y) > 0.5);
  }

  light(related) {
    for (const [id, item] of this.nodes) item.group.classList.toggle("on", Boolean(related && related.nodes.has(id)));
    for (const [key, item] of this.edges) {
      const on = Boolean(related && related.edges.has(key));
      item.path.classList.toggle("on", on);
      if (item.label) item.label.classList.toggle("on", on);
    }
  }

  mark(className, id) {
    for (const [other, item] of this.nodes) item.group.classList.toggle(className, other === id);
  }
}
