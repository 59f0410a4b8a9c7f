"""What a visitor is looking at: one value, kept in the session and mirrored in the link.

    state = get()                       # AppState, immutable
    update(image=3, split="test")       # changes session and link
    st.slider("Image", 0, 99, **bind("image"))   # a widget that is the field

Widgets never own a value: `bind` fills them from the state and writes back what they get, so a
page switch (which drops widgets) and a reload (which drops the session) lose nothing.
"""

from __future__ import annotations

import dataclasses
import functools
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import streamlit as st

from pc_workbench import codec
from pc_workbench.codec import Codec

_KEY = "pcw_state"
_WRITTEN = "pcw_links"  # links that this session replaced lately, with the time
_NOTICES = "pcw_notices"
_EARLIER = "pcw_earlier"
# A click can reach the server before the browser has seen the link that the last one wrote.
_STALE_SECONDS = 2.0

_IDENTIFIER = r"[A-Za-z0-9_][A-Za-z0-9_.\-]{0,79}"


def _field(default: Any, codec_: Codec) -> Any:
    """A field of the state with its form in a link."""
    return dataclasses.field(default=default, metadata={"codec": codec_})


@dataclass(frozen=True, slots=True)
class AppState:
    """Everything that a link can say; a new field needs nothing but a line here.

    model: a sample's name or the id of a stored model, "" if none was chosen. dataset: a name.
    split, image: a row of the data. mask: `pack_mask` of the hidden pixels. seed, method: of a
    query. view: ids of the expanded parts of the graph; unit: the selected one. evidence: as
    `pccore query --evidence` takes it. structure, options: choices on Build; learner, training:
    on Train (options that differ from their default). run: the id of a training run; beside: of
    those whose curves are drawn as well; axis: of these curves; classes: runs that each
    learn one class. building:
    how Build makes a circuit; notation: of the text beside the drawing. soft: variable and
    likelihoods; hidden: unit and the name given to its hidden variable, with `=2` behind it where
    child 2 is observed; pass_, step: what is stepped through and how far (0: all of it); scale: of
    the values. other: the model that Compare holds against the current one. lesson, stage: of
    Learn. presenting: larger type. aspect: of Inspect; layer: number of the selected layer of the
    compiled circuit, "" for none; batch: rows that its costs are for; latent: name of the group
    whose hidden variable is looked at. lab: what is open below the picture on Complete; rivals:
    models beside the current one; muted: ids of components. circuit: a small circuit itself, which
    becomes the model as soon as the link is opened. workspace: where the browser keeps none (see
    `session`). open: a publication, gone once it is opened.
    """

    model: str = _field("", codec.text(_IDENTIFIER, 80))
    dataset: str = _field("digits", codec.text(r"[\w][\w.\- /]{0,199}", 200))
    split: str = _field("test", codec.choice("train", "valid", "test"))
    image: int = _field(0, codec.whole(0, 10**9))
    mask: str = _field("", codec.text(r"[A-Za-z0-9+/]*={0,2}", 16_384))
    seed: int = _field(0, codec.whole(0, 2**31 - 1))
    method: str = _field("mean", codec.text(r"[a-z][a-z_\-]{0,39}", 40))
    view: tuple[str, ...] = _field((), codec.items(r"[\w.:,\[\]\-]+", 200))
    unit: str = _field("", codec.text(r"[\w.:,\[\]\-]{1,120}", 120))
    evidence: str = _field("", codec.printable(8_000))
    structure: str = _field("pd", codec.text(r"[a-z][a-z0-9_]{0,39}", 40))
    options: tuple[tuple[str, str], ...] = _field((), codec.pairs(40))
    learner: str = _field("online-em", codec.text(r"[a-z][a-z0-9_\-]{0,39}", 40))
    training: tuple[tuple[str, str], ...] = _field((), codec.pairs(40))
    run: str = _field("", codec.text(_IDENTIFIER, 80))
    beside: tuple[str, ...] = _field((), codec.items(_IDENTIFIER, 5))
    axis: str = _field("epoch", codec.choice("epoch", "seconds"))
    classes: tuple[str, ...] = _field((), codec.items(_IDENTIFIER, 40))
    building: str = _field("draw", codec.choice("draw", "generate"))
    notation: str = _field("formula", codec.choice("formula", "code"))
    soft: tuple[tuple[str, str], ...] = _field((), codec.texts(40))
    hidden: tuple[tuple[str, str], ...] = _field((), codec.texts(40))
    pass_: str = _field("", codec.choice("", "up", "derivatives", "flows", "mpe", "sample"))
    step: int = _field(0, codec.whole(0, 10**6))
    scale: str = _field("linear", codec.choice("linear", "log"))
    other: str = _field("", codec.text(_IDENTIFIER, 80))
    lesson: str = _field("", codec.text(_IDENTIFIER, 80))
    stage: int = _field(0, codec.whole(0, 99))
    presenting: str = _field("no", codec.choice("no", "yes"))
    aspect: str = _field("structure", codec.choice("structure", "compile", "hidden"))
    latent: str = _field("", codec.printable(200))
    layer: str = _field("", codec.text(r"[0-9]{1,7}", 7))
    batch: int = _field(100, codec.whole(1, 10**6))
    lab: str = _field("", codec.choice("", "side", "components", "batch"))
    rivals: tuple[str, ...] = _field((), codec.items(_IDENTIFIER, 4))
    circuit: str = _field("", codec.text(r"[A-Za-z0-9_\-]*", 6_000))
    workspace: str = _field("", codec.text(r"w-[0-9a-f]{32}", 34))
    open: str = _field("", codec.text(r"p-[0-9a-f]{32}", 34))
    muted: tuple[str, ...] = _field((), codec.items(r"[0-9]{1,7}\.[0-9]{1,7}\.[0-9]{1,9}", 64))


