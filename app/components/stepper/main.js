// The controls of a pass: which, how far, play; and what happens at the current unit.
//
// In:  data = { passes, pass, step, alone, scale, seed, shown, label, seq }
// Out: state "wish" = { pass, step, alone, scale, seed, seq }

const STEPPERS = new WeakMap();
const PLAY = 1300; // milliseconds between two steps
const SCRUB = 70; // between two messages of the slider
const LONG = 90; // letters from which an equation is set smaller

const WALK_ICONS = {
  first: "M5 4.5v11M15.5 4.5 8 10l7.5 5.5z", prev: "M13.5 4.5 6 10l7.5 5.5z",
  next: "M6.5 4.5 14 10l-7.5 5.5z", last: "M15 4.5v11M4.5 4.5 12 10l-7.5 5.5z",
  play: "M6 4l10 6-10 6z", pause: "M7 4.5v11M13 4.5v11",
};

class Stepper {
  constructor(root) {
    this.root = root;
    this.part = (role) => root.querySelector(`[data-role="${role}"]`);
    this.seq = 0;
    this.wish = null;
    for (const button of root.querySelectorAll("[data-go]")) {
      const name = button.dataset.go;
      if (WALK_ICONS[name]) button.append(icon(WALK_ICONS[name]));
      button.addEventListener("click", () => this.go(name));
    }
    for (const button of root.querySelectorAll("[data-scale]")) {
      button.addEventListener("click", () => this.change({ scale: button.dataset.scale }));
    }
    this.part("roll").addEventListener("click", () => {
      this.change({ seed: Math.floor(Math.random() * 2 ** 31), step: this.wish.step ? 1 : 0 });
    });
    this.part("alone").addEventListener("click", () => this.change({ alone: !this.wish.alone }));
    const scrub = this.part("scrub");
    scrub.addEventListener("input", () => { this.stop(); this.change({ step: Number(scrub.value) }, SCRUB); });
    root.addEventListener("keydown", (event) => { if (this.key(event)) { event.preventDefault(); event.stopPropagation(); } });
  }

  // ---- what people do ----

  go(name) {
    const { count } = this.shown;
    const at = this.wish.step;
    if (name === "play") { if (this.playing) this.stop(); else this.play(); return; }
    this.stop();
    if (name === "all") this.change({ step: 0 });
    else if (name === "first") this.change({ step: Math.min(1, count) });
    else if (name === "last") this.change({ step: count });
    else if (name === "prev") this.change({ step: at ? Math.max(1, at - 1) : count });
    else this.change({ step: at ? Math.min(count, at + 1) : Math.min(1, count) });
  }

  play() {
    const { count } = this.shown;
    if (!count) return;
    if (this.wish.step === 0 || this.wish.step >= count) this.change({ step: 1 });
    this.playing = setInterval(() => {
      if (!this.root.isConnected || this.wish.step >= this.shown.count) { this.stop(); return; }
      this.change({ step: this.wish.step + 1 });
    }, PLAY);
    this.drawPlay();
  }

