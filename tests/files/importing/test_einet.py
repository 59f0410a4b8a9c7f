"""Einsum networks: what the arrays mean, what is refused, and the script that writes them.

The script is also run against EinsumNetworks itself where a person has it: PYTHONPATH=CHECKOUT/src.
"""

from __future__ import annotations

import importlib
import io
import json
import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from pccore.check import check
from pccore.errors import FileError
from pccore.files import Limits, load_bytes, load_model, save_bytes
from pccore.files.user_side.export_einet import export
from pccore.queries.likelihood import log_value
from tests.files.importing.einets import densities, networks, packed

NETWORKS = networks()
NAME = "m.einet.npz"


def rows_for(arrays: dict[str, Any], seed: int = 0) -> np.ndarray:
    """[7, columns] with missing values, the last row all of them."""
    text = json.loads(str(arrays["einet"]))
    columns = text["variables"] * text["dimensions"]
    generator = np.random.default_rng(seed)
    if text["family"] == "normal":
        rows = generator.normal(size=(7, columns))
    else:
        states = text["trials"] + 1 if text["family"] == "binomial" else text["states"]
        rows = generator.integers(0, states, (7, columns)).astype(float)
    rows[1::2] = np.where(generator.random(rows[1::2].shape) < 0.4, np.nan, rows[1::2])
    rows[-1] = np.nan
    return rows


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_densities_are_those_of_the_formulas(name: str, dtype: type) -> None:
    arrays = {k: v.astype(dtype) if v.dtype.kind == "f" else v for k, v in NETWORKS[name].items()}
    circuit = load_bytes(packed(arrays), NAME)
    report = check(circuit, ["smooth", "decomposable"])
    assert report.violations == ()
    rows = rows_for(arrays)
    expected = np.array([np.log(densities(arrays, row)) for row in rows.tolist()])
    assert circuit.num_parameters and len(circuit.roots) == expected.shape[1]
    for root in range(expected.shape[1]):
        got = log_value(circuit, torch.tensor(rows), root)
        near = 1e-9 if dtype is np.float64 else 1e-4
        np.testing.assert_allclose(got.numpy(), expected[:, root], atol=near)
    assert expected[-1] == pytest.approx(np.zeros(expected.shape[1]), abs=1e-6)


def test_the_content_tells_the_format_and_names_are_kept() -> None:
    arrays = dict(NETWORKS["pd-colours"])
    text = json.loads(str(arrays["einet"]))
    arrays["einet"] = np.array(json.dumps({**text, "variables": list("abcdef")}))
    circuit = load_bytes(packed(arrays), "upload")
    assert circuit.variables[:4] == ("a.0", "a.1", "a.2", "b.0")
    again = load_bytes(save_bytes(circuit, "m.pc.safetensors"), "m.pc.safetensors")
    rows = torch.tensor(rows_for(NETWORKS["pd-colours"]))
    assert torch.equal(log_value(again, rows), log_value(circuit, rows))


