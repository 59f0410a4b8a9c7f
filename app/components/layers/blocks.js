// SVG elements of one layer. Shape and sign carry the meaning, colour repeats it.

const PLUS = "M-4 0h8M0-4v8", TIMES = "M-3-3l6 6M3-3l-6 6", BARS = "M-5 4v-5h2.6v5zM-1.3 4v-8h2.6v8zM2.4 4v-3.5h2.6v3.5z";

// A unit as in the graph: a circle with + or ×, a rounded rectangle for leaves.
function unitSign(kind, x, y) {
  const body = kind === "leaf"
    ? svgEl("rect", { class: "disc", x: -9, y: -6.5, width: 18, height: 13, rx: 3 })
    : svgEl("circle", { class: "disc", r: 7.5 });
  const sign = { sum: PLUS, product: TIMES, leaf: BARS }[kind];
  return svgEl("g", { class: kind, transform: `translate(${x},${y})` }, body,
    svgEl("path", { class: kind === "leaf" ? "sign solid" : "sign", d: sign }));
}

// Lines between the units of a block; units that have inputs of their own stand apart.
function stackedBlock(block, signs) {
  const { x, y, w, h, lines } = block;
  const top = signs[signs.length - 1];
  const group = svgEl("g", { class: top });
  const box = (left, width, className) => svgEl("rect", { class: `block ${className}`, x: left, y, width, height: h, rx: top === "leaf" ? 4 : 1 });
  if (block.separate && lines > 1) {
    const step = h / lines;
    for (let i = 0; i < lines; i++) {
      group.append(svgEl("rect", { class: "block strip", x, y: y + i * step + 0.7, width: w, height: Math.max(1.5, step - 1.4) }));
    }
  } else {
    group.append(box(x, w, top));
    if (lines > 1) {
      const cuts = Array.from({ length: lines - 1 }, (_, i) => `M${x} ${y + (i + 1) * h / lines}h${w}`);
      group.append(svgEl("path", { class: "lines", d: cuts.join("") }));
    }
  }
  if (signs.length > 1) group.append(svgEl("g", { class: signs[0] }, box(x, Math.min(22, w / 2), signs[0])));
  if (h >= 18 && w >= 20 * signs.length && (top !== "leaf" || w >= 30)) {
    const middle = y + h / 2;
    if (signs.length > 1) group.append(unitSign(signs[0], x + 11, middle), unitSign(top, x + 11 + w / 2, middle));
    else group.append(unitSign(top, x + w / 2, middle));
  }
  if (block.chosen) group.append(svgEl("rect", { class: "chosen", x: x - 2.5, y: y - 2.5, width: w + 5, height: h + 5, rx: 4 }));
  return group;
}

function cellPath(places, size) {
  return places.map(([x, y]) => `M${x} ${y}h${size}v${size}h${-size}z`).join("");
}

// Rows of children; a place that is left empty is grey and struck out.
function cellBlock(block, signs) {
  const { size } = block;
  const group = svgEl("g", { class: signs[0] }, svgEl("path", { class: "cell", d: cellPath(block.cells, size) }));
  if (block.padding.length) {
    const strokes = block.padding.map(([x, y]) => `M${x} ${y + size}l${size} ${-size}`).join("");
    group.append(svgEl("path", { class: "padding", d: cellPath(block.padding, size) + strokes }));
  }
  if (block.chosen_row !== null && block.chosen_row !== undefined) {
    group.append(svgEl("rect", { class: "chosen", x: block.x - 2.5, y: block.chosen_row - 2, width: block.w + 5, height: size + 4, rx: 3 }));
  }
  return group;
}

function layerRow(row, width) {
  if (row.more) return svgEl("text", { class: "more", x: width / 2, y: row.y + 15, text: row.more });
  const { y, height, signs } = row;
  const group = svgEl("g", { class: "row", role: "option", "data-layer": row.number,
    "aria-label": `Layer ${row.number}, ${row.label}, ${row.detail}, ${row.share_text}` });
  group.append(svgEl("rect", { class: "hit", x: 2, y: y + 1, width: width - 4, height: height - 2, rx: 6 }),
    svgEl("rect", { class: "edge", x: 2, y: y + 5, width: 3, height: height - 10, rx: 1.5 }),
    svgEl("text", { class: "number", x: 30, y: y + 17, text: row.number }));
  signs.forEach((kind, i) => group.append(unitSign(kind, signs.length > 1 ? 14 + 18 * i : 22, y + 33)));
  const name = svgEl("text", { class: "name", x: 50, y: y + 16, text: row.label });
  name.append(svgEl("tspan", { class: "detail", dx: 8, text: row.detail }));
  group.append(name);
  for (const block of row.blocks) {
    const drawn = block.cells ? cellBlock(block, signs) : stackedBlock(block, signs);
    drawn.setAttribute("data-title", block.title);
    group.append(drawn);
  }
  for (const note of row.notes) group.append(svgEl("text", { class: "note", x: note.x, y: note.y, text: note.text }));
  const bar = 58;
  const left = width - 12 - bar;
  group.append(svgEl("text", { class: "share", x: width - 12, y: y + 30, text: row.share_text }),
    svgEl("rect", { class: "track", x: left, y: y + 35, width: bar, height: 4, rx: 2 }),
    svgEl("rect", { class: "bar", x: left, y: y + 35, width: Math.max(row.share > 0 ? 1 : 0, bar * row.share), height: 4, rx: 2 }));
  return group;
}

function paddingSign() {
  return svgEl("path", { class: "padding", d: "M4 4h12v12h-12zM4 16l12-12" });
}
