"""Repairs: for each kind of witness the ways to mend it, and what each does to the distribution."""

from pccore.repair.offers import repair_all, repair_steps, repairs, why_none
from pccore.repair.repair import Preserves, Repair, Repaired

__all__ = [
    "Preserves",
    "Repair",
    "Repaired",
    "repair_all",
    "repair_steps",
    "repairs",
    "why_none",
]
