// Live chart: legend, zoom, crosshair, saving. The view belongs to the browser and survives updates.
//
// In: data = { series: [{ name, style, x, y }], x_label, y_label, annotations, best, height, label, running }

const CHARTS = new WeakMap();

class Chart {
  constructor(root) {
    this.root = root;
    this.part = (role) => root.querySelector(`[data-role="${role}"]`);
    this.plot = new Plot(this.part("plot"));
    this.hidden = new Set(); // names of curves switched off
    this.zoomX = null; // null: follow the data
    this.zoomY = null; // null: fit to what is visible
    this.tail = false;
    this.cursor = null; // x of the crosshair
    this.drag = null;
    this.redraw = perFrame(() => this.draw());
    this.resize = new ResizeObserver(this.redraw);
    this.resize.observe(this.part("area"));
    this.bindButtons();
    this.bindPointer();
    this.bindKeys();
  }

  bindButtons() {
    const on = (action, handler) => this.root.querySelector(`[data-action="${action}"]`).addEventListener("click", handler);
    on("tail", (event) => {
      this.tail = !this.tail;
      event.currentTarget.setAttribute("aria-pressed", String(this.tail));
      this.zoomY = null;
      this.redraw();
    });
    on("reset", () => this.reset());
    on("csv", () => saveBlob(new Blob([csvText(this.data.series, this.data.x_label)], { type: "text/csv" }),
      fileName(this.data.label, "csv")));
    on("png", () => this.savePng());
  }

  reset() {
    this.zoomX = this.zoomY = null;
    this.redraw();
  }

  local(event) {
    const box = this.plot.canvas.getBoundingClientRect();
    return { x: event.clientX - box.left, y: event.clientY - box.top };
  }

  bindPointer() {
    const { canvas } = this.plot;
    canvas.addEventListener("wheel", (event) => {
      if (!this.ready()) return;
      event.preventDefault();
      const delta = Math.max(-240, Math.min(240, event.deltaY * (event.deltaMode === 1 ? 16 : 1)));
      this.zoomAround(Math.exp(delta * 0.0018), this.plot.fromX(this.local(event).x));
    }, { passive: false });
    canvas.addEventListener("pointerdown", (event) => {
      if (event.button !== 0 || !this.ready()) return;
      if (event.pointerType !== "touch") {
        canvas.setPointerCapture(event.pointerId);
        this.drag = { from: this.local(event), to: this.local(event), tall: false };
      }
      this.point(event);
    });
    canvas.addEventListener("pointermove", (event) => {
      if (this.drag) {
        this.drag.to = this.local(event);
        this.drag.tall = Math.abs(this.drag.to.y - this.drag.from.y) > 24;
      }
      this.point(event);
    });
    const end = (event) => {
      const { drag } = this;
      this.drag = null;
      if (drag && event.type === "pointerup" && Math.abs(drag.to.x - drag.from.x) > 6) this.zoomTo(drag);
      this.redraw();
    };
    canvas.addEventListener("pointerup", end);
    canvas.addEventListener("pointercancel", end);
    canvas.addEventListener("pointerleave", () => { if (!this.drag) this.setCursor(null); });
    canvas.addEventListener("dblclick", () => this.reset());
  }

