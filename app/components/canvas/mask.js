// The mask: a bitmap at data resolution with brush, presets and undo. Knows no DOM.

const UNDO_LIMIT = 200;

class Mask {
  constructor(height, width) {
    this.height = height;
    this.width = width;
    this.cells = new Uint8Array(height * width);
    this.past = [];
    this.future = [];
    this.version = 0; // grows with every change; lets views cache what they derive
  }

  count() {
    let total = 0;
    for (const cell of this.cells) total += cell;
    return total;
  }

  // The bits in row-major order, most significant first (numpy.packbits).
  pack() {
    const bytes = new Uint8Array((this.cells.length + 7) >> 3);
    for (let i = 0; i < this.cells.length; i++) if (this.cells[i]) bytes[i >> 3] |= 128 >> (i & 7);
    return bytes;
  }

  unpack(bytes) {
    for (let i = 0; i < this.cells.length; i++) this.cells[i] = (bytes[i >> 3] >> (7 - (i & 7))) & 1;
    this.version++;
  }

  // Remember the present before a change; forget it again if nothing came of it.
  begin() {
    this.past.push(this.cells.slice());
    if (this.past.length > UNDO_LIMIT) this.past.shift();
  }

  commit() {
    const before = this.past[this.past.length - 1];
    if (before && before.every((cell, i) => cell === this.cells[i])) {
      this.past.pop();
      return false;
    }
    this.future = [];
    return true;
  }

  travel(from, to) {
    if (!from.length) return false;
    to.push(this.cells);
    this.cells = from.pop();
    this.version++;
    return true;
  }

  undo() { return this.travel(this.past, this.future); }

  redo() { return this.travel(this.future, this.past); }

  // All pixels whose centre lies within radius + 1/2 of (x, y).
  stamp(x, y, radius, value) {
    const reach = (radius + 0.5) ** 2;
    for (let row = Math.max(0, y - radius); row <= Math.min(this.height - 1, y + radius); row++) {
      for (let column = Math.max(0, x - radius); column <= Math.min(this.width - 1, x + radius); column++) {
        if ((row - y) ** 2 + (column - x) ** 2 < reach) this.cells[row * this.width + column] = value;
      }
    }
    this.version++;
  }

  line([x0, y0], [x1, y1], radius, value) {
    const steps = Math.max(Math.abs(x1 - x0), Math.abs(y1 - y0), 1);
    for (let i = 0; i <= steps; i++) {
      this.stamp(Math.round(x0 + ((x1 - x0) * i) / steps), Math.round(y0 + ((y1 - y0) * i) / steps), radius, value);
    }
  }

  // One undoable change of every pixel: rule(x, y, old) -> truthy to hide.
  change(rule) {
    this.begin();
    const next = new Uint8Array(this.cells.length);
    for (let y = 0; y < this.height; y++) {
      for (let x = 0; x < this.width; x++) {
        const i = y * this.width + x;
        next[i] = rule(x, y, this.cells[i]) ? 1 : 0;
      }
    }
    this.cells = next;
    this.version++;
    return this.commit();
  }

  // The border between hidden and visible pixels, in units of pixels.
  outline() {
    const path = new Path2D();
    const { width, height, cells } = this;
    const at = (x, y) => (x < 0 || y < 0 || x >= width || y >= height ? 0 : cells[y * width + x]);
    for (let y = 0; y <= height; y++) {
      for (let x = 0; x <= width; x++) {
        const here = at(x, y);
        if (here !== at(x, y - 1)) { path.moveTo(x, y); path.lineTo(x + 1, y); }
        if (here !== at(x - 1, y)) { path.moveTo(x, y); path.lineTo(x, y + 1); }
      }
    }
    return path;
  }
}

const PRESET_NAMES = {
  left: "Hide the left half", right: "Hide the right half", top: "Hide the top half",
  bottom: "Hide the bottom half", centre: "Hide a square in the centre",
  strokes: "Hide random strokes", checker: "Hide a checkerboard", salt: "Hide random pixels",
};

// Small deterministic generator (mulberry32): random patterns differ from click to click only.
function generator(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

function randomStrokes(height, width, random) {
  const scratch = new Mask(height, width);
  const side = Math.min(height, width);
  const radius = side < 12 ? 0 : Math.max(1, Math.round(side / 22));
  for (let stroke = 0; stroke < 4; stroke++) {
    let point = [Math.floor(random() * width), Math.floor(random() * height)];
    let angle = random() * 2 * Math.PI;
    for (let step = 0; step < 4; step++) {
      angle += (random() - 0.5) * 1.6;
      const next = [
        Math.min(width - 1, Math.max(0, Math.round(point[0] + (Math.cos(angle) * side) / 5))),
        Math.min(height - 1, Math.max(0, Math.round(point[1] + (Math.sin(angle) * side) / 5)))];
      scratch.line(point, next, radius, 1);
      point = next;
    }
  }
  return scratch.cells;
}

// name -> rule(x, y) for a picture of this size
function presetRule(name, height, width, seed) {
  const random = generator(seed);
  if (name === "strokes") {
    const cells = randomStrokes(height, width, random);
    return (x, y) => cells[y * width + x];
  }
  const block = Math.max(1, Math.round(Math.min(height, width) / 10));
  const rules = {
    left: (x) => 2 * x < width - 1,
    right: (x) => 2 * x > width - 1,
    top: (x, y) => 2 * y < height - 1,
    bottom: (x, y) => 2 * y > height - 1,
    centre: (x, y) => Math.abs(2 * x - width + 1) < width / 2 && Math.abs(2 * y - height + 1) < height / 2,
    checker: (x, y) => (Math.floor(x / block) + Math.floor(y / block)) % 2,
    salt: () => random() < 0.4,
  };
  return rules[name];
}
