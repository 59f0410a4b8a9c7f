"""The drawing side of Build as Streamlit runs it, without a browser."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from pc_workbench import drafts, store
from pc_workbench.views import draft_evidence
from pc_workbench.views.draft_ops import read_edits
from pc_workbench.views.draft_scene import drawing, family_forms
from pccore.check import check
from pccore.draft import Draft
from pccore.errors import NotFoundError
from pccore.queries import unit_values
from pccore.reference import evaluate
from pccore.structures.figures import figure1_naive_bayes, incomplete
from tests.app.pages import build_page, inspect_page

STREAM, AUTHOR = "stream00", "author00"
LEAF = {"variable": "X1", "family": {"family": "indicator", "categories": 2}, "values": [1]}

pytestmark = pytest.mark.usefixtures("home")


def show(page: Any = build_page, **parameters: str) -> AppTest:
    at = AppTest.from_function(page, default_timeout=60)
    for name, text in parameters.items():
        at.query_params[name] = text
    return at.run()


def model_of(at: AppTest) -> str:
    found = at.query_params.get("model", "")
    return found[0] if isinstance(found, list) else found


def clean(at: AppTest) -> None:
    assert not at.exception
    assert not [e.value for e in at.error]


def button(at: AppTest, label: str):
    return next(one for one in at.button if one.label == label)


class Hand:
    """What the editor in the browser does: operations with growing numbers."""

    def __init__(self, at: AppTest, author: str = AUTHOR, stream: str = STREAM) -> None:
        self.at, self.author, self.stream = at, author, stream
        self.seq = 0

    @property
    def desk(self):
        return self.at.session_state["pcw_desks"][model_of(self.at)]

    def batch(self, *ops: dict[str, Any], sheet: str | None = None) -> dict[str, Any]:
        self.seq += 1
        return {"seq": self.seq, "sheet": sheet or self.desk.token, "ops": list(ops)}

    def send(self, *batches: dict[str, Any]) -> None:
        payload = {"stream": self.stream, "author": self.author, "batches": list(batches)}
        self.at.session_state["pcw_draw"] = {"edits": payload}
        self.at.run()

    def do(self, *ops: dict[str, Any]) -> None:
        self.send(self.batch(*ops))


def stored(model: str) -> Draft:
    return drafts.load(model).draft


def test_a_model_lies_on_the_canvas_and_is_not_copied_before_the_first_edit(home: Path):
    at = show(model="figure1_naive_bayes")
    clean(at)
    assert model_of(at) == "figure1_naive_bayes"
    assert not (home / "models").exists()
    assert any("A valid circuit" in m.value for m in at.markdown)


def test_the_first_edit_makes_a_drawing_that_other_pages_see(home: Path):
    at = show(model="figure1_naive_bayes")
    hand = Hand(at)
    root = hand.desk.draft.effective_roots[0]
    first = hand.desk.draft.nodes[root].arcs[0].child
    hand.do({"op": "weight", "edge": [root, first, 0], "weight": 0.9})
    clean(at)
    model = model_of(at)
    assert drafts.is_drawing(model)
    circuit = store.get_circuit(model)
    assert circuit.params["S"][0, 0] == 0.9
    assert store.title_of(model) == "Naive Bayes mixture (SPN paper, figure 1), edited"
    hand.do({"op": "weight", "edge": [root, first, 0], "weight": 0.1})
    assert model_of(at) == model  # overwritten in place
    assert store.get_circuit(model).params["S"][0, 0] == 0.1
    assert sorted(p.name for p in (home / "models").iterdir()) == [
        f"{model}.draft.json",
        f"{model}.pc.json",
    ]
    other = show(inspect_page, model=model)
    clean(other)
    assert any("12 units" in c.value for c in other.caption)


def test_a_drawing_from_nothing_becomes_the_current_model():
    at = show(model="digits_pd")
    clean(at)
    assert any("can be drawn by hand" in i.value for i in at.info)
    hand = Hand(at)
    hand.do({"op": "add", "id": "a", "kind": "sum", "x": 0, "y": 0})
    model = model_of(at)
    clean(at)
    with pytest.raises(NotFoundError, match="finished"):
        store.get_circuit(model)
    assert store.title_of(model) == "Drawing"
    assert any("has no child yet" in c.value for c in at.caption)
    hand.do(
        {"op": "add", "id": "b", "kind": "leaf", "x": 0, "y": 99, "leaf": LEAF},
        {"op": "connect", "source": "a", "target": "b", "weight": 0.25},
    )
    clean(at)
    assert model_of(at) == model and store.get_circuit(model).num_units == 2
    assert any(m.value == "**S(∗) = 0.25**" for m in at.markdown)
    show(inspect_page, model=model)


def test_gestures_that_come_twice_or_together_are_applied_once():
    at = show(model="figure1_naive_bayes")
    hand = Hand(at)
    one = hand.batch({"op": "add", "id": "a", "kind": "sum", "x": 0, "y": 0})
    two = hand.batch({"op": "add", "id": "b", "kind": "product", "x": 9, "y": 0})
    hand.send(one)
    hand.send(one, two)  # the first again, as its answer had not arrived
    clean(at)
    assert {"a", "b"} <= set(hand.desk.draft.nodes) and len(hand.desk.draft.nodes) == 14
    assert len(hand.desk.history.past) == 2
    assert at.session_state["pcw_desk_acks"] == {STREAM: 2}
    late = hand.batch({"op": "delete", "nodes": ["a"]}, sheet="another drawing")
    hand.send(late)
    assert "a" in hand.desk.draft.nodes


def test_a_refused_gesture_changes_nothing_and_says_why():
    at = show(model="figure1_naive_bayes")
    hand = Hand(at)
    hand.do({"op": "add", "id": "a", "kind": "sum", "x": 0, "y": 0})
    before = hand.desk.draft
    for ops, words in (
        ([{"op": "connect", "source": "a", "target": "a"}], "own child"),
        ([{"op": "delete", "nodes": ["a"]}, {"op": "rename", "id": "a", "name": "b"}], "no unit"),
        ([{"op": "explode"}], "no operation"),
        ([{"op": "add", "id": "c", "kind": "max", "x": 0, "y": 0}], "not understood"),
        ([{"op": "add", "id": "c", "kind": "leaf", "x": 0, "y": 0}], "not understood"),
        ([{"op": "move", "places": {"a": "b"}}], "not understood"),
        ([{"op": "move", "places": {"a": [1e400, 0]}}], "canvas"),
        ([{"op": "weight", "edge": ["a"], "weight": 1}], "not understood"),
        ([{"op": "paste", "nodes": [{"id": "q"}]}], "not understood"),
        ([{"op": "leaf", "id": "a", "leaf": {**LEAF, "family": {"family": "x"}}}], "family"),
    ):
        hand.do(*ops)
        clean(at)
        assert hand.desk.draft is before
        assert words in hand.desk.refused


@pytest.mark.parametrize(
    "payload",
    [
        None,
        [],
        {"stream": "../..", "author": AUTHOR, "batches": []},
        {"stream": STREAM, "author": 1, "batches": []},
        {"stream": STREAM, "author": AUTHOR, "batches": {}},
        {"stream": STREAM, "author": AUTHOR, "batches": [{}]},
        {"stream": STREAM, "author": AUTHOR, "batches": [{"seq": 1.5, "ops": [{"op": "undo"}]}]},
        {"stream": STREAM, "author": AUTHOR, "batches": [{"seq": 1, "ops": []}]},
        {"stream": STREAM, "author": AUTHOR, "batches": [{"seq": 1, "ops": ["undo"]}]},
        {"stream": STREAM, "author": AUTHOR, "batches": [{"seq": 1, "ops": [{"op": 1}]}]},
        {"stream": STREAM, "author": AUTHOR, "batches": [{"seq": 1, "ops": [{"op": "undo"}]}] * 2},
    ],
)
def test_malformed_edits_are_ignored(payload: object):
    assert read_edits(payload) is None


def test_undo_and_redo_survive_a_page_switch():
    at = show(model="figure1_naive_bayes")
    hand = Hand(at)
    for i in range(5):
        hand.do({"op": "add", "id": f"n{i}", "kind": "sum", "x": i, "y": 0})
    del at.session_state["pcw_draw"]  # the editor is gone while another page is shown
    again = Hand(at, stream="stream01")
    at.run()
    for _ in range(7):
        again.do({"op": "undo"})
    clean(at)
    assert len(hand.desk.draft.nodes) == 12 and not hand.desk.history.past
    assert len(stored(model_of(at)).nodes) == 12
    again.do({"op": "redo"})
    assert len(hand.desk.draft.nodes) == 13


def test_another_session_that_edits_gets_a_drawing_of_its_own():
    at = show(model="figure1_naive_bayes")
    hand = Hand(at)
    hand.do({"op": "add", "id": "mine", "kind": "sum", "x": 0, "y": 0})
    model = model_of(at)
    visitor = show(model=model)
    clean(visitor)
    theirs = Hand(visitor, author="visitor0")
    theirs.do({"op": "add", "id": "theirs", "kind": "sum", "x": 0, "y": 0})
    clean(visitor)
    assert model_of(visitor) != model and drafts.is_drawing(model_of(visitor))
    assert "theirs" not in stored(model).nodes and "theirs" in stored(model_of(visitor)).nodes
    hand.do({"op": "add", "id": "more", "kind": "sum", "x": 0, "y": 0})
    assert model_of(at) == model


def test_a_reload_goes_on_with_the_same_drawing():
    at = show(model="figure1_naive_bayes")
    Hand(at).do({"op": "add", "id": "a", "kind": "sum", "x": 0, "y": 0})
    model = model_of(at)
    again = show(model=model)  # a new session; the tab remembers who it is
    hand = Hand(again, stream="stream02")
    hand.do({"op": "add", "id": "b", "kind": "sum", "x": 0, "y": 0})
    assert model_of(again) == model and {"a", "b"} <= set(stored(model).nodes)
    # The first session did not see b: what it draws now does not overwrite it.
    first = Hand(at)
    first.seq = 1
    first.do({"op": "add", "id": "c", "kind": "sum", "x": 0, "y": 0})
    assert {"a", "b", "c"} <= set(stored(model_of(at)).nodes)


def test_old_drawings_go(monkeypatch: pytest.MonkeyPatch, home: Path):
    monkeypatch.setattr(drafts, "MOST_DRAWINGS", 3)
    made = []
    for i in range(5):
        model = drafts.new_id()
        drafts.save(model, Draft.of(figure1_naive_bayes()), "me")
        made.append(model)
        for path in (home / "models").glob(f"{model}*"):
            os.utime(path, (1000 + i, 1000 + i))
    left = {p.name.split(".")[0] for p in (home / "models").iterdir()}
    assert left == set(made[2:])
    with pytest.raises(NotFoundError):
        drafts.load(made[0])


def test_hostile_ids_and_files(home: Path):
    for model in ("d-0123456789abcdef", "d-..", "d-", "x"):
        with pytest.raises(NotFoundError):
            drafts.stamp(model)
    at = show(model="d-0123456789abcdef")
    assert not at.exception
    model = drafts.new_id()
    drafts.save(model, Draft(), "me")
    path = home / "models" / f"{model}.draft.json"
    for text in ("", "{}", '{"owner": 1}\n{}', '{"owner": "0123456789abcdef"}\n{}'):
        path.write_text(text)
        at = show(model=model)
        assert not at.exception
        assert any("What you draw here" in i.value for i in at.info)


def test_evidence_in_any_spelling_gives_the_papers_answer():
    at = show(model="figure1_naive_bayes")
    at.text_input(key="pcw_draw_evidence").set_value("x1=1, x2=0").run()
    clean(at)
    assert any(m.value == "**S(X1=1, X2=0) = 0.522**" for m in at.markdown)
    assert any("S(1, 0, 0, 1) = 0.522" in c.value for c in at.caption)
    at.text_input(key="pcw_draw_evidence").set_value("x1=7").run()
    assert not at.exception
    assert any("from 0 to 1" in c.value for c in at.caption)


def test_a_broken_circuit_says_what_breaks_and_shows_where():
    at = show(model="incomplete")
    clean(at)
    assert any("violation" in m.value for m in at.markdown)
    fault = next(b for b in at.button if (b.key or "").startswith("pcw_draw_fault_"))
    fault.click().run()
    clean(at)
    desk = at.session_state["pcw_desks"]["incomplete"]
    assert desk.witness is not None and desk.looked is not None
    assert any("not known to be valid" in c.value for c in at.caption)
    repair = next(b for b in at.button if (b.key or "").startswith("pcw_draw_repair_"))
    repair.click().run()
    clean(at)
    assert any("A valid circuit" in m.value for m in at.markdown)
    assert check(store.get_circuit(model_of(at))).valid
    Hand(at).do({"op": "undo"})
    assert any("violation" in m.value for m in at.markdown)


def test_start_menu():
    at = show(model="figure1_naive_bayes")
    button(at, "Empty canvas").click().run()
    clean(at)
    empty = model_of(at)
    assert drafts.is_drawing(empty) and not stored(empty).nodes
    assert button(at, "Keep a copy").disabled
    at.selectbox(key="pcw_start_sample").set_value("figure3_parity").run()
    button(at, "Draw the sample").click().run()
    clean(at)
    drawn = model_of(at)
    assert drawn != empty and len(stored(drawn).nodes) == 31
    button(at, "A copy of the current model").click().run()
    clean(at)
    assert model_of(at) != drawn and stored(model_of(at)).nodes == stored(drawn).nodes


def test_keep_a_copy_puts_it_into_the_gallery():
    at = show(model="figure1_naive_bayes")
    Hand(at).do({"op": "add", "id": "a", "kind": "sum", "x": 0, "y": 0})
    assert at.text_input(key="pcw_draw_name").value.endswith("edited")
    button(at, "Keep a copy").click().run()
    clean(at)
    (kept,) = store.models()
    assert kept.title.endswith("edited") and kept.variables == 2
    at.text_input(key="pcw_draw_name").set_value("My *first* circuit").run()
    clean(at)
    assert store.title_of(model_of(at)) == "My *first* circuit"
    button(at, "Keep a copy").click().run()
    assert "My *first* circuit" in {one.title for one in store.models()}


# -- the views -------------------------------------------------------------------------------


def test_the_scene_marks_faults_by_node():
    draft = Draft.of(incomplete())
    report = check(draft.circuit())
    (witness,) = [w for w in report.violations if w.property == "smooth"]
    scene = drawing(draft, draft.finished, report, witness=witness)
    marked = {node["name"] for node in scene["nodes"] if node.get("violation")}
    assert marked == {"S"}
    assert len(scene["faulty"]) >= 1 and scene["roots"] == [draft.names["S"]]
    assert {n["title"] for n in scene["nodes"]} == {"over {X1}", "over {X2}", "over {X1, X2}"}
    json.dumps(scene)
    assert json.dumps(drawing(Draft().add("a", "sum"), None))


def test_forms_build_every_family():
    for form in family_forms():
        count = len(form["start"])
        assert count == form["count"]
        description = {"family": form["name"], **{f["name"]: f["start"] for f in form["fields"]}}
        if form["grows"]:
            description[form["grows"]] = count
        from pc_workbench.views.draft_ops import apply_op

        leaf = {"variable": "V", "family": description, "values": form["start"]}
        op = {"op": "add", "id": "a", "kind": "leaf", "x": 0, "y": 0, "leaf": leaf}
        assert apply_op(Draft(), op).circuit().num_units == 1


def test_evidence_words():
    assert draft_evidence.known_names("x1 = 1,Y=2, z=3", ["X1", "y", "Y"]) == "X1=1,Y=2,z=3"
    assert draft_evidence.known_names("nonsense", ["X1"]) == "nonsense"
    circuit = figure1_naive_bayes()
    assert list(draft_evidence.literals(circuit)) == ["x1", "x̄1", "x2", "x̄2"]
    said = draft_evidence.answer(unit_values(circuit, {"X1": 1}), {"X1": 1}, check(circuit))
    truth = float(np.exp(evaluate(circuit, [[1, np.nan]]).root[0, 0]))
    assert said.equation == f"S(X1=1) = {truth:.6g}" == "S(X1=1) = 0.69"
