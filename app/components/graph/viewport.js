// Pan and zoom: one transform (scale k, offset x, y) on the world group; pointer, wheel, pinch.

const ZOOM = { least: 0.05, most: 4 };

class Viewport {
  // hooks: { changed(k), tapped(event), tappedTwice(event) }
  constructor(svg, world, hooks) {
    this.svg = svg;
    this.world = world;
    this.hooks = hooks;
    this.k = 1;
    this.x = 0;
    this.y = 0;
    this.touched = false; // until somebody moves it, it follows the size of the window
    this.pointers = new Map();
    this.apply = perFrame(() => this.write());
    svg.addEventListener("wheel", (event) => this.wheel(event), { passive: false });
    svg.addEventListener("pointerdown", (event) => this.down(event));
    svg.addEventListener("pointermove", (event) => this.move(event));
    svg.addEventListener("pointerup", (event) => this.up(event));
    svg.addEventListener("pointercancel", (event) => this.up(event));
    svg.addEventListener("dblclick", (event) => { event.preventDefault(); hooks.tappedTwice(event); });
  }

  write() {
    this.world.setAttribute("transform", `translate(${this.x},${this.y}) scale(${this.k})`);
    this.hooks.changed(this.k);
  }

  local(event) {
    const box = this.svg.getBoundingClientRect();
    return { x: event.clientX - box.left, y: event.clientY - box.top };
  }

  zoom(factor, at) {
    const k = Math.min(ZOOM.most, Math.max(ZOOM.least, this.k * factor));
    const { x, y } = at || { x: this.svg.clientWidth / 2, y: this.svg.clientHeight / 2 };
    this.x = x - ((x - this.x) * k) / this.k;
    this.y = y - ((y - this.y) * k) / this.k;
    this.k = k;
    this.touched = true;
    this.apply();
  }

  fit(bounds) {
    const { clientWidth: width, clientHeight: height } = this.svg;
    if (!width || !height) return;
    // In a narrow window the buttons on top reach over its middle, where the root is.
    const pad = { x: 24, top: width < 420 ? 56 : 24, bottom: 36 };
    const k = Math.min((width - 2 * pad.x) / (bounds.right - bounds.left),
      (height - pad.top - pad.bottom) / (bounds.bottom - bounds.top), 1.35);
    this.k = Math.max(ZOOM.least, k);
    this.x = width / 2 - (this.k * (bounds.left + bounds.right)) / 2;
    this.y = pad.top + (height - pad.top - pad.bottom) / 2 - (this.k * (bounds.top + bounds.bottom)) / 2;
    this.touched = false;
    this.apply();
  }

  screen({ x, y }) { return { x: x * this.k + this.x, y: y * this.k + this.y }; }

  // Is all of this in the window?
  holds({ left, right, top, bottom }) {
    const [from, to] = [this.screen({ x: left, y: top }), this.screen({ x: right, y: bottom })];
    return from.x >= 0 && from.y >= 0 && to.x <= this.svg.clientWidth && to.y <= this.svg.clientHeight;
  }

  // Bring a point of the drawing into the window, with as little movement as possible.
  reveal(point, centre) {
    const at = this.screen(point);
    const { clientWidth: width, clientHeight: height } = this.svg;
    if (centre) {
      this.x += width / 2 - at.x;
      this.y += height / 2 - at.y;
    } else {
      const margin = 44;
      const into = (value, size) => Math.min(size - margin, Math.max(margin, value)) - value;
      this.x += into(at.x, width);
      this.y += into(at.y, height);
      if (into(at.x, width) === 0 && into(at.y, height) === 0) return;
    }
    this.touched = true;
    this.apply();
  }

  shift(dx, dy) {
    this.x += dx;
    this.y += dy;
    this.apply();
  }

  wheel(event) {
    event.preventDefault();
    const unit = event.deltaMode === 1 ? 16 : 1;
    const speed = event.ctrlKey ? 0.01 : 0.0016; // a pinch on a touch pad arrives as ctrl + wheel
    this.zoom(Math.exp(-Math.max(-240, Math.min(240, event.deltaY * unit)) * speed), this.local(event));
  }

  down(event) {
    if (event.button !== 0) return;
    this.pointers.set(event.pointerId, this.local(event));
    this.start = { ...this.local(event), moved: this.pointers.size > 1 };
  }

  move(event) {
    const before = this.pointers.get(event.pointerId);
    if (!before) return;
    const now = this.local(event);
    if (this.pointers.size === 1) {
      // A shaking hand is not a drag: a click needs no exact stillness.
      if (!this.start.moved && Math.hypot(now.x - this.start.x, now.y - this.start.y) < 4) return;
      if (!this.start.moved) {
        this.start.moved = true;
        this.svg.setPointerCapture(event.pointerId);
        this.svg.classList.add("dragging");
      }
      this.x += now.x - before.x;
      this.y += now.y - before.y;
      this.touched = true;
      this.apply();
    } else if (this.pointers.size === 2) {
      const other = [...this.pointers].find(([id]) => id !== event.pointerId)[1];
      const spread = (a) => Math.hypot(a.x - other.x, a.y - other.y) || 1;
      const centre = { x: (now.x + other.x) / 2, y: (now.y + other.y) / 2 };
      this.x += (now.x - before.x) / 2;
      this.y += (now.y - before.y) / 2;
      this.zoom(spread(now) / spread(before), centre);
    }
    this.pointers.set(event.pointerId, now);
  }

  up(event) {
    if (!this.pointers.delete(event.pointerId) || this.pointers.size) return;
    this.svg.classList.remove("dragging");
    if (event.type === "pointerup" && !this.start.moved) this.hooks.tapped(event);
  }
}
