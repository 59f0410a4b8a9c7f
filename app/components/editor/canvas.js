// What the editor draws beside nodes and edges: handles, roots, grips, the wire in the making.

const NEAR = 30; // pixels at zoom 1 around the middle of a unit that count as the unit

const WEIGHT_PLACES = [0.6, 0.5, 0.7, 0.42, 0.78, 0.34, 0.84, 0.26];

class EditorDrawing extends Drawing {
  constructor(edges, labels, nodes, extras) {
    super(edges, labels, nodes);
    this.extras = extras;
    this.wire = svgEl("path", { class: "wire", hidden: true });
    this.band = svgEl("rect", { class: "band", hidden: true });
    this.grips = ["source", "target"].map((end) => svgEl("circle", { class: "grip", r: 7, "data-grip": end, hidden: true }));
    extras.append(this.wire, this.band, ...this.grips);
  }

  show(model, doc, animate) {
    this.sync(model, animate);
    for (const [id, item] of this.nodes) {
      const node = doc.nodes.get(id);
      item.group.classList.toggle("unfinished", Boolean(node.unfinished));
      this.mend(item, node, doc.roots.includes(id), doc.marked.includes(id));
    }
    for (const [key, item] of this.edges) {
      if (!item.hit) {
        item.hit = svgEl("path", { class: "edge-hit", "data-edge": key });
        item.path.after(item.hit);
      }
      if (item.label) item.label.setAttribute("data-edge", key);
    }
    // The hits of edges that are gone.
    for (const hit of this.layers.edges.querySelectorAll(".edge-hit")) {
      if (!this.edges.has(hit.getAttribute("data-edge"))) hit.remove();
    }
  }

  // Handle and root mark; fillNode wipes them when a node's texts change.
  mend(item, node, isRoot, isMarked) {
    if (node.kind !== "leaf" && !item.group.querySelector(".handle")) {
      item.group.append(svgEl("g", { class: "handle", transform: `translate(0,${RADIUS + 8})` },
        svgEl("circle", { class: "handle-reach", r: 13 }), svgEl("circle", { class: "handle-dot", r: 6.5 }),
        svgEl("path", { d: "M0-3V3M-2.6 .6 0 3.4 2.6 .6" })));
    }
    const mark = item.group.querySelector(".root-mark");
    const wanted = isRoot ? (isMarked ? "marked" : "guessed") : "";
    if (mark && mark.getAttribute("data-how") !== wanted) mark.remove();
    if (isRoot && !item.group.querySelector(".root-mark")) {
      item.group.append(svgEl("g", { class: `root-mark ${wanted}`, "data-how": wanted, transform: `translate(0,${-RADIUS - 6})` },
        svgEl("path", { d: "M0-14V-2M-4-6 0-1.4 4-6" }), svgEl("text", { x: 8, y: -8, text: "root" })));
    }
  }

  place(t) {
    super.place(t);
    for (const item of this.edges.values()) if (item.hit) item.hit.setAttribute("d", item.curve.path);
    this.placeGrips();
  }

  // Put some nodes elsewhere while they are dragged.
  drag(places) {
    for (const [id, [x, y]] of places) {
      const item = this.nodes.get(id);
      item.data.x = x;
      item.data.y = y;
      item.x = x;
      item.y = y;
    }
    this.place(1);
  }

  select(ids, focused, edge) {
    for (const [id, item] of this.nodes) {
      item.group.classList.toggle("selected", ids.has(id));
      item.group.classList.toggle("focused", id === focused);
    }
    for (const [key, item] of this.edges) {
      item.path.classList.toggle("chosen", key === edge);
      if (item.label) item.label.classList.toggle("chosen", key === edge);
    }
    this.edge = edge;
    this.placeGrips();
  }

