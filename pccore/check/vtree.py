"""Structured decomposability: is there one tree of variables that every product respects?

A product with children over S1 .. Sk respects a tree if every Si is a clade of the tree
restricted to S1 + .. + Sk: for a, b in Si and c in Sj the lowest common ancestor of a and b
lies below that of a and c. Whether a tree satisfies all such triples is decided by the BUILD
algorithm (Aho, Sagiv, Szymanski & Ullman 1981), here on whole partitions instead of triples.
Sets of variables are integers.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from pccore.check.report import Findings, Verdict, Witness
from pccore.check.walk import listing
from pccore.graph import Circuit, Unit
from pccore.scope import Scope

Partition = tuple[int, ...]

# Partitions looked at over all steps of BUILD before giving up.
_BUDGET = 2_000_000


def check_structured(circuit: Circuit, found: dict[Partition, Unit], findings: Findings) -> Verdict:
    """The verdict on a decomposable circuit with the given partitions."""
    pair = _crossing(found)
    if pair is not None:
        findings.add(_pair_witness(circuit, found, *pair))
        return "no"
    if _laminar(bits for partition in found for bits in (*partition, sum(partition))):
        return "yes"
    conflict = build((1 << len(circuit.variables)) - 1, list(found))
    if conflict is None:
        return "yes"
    if not conflict:
        return "unknown"
    findings.add(_joint_witness(circuit, found, conflict))
    return "no"


def _crossing(found: dict[Partition, Unit]) -> tuple[Partition, Partition] | None:
    """Two partitions of one scope with blocks that overlap without one holding the other."""
    by_scope: dict[int, list[Partition]] = {}
    for partition in found:
        for other in by_scope.setdefault(sum(partition), [])[:8]:
            if any(a & b and a & ~b and b & ~a for a in partition for b in other):
                return other, partition
        by_scope[sum(partition)].append(partition)
    return None


def _laminar(sets: Iterable[int]) -> bool:
    """Whether any two of the sets are nested or disjoint; then they are clades of one tree."""
    ordered = sorted(set(sets), key=lambda b: b.bit_count(), reverse=True)
    width = max((bits.bit_length() for bits in ordered), default=0)
    owner = np.full(width, -1)  # variable -> number of the smallest set so far that holds it
    free: list[int] = []  # of each set the variables that no smaller set holds yet
    for number, bits in enumerate(ordered):
        packed = np.frombuffer(bits.to_bytes((width + 7) // 8, "little"), dtype=np.uint8)
        members = np.flatnonzero(np.unpackbits(packed, bitorder="little"))
        holder = int(owner[members[0]])
        if holder < 0:
            if bool((owner[members] >= 0).any()):
                return False
        elif bits & ~free[holder]:
            return False
        else:
            free[holder] &= ~bits
        free.append(bits)
        owner[members] = number
    return True


def build(variables: int, constraints: list[Partition]) -> list[Partition] | None:
    """None if some tree over the variables respects all partitions.

    Otherwise partitions that no tree respects together; an empty list if it took too long.
    """
    work = 0
    stack = [(variables, constraints)]
    while stack:
        block, active = stack.pop()
        active = [p for p in active if sum(1 for part in p if part & block) > 1]
        work += len(active) + 1
        if work > _BUDGET:
            return []
        if not active:
            continue  # any tree will do here
        components = _components(block, active)
        if len(components) == 1:
            return _smaller(block, active)
        stack += [(c, active) for c in components if c.bit_count() > 2]
    return None


def _components(block: int, active: list[Partition]) -> list[int]:
    """Variables of the block that the partitions keep together, as disjoint sets."""
    parts = {part & block for p in active for part in p}
    components: list[int] = []
    for part in sorted(parts, key=lambda b: b.bit_count(), reverse=True):
        if not part:
            continue
        apart: list[int] = []
        for component in components:
            if component & part:
                part |= component
            else:
                apart.append(component)
        components = [*apart, part]
    covered = 0
    for component in components:
        covered |= component
    return components + [1 << v for v in Scope(block & ~covered)]


def _smaller(block: int, active: list[Partition]) -> list[Partition]:
    """Fewer of the partitions that still cannot be separated, for a readable witness."""
    kept = list(active)
    if len(kept) > 200:
        return kept
    for partition in active:
        rest = [p for p in kept if p is not partition]
        if rest and len(_components(block, rest)) == 1:
            kept = rest
    return kept


def _split_text(circuit: Circuit, partition: Partition) -> str:
    return " | ".join(Scope(part).pretty(circuit.variables, 4) for part in partition)


def _pair_witness(
    circuit: Circuit, found: dict[Partition, Unit], one: Partition, two: Partition
) -> Witness:
    first, second = found[one], found[two]
    scope = Scope(sum(one))
    message = (
        f"products {circuit.unit_name(first)} and {circuit.unit_name(second)} split the same "
        f"variables differently, into {_split_text(circuit, one)} and "
        f"{_split_text(circuit, two)}, so no vtree suits both"
    )
    return Witness("structured_decomposable", first, (second,), tuple(scope), message)


def _joint_witness(
    circuit: Circuit, found: dict[Partition, Unit], conflict: list[Partition]
) -> Witness:
    units = [found[p] for p in conflict]
    texts = [f"{circuit.unit_name(found[p])} ({_split_text(circuit, p)})" for p in conflict]
    bits = 0
    for partition in conflict:
        bits |= sum(partition)
    message = f"no vtree suits the products {listing(texts)} together"
    return Witness(
        "structured_decomposable", units[0], tuple(units[1:]), tuple(Scope(bits)), message
    )
