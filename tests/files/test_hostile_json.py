"""Malformed and hostile .pc.json files: each is refused in words that say what and where."""

from __future__ import annotations

import copy
import json
import time
from collections.abc import Callable

import pytest

from pccore.errors import FileError
from pccore.files import Limits, load_bytes

Json = dict[str, object]

VALID: Json = {
    "format": "pccore",
    "version": 1,
    "dtype": "float64",
    "variables": ["A", "B"],
    "meta": {"title": "t"},
    "groups": [
        {"name": "a", "kind": "leaf", "family": "bernoulli", "variables": ["A"], "values": 0.5},
        {
            "name": "b",
            "kind": "leaf",
            "family": {"family": "categorical", "categories": 3},
            "variables": ["B"],
            "size": 2,
            "values": [[[0.2, 0.3, 0.5], [0.1, 0.1, 0.8]]],
        },
        {"name": "m", "kind": "sum", "inputs": ["b"], "values": [0.4, 0.6]},
        {"name": "p", "kind": "product", "inputs": ["a", "m"]},
        {"name": "s", "kind": "sum", "inputs": ["p", "p"], "edges": [[0, 1]], "values": [1, 1]},
    ],
    "roots": ["s"],
}


def load(data: bytes, limits: Limits | None = None):
    return load_bytes(data, "bad.pc.json", limits or Limits())


def refusal(data: bytes, limits: Limits | None = None) -> str:
    with pytest.raises(FileError) as caught:
        load(data, limits)
    text = str(caught.value)
    assert text.startswith("bad.pc.json") and len(text) < 1000 and "\n" not in text
    assert caught.value.__cause__ is None
    return text


def test_the_valid_file_is_valid():
    assert load(json.dumps(VALID).encode()).num_units == 6


def changed(path: str, value: object) -> Callable[[Json], None]:
    """Set what `path` (keys and indices, separated by dots) names."""

    def change(document: Json) -> None:
        *parents, last = path.split(".")
        target: object = document
        for step in parents:
            target = target[int(step) if isinstance(target, list) else step]  # type: ignore[index]
        if isinstance(target, list):
            target[int(last)] = value
        else:
            target[last] = value  # type: ignore[index]

    return change


def without(path: str) -> Callable[[Json], None]:
    def change(document: Json) -> None:
        *parents, last = path.split(".")
        target: object = document
        for step in parents:
            target = target[int(step) if isinstance(target, list) else step]  # type: ignore[index]
        del target[last]  # type: ignore[attr-defined]

    return change


