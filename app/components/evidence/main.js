// The variables with their posteriors; a click observes or forgets, a slider observes softly.
//
// In:  data = { variables, observed, soft, seq, height }; a variable is { id, name, note, states:
//      [[label, probability or null]] or null, mean, deviation }
// Out: state "evidence" = { observed: { id: number }, soft: { id: [numbers] }, seq }. All of it is
//      sent each time, so that two quick clicks cannot overtake each other.

const LISTS = new WeakMap();
const SHOWN = 60; // rows at once; of more, those that are looked for

const percent = (p) => (p === null ? "" : p === 0 ? "0" : p < 0.0005 ? p.toExponential(1) : p.toFixed(3));

class Evidence {
  constructor(root) {
    this.root = root;
    this.part = (role) => root.querySelector(`[data-role="${role}"]`);
    this.rows = new Map();
    this.seq = 0;
    this.opened = new Set(); // variables whose likelihoods are shown
    this.part("find").addEventListener("input", () => this.draw());
    root.querySelector('[data-action="clear"]').addEventListener("click", () => {
      this.observed = {};
      this.soft = {};
      this.changed("All evidence forgotten");
    });
    root.addEventListener("keydown", (event) => this.key(event));
  }

  // ---- what people do ----

  changed(told) {
    this.seq++;
    this.part("live").textContent = told;
    this.draw();
    this.send("evidence", { observed: this.observed, soft: this.soft, seq: this.seq });
  }

  toggle(one, state) {
    const on = this.observed[one.id] === state;
    if (on) delete this.observed[one.id];
    else this.observed[one.id] = state;
    delete this.soft[one.id];
    this.changed(on ? `${one.name} forgotten` : `${one.name} observed`);
  }

  weigh(one, state, value) {
    const weights = this.soft[one.id] || one.states.map(() => 1);
    weights[state] = value;
    this.soft[one.id] = weights;
    delete this.observed[one.id];
    if (weights.every((w) => w === 1)) delete this.soft[one.id];
    this.changed(`${one.name}: likelihood ${value}`);
  }

  type(one, text) {
    const value = Number(text);
    if (text.trim() === "" || !Number.isFinite(value)) delete this.observed[one.id];
    else this.observed[one.id] = value;
    this.changed(`${one.name} ${text.trim() === "" ? "forgotten" : `is ${text}`}`);
  }

  // Up and down move between the states of all variables, as in one long list.
  key(event) {
    if (!["ArrowUp", "ArrowDown"].includes(event.key) || !event.target.matches(".state")) return;
    const all = [...this.root.querySelectorAll(".state")];
    const next = all[all.indexOf(event.target) + (event.key === "ArrowDown" ? 1 : -1)];
    if (next) next.focus();
    event.preventDefault();
  }

  // ---- drawing ----

  draw() {
    const query = this.part("find").value.trim().toLowerCase();
    const found = this.variables.filter((one) => one.name.toLowerCase().includes(query));
    const known = (one) => one.id in this.observed || one.id in this.soft;
    const shown = found.length > SHOWN ? [...found.filter(known), ...found.filter((one) => !known(one))].slice(0, SHOWN) : found;
    this.part("find").hidden = this.variables.length < 8;
    const more = found.length > shown.length ? `${shown.length} of ${found.length}; ` : "";
    const count = Object.keys(this.observed).length + Object.keys(this.soft).length;
    this.part("count").textContent = `${more}${count} observed`;
    this.root.querySelector('[data-action="clear"]').disabled = !count;
    const list = this.part("list");
    const wanted = shown.map((one) => this.row(one));
    if (wanted.some((row, i) => list.children[i] !== row) || list.children.length !== wanted.length) list.replaceChildren(...wanted);
    if (!wanted.length) list.replaceChildren(el("div", { class: "empty", text: "No variable has this name." }));
    for (const one of shown) this.fill(one);
  }

  row(one) {
    const shape = `${one.name}|${one.states ? one.states.map((s) => s[0]).join() : "real"}|${this.opened.has(one.id)}`;
    let row = this.rows.get(one.id);
    if (row && row.shape === shape) return row.node;
    row = { shape, node: el("div", { class: "row", role: "listitem", "data-id": one.id }), states: [], sliders: [] };
    const name = el("div", { class: "name", title: one.name }, one.name, " ", el("small", {}));
    const top = el("div", { class: "top" }, name);
    row.note = name.lastChild;
    row.node.append(top);
    if (one.states) this.buildStates(one, row, top);
    else {
      row.field = el("input", { type: "number", step: "any", "aria-label": `Value of ${one.name}`, placeholder: "observe" });
      row.field.addEventListener("change", () => this.type(this.find(one.id), row.field.value));
      top.append(row.field);
      row.moments = el("div", { class: "moments pc-number" });
      row.node.append(row.moments);
    }
    this.rows.set(one.id, row);
    return row.node;
  }

