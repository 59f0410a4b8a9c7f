// The list of variables: clicking, searching, arrow keys, and the exchange with Python.
//
// In:  data = { rows, label, height, more, version, seq }
// Out: state "given" = { observed: {id: value}, soft: {id: [likelihoods]}, find, clear, seq }

const LISTS = new WeakMap();
const PAUSE = { soft: 90, find: 250 }; // milliseconds between two messages of one slider, of typing
const SEARCHED = 12; // variables from which there is a search box

class EvidenceList {
  constructor(root) {
    this.root = root;
    this.part = (role) => root.querySelector(`[data-role="${role}"]`);
    this.list = this.part("list");
    this.rows = new Map();
    this.observed = new Map();
    this.soft = new Map();
    this.open = new Set();
    this.seq = 0;
    this.find = "";
    this.events = {
      observe: (id, value) => this.observe(id, value),
      soften: (id, numbers) => this.soften(id, numbers),
      opened: (id, open) => this.setOpen(id, open),
    };
    this.part("clear").addEventListener("click", () => {
      this.observed.clear();
      this.soft.clear();
      this.cleared = true;
      this.changed("all evidence forgotten");
    });
    const box = this.part("find");
    box.addEventListener("input", () => this.search(box.value));
    box.addEventListener("keydown", (event) => event.stopPropagation());
    this.list.addEventListener("keydown", (event) => { if (this.key(event)) { event.preventDefault(); event.stopPropagation(); } });
    this.list.addEventListener("focusin", (event) => this.rove(event.target));
  }

  // ---- what people do ----

  observe(id, value) {
    this.cleared = false;
    if (value === null) this.observed.delete(id);
    else { this.observed.set(id, value); this.soft.delete(id); }
    const row = this.rows.get(id).row;
    const state = row.states[row.values.indexOf(value)] ?? value;
    this.changed(value === null ? `${row.name} forgotten` : `${row.name} = ${state} observed`);
  }

  soften(id, numbers) {
    this.cleared = false;
    if (numbers === null) this.soft.delete(id);
    else { this.soft.set(id, numbers); this.observed.delete(id); }
    if (numbers === null) this.setOpen(id, false);
    this.changed("", PAUSE.soft);
  }

  setOpen(id, open) {
    if (open) this.open.add(id);
    else this.open.delete(id);
    this.rows.get(id).openSliders(open);
  }

  search(text) {
    this.find = text.slice(0, 100);
    this.filter();
    if (this.more) { this.seq++; this.later(PAUSE.find); }
  }

  // Shown at once; Python's numbers follow.
  changed(said, wait = 0) {
    this.seq++;
    for (const [id, row] of this.rows) this.write(row, id);
    this.summary();
    if (said) this.part("live").textContent = said;
    this.later(wait);
  }

  later(wait) {
    if (!wait) { clearTimeout(this.timer); this.timer = 0; this.flush(); return; }
    if (!this.timer) this.timer = setTimeout(() => { this.timer = 0; this.flush(); }, wait);
  }

  flush() {
    this.send("given", { observed: Object.fromEntries(this.observed), soft: Object.fromEntries(this.soft),
      find: this.find, clear: Boolean(this.cleared), seq: this.seq });
  }

  // ---- keys: one tab stop; arrows walk over states and variables ----

  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return false;
    const shown = [...this.rows.values()].filter((row) => !row.node.hidden);
    const at = shown.findIndex((row) => row.node.contains(event.target));
    if (at < 0) return false;
    const stops = shown[at].stops();
    const place = stops.indexOf(event.target);
    if (place < 0) return false;
    const go = (row, i) => {
      const all = row.stops();
      if (all.length) all[Math.max(0, Math.min(all.length - 1, i))].focus();
      return true;
    };
    if (event.key === "ArrowRight") return go(shown[at], place + 1);
    if (event.key === "ArrowLeft") return go(shown[at], place - 1);
    if (event.key === "ArrowDown") return at + 1 < shown.length ? go(shown[at + 1], place) : true;
    if (event.key === "ArrowUp") return at > 0 ? go(shown[at - 1], place) : true;
    if (event.key === "Home") return go(shown[0], place);
    if (event.key === "End") return go(shown[shown.length - 1], place);
    if (event.key.toLowerCase() === "s" && shown[at].more) { shown[at].more.click(); return true; }
    return false;
  }

  rove(target) {
    for (const row of this.rows.values()) {
      for (const stop of row.stops()) stop.tabIndex = stop === target ? 0 : -1;
    }
  }

  // ---- drawing ----

  write(row, id) {
    const soft = this.soft.get(id);
    const given = this.observed.has(id) ? this.observed.get(id) : null;
    row.update({ ...row.sent, given, soft: soft || null }, this.open.has(id));
  }

  filter() {
    const words = this.find.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    for (const row of this.rows.values()) {
      const name = row.row.name.toLowerCase();
      row.node.hidden = !words.every((word) => name.includes(word));
      if (!row.node.hidden) shown++;
    }
    const note = this.part("note");
    note.hidden = shown > 0 && !this.more;
    note.textContent = shown ? `${this.more} more variables: search for them by name.` : "No variable of this name.";
  }

  summary() {
    const amount = this.observed.size + this.soft.size;
    this.part("clear").disabled = !amount;
    this.part("count").textContent = amount ? `${amount} observed` : "none observed";
  }

  update(data) {
    readTheme(this.root);
    this.list.style.maxHeight = `${data.height}px`;
    this.list.setAttribute("aria-label", data.label);
    this.more = data.more;
    const fresh = data.version !== this.version;
    this.version = data.version;
    if (data.seq > this.seq || fresh) this.seq = Math.max(data.seq, this.seq);
    else if (data.seq < this.seq) return; // an answer to an earlier click; a later one is on its way
    if (fresh) { this.open.clear(); this.find = ""; this.part("find").value = ""; }
    const longest = Math.max(0, ...data.rows.map((row) => row.name.length));
    this.root.style.setProperty("--e-name", `${Math.max(44, Math.min(104, 22 + 8.5 * longest))}px`);
    this.observed = new Map(data.rows.filter((row) => row.given !== null && row.given !== undefined).map((row) => [row.id, row.given]));
    this.soft = new Map(data.rows.filter((row) => row.soft).map((row) => [row.id, row.soft]));
    const wanted = new Set(data.rows.map((row) => row.id));
    for (const [id, row] of this.rows) {
      if (!wanted.has(id)) { row.node.remove(); this.rows.delete(id); }
    }
    let before = null;
    for (const sent of data.rows) {
      let row = this.rows.get(sent.id);
      if (!row) {
        row = new Row(sent.id, this.events);
        this.rows.set(sent.id, row);
      }
      row.sent = sent;
      this.write(row, sent.id);
      const next = before ? before.nextSibling : this.list.firstChild;
      if (next !== row.node) this.list.insertBefore(row.node, next);
      before = row.node;
    }
    this.part("find").hidden = data.rows.length < SEARCHED && !this.more && !this.find;
    this.filter();
    this.summary();
    const stops = [...this.rows.values()].flatMap((row) => row.stops());
    if (stops.length && !stops.some((stop) => stop.tabIndex === 0)) stops[0].tabIndex = 0;
  }
}

export default function (component) {
  const { data, parentElement, setStateValue } = component;
  let list = LISTS.get(parentElement);
  if (!list) {
    list = new EvidenceList(parentElement.querySelector(".pc-root"));
    LISTS.set(parentElement, list);
  }
  list.send = setStateValue;
  list.update(data);
}
