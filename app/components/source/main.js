// A text with line numbers and one underlined mistake.
//
// In:  data = { text, seq, problem: [start, end, message] | null, label, height }
// Out: state "edit" = { text, seq }; Python answers with the seq that it has read, so that an answer
//      to an earlier text never replaces what has been typed since.

const SOURCES = new WeakMap();
const WAIT = 250; // milliseconds without a keystroke before the text is sent

class Source {
  constructor(root) {
    this.root = root;
    this.part = (role) => root.querySelector(`[data-role="${role}"]`);
    this.area = this.part("text");
    this.seq = 0;
    this.area.addEventListener("input", () => this.typed());
    this.area.addEventListener("blur", () => this.flush());
    this.area.addEventListener("scroll", () => this.follow());
    this.area.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) this.flush();
      event.stopPropagation(); // the page's own keys are not meant here
    });
    const name = `pc-source-${Math.random().toString(36).slice(2, 9)}`;
    this.part("problem").id = name;
    this.area.setAttribute("aria-describedby", name);
  }

  typed() {
    this.seq++;
    this.problem = null; // it belonged to the text before
    this.draw();
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.flush(), WAIT);
  }

  flush() {
    clearTimeout(this.timer);
    if (this.sent === this.seq) return;
    this.sent = this.seq;
    this.send("edit", { text: this.area.value, seq: this.seq });
  }

  follow() {
    this.part("echo").scrollTop = this.part("gutter").scrollTop = this.area.scrollTop;
    this.part("echo").scrollLeft = this.area.scrollLeft;
  }

  // Line numbers, and the text once more in transparent letters, for the underline.
  draw() {
    const text = this.area.value;
    const letters = Array.from(text); // Python counts characters, not UTF-16 units
    const [start, end] = this.problem || [null, null];
    const bad = this.problem ? letters.slice(0, start).filter((c) => c === "\n").length : -1;
    const gutter = this.part("gutter");
    gutter.replaceChildren(...text.split("\n").flatMap((_, i) => {
      const number = el("span", { class: i === bad ? "bad" : null, text: `${i === bad ? "!" : ""}${i + 1}` });
      return [number, "\n"];
    }));
    const echo = this.part("echo");
    if (this.problem) {
      const marked = letters.slice(start, end).join("");
      echo.replaceChildren(letters.slice(0, start).join(""),
        el("mark", { class: marked.trim() ? null : "empty", text: marked }), letters.slice(end).join(""), "\n");
    } else echo.replaceChildren();
    const note = this.part("problem");
    note.hidden = !this.problem;
    const message = this.problem ? this.problem[2] : "";
    if (note.textContent !== message) note.textContent = message;
    this.area.setAttribute("aria-invalid", String(Boolean(this.problem)));
    this.follow();
  }

  update(data) {
    readTheme(this.root);
    this.part("frame").style.height = `${data.height}px`;
    this.area.setAttribute("aria-label", data.label);
    if (data.seq > this.seq) this.seq = this.sent = data.seq; // after a reload of the page
    if (data.seq < this.seq) return; // typing went on; an answer to it will come
    if (this.area.value !== data.text) {
      const [from, to] = [this.area.selectionStart, this.area.selectionEnd];
      this.area.value = data.text;
      if (this.root.getRootNode().activeElement === this.area) this.area.setSelectionRange(from, to);
    }
    this.problem = data.problem;
    this.draw();
  }
}

export default function (component) {
  const { data, parentElement, setStateValue } = component;
  let source = SOURCES.get(parentElement);
  if (!source) {
    source = new Source(parentElement.querySelector(".pc-root"));
    SOURCES.set(parentElement, source);
  }
  source.send = setStateValue;
  source.update(data);
}
