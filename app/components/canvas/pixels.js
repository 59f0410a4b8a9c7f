// Pictures: raw bytes to an off-screen canvas at data resolution, and their display at any size.

// picture: { height, width, channels, pixels: base64 } -> the same with bytes and a bitmap
function decodePicture(picture) {
  const { height, width, channels } = picture;
  const bytes = base64ToBytes(picture.pixels);
  const bitmap = el("canvas", { width, height });
  const context = bitmap.getContext("2d");
  const image = context.createImageData(width, height);
  for (let i = 0, j = 0; i < width * height; i++, j += 4) {
    const at = i * channels;
    image.data[j] = bytes[at];
    image.data[j + 1] = bytes[channels === 3 ? at + 1 : at];
    image.data[j + 2] = bytes[channels === 3 ? at + 2 : at];
    image.data[j + 3] = 255;
  }
  context.putImageData(image, 0, 0);
  return { height, width, channels, bytes, bitmap };
}

// The value under a pixel as text, in the units of the data.
function valueAt(picture, x, y, [low, high]) {
  const at = (y * picture.width + x) * picture.channels;
  const span = high - low;
  const digits = Math.abs(span) >= 8 ? (Number.isInteger(span / 255) ? 0 : 1) : 3;
  return Array.from(picture.bytes.slice(at, at + picture.channels))
    .map((byte) => String(Number((low + (byte / 255) * span).toFixed(digits)))).join(", ");
}

// Diagonal stripes, one tile; scaled with the screen so that the stripes look alike everywhere.
function hatchPattern(context, colour, ratio) {
  const side = Math.round(8 * ratio);
  const tile = el("canvas", { width: side, height: side });
  const ink = tile.getContext("2d");
  const [r, g, b] = rgb(colour);
  ink.fillStyle = `rgba(${r},${g},${b},0.5)`;
  ink.fillRect(0, 0, side, side);
  ink.strokeStyle = `rgba(${r},${g},${b},0.95)`;
  ink.lineWidth = 2.2 * ratio;
  ink.beginPath();
  for (const shift of [-side, 0, side]) {
    ink.moveTo(shift - side * 0.25, side * 1.25);
    ink.lineTo(shift + side * 1.25, -side * 0.25);
  }
  ink.stroke();
  return context.createPattern(tile, "repeat");
}

// A canvas on the page that shows one picture and, on top, whatever the layers draw.
class Surface {
  constructor(canvas) {
    this.canvas = canvas;
    this.context = canvas.getContext("2d");
    this.picture = null;
  }

  show(picture) {
    if (!this.picture || this.picture.width !== picture.width || this.picture.height !== picture.height) {
      this.canvas.style.aspectRatio = `${picture.width} / ${picture.height}`;
    }
    this.picture = picture;
  }

  // Follow the size on the page; true if anything can be drawn.
  fit() {
    if (!this.picture) return false;
    const ratio = window.devicePixelRatio || 1;
    const width = Math.round(this.canvas.clientWidth * ratio);
    const height = Math.round((width * this.picture.height) / this.picture.width);
    if (!width) return false;
    if (this.canvas.width !== width || this.canvas.height !== height) {
      this.canvas.width = width;
      this.canvas.height = height;
    }
    this.ratio = ratio;
    this.scale = width / this.picture.width;
    return true;
  }

  draw(...layers) {
    if (!this.fit()) return;
    const { context, canvas } = this;
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.imageSmoothingEnabled = false;
    context.drawImage(this.picture.bitmap, 0, 0, canvas.width, canvas.height);
    for (const layer of layers) {
      context.save();
      layer(context, this);
      context.restore();
    }
  }

  // Pixel of the data under a pointer event (may lie outside).
  locate(event) {
    const box = this.canvas.getBoundingClientRect();
    return [
      Math.floor(((event.clientX - box.left) / box.width) * this.picture.width),
      Math.floor(((event.clientY - box.top) / box.height) * this.picture.height)];
  }

  contains([x, y]) {
    return Boolean(this.picture) && x >= 0 && y >= 0 && x < this.picture.width && y < this.picture.height;
  }
}

// Layers: functions (context, surface) that draw over the picture.

function hatchLayer(mask, colour) {
  return (context, surface) => {
    const { width, height } = surface.canvas;
    const cells = el("canvas", { width: mask.width, height: mask.height });
    const ink = cells.getContext("2d");
    const image = ink.createImageData(mask.width, mask.height);
    for (let i = 0; i < mask.cells.length; i++) image.data[4 * i + 3] = mask.cells[i] * 255;
    ink.putImageData(image, 0, 0);
    const sheet = el("canvas", { width, height });
    const layer = sheet.getContext("2d");
    layer.imageSmoothingEnabled = false;
    layer.drawImage(cells, 0, 0, width, height);
    layer.globalCompositeOperation = "source-in";
    layer.fillStyle = hatchPattern(layer, colour, surface.ratio);
    layer.fillRect(0, 0, width, height);
    context.drawImage(sheet, 0, 0);
  };
}

// The border of the hidden region: a dark line under a light one is visible on any picture.
function outlineLayer(path, colour, width) {
  return (context, surface) => {
    context.scale(surface.scale, surface.scale);
    context.lineCap = "square";
    context.lineWidth = (width * 1.9 * surface.ratio) / surface.scale;
    context.strokeStyle = "rgba(255,255,255,0.45)";
    context.stroke(path);
    context.lineWidth = (width * surface.ratio) / surface.scale;
    context.strokeStyle = colour;
    context.stroke(path);
  };
}

// The footprint of the brush.
function brushLayer([x, y], radius, erasing) {
  return (context, surface) => {
    const { scale, ratio } = surface;
    context.beginPath();
    context.arc((x + 0.5) * scale, (y + 0.5) * scale, (radius + 0.5) * scale, 0, 2 * Math.PI);
    for (const [style, width] of [["rgba(0,0,0,0.75)", 3], ["#ffffff", 1.5]]) {
      context.strokeStyle = style;
      context.lineWidth = width * ratio;
      context.setLineDash(erasing ? [4 * ratio, 4 * ratio] : []);
      context.stroke();
    }
    context.setLineDash([]);
    context.fillStyle = "#ffffff";
    context.fillRect((x + 0.5) * scale - ratio, (y + 0.5) * scale - ratio, 2 * ratio, 2 * ratio);
  };
}

// The pixel that is being read, on every picture at once.
function markerLayer([x, y]) {
  return (context, surface) => {
    const { scale, ratio } = surface;
    for (const [style, width] of [["rgba(0,0,0,0.8)", 3.5], ["#ffffff", 1.5]]) {
      context.strokeStyle = style;
      context.lineWidth = width * ratio;
      context.strokeRect(x * scale, y * scale, scale, scale);
    }
  };
}

// Save a surface as PNG, at least 512 pixels wide, whole pixels of the data.
function savePicture(picture, name, ...layers) {
  const scale = Math.max(1, Math.ceil(512 / picture.width));
  const canvas = el("canvas", { width: picture.width * scale, height: picture.height * scale });
  const context = canvas.getContext("2d");
  context.imageSmoothingEnabled = false;
  context.drawImage(picture.bitmap, 0, 0, canvas.width, canvas.height);
  for (const layer of layers) {
    context.save();
    layer(context, { canvas, context, picture, scale, ratio: 1.5 });
    context.restore();
  }
  canvas.toBlob((blob) => saveBlob(blob, fileName(name, "png")), "image/png");
}
