// What keys, buttons and gestures do: the selection, edges and values.

class Actions extends Adding {
  // ---- saying things ----

  say(text, alarm) {
    this.part("live").textContent = text;
    if (alarm) this.hint(text, true);
  }

  hint(text, alarm) {
    const hint = this.part("hint");
    hint.textContent = text;
    hint.hidden = !text;
    hint.classList.toggle("alarm", Boolean(alarm));
  }

  // ---- the selection ----

  select(ids, more) {
    if (!more) this.selection.clear();
    for (const id of ids) this.selection.add(id);
    this.edge = null;
    this.focused = ids.length ? ids[ids.length - 1] : null;
    this.showSelection();
    if (ids.length === 1 && !more) this.say(this.model.describe(ids[0]));
    else this.say(this.selection.size ? `${this.selection.size} units selected` : "Nothing selected");
  }

  toggleSelected(id) {
    if (!this.selection.delete(id)) this.selection.add(id);
    this.focused = id;
    this.edge = null;
    this.showSelection();
    this.say(`${this.selection.size} selected`);
  }

  selectEdge(key) {
    this.selection.clear();
    this.edge = key;
    const [source, target] = this.edgeOf(key);
    this.focused = source;
    this.showSelection();
    const weight = this.model.edges.find((edge) => edge.key === key).label;
    this.say(`Edge from ${this.doc.nodes.get(source).name} to ${this.doc.nodes.get(target).name}`
      + (weight ? `, weight ${weight}. Type a weight to change it.` : ""));
  }

  showSelection() {
    for (const id of this.selection) if (!this.doc.nodes.has(id)) this.selection.delete(id);
    if (this.focused && !this.doc.nodes.has(this.focused)) this.focused = null;
    if (this.edge && !this.drawing.edges.has(this.edge)) this.edge = null;
    this.drawing.select(this.selection, this.focused, this.edge);
    const active = this.focused && this.drawing.nodes.get(this.focused);
    if (active) this.svg.setAttribute("aria-activedescendant", active.group.id);
    else this.svg.removeAttribute("aria-activedescendant");
    this.showButtons();
  }

  showButtons() {
    if (!this.buttons || !this.doc) return;
    const one = this.onlySelected();
    const any = this.selection.size > 0 || Boolean(this.edge);
    this.buttons.undo.disabled = !this.canUndo;
    this.buttons.redo.disabled = !this.canRedo;
    this.buttons.remove.disabled = !any;
    this.buttons.edit.disabled = !one && !this.edge;
    this.buttons.root.disabled = this.selection.size === 0;
    this.buttons.connect.disabled = !this.edge && !this.onlyInner();
    this.buttons.connect.setAttribute("aria-pressed", String(Boolean(this.mode)));
    this.buttons.tidy.disabled = this.doc.nodes.size === 0;
  }

  onlySelected() { return this.selection.size === 1 ? [...this.selection][0] : null; }

  onlyInner() {
    const id = this.onlySelected();
    return id && this.doc.nodes.get(id).kind !== "leaf" ? id : null;
  }

  // [source, target, number] of an edge's key.
  edgeOf(key) {
    const [source, target, number] = key.split("\u0000");
    return [source, target, Number(number)];
  }

  walk(direction, select, more) {
    if (!this.doc.nodes.size) return;
    let next = this.goalOf(direction);
    if (!this.focused) next = this.selection.size ? [...this.selection][0] : this.model.root();
    if (!next) return;
    if (select) this.select([next], more);
    else {
      this.focused = next;
      this.showSelection();
      this.say(this.model.describe(next));
    }
    this.viewport.reveal(this.doc.nodes.get(next), false);
    this.hideCard();
  }

  goalOf(direction) {
    if (!this.focused) return null;
    const related = direction === "up" || direction === "down" ? this.model.step(this.focused, direction) : null;
    return related || stepTowards(this.doc, this.focused, direction);
  }

  goHome() {
    const id = this.doc.roots[0] || this.model.root();
    if (id) { this.select([id]); this.viewport.reveal(this.doc.nodes.get(id), false); }
  }

  // The find box leads here.
  focus(id, centre) {
    if (this.mode) this.aimAt(id);
    else this.select([id]);
    this.viewport.reveal(this.doc.nodes.get(id), centre);
  }

  light(related) {
    this.drawing.light(related);
    this.svg.classList.toggle("lit", Boolean(related));
  }

  // ---- connecting ----

