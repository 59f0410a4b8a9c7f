"""Two circuits against each other: how they are built, and how far apart they are.

from pccore.queries.compare import differences, distance
for one in differences(before, after).units:
    print(one.status, one.what)
print(distance(before, after).kl)
"""

from pccore.queries.compare.differences import (
    Differences,
    EdgeDifference,
    UnitDifference,
    differences,
)
from pccore.queries.compare.distance import Distance, Extreme, Figure, distance

__all__ = [
    "Differences",
    "Distance",
    "EdgeDifference",
    "Extreme",
    "Figure",
    "UnitDifference",
    "differences",
    "distance",
]