  stop() {
    clearInterval(this.playing);
    this.playing = null;
    this.drawPlay();
  }

  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || !this.wish) return false;
    const actions = { ArrowLeft: "prev", ArrowRight: "next", ArrowUp: "prev", ArrowDown: "next",
      Home: "first", End: "last", a: "all", A: "all" };
    if (event.key === " " && event.target.tagName !== "BUTTON") actions[" "] = "play";
    const action = actions[event.key];
    if (!action || !this.shown.count) return false;
    this.go(action);
    return true;
  }

  choose(id) {
    if (id === this.wish.pass) return;
    this.stop();
    this.change({ pass: id, step: this.wish.step ? 1 : 0, alone: false });
  }

  change(changes, wait = 0) {
    this.wish = { ...this.wish, ...changes };
    this.seq++;
    this.drawControls();
    if (!wait) { clearTimeout(this.timer); this.timer = 0; this.flush(); return; }
    if (!this.timer) this.timer = setTimeout(() => { this.timer = 0; this.flush(); }, wait);
  }

  flush() { this.send("wish", { ...this.wish, seq: this.seq }); }

  // ---- drawing ----

  drawPasses(passes) {
    const text = JSON.stringify(passes);
    if (text === this.passes) return;
    this.passes = text;
    this.part("passes").replaceChildren(...passes.map((one) => {
      const button = el("button", { type: "button", class: one.refused ? "pc-button refused" : "pc-button", "data-pass": one.id,
        text: one.label, title: one.refused || one.title });
      if (one.refused) button.setAttribute("aria-label", `${one.label}: not licensed. ${one.refused}`);
      button.addEventListener("click", () => this.choose(one.id));
      return button;
    }));
  }

  drawControls() {
    const { wish, shown } = this;
    for (const button of this.part("passes").children) button.setAttribute("aria-pressed", String(button.dataset.pass === wish.pass));
    for (const button of this.root.querySelectorAll("[data-scale]")) button.setAttribute("aria-pressed", String(button.dataset.scale === wish.scale));
    const scrub = this.part("scrub");
    scrub.min = Math.min(1, shown.count);
    scrub.max = Math.max(1, shown.count);
    scrub.value = wish.step || shown.count;
    this.part("counter").textContent = !shown.count ? "" : wish.step ? `step ${wish.step} of ${shown.count}` : `all ${shown.count} steps`;
    scrub.setAttribute("aria-valuetext", this.part("counter").textContent);
    this.part("walk").hidden = !shown.count;
    const disabled = { first: wish.step === 1, prev: wish.step === 1, next: wish.step === shown.count, last: wish.step === shown.count, all: wish.step === 0 };
    for (const button of this.root.querySelectorAll("[data-go]")) button.disabled = Boolean(disabled[button.dataset.go]);
    this.part("alone").hidden = !shown.tree;
    this.part("alone").setAttribute("aria-pressed", String(wish.alone));
    this.part("roll").hidden = wish.pass !== "sample" || !shown.tree;
    this.drawPlay();
  }

  drawPlay() {
    const button = this.root.querySelector('[data-go="play"]');
    const name = this.playing ? "pause" : "play";
    if (button.dataset.shows === name) return;
    button.dataset.shows = name;
    button.setAttribute("aria-label", this.playing ? "Pause" : "Play");
    button.replaceChildren(icon(WALK_ICONS[name]));
  }

  drawBoard() {
    const { shown } = this;
    const write = (role, text) => {
      const node = this.part(role);
      if (node.textContent !== text) node.textContent = text;
      node.classList.toggle("long", text.length > LONG || Boolean(shown.rolls && shown.rolls.length));
    };
    write("title", shown.title || "");
    write("equation", shown.equation || "");
    write("filled", shown.filled || "");
    const notes = this.part("notes");
    const said = shown.reason || (shown.notes || []).join("\n");
    if (notes.textContent !== said) notes.textContent = said;
    notes.classList.toggle("refusal", Boolean(shown.reason));
    this.part("dice").replaceChildren(...dice(shown.rolls || []));
  }

  update(data) {
    readTheme(this.root);
    this.root.setAttribute("aria-label", data.label);
    this.drawPasses(data.passes);
    if (data.seq > this.seq) this.seq = data.seq;
    this.shown = data.shown;
    // While a later wish is on its way, the controls keep it; the board shows what has arrived.
    if (data.seq >= this.seq || !this.wish) {
      const { pass, step, alone, scale, seed } = data;
      this.wish = { pass, step, alone, scale, seed };
    }
    this.drawControls();
    this.drawBoard();
  }
}

export default function (component) {
  const { data, parentElement, setStateValue } = component;
  let one = STEPPERS.get(parentElement);
  if (!one) {
    one = new Stepper(parentElement.querySelector(".pc-root"));
    STEPPERS.set(parentElement, one);
  }
  one.send = setStateValue;
  one.update(data);
  return cleanupWhenGone(parentElement, () => one.stop());
}
