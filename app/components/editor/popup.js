// What opens on the canvas: the weight of an edge, a leaf, a name, the choice of a kind.

class Popup {
  constructor(editor, box) {
    this.editor = editor;
    this.box = box;
    box.addEventListener("keydown", (event) => {
      event.stopPropagation();
      if (event.key === "Escape") { event.preventDefault(); this.close(false); editor.svg.focus({ preventScroll: true }); }
    });
    for (const kind of ["pointerdown", "dblclick", "wheel"]) box.addEventListener(kind, (event) => event.stopPropagation());
  }

  get open() { return !this.box.hidden; }

  // Show some elements at a point of the drawing. commit() is called when the popup is left.
  show(at, className, children, commit) {
    this.close(true);
    this.at = at;
    this.commit = commit;
    this.box.className = `popup ${className}`;
    this.box.replaceChildren(...children);
    this.box.hidden = false;
    this.follow();
  }

  // Stay with the drawing, inside of the window.
  follow() {
    if (!this.open) return;
    const { x, y } = this.editor.viewport.screen(this.at);
    const { clientWidth, clientHeight } = this.editor.area;
    const within = (value, size, whole) => Math.max(4, Math.min(whole - size - 4, value));
    this.box.style.left = `${within(x - this.box.offsetWidth / 2, this.box.offsetWidth, clientWidth)}px`;
    this.box.style.top = `${within(y - 16, this.box.offsetHeight, clientHeight)}px`;
  }

  close(keep) {
    if (!this.open) return;
    const commit = this.commit;
    this.commit = null;
    this.box.hidden = true;
    if (keep && commit) commit();
    this.box.replaceChildren();
    this.editor.settle();
  }

  // Enter: keep what was typed and go back to the drawing. A refused value keeps the popup open.
  done() {
    const commit = this.commit;
    if (commit && commit() === false) return;
    this.commit = null;
    this.close(false);
    this.editor.svg.focus({ preventScroll: true });
  }

  // ---- a weight ----

  weight(key, first) {
    const { editor } = this;
    const edge = editor.edgeOf(key);
    const node = editor.doc.nodes.get(edge[0]);
    if (node.kind !== "sum") { editor.say("Only the edges of sums have weights."); return; }
    const old = node.arcs[placeOfArc(node, edge[1], edge[2])][1];
    const label = `Weight from ${node.name} to ${editor.doc.nodes.get(edge[1]).name}`;
    const input = el("input", { class: "value", type: "text", inputmode: "decimal", "aria-label": label, autocomplete: "off", spellcheck: "false" });
    input.value = first ?? String(old);
    const keep = () => {
      const value = parseNumber(input.value);
      if (value === null || value < 0) {
        input.setAttribute("aria-invalid", "true");
        editor.say("A weight is a number from 0 up, such as 0.25 or 1/4.");
        return false;
      }
      if (value !== old) editor.edit([{ op: "weight", edge, weight: value }], `${label}: ${shortNumber(value)}`);
      return true;
    };
    input.addEventListener("keydown", (event) => {
      if (event.key === "Enter") { event.preventDefault(); this.done(); }
      if (event.key !== "Tab") return;
      event.preventDefault();
      if (keep() === false) return;
      this.commit = null;
      editor.nextWeight(key, event.shiftKey ? -1 : 1);
    });
    this.show(editor.drawing.labelPoint(key), "weight-box", [input], keep);
    input.focus({ preventScroll: true });
    if (first === undefined) input.select();
  }

  // ---- a name ----

  name(id) {
    const { editor } = this;
    const node = editor.doc.nodes.get(id);
    const input = el("input", { class: "value name", type: "text", maxlength: 80, "aria-label": `Name of the ${node.kind} ${node.name}`, autocomplete: "off", spellcheck: "false" });
    input.value = node.name;
    const keep = () => {
      const name = input.value.trim();
      if (!name || name === node.name) return true;
      if (takenNames(editor.doc).has(name)) {
        input.setAttribute("aria-invalid", "true");
        editor.say(`Another unit is named ${name}.`);
        return false;
      }
      editor.edit([{ op: "rename", id, name }], `Renamed to ${name}`);
      return true;
    };
    input.addEventListener("keydown", (event) => { if (event.key === "Enter") { event.preventDefault(); this.done(); } });
    this.show(node, "weight-box", [input], keep);
    input.focus({ preventScroll: true });
    input.select();
  }

  // ---- a leaf ----

  leaf(id) {
    const node = this.editor.doc.nodes.get(id);
    const form = leafForm(this.editor, node, () => this.done(), () => this.follow());
    this.show({ x: node.x, y: node.y + 24 }, "leaf-box", [form.element], () => form.keep());
    form.first.focus({ preventScroll: true });
    form.first.select();
  }

  // ---- what to add ----

  menu(at, parent) {
    const { editor } = this;
    const buttons = ["sum", "product", "leaf"].map((kind) => {
      const button = el("button", { type: "button", class: "pc-button", "data-add": kind }, kindIcon(kind), KIND_NAMES[kind]);
      button.addEventListener("click", () => { this.close(false); editor.svg.focus({ preventScroll: true }); editor.add(kind, at, parent); });
      return button;
    });
    this.show(at, "menu-box", buttons, null);
    this.box.setAttribute("role", "group");
    this.box.setAttribute("aria-label", parent ? "New child" : "New unit");
    buttons[0].focus({ preventScroll: true });
  }
}

