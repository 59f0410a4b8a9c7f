// What is on screen: the evidence canvas, the panels, the read-outs.

class View {
  constructor(root) {
    this.root = root;
    this.part = (role) => root.querySelector(`[data-role="${role}"]`);
    this.evidence = new Surface(this.part("paint"));
    this.panels = []; // { surface, figure, name, note, data }
    this.mask = null;
    this.cursor = null; // pixel under the brush
    this.probe = null; // pixel being read on a panel
    this.range = [0, 255];
    this.redraw = perFrame(() => this.draw());
    this.resize = new ResizeObserver(this.redraw);
    this.resize.observe(this.evidence.canvas);
    this.themeChanged();
  }

  themeChanged() { this.theme = readTheme(this.root); }

  release() { this.resize.disconnect(); }

  outline() {
    if (this.outlineOf !== this.mask || this.outlineVersion !== this.mask.version) {
      this.outlineOf = this.mask;
      this.outlineVersion = this.mask.version;
      this.outlinePath = this.mask.outline();
      const hidden = this.mask.count();
      const share = Math.round((100 * hidden) / this.mask.cells.length);
      this.part("hidden").textContent = hidden ? `${hidden} of ${this.mask.cells.length} hidden (${share} %)` : "nothing hidden";
    }
    return this.outlinePath;
  }

  evidenceLayers() {
    return [hatchLayer(this.mask, this.theme.hide), outlineLayer(this.outline(), this.theme.hide, 1.5)];
  }

  panelLayers(panel) {
    const shown = this.part("outline").checked && panel.data.outline && this.sameSize(panel);
    return shown ? [outlineLayer(this.outline(), this.theme.hide, panel.data.large ? 1.4 : 0.9)] : [];
  }

  sameSize(panel) {
    return panel.data.width === this.mask.width && panel.data.height === this.mask.height;
  }

  draw() {
    if (!this.mask || !this.evidence.picture) return;
    const layers = this.evidenceLayers();
    if (this.cursor) layers.push(brushLayer(this.cursor, this.radius, this.erasing));
    else if (this.probe) layers.push(markerLayer(this.probe));
    this.evidence.draw(...layers);
    for (const panel of this.panels) {
      const over = this.panelLayers(panel);
      const pixel = this.probe || this.cursor;
      if (pixel && panel.surface.contains(pixel) && this.sameSize(panel)) over.push(markerLayer(pixel));
      panel.surface.draw(...over);
    }
  }

  // Say which pixel is read and what every picture has there.
  readout() {
    const pixel = this.probe || this.cursor;
    const target = this.part("readout");
    if (!pixel || !this.evidence.contains(pixel)) {
      target.textContent = "";
      return "";
    }
    const [x, y] = pixel;
    const hidden = this.mask.cells[y * this.mask.width + x];
    const parts = [`row ${y}, column ${x}`,
      `${this.name} ${valueAt(this.evidence.picture, x, y, this.range)}${hidden ? " (hidden)" : ""}`];
    for (const panel of this.panels.filter((p) => this.sameSize(p)).slice(0, 3)) {
      parts.push(`${panel.data.label} ${valueAt(panel.surface.picture, x, y, this.range)}`);
    }
    target.textContent = parts.join("  ·  ");
    return parts.join(", ");
  }

  showPanels(list) {
    while (this.panels.length > list.length) {
      const last = this.panels.pop();
      this.resize.unobserve(last.surface.canvas);
      last.figure.remove();
    }
    list.forEach((data, index) => {
      const panel = this.panels[index] || this.addPanel();
      panel.data = data;
      panel.name.textContent = data.label;
      panel.name.title = data.label;
      panel.note.textContent = data.caption;
      panel.note.title = data.caption;
      panel.surface.show(decodePicture(data));
      panel.surface.canvas.setAttribute("aria-label", `${data.label}. ${data.caption}`.trim());
      panel.save.setAttribute("aria-label", `Save picture ${data.label}`);
      panel.figure.classList.toggle("large", data.large);
      const home = this.part(data.large ? "stage" : "small");
      if (panel.figure.parentNode !== home) home.append(panel.figure);
    });
    this.showEmpty(!list.length);
  }

  showEmpty(empty) {
    if (empty && !this.empty) {
      this.empty = el("div", { class: "empty", text: "Hide some pixels: the completion appears here." });
      this.part("stage").append(this.empty);
    } else if (!empty && this.empty) {
      this.empty.remove();
      this.empty = null;
    }
  }

  addPanel() {
    const canvas = el("canvas", { role: "img" });
    const save = el("button", { type: "button", class: "save", title: "Save picture as PNG" }, icon(ICONS.save));
    const name = el("span", { class: "name" });
    const note = el("span", { class: "note" });
    const figure = el("figure", { class: "tile panel" },
      el("figcaption", {}, name, note), el("div", { class: "frame" }, canvas, save));
    const panel = { surface: new Surface(canvas), figure, name, note, save, data: null };
    const read = (event) => {
      const pixel = panel.surface.locate(event);
      this.probe = this.sameSize(panel) && panel.surface.contains(pixel) ? pixel : null;
      this.redraw();
      this.readout();
    };
    canvas.addEventListener("pointermove", read);
    canvas.addEventListener("pointerdown", read);
    canvas.addEventListener("pointerleave", () => { this.probe = null; this.redraw(); this.readout(); });
    save.addEventListener("click", () =>
      savePicture(panel.surface.picture, panel.data.label, ...this.panelLayers(panel)));
    this.resize.observe(canvas);
    this.panels.push(panel);
    return panel;
  }
}
