// One variable of the list: its states, or a number with the sketch of its density.

const CHIPS = 8; // states up to which each has its name and number; more are bars
const EVEN = 1; // where a likelihood slider starts

function chanceText(p) {
  if (p === null || p === undefined) return "";
  if (p === 0 || p === 1) return String(p);
  if (p < 0.0005) return "≈ 0";
  return p > 0.9995 ? "≈ 1" : p.toFixed(3);
}

// events: { observe(id, value | null), soften(id, likelihoods | null), opened(id, open) }
class Row {
  constructor(id, events) {
    this.id = id;
    this.events = events;
    this.node = el("div", { class: "row", role: "listitem" });
    this.shape = "";
  }

  // What the row is made of; when that changes it is built anew, else only filled.
  static shapeOf(row) {
    return JSON.stringify([row.name, row.states, row.values, Boolean(row.curve), row.softens, row.latent]);
  }

  update(row, open) {
    this.row = row;
    const shape = Row.shapeOf(row);
    if (shape !== this.shape) { this.build(); this.shape = shape; }
    this.fill();
    this.openSliders(open && row.softens);
  }

  build() {
    const { name, states, hint } = this.row;
    this.line = el("div", { class: "line", role: "group", "aria-label": name });
    this.line.append(el("span", { class: "name", text: name, title: hint || name }));
    this.chips = [];
    if (states.length) this.buildChips();
    else this.buildNumber();
    this.more = null;
    if (this.row.softens) {
      this.more = el("button", { type: "button", class: "small", tabindex: -1, "aria-expanded": "false",
        "aria-label": `Soft evidence on ${name}`, title: "Soft evidence: a likelihood for each state (S)", text: "◐" });
      this.more.addEventListener("click", () => this.events.opened(this.id, !this.sliders));
      this.line.append(this.more);
    }
    this.sliders = null;
    this.node.replaceChildren(this.line);
    this.node.classList.toggle("latent", Boolean(this.row.latent));
  }

  buildChips() {
    const bars = this.row.states.length > CHIPS;
    const named = !bars && !this.row.latent && this.row.states.some((state) => state.length > 2);
    const box = el("div", { class: bars ? "states bars" : named ? "states named" : "states" });
    this.row.states.forEach((state, i) => {
      const value = this.row.values[i];
      const chip = el("button", { type: "button", class: "chip", tabindex: -1, disabled: value === null });
      const every = bars ? Math.ceil(this.row.states.length / 9) : 1; // room for so many names
      chip.append(el("span", { class: "fill" }), el("span", { class: "prior" }),
        el("span", { class: "state", text: i % every ? "" : state }), el("span", { class: "chance" }));
      chip.addEventListener("click", () => {
        this.events.observe(this.id, this.row.given === value ? null : value);
      });
      this.chips.push(chip);
      box.append(chip);
    });
    this.line.append(box);
  }

  buildNumber() {
    const box = el("div", { class: "number" });
    this.input = el("input", { type: "number", step: "any", "aria-label": `Value of ${this.row.name}` });
    this.input.addEventListener("keydown", (event) => {
      event.stopPropagation();
      if (event.key === "Enter") this.typed();
    });
    this.input.addEventListener("change", () => this.typed());
    this.sketch = svgEl("svg", { viewBox: "0 0 100 30", preserveAspectRatio: "none", "aria-hidden": "true" });
    this.moment = el("span", { class: "pc-label pc-number" });
    box.append(this.input, this.sketch, this.moment);
    this.line.append(box);
  }

  typed() {
    const text = this.input.value.trim();
    const value = text === "" ? null : Number(text);
    if (value !== null && !Number.isFinite(value)) return;
    if (value !== (this.row.given ?? null)) this.events.observe(this.id, value);
  }