@functools.cache
def _codecs() -> Mapping[str, Codec]:
    return {field.name: field.metadata["codec"] for field in dataclasses.fields(AppState)}


_DEFAULT = AppState()


def encode(state: AppState) -> dict[str, str]:
    """The link's parameters: the fields that differ from their default."""
    return {
        name: one.write(value)
        for name, one in _codecs().items()
        if (value := getattr(state, name)) != getattr(_DEFAULT, name)
    }


def decode(parameters: Mapping[str, str]) -> tuple[AppState, tuple[str, ...]]:
    """The state of a link, and the names of the parameters that were ignored."""
    values: dict[str, Any] = {}
    ignored: list[str] = []
    for name, text in parameters.items():
        try:
            values[name] = _codecs()[name].parse(text)
        except (KeyError, ValueError):
            ignored.append(name)
    return AppState(**values), tuple(ignored)


def get() -> AppState:
    """The state of this session; read from the link at the session's start."""
    if _KEY not in st.session_state:
        return sync()
    return st.session_state[_KEY]


def update(**changes: Any) -> AppState:
    """Change some fields, in the session and in the link.

    Raises ValueError for a value that no link could carry, TypeError for an unknown field.
    """
    before = get()
    state = dataclasses.replace(before, **changes)
    for name in changes:
        value, one = getattr(state, name), _codecs()[name]
        if value != getattr(_DEFAULT, name) and one.parse(one.write(value)) != value:
            raise ValueError(f"{name} cannot be {value!r}")
    if state != before:
        _remember(encode(before))
        if state.model != before.model and before.model:
            earlier = [one for one in earlier_models() if one not in (before.model, state.model)]
            st.session_state[_EARLIER] = (before.model, *earlier[:7])
        st.session_state[_KEY] = state
        _write(state)
    return state


def follow(link: Mapping[str, str]) -> None:
    """Take over what somebody passed on; what pointed into the last model or data is dropped."""
    said, _ = decode(link)
    if "model" in link:
        choose_model(said.model)
    if "dataset" in link:
        choose_dataset(said.dataset)
    mine = {"run", "classes", "beside", "workspace", "open"}
    update(**{name: getattr(said, name) for name in link if name in _codecs().keys() - mine})


def earlier_models() -> tuple[str, ...]:
    """Models that were the current one before, the latest first: what Compare holds against it."""
    return st.session_state.get(_EARLIER, ())


def choose_model(model: str) -> None:
    """Make a model the current one; what pointed into the last one is dropped."""
    nothing = {
        "view": (),
        "unit": "",
        "layer": "",
        "evidence": "",
        "soft": (),
        "hidden": (),
        "latent": "",
    }
    update(model=model, **nothing, muted=(), pass_="", step=0)


def choose_dataset(dataset: str) -> None:
    """Make a dataset the current one; what pointed into the last one is dropped."""
    update(dataset=dataset, image=0, mask="")


def sync() -> AppState:
    """Bring session and link together; called once at the start of every full run.

    A new session takes the link, and so does one whose visitor went back or edited the address.
    A page switch drops the link's parameters: they are written again.
    """
    shown = dict(st.query_params.to_dict())
    state: AppState | None = st.session_state.get(_KEY)
    if state is not None and (shown == encode(state) or not shown or _stale(shown)):
        _write(state)
        return state
    state, ignored = decode(shown)
    st.session_state[_KEY] = state
    if ignored:
        st.session_state[_NOTICES] = ignored
    _write(state)
    return state


def take_notices() -> tuple[str, ...]:
    """Names of link parameters that were ignored since this was last asked."""
    return st.session_state.pop(_NOTICES, ())


def bind(
    field: str,
    *,
    among: Sequence[Any] | None = None,
    then: Callable[[], object] | None = None,
) -> dict[str, Any]:
    """`key` and `on_change` for a widget whose value is a field of the state.

    Call it right before the widget, which must not get a value or index of its own. among: the
    values that the widget allows; another one in the state becomes the first of them. then:
    called after a change.
    """
    key = f"pcw_widget_{field}"
    value = getattr(get(), field)
    if among is not None and value not in among and len(among):
        value = among[0]
    st.session_state[key] = value

    def changed() -> None:
        # Segmented controls can be emptied: then the old value stays.
        if st.session_state[key] is not None:
            update(**{field: st.session_state[key]})
            if then is not None:
                then()

    return {"key": key, "on_change": changed}


def _write(state: AppState) -> None:
    wanted = encode(state)
    if st.query_params.to_dict() != wanted:
        st.query_params.from_dict(wanted)


def _remember(link: dict[str, str]) -> None:
    now = time.monotonic()
    earlier = st.session_state.get(_WRITTEN, ())
    st.session_state[_WRITTEN] = (*earlier[-7:], (now, link))


def _stale(link: dict[str, str]) -> bool:
    now = time.monotonic()
    return any(
        link == old and now - when < _STALE_SECONDS
        for when, old in st.session_state.get(_WRITTEN, ())
    )
