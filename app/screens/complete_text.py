"""The side of Complete for sentences: blanks and what fills them, the hidden state at each word."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import streamlit as st
import torch

from pc_workbench import controls, errors, state, store
from pc_workbench.matching import dataset_for
from pc_workbench.views import query_evidence, sentences, strip
from pc_workbench.views.sentences import Vocabulary
from pccore.completion import HiddenPath, Together, fill_together, most_probable_states
from pccore.datasets import Dataset
from pccore.errors import EvidenceError, PCError
from pccore.graph import Circuit
from pccore.queries import log_probability, marginals, posterior_of, sample
from pccore.transform import hidden_groups, hidden_names, with_states

#: Blanks with alternatives to press, alternatives of each, sampled completions.
MOST_BLANKS, ALTERNATIVES, SAMPLES = 4, 6, 4
#: Words that an example leaves out.
LEFT_OUT = 2
_TYPED, _REFUSED, _BEGUN = "pcw_sentence", "pcw_sentence_refused", "pcw_sentence_begun"


@dataclass(frozen=True, eq=False)
class Text:
    """A model of sentences, and the words that are known. row: [V], NaN where blank."""

    model: str
    version: str
    circuit: Circuit
    dataset: Dataset
    words: Vocabulary
    row: np.ndarray

    @property
    def key(self) -> tuple[object, ...]:
        """What the answers depend on."""
        return (self.version, *np.nan_to_num(self.row, nan=-1.0).tolist())


@dataclass(frozen=True, eq=False)
class Answers:
    """log_known: log P(known words). tables: P(word | known) at each place, [V][C]. samples:
    [n, V]."""

    log_known: float
    tables: tuple[np.ndarray, ...]
    together: Together
    samples: np.ndarray


@dataclass(frozen=True, eq=False)
class States:
    """posterior: P(state | words) at each place, [L, K]. path: the most probable of all together,
    or why there is none."""

    posterior: np.ndarray
    path: HiddenPath | None
    why: str


def show(model: str, circuit: Circuit) -> bool:
    """Draw the page and return True; False, and nothing drawn, where the model has no words."""

    def suits(dataset: Dataset) -> bool:
        return sentences.vocabulary(circuit, dataset) is not None

    dataset = dataset_for(circuit, suits)
    words = None if dataset is None else sentences.vocabulary(circuit, dataset)
    if dataset is None or words is None:
        return False
    if dataset.name != state.get().dataset:
        state.choose_dataset(dataset.name)
    if not state.get().evidence and st.session_state.get(_BEGUN) != model:
        _example(circuit, dataset, words)
    st.session_state[_BEGUN] = model
    _body(model, circuit, dataset, words)
    return True


@st.fragment
def _body(model: str, circuit: Circuit, dataset: Dataset, words: Vocabulary) -> None:
    """Everything that a word changes."""
    heading, another, code = st.columns([3, 1, 1], vertical_alignment="center")
    heading.title("Complete")
    another.button(
        "Another sentence", on_click=_next, args=(circuit, dataset, words), width="stretch",
        help="A test sentence with some of its words left out",
    )  # fmt: skip
    with errors.boundary():
        text = _current(model, circuit, dataset, words)
        with code:
            controls.show_code(*sentences.code(store.model_reference(model), text.row, circuit))
        _typing(text)
        found = _answers(text.key, state.get().seed, text)
        left, right = st.columns([6, 5], gap="medium")
        with left:
            _blanks(text, found)
        with right:
            _wholes(text, found)
        _states(text)


# -- the words -------------------------------------------------------------------------------


def _current(model: str, circuit: Circuit, dataset: Dataset, words: Vocabulary) -> Text:
    given = query_evidence.read(state.get().evidence, (), (), circuit)
    row = np.array([given.observed.get(name, np.nan) for name in circuit.variables])
    return Text(model, store.version(model), circuit, dataset, words, row)


def _typing(text: Text) -> None:
    refused = st.session_state.pop(_REFUSED, "")
    if not refused:  # what was refused stays, to be put right
        st.session_state[_TYPED] = sentences.text(text.row, text.words)
    st.text_input(
        "Sentence",
        key=_TYPED,
        max_chars=1000,
        on_change=_typed,
        args=(text,),
        placeholder="the ___ near the river eats the ___ .",
        help="___ or ? is a blank. Without a full stop at the end what follows is open as well.",
    )
    if refused:
        st.warning(refused)


def _typed(text: Text) -> None:
    try:
        row = sentences.parse(st.session_state[_TYPED], text.words, len(text.row))
    except EvidenceError as error:
        st.session_state[_REFUSED] = errors.sentence(error)
        return
    _put(text.circuit, row)


def _put(circuit: Circuit, row: np.ndarray) -> None:
    state.update(evidence=sentences.evidence(row, circuit))


def _next(circuit: Circuit, dataset: Dataset, words: Vocabulary) -> None:
    state.update(image=state.get().image + 1)
    _example(circuit, dataset, words)


def _example(circuit: Circuit, dataset: Dataset, words: Vocabulary) -> None:
    """A test sentence with blanks."""
    rows = dataset.test if len(dataset.test) else dataset.train
    number = state.get().image % len(rows)
    row = rows[number].astype(np.float64)
    length = len(sentences.text(row, words).split())
    chosen = np.random.default_rng(number).permutation(max(1, length - 1))[:LEFT_OUT]
    row[chosen] = np.nan
    _put(circuit, row)


# -- what fills them -------------------------------------------------------------------------


@st.cache_resource(max_entries=48, show_spinner=False)
def _answers(key: tuple[object, ...], seed: int, _text: Text) -> Answers:
    program, row = store.get_program(_text.model), _text.row
    found = marginals(program, row)
    tables = [t for t in found.probabilities if t is not None]
    return Answers(
        float(log_probability(program, row)),
        tuple(t[0].numpy() for t in tables),
        fill_together(program, row),
        sample(program, SAMPLES, row, seed=seed).numpy(),
    )


def _blanks(text: Text, found: Answers) -> None:
    """Each blank with its alternatives; one that is pressed fills it."""
    missing = sentences.blanks(text.row, found.tables, ALTERNATIVES)
    line = st.container(horizontal=True, vertical_alignment="center", gap="small")
    line.markdown("**Each blank**", width="content")
    line.badge("exact", color="green", help="P(word | the other words), summed over all the rest.")
    if not missing:
        st.caption("No word is missing: put ___ in the place of one.")
        return
    for blank in missing[:MOST_BLANKS]:
        with st.container(horizontal=True, gap="xsmall", vertical_alignment="center"):
            st.caption(errors.plain(text.circuit.variables[blank.place]), width="content")
            for word, chance in blank.ranked:
                st.button(
                    f"{errors.plain(text.words.words[word])} :gray[{sentences.percent(chance)}]",
                    key=f"pcw_fill_{blank.place}_{word}",
                    help="Fill the blank with it",
                    on_click=_fill,
                    args=(text, blank.place, word),
                )
    if len(missing) > MOST_BLANKS:
        st.caption(f"{len(missing) - MOST_BLANKS} more places are open.")


def _fill(text: Text, place: int, word: int) -> None:
    row = text.row.copy()
    row[place] = word
    _put(text.circuit, row)


def _wholes(text: Text, found: Answers) -> None:
    """Whole sentences: the most probable one, and samples."""
    blank = np.flatnonzero(np.isnan(text.row)).tolist()
    line = st.container(horizontal=True, vertical_alignment="center", gap="small")
    line.markdown("**All blanks together**", width="content")
    best = found.together
    colour = "green" if best.quality == "exact" else "orange"
    why = (
        "Every completion was scored."
        if best.quality == "exact"
        else "The best of one max-product pass: another completion may be more probable."
    )
    line.badge(best.quality, color=colour, help=why)
    line.caption(f"log P(words) = {sentences.nats(found.log_known)} nats", width="content")
    if blank:
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            st.markdown(
                _bold(best.values.numpy(), text, blank)
                + f" :small[:gray[log P {sentences.nats(best.log_probability)}]]",
                width="stretch",
            )
            st.button("Use", on_click=_put, args=(text.circuit, best.values.numpy()))
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.markdown("**Samples**", width="content")
        st.badge("exact", color="green", help="Drawn from P(sentence | words).")
        st.button("Resample", type="tertiary", on_click=_resample)
    st.markdown("  \n".join(_bold(row, text, blank) for row in found.samples))


def _bold(row: np.ndarray, text: Text, blank: list[int]) -> str:
    """A sentence as markdown, what filled its blanks in bold."""
    parts = sentences.parts(row, text.words)
    return " ".join(
        f"**{errors.plain(p)}**" if i in blank else errors.plain(p) for i, p in enumerate(parts)
    )


def _resample() -> None:
    state.update(seed=(state.get().seed + 1) % 2**31)


# -- the hidden states -----------------------------------------------------------------------


@st.cache_resource(max_entries=48, show_spinner=False)
def _hidden(key: tuple[object, ...], _text: Text) -> States:
    circuit = _text.circuit
    groups = hidden_groups(circuit)
    names = hidden_names(circuit, groups)
    whole = _visible(_text.version, circuit, tuple(groups))
    row = np.concatenate([_text.row, np.full(len(groups), np.nan)])
    tables = posterior_of(whole, row, names)
    most = max(t.shape[1] for t in tables)
    padded = [torch.nn.functional.pad(t[0], (0, most - t.shape[1])) for t in tables]
    posterior = torch.stack(padded).numpy()
    try:
        return States(posterior, most_probable_states(circuit, groups, _text.row), "")
    except PCError as error:
        return States(posterior, None, errors.sentence(error))


@st.cache_resource(max_entries=8, show_spinner=False)
def _visible(version: str, _circuit: Circuit, groups: tuple[int, ...]) -> Circuit:
    return with_states(_circuit, groups)


def _states(text: Text) -> None:
    """The heat strip and the path."""
    try:
        found = _hidden(text.key, text)
        groups = hidden_groups(text.circuit)
    except PCError:
        return  # the structure has noted no hidden variables
    line = st.container(horizontal=True, vertical_alignment="center", gap="small")
    line.markdown("**Hidden state at each word**", width="content")
    line.badge("exact", color="green", help="P(state | words), one up and one down pass.")
    path = found.path
    if path is not None:
        line.caption("framed: the most probable states together", width="content")
        colour = "green" if path.quality == "exact" else "orange"
        line.badge(path.quality, color=colour, help="log P(states | words) = "
                   f"{sentences.nats(path.log_probability)} nats")  # fmt: skip
    elif found.why:
        line.caption(found.why)
    heads = sentences.parts(text.row, text.words)
    meanings = strip.meanings(text.circuit, groups, text.words)
    states = None if path is None else path.states[: len(heads)]
    posterior = found.posterior[: len(heads)]
    dark = st.context.theme.type == "dark"
    figure = strip.figure(posterior, heads, meanings, states, dark=dark)
    st.plotly_chart(figure, width="stretch", key="pcw_states", config={"displayModeBar": False})
    rows = strip.rows(posterior, heads, states)
    st.download_button(
        "Download CSV", strip.to_csv(rows), "states.csv", "text/csv", on_click="ignore",
        type="tertiary",
    )  # fmt: skip