CHANGES: list[tuple[Callable[[Json], None], str]] = [
    # the document
    (changed("format", "other"), "not a pccore model: its format is 'other'"),
    (without("format"), "its format is None"),
    (without("version"), "version must be an integer, not None"),
    (changed("version", 2), "version 2 of the schema, newer than version 1"),
    (changed("version", 10**30), "version must be from 1"),
    (changed("version", "1"), "version must be an integer, not '1'"),
    (changed("version", True), "version must be an integer, not True"),
    (changed("version", 0), "version must be from 1"),
    (changed("extra", 1), "unknown key 'extra'"),
    (changed("varibles", []), "did you mean 'variables'?"),
    (without("groups"), "lacks the key 'groups'"),
    (without("variables"), "lacks the key 'variables'"),
    (without("roots"), "lacks the key 'roots'"),
    (changed("groups", {}), "groups must be a list"),
    (changed("groups", []), "there is no group 's'"),
    (changed("dtype", "int8"), "there is no dtype 'int8' (float64"),
    (changed("dtype", ["float64"]), "there is no dtype ['float64']"),
    (changed("meta", []), "meta must be an object"),
    (changed("meta", {"title": ["x"]}), "meta.title must be a string"),
    (changed("meta", {"story": "a\u0000b"}), "meta.story: a text holds a control character"),
    (changed("meta", {"image": 3}), "meta.image must be an object"),
    (changed("meta", {"image": {"height": 2**16, "width": 2**16}}), "meta.image has 4294967296"),
    (changed("meta", {"image": {"width": -1}}), "meta.image.width must be from 1"),
    (changed("meta", {"image": {"maximum": 0}}), "maximum must be a positive number"),
    (changed("meta", {"x": "y" * 70_000}), "more than 65536 characters"),
    (changed("meta", {"x" * 300: 1}), "a key has 300 characters"),
    (changed("meta", {"x": [0] * 100_001}), "more than 100000 values"),
    # variables
    (changed("variables", "AB"), "variables must be a list"),
    (changed("variables", ["A", 7]), "the variable name must be a string, not 7"),
    (changed("variables", ["A", "A"]), "two variables are named 'A'"),
    (changed("variables", ["A", ""]), "the variable name is empty"),
    (changed("variables", ["A", "B" * 201]), "201 characters, more than the 200"),
    (changed("variables", ["A", "B\n"]), "control character"),
    (changed("variables", ["A", "\ud800"]), "control character"),
    (changed("variables", ["A", "\u202e"]), "control character"),
    # groups
    (changed("groups.0", "a"), "group number 0: a group must be an object, not 'a'"),
    (changed("groups.0", {}), "group number 0: the group name must be a string, not None"),
    (changed("groups.0.name", ["x"]), "the group name must be a string"),
    (changed("groups.1.name", "a"), "group number 1: two groups are named 'a'"),
    (changed("groups.0.name", "x" * 1000), "1000 characters"),
    (changed("groups.0.kind", "leave"), "group a: kind must be leaf, sum or product"),
    (changed("groups.0.kind", ["leaf"]), "kind must be leaf, sum or product"),
    (without("groups.0.kind"), "kind must be leaf, sum or product, not None"),
    (changed("groups.0.inputs", []), "group a: the leaf has the unknown key 'inputs'"),
    (changed("groups.3.values", [1]), "group p: the product has the unknown key 'values'"),
    (changed("groups.2.weights", [1]), "group m: the sum has the unknown key 'weights'"),
    (changed("groups.0.size", 0), "group a: size must be from 1"),
    (changed("groups.0.size", -1), "size must be from 1"),
    (changed("groups.0.size", 1.0), "size must be an integer, not 1.0"),
    (changed("groups.0.size", 10**12), "size must be from 1 to 100000000"),
    (changed("groups.0.size", 10**8), "group b: more than 100000000 units"),
    (changed("groups.0.dtype", "f4"), "group a: there is no dtype 'f4'"),
    # leaves
    (changed("groups.0.family", "bernouli"), "there is no leaf family 'bernouli'"),
    (changed("groups.0.family", 3), "there is no family 3"),
    (changed("groups.0.family", {}), "there is no leaf family None"),
    (changed("groups.0.family", {"family": []}), "there is no leaf family []"),
    (changed("groups.1.family.categories", 2.5), "categories must be an integer, not 2.5"),
    (changed("groups.1.family.categories", True), "categories must be an integer, not True"),
    (changed("groups.1.family.categories", "3"), "categories must be an integer, not '3'"),
    (changed("groups.1.family.categories", 0), "group b: categorical needs 1 <= categories"),
    (changed("groups.1.family.categories", 2**40), "categorical needs 1 <= categories"),
    (changed("groups.1.family.name", "x"), "family categorical has the unknown key 'name'"),
    (changed("groups.1.family.__class__", "x"), "unknown key '__class__'"),
    (
        changed("groups.0.family", {"family": "gaussian", "min_variance": 10**400}),
        "min_variance is out of range",
    ),
    (
        changed("groups.0.family", {"family": "gaussian", "min_variance": -1}),
        "group a: gaussian needs 0 < min_variance",
    ),
    (changed("groups.0.variables", "A"), "variables must be a list"),
    (changed("groups.0.variables", []), "a leaf needs at least one variable"),
    (changed("groups.0.variables", ["Z"]), "group a: there is no variable 'Z'"),
    (changed("groups.0.variables", [2]), "a variable must be from 0 to 1, not 2"),
    (changed("groups.0.variables", [-1]), "a variable must be from 0 to 1, not -1"),
    (changed("groups.0.variables", [0.0]), "a variable must be an integer, not 0.0"),
    (changed("groups.0.variables", ["A", 0]), "variable 0 appears twice"),
    # references: a cycle can only be written as a reference forward
    (changed("groups.2.inputs", ["m"]), "group m: there is no group 'm' before it"),
    (changed("groups.2.inputs", ["p"]), "group m: there is no group 'p' before it"),
    (changed("groups.2.inputs", ["p"]), "children first, which a cycle cannot be"),
    (changed("groups.2.inputs", [3]), "group m: input 3 is not an earlier group"),
    (changed("groups.2.inputs", [2]), "group m: input 2 is not an earlier group"),
    (changed("groups.2.inputs", [-1]), "a group must be from 0"),
    (changed("groups.2.inputs", [10**40]), "a group must be from 0"),
    (changed("groups.2.inputs", [True]), "a group must be an integer, not True"),
    (changed("groups.2.inputs", [None]), "a group must be an integer, not None"),
    (changed("groups.2.inputs", [[0]]), "a group must be an integer, not [0]"),
    (changed("groups.2.inputs", []), "needs at least one input"),
    (changed("groups.2.inputs", "b"), "inputs must be a list, not 'b'"),
    (without("groups.2.inputs"), "group m: the sum lacks the key 'inputs'"),
    # edges
    (changed("groups.3.edges", "dense"), "edges of a product are hadamard, kronecker or a list"),
    (changed("groups.2.edges", "hadamard"), "edges of a sum are dense, elementwise or a list"),
    (changed("groups.2.edges", {}), "edges of a sum are dense, elementwise or a list"),
    (changed("groups.2.edges", "tensor"), "only a .pc.safetensors file has"),
    (changed("groups.3.inputs", ["a", "b"]), "hadamard edges need inputs of 1 units, not 2"),
    (changed("groups.2.edges", "elementwise"), "elementwise edges need inputs of 1 units"),
    (changed("groups.3.edges", []), "edges have 0 rows for 1 units"),
    (changed("groups.3.edges", [[0, 1], [0]]), "edges have 2 rows for 1 units"),
    (changed("groups.3.edges", [[]]), "every unit needs at least one child"),
    (changed("groups.3.edges", [0]), "a row of edges must be a list, not 0"),
    (changed("groups.3.edges", [[0, 2]]), "group p: sparse children must be below 2"),
    (changed("groups.3.edges", [[-1]]), "a child must be from 0"),
    (changed("groups.3.edges", [[2**63]]), "a child must be from 0"),
    (changed("groups.3.edges", [[0.0]]), "a child must be an integer, not 0.0"),
    # values
    (without("groups.0.values"), "group a: the group has no values"),
    (changed("groups.0.values", "0.5"), "values must be numbers, not '0.5'"),
    (changed("groups.0.values", True), "values must be numbers, not True"),
    (changed("groups.0.values", None), "values must be numbers, not None"),
    (changed("groups.0.values", []), "group a: values must have the shape [1, 1]"),
    (changed("groups.0.values", [[[0.5]]]), "group a: values must have the shape [1, 1]"),
    (changed("groups.0.values", 10**400), "a value is too large"),
    (changed("groups.0.values", 1.5), "group a: bernoulli parameter 1.5"),
    (
        changed("groups.1.values", [[0.2, 0.3, 0.5]]),
        "group b: values must have the shape [1, 2, 3]",
    ),
    (changed("groups.1.values.0.0", [1]), "values must have the shape [1, 2, 3]"),
    (changed("groups.1.values.0.0.0", [1]), "values must have the shape [1, 2, 3]"),
    (changed("groups.1.values.0.0.0", 0.3), "group b: categorical parameter 1.1 at position"),
    (changed("groups.2.values", [0.5, -0.5]), "group m: weight -0.5 at [0, 1] is negative"),
    (changed("groups.2.values", [1]), "group m: values must have the shape [1, 2]"),
    (changed("groups.2.values", [[[1, 1]]]), "values must"),
    # ties
    (changed("groups.2.parameter", "b"), "group m: it shares parameter 'b' of shape [1, 2, 3]"),
    (changed("groups.4.parameter", "m"), "of shape [1, 2] with m but needs the shape [2]"),
    (changed("groups.2.parameter", 3), "the parameter id must be a string"),
    (changed("groups.2.parameter", ""), "the parameter id is empty"),
    # roots
    (changed("roots", []), "the model has no root"),
    (changed("roots", "s"), "roots must be a list"),
    (changed("roots", ["z"]), "roots[0]: there is no group 'z'"),
    (changed("roots", [["b", 2]]), "group b has 2 units, none of index 2"),
    (changed("roots", [["b", -1]]), "the index must be from 0"),
    (changed("roots", [["b"]]), "a root is a group, or a group and an index"),
    (changed("roots", [5]), "roots[0]: input 5 is not an earlier group"),
    (changed("roots", [{}]), "a group must be an integer, not {}"),
]


