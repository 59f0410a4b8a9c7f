// Painting canvas: tools, pointer and keyboard, and the exchange with Python.
//
// In:  data = { image, panels, sequence, mask, mask_version, keep_mask, brush, presets, live, range, help }
// Out: state "mask" = { bits, sequence, height, width, image_id, mask_version, final }

const CANVASES = new WeakMap();

class Painter {
  constructor(root) {
    this.root = root;
    this.view = new View(root);
    this.part = this.view.part;
    this.tool = "brush";
    this.radius = 1;
    this.stroke = null; // { pointer, last, value }
    this.seed = 1;
    this.sender = new Sender((sequence) => this.post(sequence),
      (busy) => root.classList.toggle("pending", busy));
    this.bindTools();
    this.bindPointer();
    this.bindKeys();
    this.showTool();
  }

  get mask() { return this.view.mask; }

  post(sequence) {
    this.setState("mask", {
      bits: bytesToBase64(this.mask.pack()), sequence, height: this.mask.height,
      width: this.mask.width, image_id: this.imageId, mask_version: this.maskVersion,
      final: !this.stroke && !this.spaceHeld,
    });
  }

  bindTools() {
    const button = (action) => this.root.querySelector(`[data-action="${action}"]`);
    button("undo").append(icon(ICONS.undo));
    button("redo").append(icon(ICONS.redo));
    button("save").append(icon(ICONS.save));
    for (const tool of this.root.querySelectorAll("[data-tool]")) {
      tool.addEventListener("click", () => { this.tool = tool.dataset.tool; this.showTool(); });
    }
    this.part("size").addEventListener("input", (event) => this.setRadius(Number(event.target.value)));
    this.part("outline").addEventListener("change", this.view.redraw);
    for (const action of ["undo", "redo", "invert", "clear"]) {
      button(action).addEventListener("click", () => this.act(action));
    }
    button("save").addEventListener("click", () =>
      savePicture(this.view.evidence.picture, this.view.name, ...this.view.evidenceLayers()));
  }

  act(action) {
    const { mask } = this;
    const changed = {
      undo: () => mask.undo(), redo: () => mask.redo(),
      invert: () => mask.change((x, y, old) => !old), clear: () => mask.change(() => false),
    }[action]();
    if (changed) this.changed(true);
  }

  preset(name) {
    const { height, width } = this.mask;
    this.seed++;
    if (this.mask.change(presetRule(name, height, width, this.seed))) this.changed(true);
  }

  // The mask is different: draw it, and send it now (stroke over) or soon (stroke going on).
  changed(finished) {
    this.view.redraw();
    this.view.readout();
    this.showTool();
    if (finished) this.sender.now();
    else if (this.live) this.sender.soon();
  }

  setRadius(radius) {
    const slider = this.part("size");
    this.radius = Math.min(Number(slider.max), Math.max(0, radius));
    slider.value = this.radius;
    slider.setAttribute("aria-valuetext", `${2 * this.radius + 1} pixels wide`);
    this.part("size-text").textContent = 2 * this.radius + 1;
    this.showTool();
  }

  showTool() {
    this.view.radius = this.radius;
    this.view.erasing = this.stroke ? !this.stroke.value : this.tool === "eraser";
    for (const tool of this.root.querySelectorAll("[data-tool]")) {
      tool.setAttribute("aria-pressed", String(tool.dataset.tool === this.tool));
    }
    this.root.querySelector('[data-action="undo"]').disabled = !this.mask || !this.mask.past.length;
    this.root.querySelector('[data-action="redo"]').disabled = !this.mask || !this.mask.future.length;
    this.view.redraw();
  }

