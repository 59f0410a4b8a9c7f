// The drawing as data: nodes with arcs to their children. Operations return a new document and
// mirror those of pccore.draft, so that the browser can show an edit before Python answers.
//
// doc = { nodes: Map(id -> { id, kind, name, x, y, arcs: [[child, weight]], leaf, ... }), roots, marked, variables, faulty }

const NEW_WEIGHT = 0.5;
const LEAF_SIGNS = { gaussian: "bell", binomial: "steps", poisson: "steps" };
const LEAF_SHORT = { bernoulli: "B", gaussian: "N", categorical: "Cat", binomial: "Bin", poisson: "Poi", indicator: "Ind" };

function docOf(data) {
  return { nodes: new Map(data.nodes.map((node) => [node.id, node])), roots: data.roots, marked: data.marked,
    variables: data.variables, faulty: new Set(data.faulty.map(([a, b]) => `${a}\u0000${b}`)) };
}

function shortNumber(value) {
  if (value === null || value === undefined) return "";
  if (Number.isInteger(value) && Math.abs(value) < 1e6) return String(value);
  return String(Number(value.toPrecision(3)));
}

function literalOf(leaf) {
  const state = leaf.values[0];
  if (leaf.family.categories !== 2 || !/^[A-Za-z]\d*$/.test(leaf.variable)) return `${leaf.variable}=${state}`;
  const small = leaf.variable.toLowerCase();
  return state === 1 ? small : `${small[0]}\u0304${small.slice(1)}`;
}

function leafText(leaf) {
  const name = leaf.family.family;
  if (name === "indicator") return literalOf(leaf);
  const short = LEAF_SHORT[name] || name;
  const values = name === "binomial" ? [leaf.family.trials, ...leaf.values] : leaf.values;
  if (name === "categorical" || values.length > 2) return `${short}(${leaf.variable})`;
  return `${short}(${leaf.variable}; ${values.map(shortNumber).join(", ")})`;
}

// What a leaf is called by itself, as pccore.draft.leaf_name says.
function leafName(leaf) {
  if (leaf.family.family !== "indicator") return `${leaf.variable} ${leaf.family.family}`;
  if (leaf.family.categories === 2 && /^[A-Za-z]\d*$/.test(leaf.variable)) {
    return (leaf.values[0] === 1 ? "" : "¬") + leaf.variable.toLowerCase();
  }
  return `${leaf.variable}=${leaf.values[0]}`;
}

// The drawing as a scene for GraphModel.
function sceneOf(doc, name) {
  const nodes = [];
  const edges = [];
  for (const node of doc.nodes.values()) {
    const { id, kind, x, y, title, violation, value, emphasis } = node;
    const shown = { id, kind, x, y, title, violation, value, emphasis };
    if (kind === "leaf") {
      const text = leafText(node.leaf);
      if (node.leaf.family.family === "indicator" && text.length <= 6) {
        shown.symbol = text;
        shown.sublabel = ""; // the sign says it all
      } else {
        shown.symbol = LEAF_SIGNS[node.leaf.family.family] || "bars";
        shown.label = text;
      }
    } else {
      shown.label = node.name;
    }
    nodes.push(shown);
    for (const [child, weight] of node.arcs) {
      edges.push({ source: id, target: child, label: weight === null ? undefined : shortNumber(weight),
        violation: doc.faulty.has(`${id}\u0000${child}`) });
    }
  }
  return { id: name, nodes, edges };
}

class EditorModel extends GraphModel {
  constructor(doc, name) {
    super(sceneOf(doc, name));
    this.doc = doc;
  }

  // One sentence about a unit, for screen readers.
  describe(id) {
    const node = this.doc.nodes.get(id);
    const parts = [node.leaf ? `leaf ${leafText(node.leaf)}` : `${node.kind} ${node.name}`];
    if (node.leaf && node.name !== leafName(node.leaf)) parts.push(`named ${node.name}`);
    if (this.doc.roots.includes(id)) parts.push("root");
    if (node.unfinished) parts.push(node.arcs.length ? "not finished" : "no child yet");
    if (node.value) parts.push(`value ${node.value}`);
    if (node.violation) parts.push(`violation: ${node.violation}`);
    if (node.arcs.length) {
      const shown = node.arcs.slice(0, 12).map(([child, weight]) => {
        const { leaf, name } = this.doc.nodes.get(child);
        return (leaf ? leafText(leaf) : name) + (weight === null ? "" : ` (${shortNumber(weight)})`);
      });
      parts.push(`children: ${shown.join(", ")}${node.arcs.length > 12 ? ` and ${node.arcs.length - 12} more` : ""}`);
    }
    return parts.join("; ");
  }

