"""Write a model of EinsumNetworks as NAME.einet.npz, which PC Workbench opens.

Copy this file to where the model is (it needs numpy, as EinsumNetworks does) and call it there:

    from export_einet import export
    export(einet, "model.einet.npz")      # an EinsumNetwork; names of the variables may follow

A checkpoint of EinsumNetworks is a pickle, and loading someone else's runs their code; this file
holds arrays and a text. Where only the state was saved, make the model from its region graph as it
was made for training, `load_state_dict`, and export that. The layout is described in
pccore/files/einet.py of PC Workbench.
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np


def export(model: Any, path: str, variables: list[str] | None = None) -> None:
    """Write the model; `path` should end in .einet.npz.

    Mixing weights of a model without EM may add up to less than 1: that is so in the model, too.
    Raises TypeError for a leaf family or a layer that has no counterpart.
    """
    first, *others = list(model.einet_layers)
    family = _family(first.ef_array)
    numbers = {id(layer): number for number, layer in enumerate(model.einet_layers)}
    arrays = {"leaves": _numbers(first.ef_array)}
    layers: list[dict[str, Any]] = []
    for layer in others:
        kind = type(layer).__name__
        if kind == "EinsumLayer":
            pairs = [[_address(node, numbers) for node in pair] for pair in layer.inputs]
            layers.append({"products": pairs})
        elif kind == "EinsumMixingLayer":
            layers.append({"mixing": [layer.mixing_component_idx[node] for node in layer.nodes]})
        else:
            raise TypeError(f"the layer {kind} has no counterpart")
        name = f"layer_{len(layers)}"
        arrays[name] = _numbers(layer)
        for n, children in enumerate(layers[-1].get("mixing", [])):
            # Without EM, places that have no child have a weight, too; it counts for nothing.
            arrays[name][:, n, len(children) :] = 0
    structure = {
        "version": 1,
        "variables": variables or int(first.num_var),
        "dimensions": int(first.num_dims),
        **family,
        "leaves": [
            {"scope": [int(v) for v in node.scope], "replica": int(node.einet_address.replica_idx)}
            for node in first.nodes
        ],
        "layers": layers,
    }
    with open(path, "wb") as file:
        np.savez(file, einet=np.array(json.dumps(structure)), **arrays)


def _address(node: Any, numbers: dict[int, int]) -> list[int]:
    """[layer, index] of a region."""
    return [numbers[id(node.einet_address.layer)], int(node.einet_address.idx)]


def _family(array: Any) -> dict[str, Any]:
    kind = type(array).__name__
    if kind == "NormalArray":
        return {"family": "normal"}
    if kind == "BinomialArray":
        return {"family": "binomial", "trials": int(array.N)}
    if kind == "CategoricalArray":
        return {"family": "categorical", "states": int(array.K)}
    raise TypeError(f"the leaf family {kind} has no counterpart")


def _numbers(layer: Any) -> Any:
    """The parameters as the forward pass uses them; without EM they are kept in another form."""
    params = layer.params if layer._use_em else layer.reparam(layer.params)
    return params.detach().cpu().numpy().copy()