  bindPointer() {
    const { canvas } = this.view.evidence;
    const surface = this.view.evidence;
    canvas.addEventListener("contextmenu", (event) => event.preventDefault());
    canvas.addEventListener("pointerdown", (event) => {
      if (this.stroke || !this.mask || event.button === 1) return;
      event.preventDefault();
      canvas.focus({ preventScroll: true });
      canvas.setPointerCapture(event.pointerId);
      const erase = this.tool === "eraser" || event.button === 2 || event.button === 5;
      const at = surface.locate(event);
      this.stroke = { pointer: event.pointerId, last: at, value: erase ? 0 : 1 };
      this.mask.begin();
      this.mask.line(at, at, this.radius, this.stroke.value);
      this.view.cursor = at;
      this.changed(false);
    });
    canvas.addEventListener("pointermove", (event) => {
      this.view.cursor = surface.locate(event);
      if (!this.stroke) { this.view.redraw(); this.view.readout(); return; }
      if (event.pointerId !== this.stroke.pointer) return;
      const path = event.getCoalescedEvents ? event.getCoalescedEvents() : [];
      let moved = false;
      for (const step of path.length ? path : [event]) {
        const at = surface.locate(step);
        if (at[0] === this.stroke.last[0] && at[1] === this.stroke.last[1]) continue;
        this.mask.line(this.stroke.last, at, this.radius, this.stroke.value);
        this.stroke.last = at;
        moved = true;
      }
      if (moved) this.changed(false);
    });
    const finish = (event) => {
      if (!this.stroke || event.pointerId !== this.stroke.pointer) return;
      this.stroke = null;
      if (event.pointerType === "touch") this.view.cursor = null;
      this.finishStroke();
    };
    canvas.addEventListener("pointerup", finish);
    canvas.addEventListener("pointercancel", finish);
    canvas.addEventListener("pointerleave", () => {
      if (this.stroke) return;
      this.view.cursor = null;
      this.view.redraw();
      this.view.readout();
    });
  }

  finishStroke() {
    if (this.mask.commit()) this.changed(true);
    else { this.sender.cancel(); this.showTool(); }
  }

  bindKeys() {
    const { canvas } = this.view.evidence;
    canvas.addEventListener("keydown", (event) => {
      if (this.mask && this.key(event)) { event.preventDefault(); event.stopPropagation(); }
    });
    canvas.addEventListener("keyup", (event) => {
      if (event.key === " " && this.spaceHeld) { this.spaceHeld = false; this.finishStroke(); }
    });
    canvas.addEventListener("blur", () => {
      if (this.spaceHeld) { this.spaceHeld = false; this.finishStroke(); }
      this.view.cursor = null;
      this.view.redraw();
    });
  }

  key(event) {
    const arrows = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    const name = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    if (event.ctrlKey || event.metaKey) {
      if (name === "z") this.act(event.shiftKey ? "redo" : "undo");
      else if (name === "y") this.act("redo");
      else return false;
      return true;
    }
    if (arrows[name]) { this.moveCursor(arrows[name], event.shiftKey ? 5 : 1); return true; }
    if (name === " ") { if (!event.repeat) this.startKeyStroke(); return true; }
    const actions = {
      b: () => { this.tool = "brush"; this.showTool(); }, e: () => { this.tool = "eraser"; this.showTool(); },
      "[": () => this.setRadius(this.radius - 1), "]": () => this.setRadius(this.radius + 1),
      i: () => this.act("invert"), Delete: () => this.act("clear"),
    };
    if (!actions[name]) return false;
    actions[name]();
    return true;
  }

  keyCursor() {
    const { width, height } = this.mask;
    if (!this.view.cursor) this.view.cursor = this.lastCursor || [width >> 1, height >> 1];
    return this.view.cursor;
  }

  moveCursor([dx, dy], step) {
    const [x, y] = this.keyCursor();
    const clamp = (value, size) => Math.min(size - 1, Math.max(0, value));
    const next = [clamp(x + dx * step, this.mask.width), clamp(y + dy * step, this.mask.height)];
    if (this.spaceHeld) {
      this.mask.line([x, y], next, this.radius, this.tool === "brush" ? 1 : 0);
      this.changed(false);
    }
    this.view.cursor = this.lastCursor = next;
    this.view.redraw();
    this.part("live").textContent = this.view.readout();
  }