  // The units whose texts hold all words; those that are called so come first.
  find(query) {
    const text = query.trim().toLowerCase();
    const words = text.split(/\s+/).filter(Boolean);
    if (!words.length) return [];
    const called = (node) => [node.name, node.leaf ? leafText(node.leaf) : ""].some((name) => name.toLowerCase() === text);
    return [...this.doc.nodes.values()].filter((node) => {
      const all = `${node.name} ${node.kind} ${node.leaf ? leafText(node.leaf) : ""} ${node.title || ""}`.toLowerCase();
      return words.every((word) => all.includes(word));
    }).sort((a, b) => called(b) - called(a) || a.y - b.y || a.x - b.x).map((node) => node.id);
  }
}

// ---- questions ----

function placeOfArc(node, child, number) {
  let seen = -1;
  return node.arcs.findIndex((arc) => arc[0] === child && ++seen === number);
}

function isBelow(doc, start, goal) {
  const stack = [start];
  const seen = new Set(stack);
  while (stack.length) {
    const id = stack.pop();
    if (id === goal) return true;
    for (const [child] of doc.nodes.get(id).arcs) if (!seen.has(child)) { seen.add(child); stack.push(child); }
  }
  return false;
}

// Why an edge cannot be drawn, or "".
function obstacle(doc, source, target, again) {
  const [from, to] = [doc.nodes.get(source), doc.nodes.get(target)];
  if (!from || !to) return "There is no such unit.";
  if (from.kind === "leaf") return `${from.name} is a leaf: it has no children.`;
  if (source === target) return "A unit cannot be its own child.";
  if (isBelow(doc, target, source)) return `${to.name} depends on ${from.name}: the edge would close a cycle.`;
  if (!again && from.arcs.some(([child]) => child === target)) {
    return `${from.name} has the child ${to.name} already. Hold Shift to connect them twice.`;
  }
  return "";
}

function takenNames(doc) { return new Set([...doc.nodes.values()].map((node) => node.name)); }

function freeName(wish, taken) {
  let name = wish;
  for (let i = 2; taken.has(name); i++) name = `${wish}_${i}`;
  return name;
}

function newName(doc, kind, leaf) {
  const taken = takenNames(doc);
  if (kind === "leaf") return freeName(leafName(leaf), taken);
  const prefix = kind === "sum" ? "s" : "p";
  let i = 1;
  while (taken.has(prefix + i)) i++;
  return prefix + i;
}

// The first literal that is not drawn yet: x1, ¬x1, x2, ¬x2 ...; later ones follow what was used last.
function nextLeaf(doc, last) {
  const leaves = [...doc.nodes.values()].filter((node) => node.leaf).map((node) => node.leaf);
  if (last && last.family.family !== "indicator") return { ...last };
  const used = new Set(leaves.filter((leaf) => leaf.family.family === "indicator")
    .map((leaf) => `${leaf.variable}=${leaf.values[0]}`));
  const prefix = last ? last.variable.replace(/\d+$/, "") || "X" : "X";
  const states = last ? last.family.categories : 2;
  for (let i = 1; ; i++) {
    const order = states === 2 ? [1, 0] : [...Array(states).keys()];
    for (const state of order) {
      if (!used.has(`${prefix}${i}=${state}`)) {
        return { variable: `${prefix}${i}`, family: { family: "indicator", categories: states }, values: [state] };
      }
    }
  }
}

// ---- operations ----

const change = (doc, changed) => {
  const nodes = new Map(doc.nodes);
  for (const node of changed) nodes.set(node.id, node);
  return { ...doc, nodes };
};

const withArcs = (node, arcs) => ({ ...node, arcs, unfinished: arcs.length || node.kind === "leaf" ? undefined : true });