  bindKeys() {
    const { canvas } = this.plot;
    canvas.addEventListener("blur", () => this.setCursor(null));
    canvas.addEventListener("keydown", (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey || !this.ready()) return;
      const xs = this.allX();
      const at = this.cursor === null ? xs.length - 1 : nearestIndex(xs, this.cursor);
      const actions = {
        ArrowLeft: () => this.setCursor(xs[Math.max(0, this.cursor === null ? at : at - 1)]),
        ArrowRight: () => this.setCursor(xs[Math.min(xs.length - 1, at + 1)]),
        Home: () => this.setCursor(xs[0]), End: () => this.setCursor(xs[xs.length - 1]),
        "+": () => this.zoomAround(0.7, this.cursor ?? (this.x[0] + this.x[1]) / 2),
        "-": () => this.zoomAround(1 / 0.7, this.cursor ?? (this.x[0] + this.x[1]) / 2),
        0: () => this.reset(), Escape: () => { this.setCursor(null); this.reset(); },
      };
      if (!actions[event.key]) return;
      actions[event.key]();
      event.preventDefault();
      event.stopPropagation();
      this.part("live").textContent = this.cursor === null ? "" : this.sentence(this.cursor);
    });
  }

  ready() { return Boolean(this.data) && this.visible().some(({ x }) => x.length); }

  visible() { return this.series.filter(({ name }) => !this.hidden.has(name)); }

  allX() { return [...new Set(this.visible().flatMap(({ x }) => x))].sort((a, b) => a - b); }

  fullX() { return extent(this.visible().flatMap(({ x }) => x)) || [0, 1]; }

  zoomAround(factor, centre) {
    const full = padded(this.fullX(), 0);
    const [low, high] = this.x;
    const next = [centre - (centre - low) * factor, centre + (high - centre) * factor];
    if (next[1] - next[0] >= full[1] - full[0]) this.zoomX = null;
    else if (next[1] - next[0] > (full[1] - full[0]) * 1e-4) {
      // Stay over the data.
      const shift = Math.max(0, full[0] - next[0]) - Math.max(0, next[1] - full[1]);
      this.zoomX = [next[0] + shift, next[1] + shift];
    }
    this.redraw();
  }

  zoomTo({ from, to, tall }) {
    const span = (a, b) => [Math.min(a, b), Math.max(a, b)];
    this.zoomX = span(this.plot.fromX(from.x), this.plot.fromX(to.x));
    this.zoomY = tall ? span(this.plot.fromY(from.y), this.plot.fromY(to.y)) : null;
  }

  point(event) {
    if (!this.ready()) return;
    const xs = this.allX();
    this.setCursor(xs[nearestIndex(xs, this.plot.fromX(this.local(event).x))]);
  }

  setCursor(x) {
    this.cursor = x;
    this.redraw();
    const tip = this.part("tip");
    tip.hidden = x === null || Boolean(this.drag && Math.abs(this.drag.to.x - this.drag.from.x) > 6);
    if (tip.hidden) return;
    tip.replaceChildren(el("div", { class: "at", text: `${this.data.x_label} ${valueText(x)}` }),
      ...this.visible().filter((one) => one.x.length).map((one) => {
        const dot = el("span", { class: "dot" });
        dot.style.background = one.colour;
        return el("div", { class: "row" }, dot, el("span", { text: one.name }), el("b", { text: valueText(this.valueAt(one, x)) }));
      }));
    const at = this.plot.toX(x);
    const left = at + 14 + tip.offsetWidth < this.plot.width ? at + 14 : at - 14 - tip.offsetWidth;
    tip.style.transform = `translate(${Math.max(0, left)}px, ${this.plot.box.top + 6}px)`;
  }

  valueAt(one, x) {
    const i = nearestIndex(one.x, x);
    return one.x[i] === x ? one.y[i] : null;
  }

  sentence(x) {
    return `${this.data.x_label} ${valueText(x)}: ` + this.visible()
      .map((one) => `${one.name} ${valueText(this.valueAt(one, x))}`).join(", ");
  }

  drawLegend() {
    const state = this.series.map(({ name, colour, style, y }) => [name, colour, style, this.hidden.has(name), y.findLast((v) => v !== null)]);
    const text = JSON.stringify(state);
    if (text === this.legendText) return;
    this.legendText = text;
    const list = this.part("legend");
    const keep = list.childElementCount === state.length;
    state.forEach(([name, colour, style, hidden, last], i) => {
      const button = keep ? list.children[i] : this.legendKey();
      button.dataset.name = name;
      button.setAttribute("aria-pressed", String(!hidden));
      button.title = hidden ? `Show ${name}` : `Hide ${name}`;
      const line = button.querySelector("path");
      setAttributes(line, { stroke: colour, "stroke-dasharray": style === "dashed" ? "6 4" : "none",
        "stroke-opacity": style === "faint" ? 0.55 : 1, "stroke-width": style === "faint" ? 1.6 : 2.6 });
      button.querySelector("span").textContent = name;
      button.querySelector("output").textContent = last === undefined ? "" : valueText(last);
      if (!keep && i === 0) list.replaceChildren();
      if (!keep) list.append(button);
    });
    if (!state.length) list.replaceChildren();
  }

  legendKey() {
    const button = el("button", { type: "button", class: "key" },
      svgEl("svg", { viewBox: "0 0 24 12", "aria-hidden": "true" }, svgEl("path", { d: "M1 6h22", fill: "none", "stroke-linecap": "round" })),
      el("span"), el("output"));
    button.addEventListener("click", () => {
      const { name } = button.dataset;
      if (!this.hidden.delete(name)) this.hidden.add(name);
      this.drawLegend();
      this.redraw();
    });
    return button;
  }

  // What the plot draws: the ranges of the moment and the visible curves.
  state() {
    const series = this.visible();
    this.x = this.zoomX || padded(this.fullX(), 0);
    this.y = this.zoomY || yRange(series, this.x, this.tail);
    return { series, x: this.x, y: this.y, theme: this.theme, annotations: this.data.annotations,
      best: this.data.best, cursor: this.cursor, xLabel: this.data.x_label, yLabel: this.data.y_label,
      drag: this.drag && Math.abs(this.drag.to.x - this.drag.from.x) > 6 ? this.drag : null };
  }

  draw() {
    if (!this.data) return;
    this.plot.draw(this.state());
    this.root.querySelector('[data-action="reset"]').disabled = !this.zoomX && !this.zoomY;
    // For tests and scripts: the ranges on screen.
    this.plot.canvas.dataset.range = JSON.stringify({ x: this.x, y: this.y });
  }

  savePng() {
    this.plot.draw({ ...this.state(), cursor: null, drag: null, background: this.theme.background, ratio: 3 });
    withLegend(this.plot.canvas, this.visible(), this.theme, 3).toBlob((blob) => saveBlob(blob, fileName(this.data.label, "png")), "image/png");
    this.redraw();
  }

  update(data) {
    this.data = data;
    this.theme = readTheme(this.root);
    this.series = data.series.map((one, i) => ({ ...one, colour: this.theme.series[i % this.theme.series.length] }));
    this.part("area").style.height = `${data.height}px`;
    const last = this.series.filter(({ x }) => x.length).map(({ name, y }) => `${name} ${valueText(y.findLast((v) => v !== null))}`);
    const count = Math.max(0, ...this.series.map(({ x }) => x.length));
    const best = data.best ? ` ${data.best.label} ${valueText(data.best.y)} at ${data.x_label} ${valueText(data.best.x)}.` : "";
    this.plot.canvas.setAttribute("aria-label", `${data.label}. ${count} points. ${last.length ? `Last values: ${last.join(", ")}.` : "No values yet."}${best} `
      + "Left and right arrow keys read the values.");
    this.root.classList.toggle("running", data.running);
    this.drawLegend();
    this.draw();
  }

  release() { this.resize.disconnect(); }
}

export default function (component) {
  const { data, parentElement } = component;
  let chart = CHARTS.get(parentElement);
  if (!chart) {
    chart = new Chart(parentElement.querySelector(".pc-root"));
    CHARTS.set(parentElement, chart);
  }
  chart.update(data);
  return cleanupWhenGone(parentElement, () => chart.release());
}
