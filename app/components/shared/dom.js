// Shared by the three components: small DOM builders, theme, base64, downloads.
// Nothing here parses markup: text reaches the page through textContent only.

const SVG_NS = "http://www.w3.org/2000/svg";

function setAttributes(node, attributes) {
  for (const [name, value] of Object.entries(attributes || {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name === "text") node.textContent = value;
    else node.setAttribute(name, value === true ? "" : String(value));
  }
  return node;
}

// el("button", { class: "tool", text: "Undo" }, child, ...)
function el(tag, attributes, ...children) {
  const node = setAttributes(document.createElement(tag), attributes);
  node.append(...children);
  return node;
}

function svgEl(tag, attributes, ...children) {
  const node = setAttributes(document.createElementNS(SVG_NS, tag), attributes);
  node.append(...children);
  return node;
}

// A 20 x 20 stroked icon from one path string of ours.
function icon(path) {
  return svgEl("svg", { viewBox: "0 0 20 20", class: "pc-icon", "aria-hidden": "true" },
    svgEl("path", { d: path }));
}

const ICONS = {
  save: "M10 3v9M6.5 8.8 10 12.3l3.5-3.5M4 16.5h12",
  undo: "M7.5 4.5 4 8l3.5 3.5M4.5 8H12a4 4 0 0 1 0 8H8",
  redo: "M12.5 4.5 16 8l-3.5 3.5M15.5 8H8a4 4 0 0 0 0 8h4",
  plus: "M10 4.5v11M4.5 10h11",
  minus: "M4.5 10h11",
  fit: "M4 8V4h4M12 4h4v4M16 12v4h-4M8 16H4v-4",
  find: "M8.8 14a5.2 5.2 0 1 0 0-10.4 5.2 5.2 0 0 0 0 10.4zM12.6 12.6 16.5 16.5",
};

// Any CSS colour -> [r, g, b]; a canvas normalises names, hex and rgb() alike.
function rgb(colour) {
  const context = document.createElement("canvas").getContext("2d");
  context.fillStyle = "#808080";
  context.fillStyle = colour;
  const text = context.fillStyle;
  if (text[0] === "#") return [1, 3, 5].map((i) => parseInt(text.slice(i, i + 2), 16));
  return (text.match(/[\d.]+/g) || [128, 128, 128]).slice(0, 3).map(Number);
}

// Colours of the running theme; also marks the root so that CSS can choose its palette.
function readTheme(root) {
  const style = getComputedStyle(root);
  const value = (name, otherwise) => style.getPropertyValue(name).trim() || otherwise;
  const background = value("--st-background-color", "#ffffff");
  const [r, g, b] = rgb(background);
  const dark = 0.2126 * r + 0.7152 * g + 0.0722 * b < 128;
  root.dataset.theme = dark ? "dark" : "light";
  const own = getComputedStyle(root);
  return {
    dark, background,
    text: value("--st-text-color", dark ? "#fafafa" : "#31333f"),
    font: value("--st-font", "sans-serif"),
    muted: own.getPropertyValue("--pc-muted").trim(),
    line: own.getPropertyValue("--pc-line").trim(),
    accent: own.getPropertyValue("--pc-accent").trim(),
    hide: own.getPropertyValue("--pc-hide").trim(),
    series: [1, 2, 3, 4, 5, 6, 7].map((i) => own.getPropertyValue(`--pc-series-${i}`).trim()),
  };
}

function bytesToBase64(bytes) {
  let text = "";
  for (let i = 0; i < bytes.length; i += 8192) {
    text += String.fromCharCode.apply(null, bytes.subarray(i, i + 8192));
  }
  return btoa(text);
}

function base64ToBytes(text) {
  const raw = atob(text || "");
  const bytes = new Uint8Array(raw.length);
  for (let i = 0; i < raw.length; i++) bytes[i] = raw.charCodeAt(i);
  return bytes;
}

// A safe file name from any label.
function fileName(label, extension) {
  const stem = String(label || "picture").normalize("NFKD").replace(/[^\w-]+/g, "-")
    .replace(/^-+|-+$/g, "").toLowerCase().slice(0, 60);
  return `${stem || "picture"}.${extension}`;
}

function saveBlob(blob, name) {
  if (!blob) return;
  const url = URL.createObjectURL(blob);
  const link = el("a", { href: url, download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 10000);
}

const reducedMotion = () => matchMedia("(prefers-reduced-motion: reduce)").matches;

// At most one call per animation frame.
function perFrame(action) {
  let queued = 0;
  return () => {
    if (!queued) queued = requestAnimationFrame(() => { queued = 0; action(); });
  };
}

// The runtime calls the cleanup of a superseded render while the DOM lives on, so release
// observers only once the element has really left the page.
function cleanupWhenGone(parentElement, release) {
  const host = parentElement.host || parentElement;
  return () => setTimeout(() => { if (!host.isConnected) release(); }, 0);
}