def altered(change: str) -> bytes:
    """A sound network with one thing wrong."""
    arrays = {key: np.array(value) for key, value in NETWORKS["rat-normal"].items()}
    text = json.loads(str(arrays["einet"]))
    changes = {
        "version": lambda: text.update(version=2),
        "family": lambda: text.update(family="gamma"),
        "child": lambda: text["layers"][0]["products"][0].__setitem__(0, [0, 99]),
        "later": lambda: text["layers"][0]["products"][0].__setitem__(0, [1, 0]),
        "three": lambda: text["layers"][0]["products"][0].append([0, 0]),
        "replica": lambda: text["leaves"][0].update(replica=9),
        "twice": lambda: text["leaves"][0].update(scope=[1, 1]),
        "both": lambda: text["layers"][0].update(mixing=[]),
        "layers": lambda: text.update(layers=[]),
        "gone": lambda: arrays.pop("layer_2"),
        "shape": lambda: arrays.update(leaves=arrays["leaves"][..., :1]),
        "units": lambda: arrays.update(layer_1=arrays["layer_1"][:1]),
        "variance": lambda: arrays["leaves"].__setitem__((0, 0, 0, 1), 0.0),
        "nan": lambda: arrays["layer_2"].__setitem__((0, 0, 0, 0), math.nan),
        "integers": lambda: arrays.update(layer_1=arrays["layer_1"].astype(int)),
        "pickle": lambda: arrays.update(leaves=np.array([None])),
    }
    changes[change]()
    arrays["einet"] = np.array(json.dumps(text))
    return packed(arrays)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("version", "version must be from 1 to 1, not 2"),
        ("family", "there is no family 'gamma' (known are normal, binomial, categorical)"),
        ("child", "layer_1, product 0: the index must be from 0 to"),
        ("later", "layer_1, product 0: the layer must be from 0 to 0, not 1"),
        ("three", "layer_1, product 0: a product has two children, not 3"),
        ("replica", "leaf 0: there is no replica 9"),
        ("twice", "leaf 0: the scope is empty or has a variable twice"),
        ("both", "layer_1: a layer has products or mixing"),
        ("layers", "there are no layers above the leaves"),
        ("gone", "layer_2: the array is missing"),
        ("shape", "leaves: the array has the shape"),
        ("units", "the children have 2 and 2 units, the weights are for 1 and 2"),
        ("variance", "leaves: the moments of a leaf give the variance"),
        ("nan", "group S2_0"),
        ("integers", "layer_1: the array is no array of real numbers"),
        ("pickle", "pickled objects, which are never loaded"),
    ],
)
def test_what_is_wrong_is_said(change: str, message: str) -> None:
    with pytest.raises(FileError) as caught:
        load_bytes(altered(change), NAME)
    assert message in str(caught.value)


def test_other_archives_and_large_ones_are_refused() -> None:
    with pytest.raises(FileError, match=r"no array `einet`.*export_einet"):
        load_bytes(packed({"einet_layers.0.ef_array.params": np.zeros(3)}), NAME)
    data = packed(NETWORKS["pd-colours"])
    with pytest.raises(FileError, match="more than 20 units"):
        load_bytes(data, NAME, Limits(max_units=20))
    stream = io.BytesIO()
    np.savez_compressed(stream, einet=np.array("{}"), leaves=np.zeros(2**16))
    assert len(stream.getvalue()) < 2**12
    with pytest.raises(FileError, match=r"the arrays have .* more than the 4096 allowed"):
        load_bytes(stream.getvalue(), NAME, Limits(max_bytes=2**12))


def test_leaves_that_share_their_numbers_do_not_grow_without_bound() -> None:
    arrays = dict(NETWORKS["rat-normal"])
    text = json.loads(str(arrays["einet"]))
    arrays["einet"] = np.array(json.dumps({**text, "leaves": text["leaves"] * 50}))
    arrays["leaves"] = np.repeat(arrays["leaves"], 40, axis=1)
    with pytest.raises(FileError, match="more than 524288 bytes are not supported"):
        load_bytes(packed(arrays), NAME, Limits(max_bytes=2**19))


# -- the script ----------------------------------------------------------------------------------