  connect(source, target, again) {
    const why = obstacle(this.doc, source, target, again);
    if (why) { this.say(why, true); return false; }
    const node = this.doc.nodes.get(source);
    const op = { op: "connect", source, target };
    if (again) op.again = true;
    const number = node.arcs.filter(([child]) => child === target).length;
    this.edit([op], `Connected ${node.name} to ${this.doc.nodes.get(target).name}`);
    if (node.kind === "sum") this.selectEdge(`${source}\u0000${target}\u0000${number}`);
    return true;
  }

  reconnect(key, end, id, again) {
    const edge = this.edgeOf(key);
    if (edge[end === "source" ? 0 : 1] === id) return;
    const rest = applyOps(this.doc, [{ op: "delete", edges: [edge] }]);
    const [source, target] = end === "source" ? [id, edge[1]] : [edge[0], id];
    const why = obstacle(rest, source, target, again);
    if (why) { this.say(why, true); return; }
    const op = { op: "reconnect", edge, [end]: id };
    if (again) op.again = true;
    this.edit([op], `The edge now leads from ${this.doc.nodes.get(source).name} to ${this.doc.nodes.get(target).name}`);
  }

  startConnect() {
    if (this.mode) { this.leaveMode(); return; }
    const edge = this.edge;
    const source = edge ? this.edgeOf(edge)[0] : this.onlyInner() || this.focusedInner();
    if (!source) { this.say("Select one sum or product first.", true); return; }
    this.mode = { source, target: null, edge };
    this.svg.classList.add("connecting");
    const name = this.doc.nodes.get(source).name;
    this.hint(`${edge ? "Another child of" : "Child of"} ${name}: click it, or arrow keys and Enter. Esc cancels.`);
    this.say(`Choose ${edge ? "another child of" : "a child of"} ${name} with the arrow keys, Enter connects, Escape cancels.`);
    this.svg.focus({ preventScroll: true });
    this.showButtons();
  }

  focusedInner() {
    const node = this.focused && this.doc.nodes.get(this.focused);
    return node && node.kind !== "leaf" ? node.id : null;
  }

  aimAt(id) {
    this.mode.target = id;
    const { source, edge } = this.mode;
    const doc = edge ? applyOps(this.doc, [{ op: "delete", edges: [this.edgeOf(edge)] }]) : this.doc;
    const why = obstacle(doc, source, id, false);
    this.drawing.aim(id, !why);
    this.drawing.showWire(this.doc.nodes.get(source), this.doc.nodes.get(id));
    this.viewport.reveal(this.doc.nodes.get(id), false);
    this.say(why || `${this.model.describe(id)}. Enter connects.`);
    this.hint(why || `${this.doc.nodes.get(source).name} → ${this.doc.nodes.get(id).name}: Enter connects, Esc cancels.`, Boolean(why));
  }

  finishConnect(id, again) {
    const { source, edge } = this.mode;
    if (!id) { this.say("Choose a unit with the arrow keys first."); return; }
    this.leaveMode();
    if (edge) this.reconnect(edge, "target", id, again);
    else this.connect(source, id, again);
  }

  leaveMode() {
    this.mode = null;
    this.svg.classList.remove("connecting");
    this.drawing.aim(null, true);
    this.drawing.showWire(null);
    this.hint("");
    this.showButtons();
  }

  // ---- editing ----

  editSelected() {
    if (this.edge) this.popup.weight(this.edge);
    else if (this.onlySelected()) this.editUnit(this.onlySelected());
    else if (this.focused) this.editUnit(this.focused);
  }

  editUnit(id) {
    this.hideCard();
    if (this.doc.nodes.get(id).kind === "leaf") this.popup.leaf(id);
    else this.popup.name(id);
  }

  rename() {
    const id = this.onlySelected() || this.focused;
    if (id) this.popup.name(id);
    else this.say("Select one unit to rename it.");
  }

  editWeights() {
    const id = this.edge ? this.edgeOf(this.edge)[0] : this.onlySelected() || this.focused;
    const edges = id ? this.model.children.get(id) : [];
    if (!id || this.doc.nodes.get(id).kind !== "sum" || !edges.length) { this.say("Select a sum with children.", true); return; }
    this.selectEdge(edges[0].key);
    this.popup.weight(edges[0].key);
  }

