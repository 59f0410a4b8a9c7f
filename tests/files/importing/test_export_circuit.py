"""The script for the side of SPFlow 1.1 and pyjuice, against those libraries if installed.

pip install spflow==1.1.0 pyjuice
"""

from __future__ import annotations

import importlib
import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from pccore.check import check
from pccore.files import load_model
from pccore.files.user_side import export_circuit
from pccore.files.user_side.export_circuit import Writer, export
from pccore.queries.likelihood import log_value


def test_the_script_needs_nothing_but_python(tmp_path: Path):
    script = Path(export_circuit.__file__)
    command = [sys.executable, "-I", "-S", "-c", f"exec(open({str(script)!r}).read()); Writer()"]
    assert subprocess.run(command, cwd=tmp_path).returncode == 0


def test_what_it_writes_is_a_model(tmp_path: Path):
    writer = Writer()
    a = writer.leaves("bernoulli", 0, [0.2, 0.7])
    b = writer.leaves({"family": "gaussian", "min_variance": 1e-4}, 1, [[0.0, 1.0], [1.0, 2.0]])
    p = writer.products([[a[0], b[1]], [b[0], a[1]]])
    root = writer.sums([p], [[0.25, 0.75]])
    path = tmp_path / "m.pc.json"
    path.write_text(str(writer.document(root, ["x", "y"])).replace("'", '"'))
    circuit = load_model(path)
    assert check(circuit).valid
    normal = [math.exp(-(d**2) / (2 * v)) / math.sqrt(2 * math.pi * v) for d, v in ((1, 1), (0, 2))]
    expected = 0.25 * 0.2 * normal[1] + 0.75 * 0.7 * normal[0]
    assert float(log_value(circuit, torch.tensor([[1.0, 1.0]])).exp()[0]) == pytest.approx(expected)


def spflow_models() -> dict[str, object]:
    pytest.importorskip("spflow", reason="SPFlow 1.1 is not installed")
    leaves = importlib.import_module("spflow.modules.leaves")
    sums = importlib.import_module("spflow.modules.sums")
    products = importlib.import_module("spflow.modules.products")
    einet = importlib.import_module("spflow.zoo.einet").Einet
    rat = importlib.import_module("spflow.zoo.rat").RatSPN
    torch.manual_seed(0)
    a, b = (leaves.Categorical(scope=[v], out_channels=2, K=3) for v in (0, 1))
    c = leaves.Bernoulli(scope=[2], out_channels=2)
    outer = products.OuterProduct(inputs=[a, b, c])
    plain = products.ElementwiseProduct(inputs=[sums.Sum(inputs=a, out_channels=2), b, c])
    pair = [products.ElementwiseProduct(inputs=[a, b, c]), plain]
    models = {
        "sum": sums.Sum(inputs=[outer, plain], out_channels=1),
        "elementwise": sums.Sum(
            inputs=sums.ElementwiseSum(inputs=pair, out_channels=2), out_channels=1
        ),
        "rat": rat(
            leaf_modules=[leaves.Bernoulli(scope=range(8), out_channels=3, num_repetitions=2)],
            n_root_nodes=1,
            n_region_nodes=3,
            num_repetitions=2,
            depth=2,
            outer_product=True,
        ),
    }
    for kind in ("einsum", "linsum"):
        normal = leaves.Normal(scope=range(4), out_channels=3, num_repetitions=2)
        models[kind] = einet(
            leaf_modules=[normal],
            num_classes=1,
            num_sums=4,
            num_leaves=3,
            depth=2,
            num_repetitions=2,
            layer_type=kind,
        )
    return models


@pytest.mark.parametrize("name", ["sum", "elementwise", "rat", "einsum", "linsum"])
def test_models_of_spflow_keep_their_log_likelihoods(name: str, tmp_path: Path):
    model = spflow_models()[name]
    columns = len(model.scope.query)  # pyright: ignore
    rows = torch.randn(60, columns) if name.endswith("sum") and name != "sum" else None
    rows = torch.randint(0, 2, (60, columns)).float() if rows is None else rows
    rows[::3, 0] = math.nan
    expected = model.log_likelihood(rows).reshape(-1).detach()  # pyright: ignore
    export(model, str(tmp_path / "m.pc.json"))
    circuit = load_model(tmp_path / "m.pc.json")
    assert check(circuit, ["smooth", "decomposable"]).violations == ()
    torch.testing.assert_close(log_value(circuit, rows).float(), expected, atol=1e-4, rtol=1e-5)


def by_hand(node, rows: np.ndarray) -> np.ndarray:
    """Values of a vector of pyjuice nodes, [nodes, rows], from its own parameter matrices."""
    if node.is_input():
        (column,) = list(node.scope)
        table = node.get_source_ns().get_params().numpy().reshape(node.num_nodes, -1)
        return table[:, rows[:, column]]
    below = [by_hand(child, rows) for child in node.chs]
    if node.is_prod():
        step = 1 if node.edge_ids.shape[0] == node.num_nodes else node.block_size
        out = np.ones((node.num_nodes, len(rows)))
        for part, column in zip(below, node.edge_ids.T.tolist(), strict=True):
            units = [child * step + k for child in column for k in range(step)]
            out *= part[units]
        return out
    weights = node.get_source_ns().get_params(as_matrix=True).numpy()
    return weights @ np.concatenate(below)


# pyjuice builds sparse tensors without saying whether torch shall check them.
@pytest.mark.filterwarnings("ignore:Sparse invariant checks:UserWarning")
def test_models_of_pyjuice_keep_their_values(tmp_path: Path):
    pytest.importorskip("triton", reason="triton, which pyjuice needs, is not installed")
    pytest.importorskip("pyjuice", reason="pyjuice is not installed")
    nodes = importlib.import_module("pyjuice.nodes")
    categorical = importlib.import_module("pyjuice.nodes.distributions").Categorical
    torch.manual_seed(0)
    with nodes.set_block_size(2):
        leaves = [
            nodes.inputs(v, num_node_blocks=2, dist=categorical(num_cats=3)) for v in range(4)
        ]
        left = nodes.summate(nodes.multiply(leaves[0], leaves[1]), num_node_blocks=2)
        right = nodes.summate(
            nodes.multiply(leaves[2], leaves[3], edge_ids=torch.tensor([[0, 1], [1, 0], [1, 1]])),
            num_node_blocks=2,
        )
    root = nodes.summate(nodes.multiply(left, right), num_node_blocks=1, block_size=1)
    root.init_parameters()
    export(root, str(tmp_path / "m.pc.json"))
    rows = np.random.default_rng(0).integers(0, 3, (50, 4))
    found = log_value(load_model(tmp_path / "m.pc.json"), torch.tensor(rows).double()).exp()
    np.testing.assert_allclose(found.numpy(), by_hand(root, rows)[0], rtol=1e-5)
