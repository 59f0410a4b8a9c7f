// Gestures on their way to Python. Every gesture gets a number; all that Python has not acknowledged
// are sent again with the next one, so that nothing is lost when two come before one answer.

const randomText = (length) => {
  const bytes = crypto.getRandomValues(new Uint8Array(length));
  return [...bytes].map((byte) => (byte % 36).toString(36)).join("");
};

// Who edits: the same over a reload of this tab, so that the drawing stays this tab's own.
function authorOfTab() {
  try {
    const known = sessionStorage.getItem("pc-author");
    if (known && /^[a-z0-9]{16}$/.test(known)) return known;
    const made = randomText(16);
    sessionStorage.setItem("pc-author", made);
    return made;
  } catch {
    return randomText(16); // storage may be switched off
  }
}

class Outbox {
  // post(payload) hands everything over that is not acknowledged.
  constructor(post) {
    this.post = post;
    this.stream = randomText(12);
    this.author = authorOfTab();
    this.seq = 0;
    this.pending = [];
    this.sentAt = new Map();
  }

  send(sheet, ops) {
    this.seq++;
    this.pending.push({ seq: this.seq, sheet, ops });
    this.sentAt.set(this.seq, performance.now());
    this.post({ stream: this.stream, author: this.author, batches: this.pending.slice(-400) });
  }

  // Is the answer about everything that was sent? Returns the milliseconds it took, or null.
  acknowledge(acks) {
    const done = acks[this.stream] || 0;
    this.pending = this.pending.filter((batch) => batch.seq > done);
    const start = this.sentAt.get(done);
    for (const seq of this.sentAt.keys()) if (seq <= done) this.sentAt.delete(seq);
    return start === undefined ? null : performance.now() - start;
  }

  get waiting() { return this.pending.length > 0; }
}

// What is shown while Python has not answered: the documents before and after, as far as known here.
class Steps {
  constructor() { this.forget(); }

  forget() { this.past = []; this.future = []; }

  push(doc) {
    this.past.push(doc);
    if (this.past.length > 500) this.past.shift(); // Python remembers all of them
    this.future = [];
  }

  // The document that undo (or redo) leads to, or null where only Python knows it.
  turn(now, back) {
    const [from, to] = back ? [this.past, this.future] : [this.future, this.past];
    to.push(now);
    return from.pop() || null;
  }
}
