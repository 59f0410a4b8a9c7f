// The keyboard on the canvas.

const KINDS_BY_KEY = { s: "sum", p: "product", l: "leaf" };

// Returns whether the key meant something.
function editorKey(editor, event) {
  const name = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  if (event.ctrlKey || event.metaKey) return commandKey(editor, name, event.shiftKey);
  if (editor.mode) return connectKey(editor, event);
  if (ARROWS[name]) return arrowKey(editor, ARROWS[name], event);
  if (event.altKey) return false;
  if (KINDS_BY_KEY[name]) {
    const parent = event.shiftKey ? editor.onlyInner() : null;
    if (event.shiftKey && !parent) editor.say("Select one sum or product: the new unit becomes its child.");
    else editor.add(KINDS_BY_KEY[name], null, parent);
    return true;
  }
  if (/^[0-9.]$/.test(name) && editor.edge) { editor.popup.weight(editor.edge, event.key); return true; }
  return namedKey(editor, name, event.shiftKey);
}

function namedKey(editor, name, shift) {
  const actions = {
    c: () => editor.startConnect(),
    e: () => editor.cycleEdge(shift ? -1 : 1),
    w: () => editor.editWeights(),
    Enter: () => editor.editSelected(),
    n: () => (shift ? editor.normalise() : editor.rename()),
    F2: () => editor.rename(),
    r: () => editor.markRoot(),
    t: () => editor.tidy(),
    f: () => editor.fit(),
    b: () => editor.setAreaMode(!editor.areaMode),
    Delete: () => editor.removeSelected(),
    Backspace: () => editor.removeSelected(),
    x: () => editor.removeSelected(),
    " ": () => { if (editor.focused) editor.toggleSelected(editor.focused); },
    "/": () => editor.finder.open(),
    "+": () => editor.viewport.zoom(1.3),
    "=": () => editor.viewport.zoom(1.3),
    "-": () => editor.viewport.zoom(1 / 1.3),
    Home: () => editor.goHome(),
    Escape: () => editor.select([]),
  };
  if (!actions[name]) return false;
  actions[name]();
  return true;
}

function commandKey(editor, name, shift) {
  const actions = {
    a: () => editor.select([...editor.doc.nodes.keys()]),
    c: () => editor.copy(),
    x: () => { if (editor.copy()) editor.removeSelected(); },
    v: () => editor.paste(),
    d: () => editor.duplicate(),
    z: () => editor.turn(!shift),
    y: () => editor.turn(false),
    ArrowUp: () => editor.walk("up", false),
    ArrowDown: () => editor.walk("down", false),
    ArrowLeft: () => editor.walk("left", false),
    ArrowRight: () => editor.walk("right", false),
  };
  if (!actions[name]) return false;
  actions[name]();
  return true;
}

// Arrows go to parents, children and neighbours; with Alt they move what is selected.
function arrowKey(editor, direction, event) {
  if (event.altKey) editor.nudge(direction, event.shiftKey ? 2 : 20);
  else editor.walk(direction, true, event.shiftKey);
  return true;
}

// While a child is looked for: arrows go from unit to unit, wherever edges lead.
function connectKey(editor, event) {
  const name = event.key;
  if (name === "Escape") { editor.leaveMode(); return true; }
  if (name === "Enter" || name === " ") { editor.finishConnect(editor.mode.target, event.shiftKey); return true; }
  if (name === "/") { editor.finder.open(); return true; }
  const direction = ARROWS[name];
  if (!direction) return false;
  const next = stepTowards(editor.doc, editor.mode.target || editor.mode.source, direction);
  if (next) editor.aimAt(next);
  return true;
}
