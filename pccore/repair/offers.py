"""Which repairs there are for a witness, and all of a circuit's violations mended in turn."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType

from pccore.check import FAULTS, Report, Witness, check
from pccore.errors import OptionError
from pccore.graph import Circuit
from pccore.repair.numbers import dropping, legal_parameters, normalising
from pccore.repair.products import separating
from pccore.repair.repair import Repair, Repaired
from pccore.repair.scopes import merging, smoothing
from pccore.transform import smooth

#: `repair_all` gives up after so many steps.
MAX_STEPS = 300
#: More sums than this are smoothed in one step.
ONE_BY_ONE = 20

_ORDER = ("weights", "decomposable", "consistent", "smooth")

Maker = Callable[[Circuit, Witness], list[Repair]]


def _makers() -> Mapping[str, Maker]:
    return MappingProxyType(
        {
            "smooth": smoothing,
            "consistent": separating,
            "decomposable": separating,
            "weights": legal_parameters,
            "normalized": normalising,
            "reachable": dropping,
            "alive": dropping,
            "alternating": merging,
        }
    )


def repairs(circuit: Circuit, witness: Witness) -> tuple[Repair, ...]:
    """The ways to mend one violation, the most faithful first.

    Empty where there is none; `why_none` says why. While parameters are illegal, only they can be
    repaired. Nothing is computed before a repair is applied.
    """
    maker = _makers().get(witness.property)
    if maker is None:
        return ()
    if witness.property != "weights" and not check(circuit, ("weights",)).holds("weights"):
        return ()
    return tuple(maker(circuit, witness))


def why_none(circuit: Circuit, witness: Witness) -> str:
    """Why `repairs` is empty, in a sentence."""
    if witness.property == "deterministic":
        return (
            "There is no repair: determinism is a matter of design, not a fault. "
            "Without it sums and marginals stay exact; MPE does not."
        )
    if witness.property == "structured_decomposable":
        return (
            "There is no repair: which tree of variables the products follow is a matter of "
            "design, not a fault. Only products of circuits and a few other queries need one."
        )
    if not check(circuit, ("weights",)).holds("weights"):
        return "Some parameters are illegal: repair them first."
    if witness.property in ("alive", "normalized"):
        return "There is no repair: the circuit is zero everywhere."
    return "There is no repair for variables of this kind: change the circuit by hand."


def repair_all(circuit: Circuit) -> tuple[Repaired, ...]:
    """Mend one fault after the other with the most faithful repair, until there is none.

    The steps in order; the last one has the repaired circuit, and there are none for a circuit
    without faults. Illegal parameters come first, then products, then sums; many sums are smoothed
    in one step. Raises OptionError where a fault has no repair or `MAX_STEPS` were not enough.
    """
    return tuple(repair_steps(circuit))


def repair_steps(circuit: Circuit) -> Iterator[Repaired]:
    """The steps of `repair_all` as they are made."""
    for _ in range(MAX_STEPS):
        report = check(circuit, FAULTS)
        if not report.violations:
            return
        witness, repair = _next(report)
        circuit = repair.apply()
        yield Repaired(witness, repair, circuit)
    raise OptionError(f"{MAX_STEPS} repairs were not enough", hint="repair the circuit by hand")


def _next(report: Report) -> tuple[Witness, Repair]:
    """The repair to begin with."""
    circuit = report.circuit
    faults = sorted(report.violations, key=lambda w: _ORDER.index(w.property))
    sums = report.of("smooth")
    if len(sums) == len(faults) > ONE_BY_ONE:
        finite = all(circuit.domain(v).states is not None for w in sums for v in w.variables)
        if finite and not report.truncated:
            return sums[0], _smooth_all(circuit, len(sums))
    for witness in faults:
        for repair in repairs(circuit, witness):
            return witness, repair
    raise OptionError(f"there is no repair for this: {faults[0].message}")


def _smooth_all(circuit: Circuit, count: int) -> Repair:
    return Repair(
        "smooth_all",
        f"Smooth all {count} sums that are not",
        "Multiplies every child that lacks variables by the sums of all their indicators, factors "
        "of 1 whatever the state: S(x) of every complete state stays exactly what it was.",
        "exact",
        lambda: smooth(circuit),
    )
