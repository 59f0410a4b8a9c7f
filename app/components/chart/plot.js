// Drawing on the canvas: axes, curves, annotations, crosshair.

const DASHES = { dashed: [7, 5] };

class Plot {
  constructor(canvas) {
    this.canvas = canvas;
    this.context = canvas.getContext("2d");
    this.box = { left: 56, top: 14, right: 16, bottom: 40 };
    this.x = [0, 1];
    this.y = [0, 1];
  }

  fit(ratio) {
    const width = this.canvas.clientWidth;
    const height = this.canvas.clientHeight;
    if (!width || !height) return false;
    const [w, h] = [Math.round(width * ratio), Math.round(height * ratio)];
    if (this.canvas.width !== w || this.canvas.height !== h) { this.canvas.width = w; this.canvas.height = h; }
    this.width = width;
    this.height = height;
    this.context.setTransform(ratio, 0, 0, ratio, 0, 0);
    return true;
  }

  get inner() {
    const { left, top, right, bottom } = this.box;
    return { left, top, width: this.width - left - right, height: this.height - top - bottom };
  }

  toX(value) { const { left, width } = this.inner; return left + ((value - this.x[0]) / (this.x[1] - this.x[0])) * width; }

  toY(value) { const { top, height } = this.inner; return top + (1 - (value - this.y[0]) / (this.y[1] - this.y[0])) * height; }

  fromX(pixel) { const { left, width } = this.inner; return this.x[0] + ((pixel - left) / width) * (this.x[1] - this.x[0]); }

  fromY(pixel) { const { top, height } = this.inner; return this.y[0] + (1 - (pixel - top) / height) * (this.y[1] - this.y[0]); }

  font(size, weight) { this.context.font = `${weight || 400} ${size}px ${this.theme.font}`; }

  draw(state) {
    if (!this.fit(state.ratio || window.devicePixelRatio || 1)) return;
    this.theme = state.theme;
    this.x = state.x;
    this.y = state.y;
    const { context } = this;
    const marks = this.markRows(state.annotations);
    this.box.top = marks.rows ? 10 + 17 * marks.rows : 14;
    context.clearRect(0, 0, this.width, this.height);
    if (state.background) { context.fillStyle = state.background; context.fillRect(0, 0, this.width, this.height); }
    this.axes(state);
    if (!state.series.some(({ x }) => x.length)) { this.nothing(); return; }
    context.save();
    const { left, top, width, height } = this.inner;
    context.beginPath();
    context.rect(left - 6, top - 8, width + 12, height + 10);
    context.clip();
    for (const one of state.series) this.curve(one);
    this.drawn = state.series;
    this.annotationLines(state.annotations);
    if (state.best) this.best(state.best);
    if (state.cursor !== null && state.cursor !== undefined) this.crosshair(state);
    context.restore();
    this.annotationLabels(marks.places);
    if (state.drag) this.selection(state.drag);
  }

  nothing() {
    const { left, top, width, height } = this.inner;
    this.font(14);
    this.context.fillStyle = this.theme.muted;
    this.context.textAlign = "center";
    this.context.fillText("No values yet", left + width / 2, top + height / 2);
  }

  axes({ series, xLabel, yLabel }) {
    const { context } = this;
    this.font(13);
    const rough = niceTicks(this.y[0], this.y[1], Math.max(2, this.height / 42));
    const widest = Math.max(...rough.ticks.map((tick) => context.measureText(tickText(tick, rough.step)).width));
    this.box.left = Math.ceil(widest) + (yLabel ? 38 : 18);
    const { left, top, width, height } = this.inner;
    context.lineWidth = 1;
    context.strokeStyle = this.theme.line;
    context.fillStyle = this.theme.muted;
    context.textBaseline = "middle";
    context.textAlign = "right";
    for (const tick of rough.ticks) {
      const at = Math.round(this.toY(tick)) + 0.5;
      context.globalAlpha = 0.75;
      context.beginPath();
      context.moveTo(left, at);
      context.lineTo(left + width, at);
      context.stroke();
      context.globalAlpha = 1;
      context.fillText(tickText(tick, rough.step), left - 9, at);
    }
    const whole = series.every(({ x }) => x.every(Number.isInteger));
    const across = niceTicks(this.x[0], this.x[1], Math.max(2, width / 75), whole);
    context.textAlign = "center";
    for (const tick of across.ticks) {
      const at = Math.round(this.toX(tick)) + 0.5;
      context.beginPath();
      context.moveTo(at, top + height);
      context.lineTo(at, top + height + 5);
      context.stroke();
      context.fillText(tickText(tick, across.step), at, top + height + 15);
    }
    context.strokeStyle = this.theme.muted;
    context.beginPath();
    context.moveTo(left, top + height + 0.5);
    context.lineTo(left + width, top + height + 0.5);
    context.stroke();
    context.textAlign = "right";
    context.fillText(xLabel, left + width, top + height + 32);
    if (yLabel) {
      context.save();
      context.translate(11, top + height / 2);
      context.rotate(-Math.PI / 2);
      context.textAlign = "center";
      context.fillText(yLabel, 0, 0);
      context.restore();
    }
  }