  placeGrips() {
    const item = this.edge ? this.edges.get(this.edge) : null;
    for (const grip of this.grips) grip.toggleAttribute("hidden", !item || !item.curve);
    if (!item || !item.curve) return;
    const ends = { source: pointOn(item.curve, 0.34), target: pointOn(item.curve, 0.88) };
    for (const grip of this.grips) {
      const [x, y] = ends[grip.getAttribute("data-grip")];
      grip.setAttribute("cx", x);
      grip.setAttribute("cy", y);
    }
  }

  showWire(from, to) {
    this.wire.toggleAttribute("hidden", !from);
    if (from) this.wire.setAttribute("d", `M${from.x} ${from.y}C${from.x} ${(from.y + to.y) / 2} ${to.x} ${(from.y + to.y) / 2} ${to.x} ${to.y}`);
  }

  showBand(box) {
    this.band.toggleAttribute("hidden", !box);
    if (box) setAttributes(this.band, { x: box.left, y: box.top, width: box.right - box.left, height: box.bottom - box.top });
  }

  aim(id, fits) {
    for (const [other, item] of this.nodes) {
      item.group.classList.toggle("aimed", other === id && fits);
      item.group.classList.toggle("refused", other === id && !fits);
    }
  }

  // Weights are to be edited, so every one is shown where there are not too many: at the first place
  // that is free, else at the one that is farthest from the others.
  placeLabels() {
    const placed = [];
    const few = this.edges.size <= 160;
    for (const item of this.edges.values()) {
      if (!item.label) continue;
      const half = 3.6 * item.label.textContent.length + 4;
      let best = null;
      for (const t of WEIGHT_PLACES) {
        const [x, y] = pointOn(item.curve, t);
        let room = 2;
        for (const other of placed) {
          if (Math.abs(other.y - y) > 40) continue;
          room = Math.min(room, Math.max(Math.abs(other.x - x) / (half + other.half), Math.abs(other.y - y) / 15));
        }
        if (best === null || room > best.room + 0.01) best = { x, y, half, room };
        if (room >= 1) break;
      }
      item.label.classList.toggle("crowded", best.room < 1 && !few);
      this.putLabel(item, [best.x, best.y]);
      if (best.room >= 1 || few) placed.push(best);
    }
  }

  // Where the label of an edge stands, in the coordinates of the drawing.
  labelPoint(key) {
    const item = this.edges.get(key);
    if (!item) return null;
    if (item.label && !item.label.classList.contains("crowded")) {
      return { x: Number(item.label.getAttribute("x")), y: Number(item.label.getAttribute("y")) };
    }
    const [x, y] = pointOn(item.curve, 0.6);
    return { x, y };
  }
}

// The unit at a point of the drawing, or null.
function unitAt(doc, { x, y }, reach) {
  let best = null;
  for (const node of doc.nodes.values()) {
    const distance = Math.hypot(node.x - x, node.y - y);
    if (distance < reach && (best === null || distance < best.distance)) best = { distance, id: node.id };
  }
  return best && best.id;
}

// The unit next to one in a direction: near, and not far off the line.
function stepTowards(doc, id, direction) {
  const from = doc.nodes.get(id);
  const [ax, ay] = { left: [-1, 0], right: [1, 0], up: [0, -1], down: [0, 1] }[direction];
  let best = null;
  for (const node of doc.nodes.values()) {
    const [dx, dy] = [node.x - from.x, node.y - from.y];
    const along = dx * ax + dy * ay;
    const across = Math.abs(dx * ay) + Math.abs(dy * ax);
    if (node.id === id || along <= 4 || across > 2.5 * along) continue;
    const cost = along + 2 * across;
    if (best === null || cost < best.cost) best = { cost, id: node.id };
  }
  return best && best.id;
}

// A place near a point that no unit stands on.
function freePlace(doc, x, y) {
  for (let ring = 0; ring < 40; ring++) {
    for (const side of [0, 1, -1]) {
      const at = { x: Math.round(x + side * ring * 52), y: Math.round(y + (side === 0 ? ring * 62 : 0)) };
      if (unitAt(doc, at, 44) === null) return at;
    }
  }
  return { x: Math.round(x), y: Math.round(y) };
}