  startKeyStroke() {
    const at = this.keyCursor();
    this.spaceHeld = true;
    this.mask.begin();
    this.mask.line(at, at, this.radius, this.tool === "brush" ? 1 : 0);
    this.changed(false);
  }

  // ---- from Python ----

  takeImage(image, keepMask) {
    const first = this.imageId === undefined;
    const resized = !this.mask || this.mask.height !== image.height || this.mask.width !== image.width;
    if (resized || (!first && !keepMask && image.id !== this.imageId)) {
      this.stroke = null;
      this.view.mask = new Mask(image.height, image.width);
      this.maskVersion = undefined; // the new mask starts as Python says
    }
    const changed = image.id !== this.imageId || resized;
    if (changed || image.pixels !== this.pixels) this.view.evidence.show(decodePicture(image));
    this.pixels = image.pixels;
    this.imageId = image.id;
    this.view.name = image.label;
    this.part("name").textContent = image.label;
    this.view.evidence.canvas.setAttribute("aria-label",
      `${image.label}, ${image.height} rows by ${image.width} columns. Arrow keys move, space hides pixels, `
      + "B brush, E eraser, brackets change the size, control Z undoes.");
    if (resized) this.part("size").max = Math.max(2, Math.round(Math.min(image.height, image.width) / 4));
    return changed;
  }

  takeMask(data) {
    if (data.mask_version === this.maskVersion) return;
    const undoable = this.maskVersion !== undefined;
    this.stroke = null;
    if (undoable) this.mask.begin();
    this.mask.unpack(base64ToBytes(data.mask));
    if (undoable) this.mask.commit();
    this.maskVersion = data.mask_version;
  }

  takePresets(names) {
    const wanted = names.join(" ");
    if (wanted === this.presetNames) return;
    this.presetNames = wanted;
    this.part("presets").replaceChildren(...names.map((name) => {
      const picture = svgEl("svg", { viewBox: "0 0 12 12", "aria-hidden": "true" });
      const rule = presetRule(name, 12, 12, 5);
      for (let y = 0; y < 12; y++) {
        for (let x = 0; x < 12; x++) {
          if (rule(x, y)) picture.append(svgEl("rect", { class: "ink", x, y, width: 1.04, height: 1.04 }));
        }
      }
      picture.append(svgEl("rect", { class: "ground", x: 0.5, y: 0.5, width: 11, height: 11, rx: 1 }));
      const button = el("button", { type: "button", class: "pc-button square preset",
        "data-preset": name, "aria-label": PRESET_NAMES[name], title: PRESET_NAMES[name] }, picture);
      button.addEventListener("click", () => this.preset(name));
      return button;
    }));
  }

  update(data) {
    const fresh = !this.mask;
    const newImage = this.takeImage(data.image, data.keep_mask);
    this.takeMask(data);
    if (fresh) { this.setRadius(data.brush); this.sender.startFrom(data.sequence); }
    this.live = data.live;
    this.view.range = data.range;
    this.takePresets(data.presets);
    this.part("help").textContent = data.help;
    this.part("help").hidden = !data.help;
    this.view.themeChanged();
    if (newImage || !this.sender.stale(data.sequence)) {
      this.view.showPanels(data.panels);
      this.view.draw();
      const elapsed = this.sender.answered(Math.min(data.sequence, this.sender.sequence));
      if (elapsed !== null) {
        (window.__pcLatency = window.__pcLatency || []).push(elapsed);
        this.part("latency").textContent = `${elapsed.toFixed(0)} ms`;
      }
    }
    this.view.readout();
    this.showTool();
  }

  release() {
    this.sender.stop();
    this.view.release();
  }
}

export default function (component) {
  const { data, parentElement, setStateValue } = component;
  let painter = CANVASES.get(parentElement);
  if (!painter) {
    painter = new Painter(parentElement.querySelector(".pc-root"));
    CANVASES.set(parentElement, painter);
  }
  painter.setState = setStateValue;
  painter.update(data);
  return cleanupWhenGone(parentElement, () => painter.release());
}
