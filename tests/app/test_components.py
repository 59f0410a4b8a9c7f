"""The Python side of the components: what goes out is valid, what comes in is checked."""

from __future__ import annotations

import base64

import numpy as np
import pytest

from pc_workbench.components import assets
from pc_workbench.components.canvas import codec
from pc_workbench.components.chart.series import encode_series, thin
from pc_workbench.components.graph import GraphEvent, check_scene, read_graph_event

SHAPE = (5, 7)


def payload(**changes) -> dict:
    mask = np.zeros(SHAPE, bool)
    mask[1, 2:5] = True
    sent = {
        "bits": codec.pack_mask(mask),
        "sequence": 4,
        "height": 5,
        "width": 7,
        "image_id": "a",
        "mask_version": 0,
    }
    return sent | changes


def test_a_mask_travels_both_ways():
    mask = np.random.default_rng(0).random(SHAPE) < 0.5
    assert np.array_equal(codec.unpack_mask(codec.pack_mask(mask), SHAPE), mask)
    event = codec.read_event(payload(), SHAPE, "a", 0)
    assert event.sequence == 4 and event.hidden == 3 and event.mask.shape == SHAPE


@pytest.mark.parametrize(
    "changes",
    [
        {"bits": "not base64 !"},
        {"bits": base64.b64encode(b"123").decode()},
        {"bits": base64.b64encode(bytes(1000)).decode()},
        {"bits": None},
        {"bits": "é" * 8},
        {"sequence": -1},
        {"sequence": True},
        {"sequence": "4"},
        {"sequence": 2**60},
        {"height": 7, "width": 5},
        {"image_id": "b"},
        {"mask_version": 1},
    ],
)
def test_a_malformed_mask_is_ignored(changes):
    assert codec.read_event(payload(**changes), SHAPE, "a", 0) is None


@pytest.mark.parametrize("sent", [None, [], "x", 3])
def test_something_else_is_ignored(sent):
    assert codec.read_event(sent, SHAPE, None, 0) is None


def test_images_are_checked():
    sent = codec.encode_image(np.zeros((2, 3, 3), np.uint8))
    assert (sent["height"], sent["width"], sent["channels"]) == (2, 3, 3)
    assert codec.encode_image(np.zeros((2, 3, 1), np.uint8))["channels"] == 1
    for wrong in (np.zeros((2, 3)), np.zeros((2, 3, 4), np.uint8), np.zeros((0, 3), np.uint8)):
        with pytest.raises(ValueError, match="an image"):
            codec.encode_image(wrong)


def test_graph_events_are_checked():
    sent = {"type": "select", "id": "s1", "nonce": 1}
    assert read_graph_event(sent) == GraphEvent("select", "s1", 1)
    assert read_graph_event(sent | {"id": None}) == GraphEvent("select", None, 1)
    for changes in ({"type": "delete"}, {"id": 3}, {"nonce": "1"}, {"type": "expand", "id": None}):
        assert read_graph_event(sent | changes) is None
    assert read_graph_event("x") is None


def test_scenes_are_checked():
    node = {"id": "a", "x": 1, "y": np.float64(2), "kind": "sum", "emphasis": float("nan")}
    other = node | {"id": "b", "emphasis": 7}
    scene = check_scene(
        {"nodes": [node, other], "edges": [{"source": "a", "target": "b", "width": -1}]}
    )
    assert [n["emphasis"] for n in scene["nodes"]] == [None, 1.0]
    assert scene["edges"][0]["width"] == 0.0
    for nodes, edges in [
        ([node, node], []),
        ([node | {"kind": "max"}], []),
        ([node | {"x": float("inf")}], []),
        ([node], [{"source": "a", "target": "z"}]),
    ]:
        with pytest.raises(ValueError):
            check_scene({"nodes": nodes, "edges": edges})


def test_curves_have_gaps_not_nans():
    (one,) = encode_series([{"name": "t", "x": [0, 1, 2], "y": [1.0, np.nan, np.inf]}])
    assert one["y"] == [1.0, None, None]
    with pytest.raises(ValueError, match="x values"):
        encode_series([{"name": "t", "x": [0], "y": []}])
    with pytest.raises(ValueError, match="style"):
        encode_series([{"name": "t", "x": [], "y": [], "style": "wavy"}])


def test_thinning_keeps_the_extremes():
    x = np.arange(100_000.0)
    y = np.sin(x / 900)
    y[41_234] = 9.0
    y[70_000] = np.nan
    few_x, few_y = thin(x, y, 1000)
    assert len(few_x) <= 1000 and (np.diff(few_x) > 0).all()
    assert few_x[0] == 0 and few_x[-1] == 99_999
    assert np.nanmax(few_y) == 9.0


def test_exactly_one_script_exports():
    good = "const a = 1;\nexport default function (c) {}\n"
    assert assets.join_scripts(["const b = 2;", good]).count("export default") == 1
    for wrong in (["const a = 1;"], [good, good], ['import x from "y";', good]):
        with pytest.raises(ValueError):
            assets.join_scripts(wrong)


def test_component_files_are_small_and_never_parse_markup():
    files = [p for p in assets.FOLDER.rglob("*") if p.suffix in {".js", ".css", ".html", ".py"}]
    assert len(files) > 20
    for file in files:
        text = file.read_text(encoding="utf-8")
        assert text.count("\n") <= 400, file.name
        if file.suffix == ".js":
            for word in ("innerHTML", "outerHTML", "insertAdjacentHTML", "eval(", "http://www.w3"):
                allowed = word.startswith("http") and file.name == "dom.js"
                assert allowed or word not in text, f"{word} in {file.name}"
            assert "https://" not in text