def standing_in(arrays: dict[str, Any]) -> SimpleNamespace:
    """An object with the attributes of an EinsumNetwork that the script reads."""
    text = json.loads(str(arrays["einet"]))

    def layer(kind: str, values: Any, **more: Any) -> Any:
        own = {"params": torch.tensor(values), "_use_em": True, **more}
        return type(kind, (), own)()

    kinds = {
        "normal": "NormalArray",
        "binomial": "BinomialArray",
        "categorical": "CategoricalArray",
    }
    number = {"N": torch.tensor(float(text.get("trials", 0))), "K": text.get("states")}
    leaves = layer(kinds[text["family"]], arrays["leaves"], **number)
    found = [
        SimpleNamespace(ef_array=leaves, num_var=text["variables"], num_dims=text["dimensions"])
    ]
    nodes: list[list[Any]] = [[]]
    for k, leaf in enumerate(text["leaves"]):
        address = SimpleNamespace(layer=found[0], idx=k, replica_idx=leaf["replica"])
        nodes[0].append(SimpleNamespace(scope=tuple(leaf["scope"]), einet_address=address))
    found[0].nodes = nodes[0]
    for k, entry in enumerate(text["layers"], 1):
        values = arrays[f"layer_{k}"]
        if "products" in entry:
            inputs = [[nodes[i][j] for i, j in pair] for pair in entry["products"]]
            one = layer("EinsumLayer", values, inputs=inputs)
            count = len(inputs)
        else:
            # Without EM parameters are kept as logits.
            logits = np.log(values, where=values > 0, out=np.full(values.shape, -np.inf))
            one = layer("EinsumMixingLayer", logits, _use_em=False)
            one.reparam = lambda params: torch.softmax(params, -1)
            count = len(entry["mixing"])
        address = [SimpleNamespace(layer=one, idx=j) for j in range(count)]
        nodes.append([_Region(einet_address=a) for a in address])
        if "mixing" in entry:
            one.nodes = nodes[-1]
            one.mixing_component_idx = dict(zip(nodes[-1], entry["mixing"], strict=True))
        found.append(one)
    return SimpleNamespace(einet_layers=found)


class _Region(SimpleNamespace):
    __hash__ = object.__hash__


@pytest.mark.parametrize("name", NETWORKS)
def test_the_script_writes_the_arrays(name: str, tmp_path: Path) -> None:
    path = tmp_path / NAME
    export(standing_in(NETWORKS[name]), str(path))
    rows = torch.tensor(rows_for(NETWORKS[name]))
    expected = log_value(load_bytes(packed(NETWORKS[name]), NAME), rows)
    torch.testing.assert_close(log_value(load_model(path), rows), expected)


def theirs(structure: str, family: str, classes: int, em: bool) -> Any:
    # Its Graph.py imports two names that networkx 3 has removed, and uses neither.
    networkx: Any = importlib.import_module("networkx")
    for name in ("read_gpickle", "write_gpickle"):
        if not hasattr(networkx, name):
            setattr(networkx, name, None)
    reason = "EinsumNetworks is not on the path"
    library: Any = pytest.importorskip("EinsumNetwork.EinsumNetwork", reason=reason)
    graph: Any = importlib.import_module("EinsumNetwork.Graph")
    torch.manual_seed(3)
    np.random.seed(3)
    if structure == "rat":
        made = graph.random_binary_trees(num_var=12, depth=2, num_repetitions=3)
    else:
        made = graph.poon_domingos_structure(shape=(3, 4), delta=[1.0])
    arguments = {"NormalArray": {}, "BinomialArray": {"N": 3}, "CategoricalArray": {"K": 4}}
    net = library.EinsumNetwork(
        made,
        library.Args(
            num_var=12,
            num_dims=1,
            num_classes=classes,
            num_sums=4,
            num_input_distributions=4,
            exponential_family=getattr(library, family),
            exponential_family_args=arguments[family],
            use_em=em,
            online_em_frequency=1 if em else None,
            online_em_stepsize=0.05 if em else None,
        ),
    )
    net.initialize()
    return net


@pytest.mark.parametrize("em", [True, False])
@pytest.mark.parametrize("classes", [1, 3])
@pytest.mark.parametrize("family", ["NormalArray", "BinomialArray", "CategoricalArray"])
@pytest.mark.parametrize("structure", ["rat", "pd"])
def test_models_of_einsumnetworks_keep_their_log_likelihoods(
    structure: str, family: str, classes: int, em: bool, tmp_path: Path
) -> None:
    net = theirs(structure, family, classes, em)
    rows = torch.randn(40, 12) if family == "NormalArray" else torch.randint(0, 4, (40, 12)).float()
    hidden = [1, 5, 6]
    net.set_marginalization_idx(hidden)
    expected = net.forward(rows).detach()
    export(net, str(tmp_path / NAME))
    circuit = load_model(tmp_path / NAME)
    rows[:, hidden] = math.nan
    for root in range(classes):
        got = log_value(circuit, rows, root).float()
        torch.testing.assert_close(got, expected[:, root], atol=2e-4, rtol=1e-4)
