"""Which dataset a model is about: the current one where it fits, else one that does."""

from __future__ import annotations

from collections.abc import Callable

from pc_workbench import state, store
from pccore.datasets import Dataset
from pccore.errors import PCError
from pccore.graph import Circuit


def dataset_for(circuit: Circuit, fits: Callable[[Dataset], bool]) -> Dataset | None:
    """The first dataset that fits: the current one, those that the circuit's notes name, those
    with as many columns as it has variables. Datasets that cannot be read are passed over."""
    size = len(circuit.variables)
    infos = store.dataset_infos()
    noted = [str(circuit.meta.get(key, "")) for key in ("dataset", "data")]
    others = [info.name for info in infos if info.num_variables in (size, None)]
    known = {info.name for info in infos}
    for name in dict.fromkeys([state.get().dataset, *noted, *others]):
        if name not in known:
            continue
        try:
            dataset = store.get_dataset(name)
        except PCError:
            continue
        if fits(dataset):
            return dataset
    return None
