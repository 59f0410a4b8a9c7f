// A row of small pictures to choose from.
//
// In:  data = { pictures: [{ height, width, channels, pixels, index, label }], selected, total }
// Out: trigger "pick" = { index, nonce }

const STRIPS = new WeakMap();

// Raw grey or RGB bytes on a canvas of their own size.
function paintBytes(canvas, { height, width, channels, pixels }) {
  const bytes = base64ToBytes(pixels);
  canvas.width = width;
  canvas.height = height;
  const context = canvas.getContext("2d");
  const image = context.createImageData(width, height);
  for (let i = 0; i < width * height; i++) {
    for (let c = 0; c < 3; c++) image.data[4 * i + c] = bytes[channels === 3 ? 3 * i + c : i];
    image.data[4 * i + 3] = 255;
  }
  context.putImageData(image, 0, 0);
}

class Strip {
  constructor(root) {
    this.root = root;
    this.part = (role) => root.querySelector(`[data-role="${role}"]`);
    this.nonce = Date.now() % 1e9;
    const actions = {
      previous: () => this.pick(this.beside(-1)), next: () => this.pick(this.beside(1)),
      random: () => this.pick(Math.floor(Math.random() * this.data.total)),
    };
    for (const [name, action] of Object.entries(actions)) {
      root.querySelector(`[data-action="${name}"]`).addEventListener("click", action);
    }
    root.addEventListener("keydown", (event) => {
      const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
      if (!by) return;
      event.preventDefault();
      this.follow = true; // the focus goes with the choice
      this.pick(this.beside(by));
    });
  }

  // The picture before or after the current one; where none is, the first that is shown.
  beside(by) {
    const { pictures, selected } = this.data;
    return selected < 0 ? pictures[0].index : selected + by;
  }

  pick(index) {
    const { total, selected } = this.data;
    const wanted = (index + total) % total;
    if (wanted === selected) return;
    this.nonce++;
    this.trigger("pick", { index: wanted, nonce: this.nonce });
  }

  centre(button) {
    const strip = this.part("strip");
    strip.scrollLeft = button.offsetLeft - strip.offsetLeft - (strip.clientWidth - button.offsetWidth) / 2;
  }

  update(data) {
    const same = this.data && JSON.stringify(this.data.pictures) === JSON.stringify(data.pictures);
    this.data = data;
    readTheme(this.root);
    if (!same) {
      this.part("strip").replaceChildren(...data.pictures.map((picture) => {
        const canvas = el("canvas", { "aria-hidden": "true" });
        paintBytes(canvas, picture);
        const button = el("button", { type: "button", class: "thumb", role: "radio",
          "data-index": picture.index, "aria-label": picture.label, title: picture.label }, canvas);
        button.addEventListener("click", () => this.pick(picture.index));
        return button;
      }));
    }
    for (const [place, button] of [...this.part("strip").children].entries()) {
      const on = Number(button.dataset.index) === data.selected;
      button.setAttribute("aria-checked", String(on));
      button.tabIndex = on || (data.selected < 0 && place === 0) ? 0 : -1;
      if (on && this.follow) button.focus({ preventScroll: true });
      if (on) this.centre(button);
    }
    this.follow = false;
    this.part("place").textContent = data.selected < 0 ? `${data.total.toLocaleString("en")} pictures`
      : `${(data.selected + 1).toLocaleString("en")} of ${data.total.toLocaleString("en")}`;
  }
}

export default function (component) {
  const { data, parentElement, setTriggerValue } = component;
  let strip = STRIPS.get(parentElement);
  if (!strip) {
    strip = new Strip(parentElement.querySelector(".pc-root"));
    STRIPS.set(parentElement, strip);
  }
  strip.trigger = setTriggerValue;
  strip.update(data);
}