@pytest.mark.parametrize(("change", "phrase"), CHANGES)
def test_a_wrong_value_is_named(change: Callable[[Json], None], phrase: str):
    document = copy.deepcopy(VALID)
    change(document)
    assert phrase in refusal(json.dumps(document).encode())


def test_a_tied_group_has_no_values_of_its_own():
    document = copy.deepcopy(VALID)
    twin = {"name": "t", "kind": "sum", "inputs": ["b"], "parameter": "m", "values": [1, 1]}
    document["groups"].append(twin)  # type: ignore[attr-defined]
    text = refusal(json.dumps(document).encode())
    assert "group t: it shares parameter 'm' with m, which has its values already" in text


BYTES: list[tuple[bytes, str]] = [
    (b"", "the file is empty"),
    (b"{", "line 1, column 2: not valid JSON"),
    (b"{}", "not a pccore model"),
    (b"[]", "a model is a JSON object, not []"),
    (b"3", "a model is a JSON object, not 3"),
    (b"null", "a model is a JSON object, not None"),
    (b'{"format": "pccore"', "the file seems to be cut off"),
    (b'{"format": "pccore", "version": 1,\n "x" 3}', "line 2, column 6: not valid JSON: Expecting"),
    (b'{"format": "pcc\nore"}', "line 1, column 16: not valid JSON: Invalid control character"),
    (b"{'format': 1}", "line 1, column 2: not valid JSON"),
    (b'{"format": "pccore"} trailing', "line 1, column 22: not valid JSON: Extra data"),
    (b'{"a": 1, "a": 2}', "the key 'a' appears twice in one object"),
    (b'{"groups": [{"name": "g", "size": 1, "size": 2}]}', "group g: the key 'size' appears twice"),
    (b'{"a": NaN}', "NaN is not a number that a model can hold"),
    (b'{"a": -Infinity}', "-Infinity is not a number"),
    (b'{"a": "\xff"}', "line 1: byte 7 is not UTF-8 text"),
    (b'{"a":\n\n "\xc3("}', "line 3: byte 9 is not UTF-8 text"),
    ('{"format": "pccore"}'.encode("utf-16"), "byte 0 is not UTF-8 text"),
    (b"\x00\x00\x00\x00", "not valid JSON"),
    (b"\x80\x04\x95.", "byte 0 is not UTF-8 text"),  # a pickle
    (b"PK\x03\x04", "line 1, column 1: not valid JSON"),
    (b"[" * 100_000, "column 101: lists are nested too deeply"),
    (b'{"a":' * 100_000, "lists are nested too deeply"),
    (b'{"x": "[[[[",\n "y": ' + b"[" * 100_000, "line 2, column 106: lists are nested too deeply"),
    (b'{"version": ' + b"1" * 5000 + b"}", "a number has too many digits"),
    (b'{"format": "pccore", "version": 1e999}', "version must be an integer, not inf"),
    (b'{"' + b"k" * 100_000 + b'": 1, "format": "pccore", "version": 1}', "unknown key 'kkk"),
]


