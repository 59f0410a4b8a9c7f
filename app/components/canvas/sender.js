// When to send the mask: at most every 100 ms during a stroke and only after the last answer
// (else a slow model would be interrupted again and again), and always at the end of a stroke.

const SEND_EVERY = 100; // milliseconds
const ANSWER_LOST = 2500; // milliseconds after which an answer is no longer waited for

class Sender {
  // post(sequence) hands the mask over; waiting(bool) shows that an answer is outstanding.
  constructor(post, waiting) {
    this.post = post;
    this.waiting = waiting;
    this.sequence = 0; // of the last mask sent
    this.drawn = -1; // of the completions on screen
    this.sentAt = new Map();
    this.lastSend = -Infinity;
    this.timer = 0;
  }

  soon() {
    if (this.timer) return;
    const now = performance.now();
    const free = this.lastSend + (this.outstanding() ? ANSWER_LOST : SEND_EVERY);
    this.timer = setTimeout(() => { this.timer = 0; this.send(); }, Math.max(0, free - now));
    this.deferred = true;
  }

  now() {
    this.cancel();
    this.send();
  }

  cancel() {
    clearTimeout(this.timer);
    this.timer = 0;
    this.deferred = false;
  }

  send() {
    this.deferred = false;
    this.sequence++;
    this.lastSend = performance.now();
    this.sentAt.set(this.sequence, this.lastSend);
    this.post(this.sequence);
    clearTimeout(this.pendingTimer);
    this.pendingTimer = setTimeout(() => this.waiting(this.outstanding()), 180);
  }

  outstanding() { return this.drawn < this.sequence && this.sentAt.has(this.sequence); }

  // Is an answer with this number older than what is on screen?
  stale(sequence) { return sequence < this.drawn; }

  // Called after drawing; returns the milliseconds since sending, or null if nobody waited.
  answered(sequence) {
    this.drawn = sequence;
    const start = this.sentAt.get(sequence);
    for (const number of this.sentAt.keys()) if (number <= sequence) this.sentAt.delete(number);
    if (!this.outstanding()) {
      clearTimeout(this.pendingTimer);
      this.waiting(false);
      if (this.deferred && this.timer) {
        this.cancel();
        this.soon();
      }
    }
    return start === undefined ? null : performance.now() - start;
  }

  // A mounted canvas continues the numbers of the one before it.
  startFrom(sequence) { this.sequence = Math.max(this.sequence, sequence); }

  stop() {
    this.cancel();
    clearTimeout(this.pendingTimer);
  }
}
