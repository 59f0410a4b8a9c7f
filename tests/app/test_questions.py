"""Questions about random circuits: the answers are what brute force gives, the seed decides all."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Iterator
from html.parser import HTMLParser

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pc_workbench.views.lesson_subject import Subject
from pc_workbench.views.questions import KINDS, Question, judge, questions
from pc_workbench.views.questions_part import EDGES, UNITS, part_of
from pc_workbench.views.worksheet import (
    Worksheet,
    answer_text,
    key_to_html,
    key_to_markdown,
    to_html,
    to_markdown,
)
from pccore import oracle
from pccore.build import bernoulli, circuit, gaussian, indicator, mix, product
from pccore.check import check
from pccore.errors import NotFoundError, OptionError
from pccore.files import load_model, sample_models
from pccore.graph import Circuit, Unit
from pccore.reference import evaluate
from pccore.structures.figures import figures
from tests.strategies import SEEDS, random_broken, random_circuit

# Circuits whose leaves say all their numbers, so that every kind of question can be asked.
SMALL = {"variables": 3, "max_size": 2, "families": ("bernoulli", "indicator"), "grouped": False}
QUICK = settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def asked(seed: int, kind: str = "", **options: object) -> Iterator[tuple[Circuit, Question]]:
    """Questions about random circuits: valid ones, broken ones, and the figures."""
    makers = list(figures().values())
    found = [random_circuit(seed, **(SMALL | options)), makers[seed % len(makers)]()]
    found += [random_broken(seed, clause, **SMALL).circuit for clause in ("smooth", "decomposable")]
    for one in found:
        try:
            part = part_of(one, seed)
            for question in questions(part.circuit, seed, 4, [kind] if kind else ()):
                yield part.circuit, question
        except OptionError:  # too large, or nothing of this kind to ask
            continue


def unit_of(one: Circuit, name: str) -> Unit:
    return Unit(one.group_index(name), 0)


def at(one: Circuit, unit: Unit, given_: dict[str, float]) -> float:
    """The value of a unit, by the readable reference."""
    row = np.full(len(one.variables), np.nan)
    for name, value in given_.items():
        row[one.variable_index(name)] = value
    return math.exp(float(evaluate(one, row).log_value(unit)[0]))


def trees_below(one: Circuit, top: Unit) -> list[frozenset[tuple[Unit, ...]]]:
    """Every induced tree, written out as the choices along it; a shared unit chooses anew."""
    found: list[list[Unit]] = []
    # A partial tree: what was chosen, and the units still to be expanded.
    stack: list[tuple[list[Unit], list[Unit]]] = [([top], [top])]
    while stack:
        done, waiting = stack.pop()
        if not waiting:
            found.append(done)
            continue
        unit, rest = waiting[0], waiting[1:]
        edges = one.children(unit)
        if one.groups[unit.group].kind == "sum":
            for edge in edges:
                if edge.weight:
                    stack.append(([*done, edge.child], [edge.child, *rest]))
        else:
            stack.append((done, [*(edge.child for edge in edges), *rest]))
    return found


# -- answers -----------------------------------------------------------------------------------


@QUICK
@given(SEEDS)
def test_probabilities_and_posteriors_are_those_of_enumeration(seed: int):
    for kind in ("probability", "posterior"):
        for one, question in asked(seed, kind):
            facts = dict(question.given)
            if kind == "probability":
                truth = math.exp(oracle.log_probability(one, facts))
            else:
                name, state = re.match(r"What is P\((\w+) = (\d+) \|", question.text).groups()
                truth = oracle.marginals(one, facts)[one.variable_index(name)][int(state)]
                assert name not in facts
            assert question.answer == pytest.approx(truth, abs=1e-9)


@QUICK
@given(SEEDS)
def test_values_are_those_of_the_reference(seed: int):
    for one, question in asked(seed, "value"):
        truth = at(one, unit_of(one, question.units[0]), dict(question.given))
        assert question.answer == pytest.approx(truth, abs=1e-9)


@QUICK
@given(SEEDS)
def test_trees_are_counted_right(seed: int):
    for one, question in asked(seed, "trees"):
        if question.answer <= 3000:
            assert question.answer == len(trees_below(one, unit_of(one, question.units[0])))


@QUICK
@given(SEEDS)
def test_scopes_are_judged_as_by_the_check(seed: int):
    for kind, property_ in (("decomposable", "decomposable"), ("smooth", "smooth")):
        for one, question in asked(seed, kind):
            unit = unit_of(one, question.units[0])
            blamed = unit in {w.unit for w in check(one).of(property_)}
            assert question.answer.startswith("no") == blamed
            scopes = [one.scopes[edge.child.group] for edge in one.children(unit)]
            if kind == "decomposable":
                pairs = itertools.combinations(scopes, 2)
                wrong = {v for a, b in pairs for v in a & b}
            else:
                whole = one.scopes[unit.group]
                wrong = {v for scope in scopes for v in whole - scope}
            named = {v for v, name in enumerate(one.variables) if name in said(question.answer)}
            assert named == wrong


def said(answer: str) -> list[str]:
    """The variables that an answer names."""
    words = answer.partition("share")[2] or answer.partition("no, ")[2]
    return [word.strip(",") for word in words.split() if word != "and"]


@QUICK
@given(SEEDS)
def test_determinism_is_that_of_all_states(seed: int):
    for one, question in asked(seed, "deterministic"):
        trace = evaluate(one, oracle.states(one))
        worst = 0
        for g, group in enumerate(one.groups):
            if group.kind == "sum" and check(one).properties["reachable"] == "yes":
                edges = one.children(Unit(g, 0))
                alive = [(trace.log_value(e.child) > -np.inf) & (e.weight > 0) for e in edges]
                worst = max(worst, int(np.sum(alive, axis=0).max()))
        assert (question.answer == "yes") == (worst <= 1)


@QUICK
@given(SEEDS)
def test_winners_win_and_dice_hit(seed: int):
    for one, question in asked(seed, "winner"):
        unit = unit_of(one, question.units[0])
        terms = []
        for edge in one.children(unit):
            # The best tree of the child, whatever is below it.
            trees = trees_below(one, edge.child)
            if len(trees) > 500:
                break
            terms.append(edge.weight * best_tree(one, edge.child, dict(question.given)))
        else:
            assert question.answer == question.options[int(np.argmax(terms))]
    for one, question in asked(seed, "die"):
        unit = unit_of(one, question.units[0])
        die = float(re.search(r"the die shows ([\d.]+)\.", question.text)[1])
        facts = dict(question.given)
        shares = [e.weight * at(one, e.child, facts) for e in one.children(unit)]
        ends = np.cumsum(shares) / np.sum(shares)
        assert question.answer == question.options[int(np.searchsorted(ends, die, "right"))]


def best_tree(one: Circuit, top: Unit, facts: dict[str, float]) -> float:
    """The largest product over the induced trees below a unit, each written out."""
    best = 0.0
    stack: list[tuple[float, list[Unit]]] = [(1.0, [top])]
    while stack:
        value, waiting = stack.pop()
        if not waiting:
            best = max(best, value)
            continue
        unit, rest = waiting[0], waiting[1:]
        edges = one.children(unit)
        kind = one.groups[unit.group].kind
        if kind == "leaf":
            stack.append((value * largest_of_leaf(one, unit, facts), rest))
        elif kind == "sum":
            stack += [(value * e.weight, [e.child, *rest]) for e in edges if e.weight]
        else:
            stack.append((value, [*(e.child for e in edges), *rest]))
    return best


def largest_of_leaf(one: Circuit, unit: Unit, facts: dict[str, float]) -> float:
    """The leaf at the facts and at the most probable values of its other variables."""
    value = 1.0
    for v in one.groups[unit.group].variables:
        name = one.variables[v]
        states = [facts[name]] if name in facts else range(one.domain(v).states)
        value *= max(at(one, unit, {name: float(c)}) for c in states)
    return value


@QUICK
@given(SEEDS)
def test_hidden_choices_are_those_of_bayes(seed: int):
    for one, question in asked(seed, "share"):
        unit = unit_of(one, question.units[0])
        facts = dict(question.given)
        shares = np.array([e.weight * at(one, e.child, facts) for e in one.children(unit)])
        name = re.search(r"is it that (.+) was chosen", question.text)[1]
        shown = [Subject(one).shown(e.child) for e in one.children(unit)]
        assert question.answer == pytest.approx(shares[shown.index(name)] / shares.sum())


@QUICK
@given(SEEDS)
def test_only_the_answer_is_right(seed: int):
    for _, question in asked(seed):
        right = answer_text(question)
        if question.options:
            assert len(set(question.options)) == len(question.options) >= 2
            assert question.answer in question.options
            assert [o for o in question.options if judge(question, o).solved] == [question.answer]
        else:
            assert judge(question, right.replace(",", "")).solved
            assert not judge(question, repr(question.answer * 1.2 + 1)).solved
            assert not judge(question, "no idea").solved
        assert question.kind in KINDS and question.explanation.endswith(".")


# -- sets --------------------------------------------------------------------------------------


@QUICK
@given(SEEDS)
def test_the_seed_decides_everything(seed: int):
    one = figures()["figure1_junction_tree"]()
    first = questions(part_of(one, seed).circuit, seed, 12)
    assert first == questions(part_of(one, seed).circuit, seed, 12)
    assert len({q.text for q in first}) == len(first) == 12


def test_different_seeds_ask_differently_and_all_kinds_occur():
    one = figures()["figure1_naive_bayes"]()
    sets = [questions(one, seed, 10) for seed in range(5)]
    assert len({tuple(q.text for q in one) for one in sets}) == 5
    assert {q.kind for one in sets for q in one} == set(KINDS)


def test_kinds_can_be_chosen_and_have_to_exist():
    one = figures()["figure1_naive_bayes"]()
    assert {q.kind for q in questions(one, 0, 9, ["die", "winner"])} == {"die", "winner"}
    with pytest.raises(NotFoundError, match="riddle"):
        questions(one, 0, 9, ["riddle"])


def test_a_broken_circuit_is_not_asked_what_it_does_not_license():
    kinds = {q.kind for s in range(4) for q in questions(figures()["incomplete"](), s, 12)}
    assert not kinds & {"probability", "posterior", "winner", "die", "share"}
    assert {"smooth", "decomposable", "value", "trees"} <= kinds


def test_nothing_to_ask_is_an_error():
    alone = circuit(product(gaussian("X", 0.0, 1.0), gaussian("Y", 0.0, 1.0)))
    with pytest.raises(OptionError, match="nothing"):
        questions(alone, 0, 5, ["probability"])


# -- parts -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [one.name for one in sample_models()])
def test_every_sample_has_questions(name: str):
    whole = load_model(name)
    for seed in (0, 1):
        part = part_of(whole, seed)
        assert part.circuit.num_units <= UNITS and part.circuit.num_edges <= EDGES
        assert len(questions(part.circuit, seed, 6)) >= 2
        # Units that no root needs are never asked about.
        assert part.below or name == "dead_parts" or part.circuit.num_units == whole.num_units


@QUICK
@given(SEEDS)
def test_a_part_computes_what_the_unit_does(seed: int):
    whole = random_circuit(seed, variables=6, max_size=4, roots=1)
    part = part_of(whole, seed)
    name = part.below or whole.unit_name(whole.root)
    group, _, index = name.partition("[")
    top = Unit(whole.group_index(group), int(index[:-1]) if index else 0)
    states = oracle.states(whole)
    columns = [whole.variable_index(v) for v in part.circuit.variables]
    there = evaluate(part.circuit, states[:, columns]).root[:, 0]
    assert there == pytest.approx(evaluate(whole, states).log_value(top), abs=1e-6)


def test_a_circuit_without_small_parts_says_so():
    wide = mix([1.0] * 200, [product(bernoulli("X", 0.5), bernoulli("Y", 0.5)) for _ in range(200)])
    assert part_of(circuit(wide)).circuit.num_units == 3  # one of the products
    many = [bernoulli(f"X{i}", 0.5) for i in range(60)]
    with pytest.raises(OptionError, match="by hand"):
        part_of(circuit(product(*many)))


# -- paper -------------------------------------------------------------------------------------


class Texts(HTMLParser):
    """The texts of a page, and the tags around them."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.words: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def read(page: str) -> Texts:
    parser = Texts()
    parser.feed(page)
    return parser