function kindIcon(kind) {
  return svgEl("svg", { viewBox: "0 0 20 20", class: "kind-icon", "aria-hidden": "true" },
    svgEl("g", { class: kind, transform: "translate(10,10) scale(0.44)" }, shapeOf(kind, 0, "body", 0), signOf({ kind, symbol: "bars" })));
}

// 0.25, .25, 1e-3 or 1/4; null for anything else.
function parseNumber(text) {
  const [above, below, more] = text.trim().replace(",", ".").split("/");
  if (more !== undefined || !above || below === "") return null;
  const value = Number(above) / (below === undefined ? 1 : Number(below));
  return Number.isFinite(value) ? value : null;
}

// The form of a leaf: variable, family, whole-numbered properties, parameters.
function leafForm(editor, node, done, resized) {
  let family = node.leaf.family.family;
  const specs = new Map(editor.families.map((one) => [one.name, one]));
  const row = (label, input) => el("label", {}, el("span", { text: label }), input);
  const field = (label, value, mode) => {
    const input = el("input", { type: "text", class: "value", inputmode: mode, autocomplete: "off", spellcheck: "false", "aria-label": label });
    input.value = value;
    return input;
  };
  const variable = field("Variable", node.leaf.variable, "text");
  variable.setAttribute("maxlength", "80");
  const choice = el("select", { "aria-label": "Family" });
  for (const name of specs.keys()) choice.append(el("option", { value: name, text: name }));
  choice.value = family;
  const rest = el("div", { class: "rest" });
  const problem = el("div", { class: "problem", role: "alert" });
  let fields = new Map();
  let numbers = null;
  const build = (known, values) => {
    const spec = specs.get(family);
    fields = new Map(spec.fields.map(({ name, start }) => [name, field(name, String(known[name] ?? start), "numeric")]));
    numbers = field(spec.parameters, values.map(String).join(", "), "text");
    rest.replaceChildren(...[...fields].map(([name, input]) => row(name, input)), row(spec.parameters, numbers));
    resized();
  };
  build(node.leaf.family, node.leaf.values);
  choice.addEventListener("change", () => {
    family = choice.value;
    const same = family === node.leaf.family.family;
    build(same ? node.leaf.family : {}, same ? node.leaf.values : specs.get(family).start);
  });
  const refuse = (text) => { problem.textContent = text; editor.say(text); resized(); return false; };
  const keep = () => {
    const spec = specs.get(family);
    const name = variable.value.trim();
    if (!name) return refuse("A leaf needs a variable.");
    const values = numbers.value.split(/[\s,;]+/).filter(Boolean).map(parseNumber);
    if (!values.length || values.some((value) => value === null)) return refuse(`${spec.parameters}: numbers were expected.`);
    const described = { ...(family === node.leaf.family.family ? node.leaf.family : {}), family };
    for (const [key, input] of fields) {
      const value = parseNumber(input.value);
      if (value === null) return refuse(`${key}: a number was expected.`);
      described[key] = value;
    }
    if (spec.grows) described[spec.grows] = values.length;
    else if (values.length !== spec.count) return refuse(`${spec.parameters}: ${spec.count === 1 ? "one number was" : `${spec.count} numbers were`} expected.`);
    const wrong = illegal(family, described, values);
    if (wrong) return refuse(wrong);
    const leaf = { variable: name, family: described, values };
    editor.lastLeaf = leaf;
    if (JSON.stringify(leaf) !== JSON.stringify(node.leaf)) editor.edit([{ op: "leaf", id: node.id, leaf }], `Leaf ${leafText(leaf)}`);
    return true;
  };
  const element = el("form", { class: "leaf-form", "aria-label": `Leaf ${node.name}` },
    row("variable", variable), row("family", choice), rest, problem,
    el("div", { class: "foot" }, el("button", { type: "submit", class: "pc-button", text: "Apply" })));
  element.addEventListener("submit", (event) => { event.preventDefault(); done(); });
  return { element, keep, first: variable };
}

// What the known families refuse; Python knows all of it and has the last word.
function illegal(family, described, values) {
  const chance = (value) => value >= 0 && value <= 1;
  if ((family === "bernoulli" || family === "binomial") && !chance(values[0])) return "A probability lies between 0 and 1.";
  if (family === "categorical") {
    const total = values.reduce((sum, value) => sum + value, 0);
    if (!values.every((value) => value >= 0) || Math.abs(total - 1) > 1e-4) return `Probabilities add up to 1, not to ${shortNumber(total)}.`;
  }
  if (family === "gaussian" && !(values[1] > 0)) return "A variance is positive.";
  if (family === "indicator") {
    const states = described.categories;
    if (!Number.isInteger(values[0]) || values[0] < 0 || values[0] >= states) return `The state is a whole number from 0 to ${states - 1}.`;
  }
  return "";
}
