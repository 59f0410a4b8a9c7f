// A roll of a die: [0, 1) divided among its faces, and where the roll fell.

const MOST_DICE = 3;
const NAMED = 0.055; // share of the strip from which a face has its name
const MOST_FACES = 60;

function percent(share) { return `${100 * Math.max(0, Math.min(1, share))}%`; }

function shortNumber(value) {
  return value === 0 || value === 1 ? String(value) : value.toFixed(3).replace(/0+$/, "");
}

function die(roll) {
  const strip = el("div", { class: "strip", role: "img" });
  const scale = el("div", { class: "scale", "aria-hidden": "true" });
  const hit = roll.intervals[roll.hit];
  strip.setAttribute("aria-label", `The die of ${roll.what} shows ${shortNumber(roll.u)}: ${hit[0]}`);
  const faces = roll.intervals.length > MOST_FACES ? [hit] : roll.intervals;
  const marks = [0, 1];
  for (const face of faces) {
    const [name, low, high] = face;
    const text = high - low >= NAMED ? name + (face === hit ? " ✓" : "") : "";
    const node = el("div", { class: face === hit ? "face hit" : "face", text, title: `${name}: ${shortNumber(low)} to ${shortNumber(high)}` });
    node.style.left = percent(low);
    node.style.width = percent(high - low);
    strip.append(node);
    marks.push(low, high);
  }
  const pointer = el("div", { class: "pointer" });
  pointer.style.left = percent(roll.u);
  strip.append(pointer);
  let last = -1;
  for (const mark of [...new Set(marks)].sort((a, b) => a - b)) {
    if (mark - last < 0.06 || Math.abs(mark - roll.u) < 0.075) continue;
    last = mark;
    const label = el("span", { text: shortNumber(mark) });
    label.style.left = percent(mark);
    scale.append(label);
  }
  const u = el("span", { class: "u", text: `${roll.what} rolls ${shortNumber(roll.u)}` });
  u.style.left = percent(Math.max(0.08, Math.min(0.92, roll.u)));
  scale.append(u);
  return el("div", { class: "die" }, strip, scale);
}

function dice(rolls) {
  const shown = rolls.slice(0, MOST_DICE).map(die);
  if (rolls.length > MOST_DICE) shown.push(el("div", { class: "pc-label", text: `and ${rolls.length - MOST_DICE} more dice` }));
  return shown;
}
