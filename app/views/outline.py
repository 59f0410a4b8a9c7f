"""A circuit of any size as a few arrays, and which parts of it are drawn one by one.

Groups of one kind and one level (distance from the leaves; in deep circuits a band of levels)
form a cluster. A drawing is a cut
through circuit > clusters > groups > units: `make_cut` opens clusters from the root downwards as
long as the picture stays small, then what somebody opened, then what is in focus.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

import numpy as np

from pccore.graph import Circuit

KINDS = ("leaf", "product", "sum")

#: Circuits up to this size are drawn unit by unit.
UNITS, EDGES = 150, 420
#: Nodes that a drawing starts with, and the most that it may ever have.
START, MOST = 44, 220
#: The largest cluster that opens by itself; members shown of one that was opened; units of a group.
SMALL, MEMBERS, UNITS_SHOWN = 9, 24, 32
#: The longest path from a unit in focus upwards.
PATH = 24
#: With more levels than this, those between leaves and top are joined to so many bands.
LEVELS, TOP, BANDS = 9, 3, 4


@dataclass(frozen=True, eq=False)
class Outline:
    """The groups of a circuit as arrays.

    kind [G]: index into KINDS. level, size, band [G]. edges [E, 2]: (parent, child) groups, unique.
    cluster [G], parent [G]: some group above, -1 for none. by_cluster, first: the members of
    cluster c are by_cluster[first[c]:first[c + 1]]; clusters are ordered from the leaves upwards.
    fine: whether the circuit is small enough to be drawn unit by unit.
    """

    kind: np.ndarray
    level: np.ndarray
    size: np.ndarray
    edges: np.ndarray
    cluster: np.ndarray
    parent: np.ndarray
    by_cluster: np.ndarray
    first: np.ndarray
    band: np.ndarray
    fine: bool

    @classmethod
    def of(cls, circuit: Circuit) -> Outline:
        """Linear in the number of groups and of their inputs."""
        groups = circuit.groups
        kind = np.array([KINDS.index(g.kind) for g in groups], dtype=np.int64)
        level = np.asarray(circuit.levels, dtype=np.int64)
        fan = np.array([len(g.inputs) for g in groups], dtype=np.int64)
        below = np.fromiter((i for g in groups for i in g.inputs), np.int64, int(fan.sum()))
        edges = np.stack([np.repeat(np.arange(len(groups)), fan), below], axis=1)
        edges = np.unique(edges, axis=0)
        parent = np.full(len(groups), -1, dtype=np.int64)
        parent[edges[:, 1]] = edges[:, 0]
        band = bands(int(level.max()) + 1)[level]
        _, cluster = np.unique(band * len(KINDS) + kind, return_inverse=True)
        members = np.argsort(cluster, kind="stable")
        first = np.searchsorted(cluster[members], np.arange(int(cluster.max()) + 2))
        size = np.array([g.size for g in groups], dtype=np.int64)
        fine = circuit.num_units <= UNITS and circuit.num_edges <= EDGES
        return cls(kind, level, size, edges, cluster, parent, members, first, band, fine)

    @property
    def num_clusters(self) -> int:
        """How many (level, kind) pairs occur."""
        return len(self.first) - 1

    def members(self, cluster: int) -> np.ndarray:
        """The groups of a cluster, ascending."""
        return self.by_cluster[self.first[cluster] : self.first[cluster + 1]]

    def cluster_id(self, cluster: int) -> str:
        """`l:5:sum`: a name that does not depend on what is drawn."""
        one = self.by_cluster[self.first[cluster]]
        return f"l:{self.level[one]}:{KINDS[self.kind[one]]}"

    def path_up(self, group: int) -> list[int]:
        """The group and groups above it, one of each level passed, up to a root."""
        path = [group]
        while len(path) < PATH and self.parent[path[-1]] >= 0:
            path.append(int(self.parent[path[-1]]))
        return path


def bands(levels: int) -> np.ndarray:
    """The band of each level: leaves and the top keep their levels, what is between is joined."""
    if levels <= LEVELS:
        return np.arange(levels)
    middle = np.arange(levels - 1 - TOP) * BANDS // (levels - 1 - TOP)
    return np.concatenate([[0], 1 + middle, 1 + BANDS + np.arange(TOP)])


@dataclass(frozen=True, eq=False)
class Cut:
    """What is drawn one by one.

    shown [G]: groups with a node of their own. opened: groups among them drawn as units.
    wide [C]: clusters that are open, though perhaps not all of their members have room.
    """

    shown: np.ndarray
    opened: frozenset[int]
    wide: np.ndarray


def default_open(outline: Outline) -> np.ndarray:
    """Which clusters open by themselves, bool [C]: all of a small circuit, else the top."""
    sizes = np.diff(outline.first)
    if outline.fine:
        return np.ones(outline.num_clusters, dtype=bool)
    result = sizes == 1
    total = outline.num_clusters
    for cluster in range(outline.num_clusters - 1, -1, -1):
        total += int(sizes[cluster]) - 1
        if sizes[cluster] > SMALL or total > START:
            break
        result[cluster] = True
    return result


def make_cut(outline: Outline, toggled: Collection[str] = (), focus: Iterable[int] = ()) -> Cut:
    """Decide what is drawn one by one.

    toggled: ids of clusters and groups that are open where they would be closed, or the other way
    round; unknown ones are ignored. focus: groups that get a node, with those above them.
    """
    toggles = set(toggled)
    names = [outline.cluster_id(c) for c in range(outline.num_clusters)]
    flipped = np.array([name in toggles for name in names], dtype=bool)
    standard = default_open(outline)
    wide = standard ^ flipped
    shown = (standard & wide)[outline.cluster]
    pinned = np.zeros(len(outline.kind), dtype=bool)
    for group in focus:
        pinned[outline.path_up(group)] = True
    pinned &= np.cumsum(pinned) <= MOST // 2
    shown |= pinned
    room = MOST - outline.num_clusters - int(shown.sum())
    for cluster in np.flatnonzero(wide & ~standard):
        chosen = _nearest(outline, outline.members(int(cluster)), shown, max(0, min(MEMBERS, room)))
        room -= len(chosen)
        shown[chosen] = True
    opened: list[int] = []
    for group in np.flatnonzero(shown).tolist():
        size = min(int(outline.size[group]), UNITS_SHOWN)
        wanted = outline.fine != (f"g:{group}" in toggles)
        if size == 1 or (wanted and (size <= room or outline.fine)):
            opened.append(group)
            room -= size if size > 1 else 0
    return Cut(shown, frozenset(opened), wide)


def _nearest(outline: Outline, members: np.ndarray, shown: np.ndarray, room: int) -> np.ndarray:
    """At most `room` of the members that are not shown, those next to shown groups first."""
    waiting = members[~shown[members]]
    if len(waiting) <= room:
        return waiting
    near = np.zeros(len(shown), dtype=bool)
    near[outline.edges[shown[outline.edges[:, 0]], 1]] = True
    near[outline.edges[shown[outline.edges[:, 1]], 0]] = True
    return waiting[np.argsort(~near[waiting], kind="stable")][:room]


def toggle(outline: Outline, view: tuple[str, ...], node: str) -> tuple[str, ...]:
    """The view after somebody expanded or collapsed a node of the drawing.

    A unit stands for its group if that is open, and a group of one unit for its cluster.
    Unknown ids change nothing.
    """
    target = node
    if node.startswith("u:"):
        group = group_of(node, outline)
        if group is None:
            return view
        target = f"g:{group}"
        if outline.size[group] == 1:
            target = outline.cluster_id(int(outline.cluster[group]))
    elif node.startswith("g:"):
        if group_of(node, outline) is None:
            return view
    elif node not in {outline.cluster_id(c) for c in range(outline.num_clusters)}:
        return view
    return tuple(v for v in view if v != target) if target in view else (*view, target)


def group_of(node: str, outline: Outline) -> int | None:
    """The group that an id `g:12` or `u:12:3` names, None for anything else."""
    parts = node.split(":")
    if parts[0] not in ("g", "u") or len(parts) != {"g": 2, "u": 3}[parts[0]]:
        return None
    if not all(p.isascii() and p.isdigit() and len(p) < 12 for p in parts[1:]):
        return None
    group = int(parts[1])
    if group >= len(outline.kind):
        return None
    return group if len(parts) == 2 or int(parts[2]) < outline.size[group] else None
