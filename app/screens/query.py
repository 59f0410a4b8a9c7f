"""Query: evidence in, every answer out, the value on each unit, and each pass step by step."""

from __future__ import annotations

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from pc_workbench import controls, errors, navigate, state, store
from pc_workbench.components.evidence import EvidenceEdit, evidence_list
from pc_workbench.screens import picture_export, query_graph, query_more, query_symbols
from pc_workbench.screens.query_session import Subject
from pc_workbench.views import query_answers, query_code, query_evidence
from pc_workbench.views.completion import image_shape
from pccore.errors import EvidenceError, PCError
from pccore.graph import Circuit

LIST = 400  # pixels
#: The equation below the drawing has to stay on the screen: no help in between.
_STYLE = "<style>.st-key-pcw_query_drawing { --pc-help: none; }</style>"
#: Edges of a circuit that is evaluated at every click.
MOST_EDGES = 600_000
#: Variables from which a model of pictures is better asked on Complete.
PICTURE = 36


def page() -> None:
    """Draw the page."""
    heading, save, code = st.columns([3, 1, 1], vertical_alignment="center")
    heading.title("Query")
    model = state.get().model
    if not model:
        st.info("No model is chosen yet.")
        navigate.links("gallery", "build")
        return
    circuit = store.get_circuit(model)
    if store.get_report(model).properties.get("weights") == "no":
        st.warning("Some parameters of this circuit are illegal: repair them before asking.")
        navigate.links("inspect")
        return
    if circuit.num_edges > MOST_EDGES:
        st.info(
            f"This circuit has {circuit.num_edges:,} edges, too many to evaluate at every click. "
            "The command line answers the same questions."
        )
        _code(model, circuit, code)
        return
    with save, st.popover("Save", width="stretch"):
        picture_export.show(model, circuit, picture_export.current_values(circuit), key="query")
    st.html(_STYLE)
    _body(model)
    _code(model, circuit, code)


@st.fragment
def _body(model: str) -> None:
    """Everything that a click changes."""
    with errors.boundary():
        subject = Subject.current(model)
        for problem in subject.given.dropped[:3]:
            st.caption(f":orange[Passed over: {errors.plain(problem)}]")
        _answers(subject)
        left, right = st.columns([66, 34], gap="medium")
        with left:
            query_graph.show(subject)
        with right:
            _variables(subject)
        query_more.show(subject)


# -- answers ---------------------------------------------------------------------------------


def _answers(subject: Subject) -> None:
    """S(e), Z, P(e) and log P(e) in a line, each with its worth."""
    found = query_answers.answers(subject.values, subject.given)
    parts: list[str] = []
    for one in found:
        if one.worth != "refused":
            colour = "green" if one.worth == "exact" else "orange"
            number = f"{errors.plain(one.symbol)} = **{errors.plain(one.text)}**"
            parts.append(f"{number} :{colour}-badge[{one.worth}]")
    refused = [one for one in found if one.worth == "refused"]
    if refused:
        symbols = ", ".join(errors.plain(one.symbol) for one in refused)
        parts.append(f":gray[{symbols}] :gray-badge[✗ {errors.plain(refused[0].why)}]")
    line = st.container(horizontal=True, vertical_alignment="center", gap="small")
    line.markdown(
        " &emsp; ".join(parts),
        width="stretch" if not refused else "content",
        help="  \n".join(errors.plain(one) for one in query_answers.meanings(found)),
    )
    if refused:
        with line:
            navigate.links("inspect", label="See why on {}")


# -- the variables ---------------------------------------------------------------------------

_FIND = "pcw_query_find"


def _variables(subject: Subject) -> None:
    circuit = subject.circuit
    posterior, reason = subject.posterior
    find = st.session_state.get(_FIND, "")
    rows, more = query_evidence.rows(
        circuit,
        subject.given,
        subject.values,
        posterior,
        subject.prior,
        find,
        subject.licensed("hidden"),
    )
    query_evidence.mark_covered(rows, query_symbols.covered(subject))
    shown = [row["id"] for row in rows]

    def changed(edit: EvidenceEdit) -> None:
        # What is observed now, not when the page was drawn: another click may have come between.
        st.session_state[_FIND] = edit.find
        now = Subject.current(subject.model)
        try:
            given = query_evidence.clicked(
                now.given, circuit, edit.observed, edit.soft, shown, edit.clear
            )
            state.update(**query_evidence.write(given))
        except EvidenceError as error:
            st.toast(errors.sentence(error))
        except ValueError:
            st.toast("That is more evidence than a link can hold.")

    evidence_list(
        "pcw_query_evidence",
        rows,
        label="Variables",
        height=LIST,
        more=more,
        version=subject.version,
        on_change=changed,
    )
    if reason:
        st.caption(f"No posteriors: {errors.plain(query_answers.short_reason(reason))}")
    if len(circuit.variables) >= PICTURE and image_shape(circuit) is not None:
        line = st.container(horizontal=True, vertical_alignment="center")
        line.caption("These variables are pixels: hide and complete them as a picture.")
        with line:
            navigate.links("complete")


def _code(model: str, circuit: Circuit, place: DeltaGenerator) -> None:
    now = state.get()
    try:
        given = query_evidence.read(now.evidence, now.soft, now.hidden, circuit)
    except PCError:
        given = query_evidence.Given({}, {}, ())
    with place:
        controls.show_code(*query_code.asking(store.model_reference(model), given, now.seed))
