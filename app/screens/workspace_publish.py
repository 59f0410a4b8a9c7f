"""The part of Workspace that publishes: links that open as a copy."""

from __future__ import annotations

import functools
import time
from collections.abc import Mapping
from types import MappingProxyType

import streamlit as st

from pc_workbench import datastore, errors, lessons, limits, publish, session, state, store
from pc_workbench.publish import Kind, Publication
from pc_workbench.views import sizes
from pccore.errors import FileError, PCError

_WHAT, _LESSON, _STEP, _FILE = (
    "pcw_publish_what", "pcw_publish_lesson", "pcw_publish_step", "pcw_publish_file",
)  # fmt: skip
_REFUSED = "pcw_publish_refused"
_CIRCUIT, _DATASET, _KNOWN, _OWN = "Circuit", "Dataset", "Lesson", "My lesson"
#: The page on which each kind opens.
_PAGES: Mapping[Kind, str] = MappingProxyType(
    {"circuit": "inspect", "dataset": "data", "lesson": "learn"}
)
#: Of the link that a circuit is published with.
_WITH_CIRCUIT = ("model", "evidence", "soft", "hidden", "seed", "view", "unit")


def show() -> None:
    """What can be published, and what was."""
    st.subheader("Publish")
    st.caption(
        "A link that opens as a copy: for a class, a colleague, a paper. What you change later "
        "does not change it, and what others do with it does not reach you."
    )
    what = st.segmented_control(
        "What", (_CIRCUIT, _DATASET, _KNOWN, _OWN), key=_WHAT, default=_CIRCUIT, required=True
    )
    ready = _details(str(what))
    st.button("Publish", on_click=_publish, type="primary", disabled=not ready)
    refused = st.session_state.pop(_REFUSED, "")
    if refused:
        st.error(refused)
    found = publish.published(session.workspace())
    if found:
        st.markdown(f"**Published from here** :gray[{len(found)}]")
    for one in found:
        _published(one)


def _details(what: str) -> bool:
    """Whether something can be published as things are chosen."""
    now = state.get()
    if what == _CIRCUIT:
        given = ", with its evidence" if now.evidence or now.soft or now.hidden else ""
        st.markdown(f"**{errors.plain(store.title_of(now.model) or 'none')}**{given}")
        return bool(now.model)
    if what == _DATASET:
        st.markdown(f"**{errors.plain(datastore.title(now.dataset))}**")
        return True
    if what == _KNOWN:
        known = lessons.lessons()
        names = {one.name: one for one in known}
        chosen = st.selectbox(
            "Lesson", list(names), format_func=lambda name: names[name].title, key=_LESSON
        )
        steps = names[str(chosen)].steps
        st.selectbox(
            "Opens at step",
            range(len(steps)),
            format_func=lambda n: f"{n + 1}. {steps[n].title}",
            key=_STEP,
        )
        return True
    return st.file_uploader(
        "Markdown with a head and steps, as CONTRIBUTING describes", type=["md"], key=_FILE
    ) is not None  # fmt: skip


def _publish() -> None:
    try:
        kind, title, link, text = _chosen(st.session_state[_WHAT])
        model = link.get("model", "")
        publish.publish(
            session.workspace(), kind, title, link, facts=store.facts_of(model), lesson=text
        )
    except PCError as error:
        st.session_state[_REFUSED] = errors.sentence(error)


def _chosen(what: str) -> tuple[Kind, str, dict[str, str], str]:
    """Kind, title, link, and the text of a lesson of one's own. Raises PCError."""
    now = state.get()
    said = state.encode(now)
    if what == _CIRCUIT:
        link = {name: said[name] for name in _WITH_CIRCUIT if name in said}
        return "circuit", store.title_of(now.model), link, ""
    if what == _DATASET:
        return "dataset", datastore.title(now.dataset), {"dataset": now.dataset}, ""
    if what == _KNOWN:
        lesson = lessons.find(st.session_state[_LESSON])
        stage = st.session_state[_STEP]
        link = {"lesson": lesson.name, **({"stage": str(stage)} if stage else {})}
        return "lesson", lesson.title, link, ""
    file = st.session_state[_FILE]
    try:
        text = file.getvalue().decode("utf-8")
    except UnicodeDecodeError:
        raise FileError("is no text in UTF-8", where=errors.short(file.name)) from None
    session.room(len(text))
    return "lesson", errors.short(file.name.removesuffix(".md")), {}, text


def _published(one: Publication) -> None:
    with st.container(border=True, gap="small"):
        line = st.container(horizontal=True, vertical_alignment="center")
        line.markdown(f"**{errors.plain(errors.short(one.title))}**", width="stretch")
        line.badge(one.kind)
        with line.popover("Withdraw", type="tertiary"):
            st.markdown("The link ends for good. Copies that were opened stay.")
            st.button(
                "Withdraw it",
                key=f"pcw_withdraw_{one.id}",
                type="primary",
                on_click=functools.partial(_withdraw, one.id),
            )
        link = session.address(_PAGES[one.kind], open=one.id)
        st.code(link, language=None, wrap_lines=True)
        st.caption(_use(one))


def _use(one: Publication) -> str:
    """When it was published, how often it was opened, and when it would expire."""
    said = f"Published {_day(one.made)}, "
    if one.opened:
        said += f"opened {sizes.plural(one.opened, 'time')}, last on {_day(one.used)}."
    else:
        said += "not opened yet."
    keep = limits.current().publication_seconds
    return said + (f" Ends if nobody opens it by {_day(one.used + keep)}." if keep else "")


def _day(moment: float) -> str:
    return time.strftime("%d %b %Y", time.localtime(moment))


def _withdraw(publication: str) -> None:
    try:
        publish.withdraw(session.workspace(), publication)
    except PCError as error:
        st.session_state[_REFUSED] = errors.sentence(error)
