"""Which dataset a model is about: the current one where it fits, else one that does."""

from __future__ import annotations

from collections.abc import Callable

from pc_workbench import state, store
from pc_workbench.views.completion import image_shape
from pc_workbench.views.sentences import vocabulary
from pccore.datasets import Dataset
from pccore.errors import PCError
from pccore.graph import Circuit


def completable(circuit: Circuit) -> bool:
    """Whether Complete has a use for a circuit: of pictures, or of the words of the dataset."""
    if image_shape(circuit) is not None:
        return True
    try:
        dataset = store.get_dataset(state.get().dataset)
    except PCError:
        return False
    return vocabulary(circuit, dataset) is not None


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
