// The graph as data: adjacency, reachability, neighbours for the keyboard, search. Knows no DOM.

const KIND_NAMES = { sum: "sum", product: "product", leaf: "leaf" };

class GraphModel {
  constructor(scene) {
    this.id = scene.id;
    this.nodes = new Map(scene.nodes.map((node) => [node.id, node]));
    // Edges between the same two nodes are told apart by their number.
    const seen = new Map();
    this.edges = scene.edges.map((edge) => {
      const pair = `${edge.source}\u0000${edge.target}`;
      const number = seen.get(pair) || 0;
      seen.set(pair, number + 1);
      return { ...edge, key: `${pair}\u0000${number}`, number };
    });
    this.children = new Map();
    this.parents = new Map();
    for (const id of this.nodes.keys()) { this.children.set(id, []); this.parents.set(id, []); }
    for (const edge of this.edges) {
      this.children.get(edge.source).push(edge);
      this.parents.get(edge.target).push(edge);
    }
    this.measureRoom();
  }

  // How many letters each node's texts may have before they reach its neighbour in the row.
  measureRoom() {
    const rows = new Map();
    for (const node of this.nodes.values()) {
      const row = Math.round(node.y);
      if (!rows.has(row)) rows.set(row, []);
      rows.get(row).push(node);
    }
    for (const row of rows.values()) {
      row.sort((a, b) => a.x - b.x);
      row.forEach((node, i) => {
        const left = i ? node.x - row[i - 1].x : Infinity;
        const right = i + 1 < row.length ? row[i + 1].x - node.x : Infinity;
        const space = node.kind === "leaf" ? Math.min(left, right) - 8 : right - 52;
        node.room = Math.max(3, Math.min(24, Math.floor(space / 7.2)));
      });
    }
  }

  // Nodes and edges above and below a node, itself included.
  related(id) {
    const nodes = new Set([id]);
    const edges = new Set();
    for (const [table, end] of [[this.parents, "source"], [this.children, "target"]]) {
      const stack = [id];
      const visited = new Set(stack);
      while (stack.length) {
        for (const edge of table.get(stack.pop()) || []) {
          edges.add(edge.key);
          if (visited.has(edge[end])) continue;
          visited.add(edge[end]);
          nodes.add(edge[end]);
          stack.push(edge[end]);
        }
      }
    }
    return { nodes, edges };
  }

  nearest(ids, x) {
    let best = null;
    for (const id of ids) {
      const distance = Math.abs(this.nodes.get(id).x - x);
      if (best === null || distance < best[0]) best = [distance, id];
    }
    return best && best[1];
  }

  // Where an arrow key leads from a node, or null.
  step(id, direction) {
    const { x, y } = this.nodes.get(id);
    if (direction === "up") return this.nearest(this.parents.get(id).map((edge) => edge.source), x);
    if (direction === "down") return this.nearest(this.children.get(id).map((edge) => edge.target), x);
    const row = [...this.nodes.values()].filter((node) => Math.abs(node.y - y) < 1)
      .sort((a, b) => a.x - b.x);
    const at = row.findIndex((node) => node.id === id) + (direction === "left" ? -1 : 1);
    return row[at] ? row[at].id : null;
  }

  root() {
    let best = null;
    for (const node of this.nodes.values()) if (!best || node.y < best.y) best = node;
    return best && best.id;
  }

  find(query) {
    const words = query.toLowerCase().split(/\s+/).filter(Boolean);
    if (!words.length) return [];
    return [...this.nodes.values()].filter((node) => {
      const text = `${node.id} ${node.label || ""} ${node.sublabel || ""} ${node.kind}`.toLowerCase();
      return words.every((word) => text.includes(word));
    }).sort((a, b) => a.y - b.y || a.x - b.x).map((node) => node.id);
  }

  bounds() {
    const box = { left: Infinity, top: Infinity, right: -Infinity, bottom: -Infinity };
    for (const { x, y, kind, label, sublabel, value } of this.nodes.values()) {
      const text = 7.4 * Math.min(20, Math.max((label || "").length, (sublabel || "").length));
      const beside = kind === "leaf" ? text / 2 : 30 + text;
      const pillEnd = value ? 38 + 7.1 * String(value).length : 0;
      box.left = Math.min(box.left, x - Math.max(34, kind === "leaf" ? text / 2 : 0));
      box.right = Math.max(box.right, x + Math.max(34, beside, pillEnd));
      box.top = Math.min(box.top, y - 34);
      box.bottom = Math.max(box.bottom, y + 58);
    }
    for (const { via } of this.edges) {
      for (const [x] of via || []) {
        box.left = Math.min(box.left, x - 12);
        box.right = Math.max(box.right, x + 12);
      }
    }
    return this.nodes.size ? box : { left: 0, top: 0, right: 100, bottom: 100 };
  }

  // One sentence about a node, for screen readers.
  describe(id) {
    const node = this.nodes.get(id);
    const name = (end) => (edge) => {
      const other = this.nodes.get(edge[end]);
      return (other.label || other.symbol || other.id) + (edge.label ? ` (${edge.label})` : "");
    };
    const parts = [`${KIND_NAMES[node.kind]} ${node.label || node.symbol || node.id}`];
    if (node.sublabel) parts.push(node.sublabel);
    if (node.size_badge) parts.push(`group of ${node.size_badge}`);
    if (node.value) parts.push(`value ${node.value}`);
    if (node.mark) parts.push(node.mark);
    if (node.violation) parts.push(node.violation === true ? "violation" : `violation: ${node.violation}`);
    if (node.expandable) parts.push(node.expanded ? "expanded" : "can be expanded");
    const children = this.children.get(id);
    if (children.length) {
      const shown = children.slice(0, 12).map(name("target")).join(", ");
      parts.push(`children: ${shown}${children.length > 12 ? ` and ${children.length - 12} more` : ""}`);
    }
    return parts.join("; ");
  }
}