  buildStates(one, row, top) {
    const box = el("div", { class: one.states.length > 4 ? "states many" : "states", role: "group", "aria-label": one.name });
    one.states.forEach(([label], state) => {
      const bar = el("span", { class: "bar", "aria-hidden": "true" });
      const value = el("span", { class: "pc-number" });
      const button = el("button", { type: "button", class: "state" }, bar, el("span", { class: "mark", text: label }), value);
      button.addEventListener("click", () => this.toggle(this.find(one.id), state));
      row.states.push({ button, bar, value });
      box.append(button);
    });
    if (one.soften) {
      const soft = el("button", { type: "button", class: "pc-button small", text: "soft",
        title: "Observe softly: a likelihood for each state", "aria-expanded": String(this.opened.has(one.id)) });
      soft.addEventListener("click", () => {
        if (!this.opened.delete(one.id)) this.opened.add(one.id);
        this.draw();
        this.rows.get(one.id).node.querySelector(".small").focus();
      });
      top.append(soft);
    }
    row.node.append(box);
    if (!this.opened.has(one.id)) return;
    const sliders = el("div", { class: "soft", role: "group", "aria-label": `Likelihoods of ${one.name}` });
    one.states.forEach(([label], state) => {
      const slider = el("input", { type: "range", min: 0, max: 1, step: 0.05, "aria-label": `Likelihood of ${one.name} = ${label}` });
      const number = el("span", { class: "pc-number" });
      slider.addEventListener("change", () => this.weigh(this.find(one.id), state, Number(slider.value)));
      slider.addEventListener("input", () => { number.textContent = slider.value; });
      sliders.append(el("span", { text: `λ(${label})` }), slider, number);
      row.sliders.push([slider, number]);
    });
    row.node.append(sliders);
  }

  find(id) { return this.variables.find((one) => one.id === id); }

  fill(one) {
    const row = this.rows.get(one.id);
    const soft = this.soft[one.id];
    row.note.textContent = [one.note, soft && "softly observed"].filter(Boolean).join(", ");
    (one.states || []).forEach(([label, p], state) => {
      const { button, bar, value } = row.states[state];
      const on = this.observed[one.id] === state;
      button.setAttribute("aria-pressed", String(on));
      button.setAttribute("aria-label", `${one.name} = ${label}${p === null ? "" : `, probability ${percent(p)}`}${on ? ", observed" : ""}`);
      bar.style.width = `${100 * (p || 0)}%`;
      value.textContent = percent(p);
    });
    row.sliders.forEach(([slider, number], state) => {
      const value = soft ? soft[state] : 1;
      if (document.activeElement !== slider) slider.value = value;
      number.textContent = String(value);
    });
    if (row.field) {
      const given = this.observed[one.id];
      if (this.root.getRootNode().activeElement !== row.field) row.field.value = given === undefined ? "" : given;
      row.moments.textContent = one.mean === null ? "" : `${given === undefined ? "" : "observed; "}mean ${one.mean.toPrecision(4)}, deviation ${one.deviation.toPrecision(3)}`;
    }
  }

  update(data) {
    readTheme(this.root);
    this.part("list").style.maxHeight = `${data.height}px`;
    this.variables = data.variables;
    if (data.seq > this.seq) this.seq = data.seq;
    if (data.seq === this.seq || !this.observed) {
      this.observed = { ...data.observed };
      this.soft = Object.fromEntries(Object.entries(data.soft).map(([id, w]) => [id, [...w]]));
    }
    const ids = new Set(data.variables.map((one) => one.id));
    for (const id of this.rows.keys()) if (!ids.has(id)) this.rows.delete(id);
    this.draw();
  }
}

export default function (component) {
  const { data, parentElement, setStateValue } = component;
  let list = LISTS.get(parentElement);
  if (!list) {
    list = new Evidence(parentElement.querySelector(".pc-root"));
    LISTS.set(parentElement, list);
  }
  list.send = setStateValue;
  list.update(data);
}
