// Numbers for axes: nice ticks, labels, ranges. Knows no DOM.

// Multiples of 1, 2 or 5 times a power of ten inside [low, high]; whole: of numbers that count.
function niceTicks(low, high, count, whole = false) {
  const raw = Math.max((high - low) / Math.max(1, count), whole && high - low >= 1 ? 1 : 0);
  if (!(raw > 0) || !Number.isFinite(raw)) return { ticks: [low], step: 1 };
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].find((factor) => factor * power >= raw * 0.999) * power;
  const ticks = [];
  for (let i = Math.ceil(low / step - 1e-9); i * step <= high + step * 1e-9; i++) ticks.push(i * step);
  return { ticks, step };
}

// A tick with just the decimals its step needs; a real minus sign.
function tickText(value, step) {
  const size = Math.max(Math.abs(value), step);
  if (size >= 1e6 || (size < 1e-4 && size > 0)) return value.toExponential(1).replace("-", "\u2212");
  const decimals = Math.max(0, -Math.floor(Math.log10(step) + 1e-9));
  return (Math.abs(value) < step * 1e-6 ? 0 : value).toFixed(Math.min(decimals, 8)).replace("-", "\u2212");
}

// A value for reading: five significant digits.
function valueText(value) {
  if (value === null || value === undefined) return "\u2013";
  if (value === 0) return "0";
  const size = Math.abs(value);
  if (size >= 1e6 || size < 1e-4) return value.toExponential(3).replace("-", "\u2212");
  return Number(value.toPrecision(5)).toString().replace("-", "\u2212");
}

function extent(values) {
  let low = Infinity;
  let high = -Infinity;
  for (const value of values) {
    if (value === null) continue;
    if (value < low) low = value;
    if (value > high) high = value;
  }
  return low <= high ? [low, high] : null;
}

function padded([low, high], share) {
  if (low === high) return [low - (Math.abs(low) * 0.05 || 0.5), high + (Math.abs(high) * 0.05 || 0.5)];
  const pad = (high - low) * share;
  return [low - pad, high + pad];
}

// Range of y over the points with x inside [from, to]; "tail" leaves out the first fifth of each curve.
function yRange(series, [from, to], tail) {
  const values = [];
  for (const { x, y } of series) {
    const inside = [];
    for (let i = 0; i < x.length; i++) if (x[i] >= from && x[i] <= to && y[i] !== null) inside.push(y[i]);
    const skip = tail ? Math.min(inside.length - 2, Math.ceil(inside.length * 0.2)) : 0;
    for (let i = Math.max(0, skip); i < inside.length; i++) values.push(inside[i]);
  }
  return padded(extent(values) || [0, 1], 0.06);
}

// Index of the point nearest in x; x is ascending.
function nearestIndex(x, target) {
  let low = 0;
  let high = x.length - 1;
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (x[middle] < target) low = middle;
    else high = middle;
  }
  return high > low && Math.abs(x[high] - target) < Math.abs(x[low] - target) ? high : low;
}

function csvText(series, xLabel) {
  const quote = (text) => {
    const safe = /^[=+@\t\r-]/.test(text) ? `'${text}` : text; // a spreadsheet must not run a name
    return /[",\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
  };
  const rows = new Map();
  series.forEach(({ x, y }, column) => x.forEach((at, i) => {
    if (!rows.has(at)) rows.set(at, new Array(series.length).fill(""));
    rows.get(at)[column] = y[i] === null ? "" : y[i];
  }));
  const lines = [...rows].sort((a, b) => a[0] - b[0]).map(([at, values]) => [at, ...values].join(","));
  return [[quote(xLabel || "x"), ...series.map(({ name }) => quote(name))].join(","), ...lines].join("\n") + "\n";
}