@pytest.mark.parametrize(("data", "phrase"), BYTES, ids=range(len(BYTES)))
def test_bytes_that_are_no_model(data: bytes, phrase: str):
    assert phrase in refusal(data)


def test_huge_exponents_are_not_infinite_parameters():
    text = json.dumps(VALID).replace("[0.4, 0.6]", "[1e999, 0.6]")
    assert "group m: a value is too large" in refusal(text.encode())
    text = json.dumps(VALID).replace('{"title": "t"}', '{"x": 1e999}')
    assert "meta.x: inf is not a finite number" in refusal(text.encode())


def test_single_precision_overflow_is_refused():
    text = json.dumps(VALID).replace("[0.4, 0.6]", "[1e200, 0.6]").replace("float64", "float32")
    assert "group m: weight inf at [0, 0] is not finite" in refusal(text.encode())


def test_deep_notes_are_refused():
    text = json.dumps(VALID).replace('{"title": "t"}', '{"x": ' + "[" * 50 + "]" * 50 + "}")
    assert "meta is nested more than 32 deep" in refusal(text.encode())


def test_a_byte_order_mark_is_harmless():
    assert load(b"\xef\xbb\xbf" + json.dumps(VALID).encode()).num_units == 6


@pytest.mark.parametrize(
    ("limits", "phrase"),
    [
        (Limits(max_bytes=100), "bytes are more than the 100 allowed"),
        (Limits(max_json_bytes=100), "of JSON allowed (save it as NAME.pc.safetensors)"),
        (Limits(max_json_containers=5), "more than 5 lists and objects"),
        (Limits(max_json_values=5), "more than 5 values"),
        (Limits(max_groups=2), "5 groups are more than the 2 allowed"),
        (Limits(max_units=3), "group m: more than 3 units"),
        (Limits(max_variables=1), "2 variables are more than the 1 allowed"),
        (Limits(max_parameters=4), "group b: more than 4 parameters"),
        (Limits(max_scope_bits=9), "5 groups over 2 variables are too many"),
        (Limits(max_sparse_cells=1), "group s: sparse edges over too many inputs"),
    ],
)
def test_every_limit_is_kept(limits: Limits, phrase: str):
    assert phrase in refusal(json.dumps(VALID).encode(), limits)