  fill() {
    const { row } = this;
    const given = row.given === undefined ? null : row.given;
    this.node.classList.toggle("observed", given !== null);
    this.node.classList.toggle("soft", given === null && Boolean(row.soft));
    const bars = this.chips.length > CHIPS;
    const top = bars && row.chances ? Math.max(1e-9, ...row.chances) : 1; // bars fill their row
    this.chips.forEach((chip, i) => {
      const p = row.chances ? row.chances[i] : null;
      const before = row.before ? row.before[i] : null;
      const pressed = given !== null && given === row.values[i];
      chip.setAttribute("aria-pressed", String(pressed));
      chip.classList.toggle("covered", row.covered !== undefined && row.covered === row.values[i]);
      const [fill, prior, , chance] = chip.children;
      const share = Math.max(0, Math.min(1, (p || 0) / top));
      if (bars) fill.style.height = `calc(${share} * (100% - var(--e-names)))`;
      else fill.style.width = `${100 * share}%`;
      prior.hidden = before === null;
      if (before !== null) prior.style.left = `calc(${100 * Math.min(1, before)}% - 1px)`;
      chance.textContent = chanceText(p);
      const said = p === null || p === undefined ? "" : `, probability ${chanceText(p)}`;
      const earlier = before === null ? "" : `, before any evidence ${chanceText(before)}`;
      chip.setAttribute("aria-label", `${row.name} = ${row.states[i]}${said}`);
      chip.title = `${row.name} = ${row.states[i]}${said}${earlier}`;
    });
    if (!row.states.length) this.fillNumber(given);
    if (this.sliders) this.fillSliders();
  }

  fillNumber(given) {
    const { row } = this;
    if (this.node.getRootNode().activeElement !== this.input) this.input.value = given === null ? "" : String(given);
    const known = row.mean !== null && row.mean !== undefined;
    this.input.placeholder = known ? row.mean.toPrecision(4) : "";
    this.moment.textContent = known && given === null ? `${row.mean.toPrecision(3)} ± ${row.deviation.toPrecision(2)}` : "";
    this.sketch.replaceChildren();
    if (!row.curve || row.curve.length < 2) return;
    const [low, high] = [row.curve[0][0], row.curve[row.curve.length - 1][0]];
    const top = Math.max(...row.curve.map(([, y]) => y)) || 1;
    const x = (value) => 100 * (value - low) / (high - low || 1);
    const points = row.curve.map(([a, b]) => `${x(a)} ${29 - 27 * b / top}`).join("L");
    this.sketch.append(svgEl("path", { class: "area", d: `M0 29L${points}L100 29Z` }));
    if (given !== null) {
      const at = Math.max(0, Math.min(100, x(given)));
      this.sketch.append(svgEl("line", { class: "seen", x1: at, x2: at, y1: 0, y2: 30 }));
    }
  }

  // ---- soft evidence ----

  openSliders(open) {
    if (this.more) this.more.setAttribute("aria-expanded", String(Boolean(open)));
    if (!open) {
      if (this.sliders) { this.sliders.remove(); this.sliders = null; }
      return;
    }
    if (this.sliders) return;
    this.sliders = el("div", { class: "sliders", role: "group", "aria-label": `Likelihoods of ${this.row.name}` });
    this.ranges = this.row.states.map((state) => {
      const range = el("input", { type: "range", min: 0, max: 1, step: 0.01, "aria-label": `Likelihood of ${this.row.name} = ${state}` });
      const shown = el("output");
      range.addEventListener("input", () => { shown.textContent = Number(range.value).toFixed(2); this.slid(); });
      range.addEventListener("keydown", (event) => event.stopPropagation());
      this.sliders.append(el("label", { text: state }), range, shown);
      return [range, shown];
    });
    const undo = el("button", { type: "button", class: "pc-button", text: "Remove" });
    undo.style.height = "24px";
    undo.addEventListener("click", () => this.events.soften(this.id, null));
    this.sliders.append(el("div", { class: "hint" }, el("span", { text: "How well each state explains what was seen" }), undo));
    this.node.append(this.sliders);
    this.fillSliders();
  }

  fillSliders() {
    const soft = this.row.soft;
    this.ranges.forEach(([range, shown], i) => {
      const value = soft ? soft[i] : EVEN;
      if (this.node.getRootNode().activeElement !== range) range.value = Math.min(1, value);
      shown.textContent = (soft && value > 1 ? value : Number(range.value)).toFixed(2);
    });
  }

  slid() {
    const numbers = this.ranges.map(([range]) => Number(range.value));
    this.events.soften(this.id, numbers.every((n) => n === EVEN) ? null : numbers);
  }

  // Buttons that the arrow keys walk over.
  stops() {
    const chips = this.chips.filter((chip) => !chip.disabled);
    return this.more ? [...chips, this.more] : this.input ? [...chips, this.input] : chips;
  }
}