  curve({ x, y, colour, style }) {
    const { context } = this;
    context.strokeStyle = context.fillStyle = colour;
    context.lineWidth = style === "faint" ? 1.2 : 2.2;
    context.globalAlpha = style === "faint" ? 0.5 : 1;
    context.lineJoin = "round";
    context.setLineDash(DASHES[style] || []);
    context.beginPath();
    let pen = false;
    for (let i = 0; i < x.length && style !== "points"; i++) {
      if (y[i] === null) { pen = false; continue; }
      if (pen) context.lineTo(this.toX(x[i]), this.toY(y[i]));
      else context.moveTo(this.toX(x[i]), this.toY(y[i]));
      pen = true;
    }
    context.stroke();
    context.setLineDash([]);
    const visible = x.filter((value) => value >= this.x[0] && value <= this.x[1]).length;
    for (let i = 0; i < x.length && (style === "points" || (visible <= 25 && style !== "faint")); i++) {
      // A lone point between gaps makes no line, so points are drawn while there is room.
      if (y[i] === null) continue;
      context.beginPath();
      context.arc(this.toX(x[i]), this.toY(y[i]), style === "points" ? 3 : 2.6, 0, 2 * Math.PI);
      context.fill();
    }
    context.globalAlpha = 1;
  }

  // Labels of annotations stand above the plot, in up to three rows if they would collide.
  markRows(list) {
    this.font(12);
    const ends = [];
    const places = [];
    for (const { x, label } of [...list].sort((a, b) => a.x - b.x)) {
      if (x < this.x[0] || x > this.x[1]) continue;
      const size = this.context.measureText(label).width;
      const at = Math.min(this.toX(x), this.width - this.box.right - size);
      const free = ends.findIndex((end) => end < at);
      const row = free >= 0 ? free : Math.min(ends.length, 2);
      ends[row] = at + size + 14;
      places.push({ at, label, row });
    }
    return { places, rows: ends.length };
  }

  annotationLabels(places) {
    this.font(12);
    this.context.textAlign = "left";
    this.context.textBaseline = "middle";
    this.context.fillStyle = this.theme.muted;
    for (const { at, label, row } of places) this.context.fillText(label, at, 8 + 17 * row);
  }

  annotationLines(list) {
    const { context } = this;
    const { top, height } = this.inner;
    context.strokeStyle = this.theme.muted;
    context.lineWidth = 1;
    context.setLineDash([2, 4]);
    for (const { x } of list) {
      const at = Math.round(this.toX(x)) + 0.5;
      context.beginPath();
      context.moveTo(at, top - 6);
      context.lineTo(at, top + height);
      context.stroke();
    }
    context.setLineDash([]);
  }

  best({ x, y, label }) {
    const { context } = this;
    const [px, py] = [this.toX(x), this.toY(y)];
    context.beginPath();
    context.arc(px, py, 6.5, 0, 2 * Math.PI);
    context.fillStyle = this.theme.background;
    context.fill();
    context.lineWidth = 2.2;
    context.strokeStyle = this.theme.text;
    context.stroke();
    context.beginPath();
    context.arc(px, py, 2.4, 0, 2 * Math.PI);
    context.fillStyle = this.theme.text;
    context.fill();
    const text = `${label}: ${valueText(y)}`;
    this.font(13, 600);
    const [at, line] = this.freePlace(px, py, context.measureText(text).width / 2);
    context.textAlign = "center";
    context.textBaseline = "middle";
    context.lineWidth = 4;
    context.strokeStyle = this.theme.background;
    context.strokeText(text, at, line);
    context.fillText(text, at, line);
  }

