"""Even parity: the uniform distribution that a sum-product network stores in linear size."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from pccore.datasets.base import Array, Bundled, Dataset, default_names
from pccore.errors import DataError
from pccore.leaves.base import Support

_DESCRIPTION = "uniform over the 16 states of five binary variables with an even number of ones"
_SEED = 3


@lru_cache(maxsize=4)
def make(variables: int = 5) -> Dataset:
    """All states of 2..16 binary variables with an even number of ones, equally often.

    Each state comes ceil(800 / states) times in train and a tenth of that (at least once) in
    valid and test, so the best possible mean log-likelihood is exactly -(variables - 1) log 2 on
    every split. Source: Poon and Domingos 2011, figure 3. Raises DataError for another number.
    """
    if not 2 <= variables <= 16:
        raise DataError(f"parity needs 2 to 16 variables, not {variables}")
    codes = np.arange(2**variables)
    bits = (codes[:, None] >> np.arange(variables)) & 1
    states = bits[bits.sum(axis=1) % 2 == 0].astype(np.float32)
    copies = -(-800 // len(states))
    random = np.random.RandomState(_SEED)

    def rows(times: int) -> Array:
        table = np.tile(states, (times, 1))
        return table[random.permutation(len(table))]

    return Dataset(
        name="parity",
        train=rows(copies),
        valid=rows(max(1, copies // 10)),
        test=rows(max(1, copies // 10)),
        variables=default_names(variables),
        supports=(Support("finite", 2),) * variables,
        description=_DESCRIPTION if variables == 5 else f"even parity of {variables} variables",
    )


PARITY = Bundled("parity", _DESCRIPTION, (800, 80, 80), 5, make)