def growing(edges: str, kind: str) -> bytes:
    """Groups whose declared size squares at each step, with no data behind them."""
    groups: list[object] = [VALID["groups"][0] | {"size": 10, "values": [[0.5] * 10]}]  # type: ignore[index]
    for step in range(1, 9):
        groups.append(
            {
                "name": f"g{step}",
                "kind": kind,
                "size": 10 ** (2**step),
                "inputs": [step - 1, step - 1],
                "edges": edges,
            }
        )
    return json.dumps(VALID | {"groups": groups, "roots": [0]}).encode()


@pytest.mark.parametrize("edges", ["kronecker", "hadamard"])
def test_declared_sizes_are_not_believed(edges: str):
    start = time.thread_time()
    text = refusal(growing(edges, "product"))
    assert "more than 100000000 units" in text or "hadamard edges need" in text
    assert time.thread_time() - start < 2


def test_a_long_kronecker_product_is_not_multiplied_out():
    groups = [
        VALID["groups"][0] | {"size": 2, "values": [[0.5, 0.5]]},  # type: ignore[index]
        {"name": "k", "kind": "product", "inputs": [0] * 300_000, "edges": "kronecker", "size": 7},
    ]
    start = time.thread_time()
    text = refusal(json.dumps(VALID | {"groups": groups, "roots": [0]}).encode())
    assert "group k: kronecker edges make more than 7 units, not 7" in text
    assert time.thread_time() - start < 2


def test_many_groups_with_one_mistake_are_quick_to_refuse():
    leaf = VALID["groups"][0]
    groups = [leaf | {"name": f"g{i}"} for i in range(20_000)]  # type: ignore[operator]
    groups.append(groups[-1])
    start = time.thread_time()
    text = refusal(json.dumps(VALID | {"groups": groups, "roots": [0]}).encode())
    assert "group number 20000: two groups are named 'g19999'" in text
    assert time.thread_time() - start < 5
