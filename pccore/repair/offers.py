"""Which repairs there are for a witness, and all of a circuit's violations mended in turn."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from pccore.check import FAULTS, Witness, check
from pccore.errors import OptionError
from pccore.graph import Circuit
from pccore.repair.numbers import dropping, legal_parameters, normalising
from pccore.repair.repair import Repair, Repaired
from pccore.repair.scopes import separating, smoothing

#: `repair_all` gives up after so many steps.
MAX_STEPS = 200

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
        }
    )


def repairs(circuit: Circuit, witness: Witness) -> tuple[Repair, ...]:
    """The ways to mend one violation, the most faithful first.

    Empty where there is none: determinism and structure are matters of design, and a real variable
    has no factor that is 1 everywhere. While parameters are illegal, only they can be repaired.
    Nothing is computed before a repair is applied.
    """
    maker = _makers().get(witness.property)
    if maker is None:
        return ()
    if witness.property != "weights" and not check(circuit, ("weights",)).holds("weights"):
        return ()
    return tuple(maker(circuit, witness))


def repair_all(circuit: Circuit) -> tuple[Repaired, ...]:
    """Mend one fault after the other with the most faithful repair, until there is none.

    Illegal parameters come first, then products, then sums: splitting a product may leave a sum
    that is not smooth, never the other way round. Raises OptionError where a fault has no repair or
    `MAX_STEPS` were not enough.
    """
    order = ("weights", "decomposable", "consistent", "smooth")
    steps: list[Repaired] = []
    for _ in range(MAX_STEPS):
        report = check(circuit, FAULTS)
        faults = sorted(report.violations, key=lambda w: order.index(w.property))
        if not faults:
            return tuple(steps)
        found = next(((w, r) for w in faults for r in repairs(circuit, w)[:1]), None)
        if found is None:
            raise OptionError(f"there is no repair for this: {faults[0].message}")
        witness, repair = found
        circuit = repair.apply()
        steps.append(Repaired(witness, repair, circuit))
    raise OptionError(f"{MAX_STEPS} repairs were not enough", hint="repair the circuit by hand")
