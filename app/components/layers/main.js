// The layers of a compiled circuit: selection, hover, keyboard.
//
// In:  data = { drawing: { id, width, height, rows, head }, selected, height, label }
// Out: trigger "pick" = { layer: number | null, nonce }

const LAYERS = new WeakMap();

class Layers {
  constructor(root) {
    this.root = root;
    this.part = (role) => root.querySelector(`[data-role="${role}"]`);
    this.area = this.part("area");
    this.svg = this.part("svg");
    this.nonce = Math.floor(Date.now() / 1000) % 1e8 * 10; // also grows over a remount
    this.focused = null;
    this.bind();
    this.drawLegend();
  }

  bind() {
    this.svg.addEventListener("click", (event) => {
      const row = this.rowAt(event);
      if (row !== null) this.select(row === this.selected ? null : row);
    });
    this.svg.addEventListener("pointermove", (event) => { if (event.pointerType !== "touch") this.hover(event); });
    this.svg.addEventListener("pointerleave", () => this.hideCard());
    this.area.addEventListener("blur", () => { this.mark("focused", null); this.hideCard(); });
    this.area.addEventListener("keydown", (event) => { if (this.key(event.key)) event.preventDefault(); });
    const bounds = () => ({ left: 0, top: 0, right: this.drawing.width, bottom: this.drawing.height });
    const save = { svg: saveSvg, png: savePng };
    for (const [name, action] of Object.entries(save)) {
      this.root.querySelector(`[data-action="${name}"]`).addEventListener("click",
        () => action(this.svg, bounds(), this.label, this.theme.background));
    }
  }

  rowAt(event) {
    const row = event.target.closest && event.target.closest(".row");
    return row ? Number(row.dataset.layer) : null;
  }

  rowOf(number) { return this.svg.querySelector(`[data-layer="${number}"]`); }

  // Rows go from the root down to the leaves.
  key(key) {
    const numbers = this.drawing.rows.filter((row) => !row.more).map((row) => row.number);
    const at = numbers.indexOf(this.focused ?? this.selected);
    const last = numbers.length - 1;
    const to = { ArrowDown: Math.min(last, at + 1), ArrowUp: at < 0 ? last : Math.max(0, at - 1), Home: 0, End: last }[key];
    if (to !== undefined) this.focus(numbers[to]);
    else if (key === "Enter" || key === " ") { if (this.focused !== null) this.select(this.focused); }
    else if (key === "Escape") this.select(null);
    else return false;
    return true;
  }

  focus(number) {
    this.focused = number;
    this.mark("focused", number);
    this.reveal(number);
    this.part("live").textContent = this.rowOf(number).getAttribute("aria-label");
    this.showCard(number, "", false);
  }

  select(number) {
    if (number === this.selected) return;
    this.selected = number;
    this.mark("selected", number);
    this.nonce++;
    this.trigger("pick", { layer: number, nonce: this.nonce });
  }

  mark(name, number) {
    for (const row of this.svg.querySelectorAll(".row")) {
      const on = number !== null && Number(row.dataset.layer) === number;
      row.classList.toggle(name, on);
      if (name === "selected") row.setAttribute("aria-selected", String(on));
    }
  }

  reveal(number) {
    const row = number === null ? null : this.rowOf(number);
    if (!row) return;
    const [box, window] = [row.getBoundingClientRect(), this.area.getBoundingClientRect()];
    if (box.top < window.top) this.area.scrollTop -= window.top - box.top + 6;
    else if (box.bottom > window.bottom) this.area.scrollTop += box.bottom - window.bottom + 6;
  }

  hover(event) {
    const number = this.rowAt(event);
    if (number === null) { this.hideCard(); return; }
    const block = event.target.closest("[data-title]");
    const window = this.area.getBoundingClientRect();
    this.showCard(number, block ? block.dataset.title : "", event.clientY < window.top + window.height / 2);
  }

  // In the half of the window where the pointer is not.
  showCard(number, title, low) {
    const row = this.drawing.rows.find((one) => one.number === number);
    const card = this.part("card");
    const list = el("dl", {});
    for (const [name, text] of row.facts) list.append(el("dt", { text: name }), el("dd", { text }));
    card.replaceChildren(el("div", { class: "title", text: title || `Layer ${number}: ${row.label}` }), list);
    card.classList.toggle("bottom", low);
    card.classList.toggle("top", !low);
    card.hidden = false;
  }

  hideCard() { this.part("card").hidden = true; }

  drawLegend() {
    const entry = (sign, text) => el("span", {}, svgEl("svg", { viewBox: "0 0 20 20" }, sign), text);
    this.part("legend").append(
      entry(unitSign("sum", 10, 10), "sum"), entry(unitSign("product", 10, 10), "product"),
      entry(unitSign("leaf", 10, 10), "leaf"), entry(paddingSign(), "padding"));
  }

  update(data) {
    const before = this.drawing;
    this.drawing = data.drawing;
    this.label = data.label;
    this.theme = readTheme(this.root);
    const same = before && before.id === data.drawing.id;
    const { width, height, rows, head } = data.drawing;
    this.area.setAttribute("aria-label", `${data.label}: ${rows.length} rows. Arrow keys move, Enter selects.`);
    this.area.style.height = `${data.height}px`;
    this.svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
    const scrolled = this.area.scrollTop;
    this.part("rows").replaceChildren(
      svgEl("text", { class: "head", x: width - 12, y: 16, text: head }),
      svgEl("text", { class: "detail", x: 8, y: 16, text: "layer" }),
      svgEl("text", { class: "detail", x: 50, y: 16, text: "groups × [units × inputs]" }),
      ...rows.map((row) => layerRow(row, width)));
    const told = data.selected !== this.told;
    if (told || !same) this.selected = data.selected;
    this.told = data.selected;
    this.mark("selected", this.selected);
    this.mark("focused", same ? this.focused : null);
    // The leaves, where computing begins, are at the bottom.
    this.area.scrollTop = same ? scrolled : this.area.scrollHeight;
    if (this.selected !== null && (told || !same)) this.reveal(this.selected);
    if (!same) this.hideCard();
  }
}

export default function (component) {
  const { data, parentElement, setTriggerValue } = component;
  let layers = LAYERS.get(parentElement);
  if (!layers) {
    layers = new Layers(parentElement.querySelector(".pc-root"));
    LAYERS.set(parentElement, layers);
  }
  layers.trigger = setTriggerValue;
  layers.update(data);
}
