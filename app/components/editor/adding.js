// New units and copies of units.

class Adding {
  // ---- adding ----

  newId() { return `n${randomText(10)}`; }

  // at: a place, null for one near the selection or in the middle of what is seen.
  add(kind, at, parent) {
    const node = parent ? this.doc.nodes.get(parent) : null;
    const place = at || this.placeFor(node);
    const id = this.newId();
    const op = { op: "add", id, kind, x: Math.round(place.x), y: Math.round(place.y) };
    if (kind === "leaf") {
      op.leaf = nextLeaf(this.doc, this.lastLeaf);
      this.lastLeaf = op.leaf;
    }
    op.name = newName(this.doc, kind, op.leaf);
    const ops = [op];
    if (node) ops.push({ op: "connect", source: node.id, target: id });
    this.edit(ops, `Added ${kind} ${op.name}${node ? ` below ${node.name}` : ""}`);
    this.keepSelection(node ? node.id : id, id);
    this.viewport.reveal(this.doc.nodes.get(id), false);
    this.svg.focus({ preventScroll: true });
  }

  // After adding children the parent stays selected, so that one can go on adding.
  keepSelection(selected, focused) {
    this.selection = new Set([selected]);
    this.edge = null;
    this.focused = selected === focused ? focused : selected;
    this.showSelection();
  }

  placeFor(parent) {
    if (parent) {
      const below = parent.arcs.map(([child]) => this.doc.nodes.get(child));
      const right = below.length ? Math.max(...below.map((node) => node.x)) + 104 : parent.x;
      return freePlace(this.doc, right, parent.y + 108);
    }
    const last = this.focused && this.doc.nodes.get(this.focused);
    if (last) return freePlace(this.doc, last.x + 104, last.y);
    const view = this.viewport;
    const middle = { x: (this.svg.clientWidth / 2 - view.x) / view.k, y: (this.svg.clientHeight / 3 - view.y) / view.k };
    return freePlace(this.doc, middle.x, middle.y);
  }

  // ---- copies ----

  copy() {
    const nodes = [...this.selection].map((id) => this.doc.nodes.get(id));
    if (!nodes.length) { this.say("Select what is to be copied."); return false; }
    this.clipboard = nodes;
    this.pasted = 0;
    this.say(`Copied ${nodes.length} units`);
    return true;
  }

  paste() {
    if (!this.clipboard.length) { this.say("Nothing was copied yet."); return; }
    this.pasted++;
    this.putCopies(this.clipboard, 44 * this.pasted);
  }

  duplicate() {
    const nodes = [...this.selection].map((id) => this.doc.nodes.get(id));
    if (nodes.length) this.putCopies(nodes, 44);
    else this.say("Select what is to be duplicated.");
  }

  putCopies(nodes, shift) {
    const copies = copiesOf(nodes, this.doc, () => this.newId(), shift, shift);
    this.edit([{ op: "paste", nodes: copies }]);
    this.select(copies.map((node) => node.id));
    this.say(`Added ${copies.length} copies`);
  }
}
