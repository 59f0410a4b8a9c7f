"""The numbers of lessons against enumeration, and what people type as numbers."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from pc_workbench import lessons
from pc_workbench.views.lesson_goals import close, read_number
from pc_workbench.views.lesson_live import (
    scene_of,
    with_weight,
)
from pc_workbench.views.lesson_samples import SAMPLES, frequencies
from pc_workbench.views.lesson_subject import Subject
from pc_workbench.views.lesson_terms import Terms, expressions, show
from pc_workbench.views.markup import plain
from pccore import oracle
from pccore.errors import OptionError
from pccore.structures.figures import figures

# -- numbers against enumeration -------------------------------------------------------------


def terms_on(name: str, **names: float) -> Terms:
    subject = Subject(figures()[name]())
    return Terms(subject, subject, names)


@pytest.mark.parametrize("name", ["figure1_naive_bayes", "figure1_junction_tree"])
def test_terms_agree_with_enumeration(name: str):
    circuit = figures()[name]()
    terms = terms_on(name)
    for e in ("X1=1", "X1=0, X2=1", "X2=0"):
        row = Subject(circuit).evidence(e)
        truth = np.exp(oracle.log_probability(circuit, dict(row)))
        assert terms.number(f"P('{e}')") == pytest.approx(truth)
        assert terms.number(f"truth('{e}')") == pytest.approx(truth)
        assert terms.number(f"S('{e}')") == pytest.approx(np.exp(oracle.log_measure(circuit, row)))
    posterior = oracle.marginals(circuit, {"X1": 1.0})[1][1]
    assert terms.number("P('X2=1 | X1=1')") == pytest.approx(posterior)
    _, best = oracle.mpe(circuit, {"X1": 0.0})
    assert terms.number("best_value(X1=0)") == pytest.approx(np.exp(best))
    assert terms.number("found_value(X1=0)") <= np.exp(best) + 1e-12


def test_wrong_evidence_is_counted():
    assert terms_on("figure1_naive_bayes").value("wrong_evidences()") == 0
    assert terms_on("valid_though_broken").value("wrong_evidences()") == 0
    # X1 is summed out: with X2 = 0, 1 or free.
    assert terms_on("inconsistent").value("wrong_evidences()") == 3
    # X2 is summed out: with X1 = 0, 1 or free.
    assert terms_on("incomplete").value("wrong_evidences()") == 3


def test_an_em_update_is_what_enumeration_gives():
    lesson = lessons.find("em")
    data = np.array(lesson.data)
    subject = Subject(figures()["figure1_naive_bayes"](), {}, lesson.data)
    top = subject.unit("S")
    weights = np.array([0.5, 0.2, 0.3])
    p = {"a": (0.6, 0.3), "b": (0.6, 0.2), "c": (0.9, 0.2)}
    likelihood = np.array(
        [[np.prod([q if x else 1 - q for q, x in zip(p[k], row, strict=True)]) for k in "abc"]
         for row in data]
    )  # fmt: skip
    joint = likelihood * weights
    shares = joint / joint.sum(1, keepdims=True)
    updated = subject.em_update(top)
    assert updated.weights(top) == pytest.approx(shares.mean(0))
    assert subject.log_likelihood() == pytest.approx(np.log(joint.sum(1)).sum())
    series = [subject.log_likelihood()]
    for _ in range(6):
        subject = subject.em_update(top)
        series.append(subject.log_likelihood())
    assert all(b >= a - 1e-12 for a, b in itertools.pairwise(series))


def test_samples_are_seeded_and_keep_the_evidence():
    subject = Subject(figures()["figure1_naive_bayes"](), {"X1": 1.0})
    rows = frequencies(subject, 3)
    assert rows == frequencies(Subject(subject.circuit, {"X1": 1.0}), 3)
    assert rows != frequencies(subject, 4)
    shares = {row["state"]: row[f"share of {SAMPLES} samples"] for row in rows}
    assert (shares["X1 = 0"], shares["X1 = 1"]) == ("0", "1")
    assert abs(float(shares["X2 = 1"]) - 0.2435) < 0.15


def test_one_weight_is_changed_with_or_without_the_others():
    circuit = figures()["figure1_naive_bayes"]()
    top = Subject(circuit).unit("S")
    kept = Subject(with_weight(circuit, top, 1, 0.6, keep=True))
    assert kept.weights(top) == pytest.approx([0.25, 0.6, 0.15])
    alone = Subject(with_weight(circuit, top, 1, 0.6, keep=False))
    assert alone.weights(top) == pytest.approx([0.5, 0.6, 0.3])
    # All of it, and back: what was zero gets equal shares.
    all_of_it = with_weight(circuit, top, 0, 1.0, keep=True)
    back = Subject(with_weight(all_of_it, top, 0, 0.4, keep=True))
    assert back.weights(top) == pytest.approx([0.4, 0.3, 0.3])
    assert Subject(circuit).weights(top) == pytest.approx([0.5, 0.2, 0.3])  # as it was


def test_the_induced_tree_of_mpe_is_marked():
    subject = Subject(figures()["figure1_junction_tree"](), {"X2": 0.0})
    scene = scene_of(subject, "largest", "x")
    strong = {node["id"] for node in scene["nodes"] if node["emphasis"] == 1.0}
    assert strong == {f"u:{u.group}:{u.index}" for u in subject.mpe_tree()}
    assert any(edge["dashed"] for edge in scene["edges"])


# -- expressions and files that are wrong ----------------------------------------------------


@pytest.mark.parametrize(
    "expression",
    [
        "__import__('os')",
        "().__class__",
        "S.__globals__",
        "live.__class__",
        "live.nothing()",
        "[1 for _ in range(9)]",
        "lambda: 1",
        "S(**{'X1': 1})",
        "S(X9=1)",
        "S(X1=7)",
        "S('X1')",
        "value('nobody')",
        "2 ** 100000",
        "unknown",
        "1 / 0",
        "S(",
        "1" * 500,
        "count('weight')",
    ],
)
def test_what_is_not_understood_is_refused(expression: str):
    with pytest.raises(OptionError):
        terms_on("figure1_naive_bayes").value(expression)


def test_texts_are_filled_in_and_cannot_become_markup():
    terms = terms_on("figure1_junction_tree", n=5)
    assert terms.text("{{2**n}} and {{S(X1=1)}}") == "32 and 0.7"
    assert terms.text("{{children('X1=1')}}") == "x1, X2\\|x1, X3\\|x1"
    assert plain("*a* [b](c) <i>$x$") == "\\*a\\* \\[b\\](c) \\<i\\>\\$x\\$"
    assert expressions("a {{b}} c {{d + 1}}") == ["b", "d + 1"]
    assert [show(x) for x in (0.3 + 1e-17, 1e-15, 12345, 0.00123456, -2.5, True)] == [
        "0.3", "0", "12,345", "0.001235", "−2.5", "yes",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "value"),
    [("0.25", 0.25), (" 1/4 ", 0.25), ("0,25", 0.25), ("25 %", 0.25), ("−1", -1.0), ("1e-3", 1e-3)],
)
def test_numbers_are_read_as_people_type_them(text: str, value: float):
    assert read_number(text) == pytest.approx(value)


@pytest.mark.parametrize("text", ["", "x", "1/0", "nan", "inf", "1,2,3", "0.1.2"])
def test_what_is_no_number_is_none(text: str):
    assert read_number(text) is None


def test_small_numbers_are_not_all_the_same():
    assert close(0.2435, 0.24348, 0.005)
    assert not close(0.0, 0.0004, 0.005)
    assert not close(0.25, 0.2435, 0.005)
    assert close(0.0, 0.0, 0.005)