def sheet_of(name: str, seed: int = 4) -> Worksheet:
    part = part_of(figures()[name](), seed)
    return Worksheet(part, questions(part.circuit, seed, 8), name, seed)


def test_the_worksheet_asks_and_the_key_answers():
    sheet = sheet_of("figure1_naive_bayes")
    page, key = read(to_html(sheet)), read(key_to_html(sheet))
    asked_, answered = "".join(page.words), "".join(key.words)
    marked, solved = to_markdown(sheet), key_to_markdown(sheet)
    assert "svg" in page.tags and "data:image/svg+xml;base64," in marked
    for question in sheet.questions:
        assert question.text in asked_ and question.text in answered
        assert question.explanation in answered
        assert question.explanation not in asked_
        assert answer_text(question) in answered
    assert marked.count("Answer: ____") == sum(not q.options for q in sheet.questions)
    assert marked.count("- [ ]") == sum(len(q.options) for q in sheet.questions)
    assert len(re.findall(r"^\d+\. ", solved, re.MULTILINE)) == len(sheet.questions)


def test_the_same_seed_gives_the_same_paper():
    for make in (to_html, key_to_html, to_markdown, key_to_markdown):
        assert make(sheet_of("incomplete")) == make(sheet_of("incomplete"))
        assert make(sheet_of("incomplete")) != make(sheet_of("incomplete", 5))


def test_names_cannot_become_markup():
    evil = "<script>alert(1)</script>"
    x, not_x = indicator(evil, 1), indicator(evil, 0)
    one = circuit((0.4 * x + 0.6 * not_x).named('"><img src=x onerror=alert(1)>'))
    sheet = Worksheet(part_of(one), questions(one, 0, 8), evil, 0)
    for page in (to_html(sheet), key_to_html(sheet)):
        assert not {"script", "img"} & set(read(page).tags)
    for text in (to_markdown(sheet), key_to_markdown(sheet)):
        outside = [line for line in text.splitlines() if not line.startswith("    ")]  # no code
        assert "<script" not in "".join(outside).replace("\\<", "")


@given(st.integers(0, 2**31 - 1))
@settings(max_examples=10, deadline=None)
def test_any_seed_of_the_link_works(seed: int):
    one = figures()["figure3_parity"]()
    assert questions(part_of(one, seed).circuit, seed, 5)