  nextWeight(key, step) {
    const edges = this.model.children.get(this.edgeOf(key)[0]);
    const next = edges[(edges.findIndex((edge) => edge.key === key) + step + edges.length) % edges.length];
    this.selectEdge(next.key);
    this.popup.weight(next.key);
  }

  cycleEdge(step) {
    const id = this.edge ? this.edgeOf(this.edge)[0] : this.focused;
    if (!id) { this.say("Select a unit: E goes through its edges."); return; }
    const edges = this.model.children.get(id).length ? this.model.children.get(id) : this.model.parents.get(id);
    if (!edges.length) { this.say("The unit has no edges."); return; }
    const at = edges.findIndex((edge) => edge.key === this.edge);
    this.selectEdge(edges[at < 0 ? (step > 0 ? 0 : edges.length - 1) : (at + step + edges.length) % edges.length].key);
  }

  normalise() {
    const id = this.edge ? this.edgeOf(this.edge)[0] : this.onlySelected();
    const node = id && this.doc.nodes.get(id);
    const total = node && node.kind === "sum" ? node.arcs.reduce((sum, [, weight]) => sum + weight, 0) : 0;
    if (!total) { this.say("Select a sum whose weights are not all zero.", true); return; }
    this.edit([{ op: "normalise", id }], `The weights of ${node.name} now add up to 1`);
  }

  markRoot() {
    const ids = [...this.selection];
    if (!ids.length) { this.say("Select the unit that is to be the root."); return; }
    const same = ids.length === this.doc.marked.length && ids.every((id) => this.doc.marked.includes(id));
    this.edit([{ op: "roots", ids: same ? [] : ids }],
      same ? "The root is chosen automatically" : `Root: ${ids.map((id) => this.doc.nodes.get(id).name).join(", ")}`);
  }

  removeSelected() {
    if (this.edge) {
      const edge = this.edgeOf(this.edge);
      this.edit([{ op: "delete", edges: [edge] }], "Deleted the edge");
      this.select([edge[0]]);
    } else if (this.selection.size) {
      const nodes = [...this.selection];
      const next = nodes.length === 1 ? (this.model.parents.get(nodes[0])[0] || {}).source : null;
      this.edit([{ op: "delete", nodes }], nodes.length === 1 ? "Deleted the unit" : `Deleted ${nodes.length} units`);
      this.focused = next && this.doc.nodes.has(next) ? next : null;
      this.showSelection();
    } else this.say("Select what is to be deleted.");
  }

  nudge(direction, distance) {
    const ids = this.selection.size ? [...this.selection] : this.focused ? [this.focused] : [];
    const [dx, dy] = { left: [-1, 0], right: [1, 0], up: [0, -1], down: [0, 1] }[direction];
    if (!ids.length) return;
    const places = Object.fromEntries(ids.map((id) => {
      const { x, y } = this.doc.nodes.get(id);
      return [id, [x + dx * distance, y + dy * distance]];
    }));
    this.edit([{ op: "move", places }], "Moved");
  }

  // ---- the view ----

  tidy() { if (this.doc.nodes.size) this.edit([{ op: "tidy" }], "Arranged"); this.viewport.touched = false; }

  setAreaMode(on) {
    this.areaMode = on;
    this.buttons.area.setAttribute("aria-pressed", String(on));
    this.svg.classList.toggle("area-mode", on);
    this.say(on ? "Dragging selects an area" : "Dragging moves the view");
  }

  fit() {
    this.viewport.fit(this.doc.nodes.size ? this.model.bounds() : { left: -320, right: 320, top: -40, bottom: 320 });
  }

  zoomed(k) {
    this.svg.classList.toggle("far", k < (this.model && this.model.edges.length > 160 ? 0.8 : 0.5));
    this.svg.classList.toggle("farther", k < 0.32);
    this.popup.follow();
  }

  showCard(id) {
    const node = this.doc.nodes.get(id);
    if (!node) return;
    const line = (className, text) => (text ? [el("div", { class: className, text })] : []);
    const head = el("div", { class: "head", text: node.name });
    head.append(el("small", { text: KIND_NAMES[node.kind] }));
    const card = this.part("card");
    card.replaceChildren(head, ...line("line", node.kind === "leaf" ? leafText(node.leaf) : node.title),
      ...line("line", node.value && `value ${node.value}`), ...line("alarm", node.violation));
    card.hidden = false;
    card.classList.toggle("left", this.viewport.screen(node).x > this.area.clientWidth / 2);
  }

  hideCard() { this.part("card").hidden = true; }
}