const OPERATIONS = {
  add: (doc, op) => change(doc, [withArcs({ id: op.id, kind: op.kind, name: op.name, x: op.x, y: op.y, leaf: op.leaf }, [])]),
  delete: (doc, op) => {
    const gone = new Set(op.nodes || []);
    const cut = new Set((op.edges || []).map(([source, target, number]) => {
      const place = doc.nodes.has(source) ? placeOfArc(doc.nodes.get(source), target, number) : -1;
      return `${source}\u0000${place}`;
    }));
    const nodes = new Map();
    for (const [id, node] of doc.nodes) {
      if (gone.has(id)) continue;
      const arcs = node.arcs.filter(([child], i) => !gone.has(child) && !cut.has(`${id}\u0000${i}`));
      nodes.set(id, arcs.length === node.arcs.length ? node : withArcs(node, arcs));
    }
    return { ...doc, nodes, roots: doc.roots.filter((id) => !gone.has(id)), marked: doc.marked.filter((id) => !gone.has(id)) };
  },
  connect: (doc, op) => {
    const node = doc.nodes.get(op.source);
    const weight = node.kind === "sum" ? op.weight ?? NEW_WEIGHT : null;
    return change(doc, [withArcs(node, [...node.arcs, [op.target, weight]])]);
  },
  reconnect: (doc, op) => {
    const [source, target, number] = op.edge;
    const node = doc.nodes.get(source);
    const place = placeOfArc(node, target, number);
    const arcs = [...node.arcs];
    if (!op.source || op.source === source) {
      arcs[place] = [op.target, arcs[place][1]];
      return change(doc, [withArcs(node, arcs)]);
    }
    const [[, weight]] = arcs.splice(place, 1);
    return OPERATIONS.connect(change(doc, [withArcs(node, arcs)]),
      { source: op.source, target: op.target || target, weight: weight ?? undefined });
  },
  weight: (doc, op) => {
    const node = doc.nodes.get(op.edge[0]);
    const arcs = [...node.arcs];
    const place = placeOfArc(node, op.edge[1], op.edge[2]);
    arcs[place] = [op.edge[1], op.weight];
    return change(doc, [withArcs(node, arcs)]);
  },
  normalise: (doc, op) => {
    const node = doc.nodes.get(op.id);
    const total = node.arcs.reduce((sum, [, weight]) => sum + weight, 0);
    return change(doc, [withArcs(node, node.arcs.map(([child, weight]) => [child, weight / total]))]);
  },
  leaf: (doc, op) => {
    const node = doc.nodes.get(op.id);
    const own = node.name === leafName(node.leaf) || node.name.replace(/_\d+$/, "") === leafName(node.leaf);
    const taken = takenNames(doc);
    taken.delete(node.name);
    const name = own ? freeName(leafName(op.leaf), taken) : node.name;
    return change(doc, [{ ...node, leaf: op.leaf, name, title: undefined }]);
  },
  rename: (doc, op) => change(doc, [{ ...doc.nodes.get(op.id), name: op.name }]),
  move: (doc, op) => change(doc, Object.entries(op.places).map(([id, [x, y]]) => ({ ...doc.nodes.get(id), x, y }))),
  roots: (doc, op) => ({ ...doc, marked: op.ids, roots: op.ids.length ? op.ids : doc.roots }),
  paste: (doc, op) => {
    const taken = takenNames(doc);
    const fresh = op.nodes.map((node) => {
      const name = freeName(node.name, taken);
      taken.add(name);
      return withArcs({ ...node, name }, node.arcs);
    });
    return change(doc, fresh);
  },
  tidy: (doc) => doc, // Python lays out
};

const applyOps = (doc, ops) => ops.reduce((now, op) => OPERATIONS[op.op](now, op), doc);

// The nodes of a selection as they are pasted: with new ids, arcs among them or to what is there.
function copiesOf(nodes, doc, newId, dx, dy) {
  const ids = new Map(nodes.map((node) => [node.id, newId()]));
  return nodes.map((node) => ({
    id: ids.get(node.id), kind: node.kind, name: node.name, x: Math.round(node.x + dx), y: Math.round(node.y + dy),
    leaf: node.leaf, arcs: node.arcs.map(([child, weight]) => [ids.get(child) || child, weight])
      .filter(([child]) => [...ids.values()].includes(child) || doc.nodes.has(child)),
  }));
}
