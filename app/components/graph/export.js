// Save the graph as it looks: a copy of the SVG whose styles are written into the elements.

const STYLES = ["fill", "stroke", "stroke-width", "stroke-dasharray", "stroke-linecap", "stroke-linejoin",
  "paint-order", "opacity", "font-size", "font-weight", "font-family", "text-anchor", "dominant-baseline"];
const EXPORT_OMITS = ".hit, .toggle, .select-ring, .weight.crowded";

function standaloneSvg(svg, bounds, title, background) {
  const copy = svg.cloneNode(true);
  const from = svg.querySelectorAll("*");
  const to = copy.querySelectorAll("*");
  from.forEach((element, i) => {
    const computed = getComputedStyle(element);
    to[i].removeAttribute("style");
    if (computed.display === "none") return; // too small to read on screen is readable on paper
    for (const name of STYLES) {
      const value = computed.getPropertyValue(name);
      if (value) to[i].setAttribute(name, value);
    }
  });
  copy.querySelectorAll(EXPORT_OMITS).forEach((element) => element.remove());
  copy.querySelectorAll("*").forEach((element) => {
    for (const name of ["class", "id", "role", "tabindex", "data-id", "data-role", "aria-label"]) element.removeAttribute(name);
  });
  const width = Math.ceil(bounds.right - bounds.left);
  const height = Math.ceil(bounds.bottom - bounds.top);
  for (const name of copy.getAttributeNames()) copy.removeAttribute(name);
  setAttributes(copy, { xmlns: SVG_NS, width, height, viewBox: `${bounds.left} ${bounds.top} ${width} ${height}` });
  copy.firstElementChild.removeAttribute("transform");
  copy.prepend(svgEl("title", { text: title }),
    svgEl("rect", { x: bounds.left, y: bounds.top, width, height, fill: background }));
  return { text: new XMLSerializer().serializeToString(copy), width, height };
}

// Nothing is hidden by zoom or dimmed by hover while the copy is made.
function withPlainLook(svg, action) {
  const classes = ["lit", "far", "farther"].filter((name) => svg.classList.contains(name));
  svg.classList.remove(...classes);
  try {
    return action();
  } finally {
    svg.classList.add(...classes);
  }
}

function saveSvg(svg, bounds, title, background) {
  const { text } = withPlainLook(svg, () => standaloneSvg(svg, bounds, title, background));
  saveBlob(new Blob([text], { type: "image/svg+xml" }), fileName(title, "svg"));
}

function savePng(svg, bounds, title, background) {
  const { text, width, height } = withPlainLook(svg, () => standaloneSvg(svg, bounds, title, background));
  const scale = Math.min(3, 8000 / Math.max(width, height));
  const image = new Image();
  image.onload = () => {
    const canvas = el("canvas", { width: Math.round(width * scale), height: Math.round(height * scale) });
    canvas.getContext("2d").drawImage(image, 0, 0, canvas.width, canvas.height);
    canvas.toBlob((blob) => saveBlob(blob, fileName(title, "png")), "image/png");
  };
  image.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(text)}`;
}
