"""Small regions as tables: what a subcircuit over few finite variables can be, computed once.

A sum over eight binary variables has 256 values, however many samples there are. So such parts of
a circuit are evaluated for all states of their variables, and the samples look their values up;
the flows of the samples that share a state are added up and go down once. The parts are cut in the
same way in their turn: sums over four variables have 16 values, those over two have four.

`Tables` gives the very numbers that the passes of a `Program` give, for samples without missing
values. It reads the parameters of the program and adds to the program's statistics.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from pccore.compile.banks import EdgeBank, LeafBank
from pccore.compile.plan import ONE_HOT_LIMIT
from pccore.compile.program import Program
from pccore.compile.state import Pass, Workspace
from pccore.errors import GraphError
from pccore.graph import Circuit, Group, LeafGroup, ProductGroup, SumGroup
from pccore.leaves.categorical import Categorical
from pccore.params import Params

#: The states of a table, at most; and how many times fewer than samples there have to be.
MOST_STATES, GAIN = 512, 1.5
#: How many times fewer states the tables within a table have.
NESTED = 8
#: Parts copied for tables, at most, for each group of the circuit.
COPIES = 2
#: What is left of the work, at most, for tables to be worth their trouble.
WORTH = 0.6


@dataclass(frozen=True, eq=False)
class _Cut:
    """A group that becomes a table: its variables in the order of their first leaf."""

    group: int
    variables: tuple[int, ...]
    states: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class _Block:
    """Tables of the same states and units: the circuit that they are computed by.

    patterns: all states [C, m]. rows: of the value buffer of `inner`, for each table and unit.
    bank, places: which rows of which bank of the outer program they fill. workspace: of `inner`.
    """

    inner: Tables
    patterns: Tensor
    rows: Tensor
    bank: int
    places: Tensor
    workspace: Workspace


@dataclass(frozen=True, eq=False)
class TablePass:
    """An up pass: of the outer program, and of what its tables were computed by."""

    outer: Pass
    inner: tuple[TablePass, ...]


def states_for(samples: int) -> int:
    """The states of a table that pay for so many samples: a power of two."""
    return min(MOST_STATES, 2 ** int(math.log2(max(1.0, samples / GAIN))))


def tables_for(program: Program, states: int) -> Tables | None:
    """Tables of at most `states` states for a program, None where they would not pay."""
    banks = program.banks
    leaves = [bank for bank in banks if isinstance(bank, LeafBank)]
    plain = all(bank.shift is None and not bank.gathers for bank in leaves)
    if program.device.type != "cpu" or states < 2 or not plain:
        return None
    found = Tables.of(program.circuit, states, program)
    if found is None or found.work(2 * states) > WORTH * program.plan.rows * 2 * states:
        return None
    return found


class Tables:
    """A circuit whose small parts are tables; `program` computes the rest."""

    def __init__(
        self, program: Program, codes: Tensor, blocks: Sequence[_Block], source: Program
    ) -> None:
        self.program = program
        self._codes = codes
        self._blocks = tuple(blocks)
        filled = {block.bank for block in blocks}
        where = {
            name: (number, row) for number in range(len(source.banks))
            for name, row in _rows_of(source, number)
        }  # fmt: skip
        #: For each bank of ours that is no table: the bank of the source and the rows there.
        self._sources: dict[int, tuple[int, Tensor]] = {}
        for number, bank in enumerate(program.banks):
            if number in filled:
                continue
            theirs = where[bank.ids[0]][0]
            alike = all(where[name][0] == theirs for name in bank.ids)
            if not alike or type(bank) is not type(source.banks[theirs]):
                raise GraphError("ties of parameters that a part alone does not show")
            rows = torch.cat([where[name][1] for name in bank.ids])
            self._sources[number] = (theirs, rows)
        self._statistics = program.zero_statistics()

    @classmethod
    def of(cls, circuit: Circuit, states: int, source: Program) -> Tables | None:
        """The tables of a circuit whose roots are wanted; None where there are none."""
        cuts = _cuts(circuit, states)
        try:
            return None if cuts is None else _assemble(cls, circuit, cuts, source)
        except GraphError:  # such as units of one group that split their variables differently
            return None

    def first(self, root: int) -> int:
        """The row of the value buffer where the group of a root begins."""
        unit = self.program.circuit.roots[root]
        return self.program.plan.addresses[unit.group].first

    def work(self, samples: int) -> int:
        """Numbers in the value buffers of a pass over so many samples."""
        inside = sum(block.inner.work(len(block.patterns)) for block in self._blocks)
        return self.program.plan.rows * samples + inside

    @torch.no_grad()
    def up(self, x: Tensor, source: Program, workspace: Workspace | None = None) -> TablePass:
        """Up pass over x [B, V] without missing values, with the parameters of the source."""
        program = self.program
        for number, (theirs, rows) in self._sources.items():
            program.banks[number].set(source.banks[theirs].values.index_select(0, rows))
        inner: list[TablePass] = []
        for block in self._blocks:
            below = block.inner.up(block.patterns, source, block.workspace)
            inner.append(below)
            bank = program.banks[block.bank]
            assert isinstance(bank, LeafBank)
            values = below.outer.values[block.rows]  # [G, K, C]
            table = bank.give_table()[:, 0]  # [tables, states, K]
            table[block.places, : values.shape[2]] = values.mT
        codes = torch.cat((x, x @ self._codes), 1) if self._blocks else x
        state = program.evaluate(codes, keep=True, workspace=workspace, complete=True)
        return TablePass(state, tuple(inner))

    @torch.no_grad()
    def down(
        self, state: TablePass, flows: Tensor, statistics: list[Tensor], source: Program
    ) -> None:
        """Add what the flow pass counts to the source's statistics; flows: of the value buffer,
        filled in at the outputs."""
        program = self.program
        for own in self._statistics:
            own.zero_()
        program.pass_down(state.outer, flows, self._statistics)
        for number, (theirs, rows) in self._sources.items():
            own = self._statistics[number]
            if isinstance(program.banks[number], EdgeBank):
                own = own[:-1]
            if program.banks[number].trainable:
                statistics[theirs].index_add_(0, rows, own)
        for block, below in zip(self._blocks, state.inner, strict=True):
            bank = program.banks[block.bank]
            assert isinstance(bank, LeafBank)
            count = len(block.patterns)
            # [rows, d, K, states] -> [tables, states, K]
            counts = bank.counts(self._statistics[block.bank])
            table = counts.movedim(3, 2)[:, 0, :count]
            values = below.outer.values
            inside = block.workspace.take("flows", tuple(values.shape), values).zero_()
            incoming = table[block.places].mT.flatten(0, 1)  # [G * K, C]
            inside.index_add_(0, block.rows.flatten(), incoming)
            block.inner.down(below, inside, statistics, source)


def _rows_of(program: Program, number: int) -> list[tuple[str, Tensor]]:
    """Where the parameters of a bank are: rows, or numbers end to end."""
    bank = program.banks[number]
    sizes = [1] * len(bank.ids)
    if isinstance(bank, EdgeBank):
        sizes = [program.circuit.params[name].numel() for name in bank.ids]
    return list(zip(bank.ids, torch.arange(sum(sizes)).split(sizes), strict=True))


# -- what is cut ---------------------------------------------------------------------------------


def _needed(circuit: Circuit, tops: Iterable[int], cut: Collection[int] = ()) -> list[int]:
    """The groups that are needed for some, without what is below those of `cut`, in order."""
    needed, waiting = set[int](), list(tops)
    while waiting:
        g = waiting.pop()
        if g not in needed and g not in cut:
            needed.add(g)
            waiting += circuit.groups[g].inputs
    return sorted(needed)


def _cuts(circuit: Circuit, states: int) -> list[_Cut] | None:
    """The largest groups with at most so many states, except leaves."""
    tops = {root.group for root in circuit.roots}
    domains = circuit.domains
    for group in circuit.groups:
        # A part must not see values that its own leaves do not know to be impossible.
        if isinstance(group, LeafGroup):
            support = group.family.support
            if support.states is None or any(domains[v] != support for v in group.variables):
                return None
    counts = [domains[v].states if v in domains else 1 for v in range(len(circuit.variables))]
    known: dict[int, int] = {}

    def size(bits: int) -> int:
        found = known.get(bits)
        if found is None:
            found = 1
            for v in _variables(bits):
                found = min(found * (counts[v] or states + 1), states + 1)
            known[bits] = found
        return found

    small = [size(scope.bits) <= states for scope in circuit.scopes]
    if any(small[g] for g in tops):
        return None
    wanted = set[int]()
    for g in _needed(circuit, tops):
        if not small[g]:
            wanted.update(i for i in circuit.groups[g].inputs if small[i])
    cuts: list[_Cut] = []
    for g in sorted(wanted):
        if circuit.groups[g].kind != "leaf":
            order = _leaf_order(circuit, g)
            cuts.append(_Cut(g, order, tuple(counts[v] or 1 for v in order)))
    return cuts or None


def _variables(bits: int) -> list[int]:
    found: list[int] = []
    while bits:
        low = bits & -bits
        found.append(low.bit_length() - 1)
        bits ^= low
    return found


def _leaf_order(circuit: Circuit, top: int) -> tuple[int, ...]:
    """The variables below a group, in the order in which a walk from left to right meets them."""
    order: dict[int, None] = {}
    seen = set[int]()
    waiting = [top]
    while waiting:
        g = waiting.pop()
        if g in seen:
            continue
        seen.add(g)
        group = circuit.groups[g]
        if isinstance(group, LeafGroup):
            order.update(dict.fromkeys(group.variables))
        waiting += reversed(group.inputs)
    return tuple(order)


# -- the circuits that are left --------------------------------------------------------------------


class _Copy:
    """A circuit made of parts of another."""

    def __init__(self, circuit: Circuit) -> None:
        self.circuit = circuit
        self.groups: list[Group] = []

    def add(self, group: Group, **changes: Any) -> int:
        self.groups.append(replace(group, name=f"{len(self.groups)}", **changes))
        return len(self.groups) - 1

    def part(self, cut: _Cut, leaves: dict[tuple[str, tuple[int, ...]], int]) -> int:
        """What is below a cut, over variables numbered from 0; leaves: those that exist."""
        local = {v: i for i, v in enumerate(cut.variables)}
        copies: dict[int, int] = {}
        for g in _needed(self.circuit, [cut.group]):
            group = self.circuit.groups[g]
            if isinstance(group, LeafGroup):
                variables = tuple(local[v] for v in group.variables)
                key = (group.parameter, variables)
                if key not in leaves:
                    leaves[key] = self.add(group, variables=variables)
                copies[g] = leaves[key]
            else:
                copies[g] = self.add(group, inputs=tuple(copies[i] for i in group.inputs))
        return copies[cut.group]

    def parameters(self) -> Params:
        """Those that the groups use."""
        used = {g.parameter for g in self.groups if not isinstance(g, ProductGroup)}
        return Params({name: self.circuit.params[name] for name in used})


def _assemble(
    cls: type[Tables], circuit: Circuit, cuts: list[_Cut], source: Program
) -> Tables | None:
    """The outer circuit over tables, and the circuits that the tables are computed by."""
    rest = _Copy(circuit)
    width = len(circuit.variables)
    codes = torch.zeros(width, len(cuts), dtype=source.dtype)
    prefix = "table "
    while any(name.startswith(prefix) for name in circuit.params):
        prefix += "'"
    places: dict[int, int] = {}
    params: dict[str, Tensor] = {}
    kinds: dict[tuple[tuple[int, ...], int], list[_Cut]] = {}
    for j, cut in enumerate(cuts):
        strides = np.cumprod((1, *cut.states[:-1]))
        codes[list(cut.variables), j] = torch.as_tensor(strides).to(codes)
        size = circuit.groups[cut.group].size
        # Looking up is quicker here than the product with one-hot codes of a small table.
        count = max(math.prod(cut.states), ONE_HOT_LIMIT + 1)
        name = f"{prefix}{j}"
        leaf = LeafGroup(name, size, Categorical(count), (width + j,), name)
        params[name] = torch.full((1, size, count), 1.0 / count, dtype=source.dtype)
        places[cut.group] = rest.add(leaf)
        kinds.setdefault((cut.states, size), []).append(cut)
    roots = {root.group for root in circuit.roots}
    for g in _needed(circuit, roots, set(places)):
        group = circuit.groups[g]
        inputs = () if isinstance(group, LeafGroup) else tuple(places[i] for i in group.inputs)
        places[g] = rest.add(group, inputs=inputs) if inputs else rest.add(group)
    stored = {
        g.parameter: circuit.params[g.parameter]
        for g in rest.groups
        if isinstance(g, SumGroup | LeafGroup) and g.parameter in circuit.params
    }
    names = [f"x{v}" for v in range(width + len(cuts))]
    tops = [(places[root.group], root.index) for root in circuit.roots]
    outer = Circuit(rest.groups, tops, names, stored | params)
    program = Program(outer, "cpu", source.dtype)
    row_of = {
        name: (number, row) for number, bank in enumerate(program.banks)
        for row, name in enumerate(bank.ids)
    }  # fmt: skip
    numbers = {cut.group: j for j, cut in enumerate(cuts)}
    blocks: list[_Block] = []
    budget = COPIES * len(_needed(circuit, roots))
    for (shape, size), members in kinds.items():
        copy, leaves = _Copy(circuit), dict[tuple[str, tuple[int, ...]], int]()
        wanted = [copy.part(cut, leaves) for cut in members]
        budget -= len(copy.groups)
        if budget < 0:
            return None
        inside = Circuit(
            copy.groups, [(g, 0) for g in wanted], [f"x{i}" for i in range(len(shape))],
            copy.parameters(),
        )  # fmt: skip
        count = math.prod(shape)
        nested = Tables.of(inside, count // NESTED, source)
        if nested is None:
            whole = Program(inside, "cpu", source.dtype)
            nested = cls(whole, codes[:0], (), source)
        firsts = [nested.first(number) for number in range(len(wanted))]
        rows = torch.tensor(firsts)[:, None] + torch.arange(size)
        spots = [row_of[f"{prefix}{numbers[cut.group]}"] for cut in members]
        places_there = torch.tensor([row for _, row in spots])
        patterns = _patterns(shape, source)
        blocks.append(_Block(nested, patterns, rows, spots[0][0], places_there, Workspace()))
    return cls(program, codes, blocks, source)


def _patterns(states: tuple[int, ...], source: Program) -> Tensor:
    """All states [C, m], the first variable changing fastest."""
    grids = np.meshgrid(*[np.arange(n) for n in states], indexing="ij")
    rows = np.stack([g.ravel(order="F") for g in grids], 1)
    return torch.as_tensor(rows).to(source.dtype)