  // Where a text of this half width near a point covers least of the curves: above or below it,
  // in the middle or to a side; the nearest such place.
  freePlace(px, py, half) {
    const { left, top, width, height } = this.inner;
    let [place, least] = [[px, py - 20], Infinity];
    for (const up of [20, -20, 36, -36, 54, -54, 74, -74]) {
      for (const aside of [0, half, -half, half + 16, -half - 16]) {
        const at = Math.min(left + width - half - 4, Math.max(left + half + 4, px + aside));
        const line = py - up;
        if (line < top + 8 || line > top + height - 8) continue;
        const cost = 40 * this.covered(at - half - 6, at + half + 6, line - 11, line + 11)
          + Math.abs(up) + Math.abs(at - px) / 4;
        if (cost < least) [place, least] = [[at, line], cost];
      }
    }
    return place;
  }

  // How many points of the curves, taken every few pixels, are inside a box.
  covered(x0, x1, y0, y1) {
    let count = 0;
    for (const { x, y } of this.drawn) {
      for (let at = x0; at <= x1; at += 4) {
        const value = this.fromX(at);
        if (!x.length || value < x[0] || value > x[x.length - 1]) continue;
        let i = nearestIndex(x, value);
        if (x[i] > value && i > 0) i--;
        const j = Math.min(i + 1, x.length - 1);
        if (y[i] === null || y[j] === null) continue;
        const part = x[j] === x[i] ? 0 : (value - x[i]) / (x[j] - x[i]);
        const [low, high] = [this.toY(y[i]), this.toY(y[j])];
        const pixel = low + part * (high - low);
        if (pixel >= y0 && pixel <= y1) count++;
      }
    }
    return count;
  }

  crosshair({ cursor, series }) {
    const { context } = this;
    const { top, height } = this.inner;
    const at = Math.round(this.toX(cursor)) + 0.5;
    context.strokeStyle = this.theme.muted;
    context.lineWidth = 1;
    context.beginPath();
    context.moveTo(at, top);
    context.lineTo(at, top + height);
    context.stroke();
    for (const { x, y, colour } of series) {
      if (!x.length) continue;
      const i = nearestIndex(x, cursor);
      if (y[i] === null) continue;
      context.beginPath();
      context.arc(this.toX(x[i]), this.toY(y[i]), 4.5, 0, 2 * Math.PI);
      context.fillStyle = colour;
      context.fill();
      context.lineWidth = 2;
      context.strokeStyle = this.theme.background;
      context.stroke();
    }
  }

  selection({ from, to, tall }) {
    const { context } = this;
    const { top, height } = this.inner;
    const x = Math.min(from.x, to.x);
    const box = tall ? [x, Math.min(from.y, to.y), Math.abs(to.x - from.x), Math.abs(to.y - from.y)]
      : [x, top, Math.abs(to.x - from.x), height];
    context.fillStyle = context.strokeStyle = this.theme.accent;
    context.globalAlpha = 0.14;
    context.fillRect(...box);
    context.globalAlpha = 1;
    context.lineWidth = 1;
    context.strokeRect(...box);
  }
}

// A copy of the drawing with the names of its curves below: on the page they are no part of it.
function withLegend(drawing, series, theme, ratio) {
  const sheet = document.createElement("canvas");
  const context = sheet.getContext("2d");
  const [row, dash, gap] = [22, 26, 22];
  context.font = `400 13px ${theme.font}`;
  const sizes = series.map(({ name }) => dash + 8 + context.measureText(name).width + gap);
  const room = drawing.width / ratio - 16;
  let [at, line] = [0, 0];
  const places = sizes.map((size) => {
    if (at && at + size > room) [at, line] = [0, line + 1];
    const place = { x: 8 + at, y: drawing.height / ratio + row * (line + 0.5) };
    at += size;
    return place;
  });
  sheet.width = drawing.width;
  sheet.height = drawing.height + Math.round(ratio * row * (series.length ? line + 1 : 0));
  context.fillStyle = theme.background;
  context.fillRect(0, 0, sheet.width, sheet.height);
  context.drawImage(drawing, 0, 0);
  context.scale(ratio, ratio);
  context.font = `400 13px ${theme.font}`;
  context.textBaseline = "middle";
  series.forEach(({ name, colour, style }, i) => {
    const { x, y } = places[i];
    context.strokeStyle = colour;
    context.lineWidth = style === "faint" ? 1.2 : 2.2;
    context.setLineDash(DASHES[style] || []);
    context.beginPath();
    context.moveTo(x, y);
    context.lineTo(x + dash, y);
    context.stroke();
    context.setLineDash([]);
    context.fillStyle = theme.text;
    context.fillText(name, x + dash + 8, y);
  });
  return sheet;
}
