// A row of labelled pictures; some are switches that turn something off and on.
//
// In:  data = { title, note, pictures: [{ height, width, channels, pixels, id, label, caption, on }] }
//      on: true or false for a switch, null for a picture alone
// Out: trigger "pick" = { id, nonce }

const ROWS = new WeakMap();

class PictureRow {
  constructor(root) {
    this.root = root;
    this.part = (role) => root.querySelector(`[data-role="${role}"]`);
    this.nonce = Date.now() % 1e9;
    this.tiles = [];
  }

  pick(data) {
    this.nonce++;
    this.part("live").textContent = `${data.label} ${data.on ? "muted" : "back"}`;
    this.trigger("pick", { id: data.id, nonce: this.nonce });
  }

  addTile() {
    const tile = {
      name: el("span", { class: "name" }), note: el("span", { class: "note" }),
      save: el("button", { type: "button", class: "save", title: "Save picture as PNG" }, icon(ICONS.save)),
      button: el("button", { type: "button", class: "switch" }), canvas: null, data: null,
    };
    tile.frame = el("div", { class: "frame" }, tile.save);
    tile.figure = el("figure", {}, tile.frame, el("figcaption", {}, tile.name, tile.note));
    tile.button.addEventListener("click", () => this.pick(tile.data));
    tile.save.addEventListener("click", () => savePicture(tile.picture, tile.data.label));
    this.part("row").append(tile.figure);
    this.tiles.push(tile);
    return tile;
  }

  fill(tile, data) {
    const isSwitch = data.on !== null;
    const said = `${data.label}. ${data.caption}`.trim();
    tile.data = data;
    tile.name.textContent = data.label;
    tile.name.title = data.label;
    tile.note.textContent = data.caption;
    tile.save.setAttribute("aria-label", `Save picture ${data.label}`);
    tile.picture = decodePicture(data);
    const canvas = setAttributes(tile.picture.bitmap, isSwitch ? { "aria-hidden": "true" } : { role: "img", "aria-label": said });
    if (isSwitch) {
      tile.button.replaceChildren(canvas);
      setAttributes(tile.button, { "aria-pressed": String(data.on), "aria-label": said,
        title: data.on ? "Mute: leave this component out" : "Take this component back" });
    }
    const shown = isSwitch ? tile.button : canvas;
    // The same button stays where it is, so that it keeps the focus.
    if (shown.parentNode !== tile.frame) tile.frame.replaceChildren(shown, tile.save);
    tile.figure.classList.toggle("off", data.on === false);
  }

  update(data) {
    readTheme(this.root);
    this.part("title").textContent = data.title;
    this.part("note").textContent = data.note;
    while (this.tiles.length > data.pictures.length) this.tiles.pop().figure.remove();
    data.pictures.forEach((picture, index) => this.fill(this.tiles[index] || this.addTile(), picture));
  }
}

export default function (component) {
  const { data, parentElement, setTriggerValue } = component;
  let row = ROWS.get(parentElement);
  if (!row) {
    row = new PictureRow(parentElement.querySelector(".pc-root"));
    ROWS.set(parentElement, row);
  }
  row.trigger = setTriggerValue;
  row.update(data);
}
