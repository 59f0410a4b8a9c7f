"""The state and its link: round trip, hostile links, what a session keeps."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st
from streamlit.testing.v1 import AppTest

from pc_workbench import state
from pc_workbench.state import AppState

IDS = st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9_.\-]{0,30}", fullmatch=True)
NODES = st.lists(st.from_regex(r"[a-z0-9:.,\[\]]{1,20}", fullmatch=True), max_size=9).map(tuple)
OPTIONS = st.dictionaries(
    st.from_regex(r"[a-z][a-z0-9_]{0,12}", fullmatch=True),
    st.from_regex(r"[A-Za-z0-9_.,+\-]{0,12}", fullmatch=True),
    max_size=6,
).map(lambda options: tuple(options.items()))
PRINTABLE = st.text(max_size=80).filter(str.isprintable)

STATES = st.builds(
    AppState,
    model=st.one_of(st.just(""), IDS),
    dataset=st.from_regex(r"[a-z0-9_][a-z0-9_.\- /]{0,20}", fullmatch=True),
    split=st.sampled_from(["train", "valid", "test"]),
    image=st.integers(0, 10**9),
    mask=st.from_regex(r"[A-Za-z0-9+/]{0,40}={0,2}", fullmatch=True),
    seed=st.integers(0, 2**31 - 1),
    method=st.from_regex(r"[a-z][a-z_\-]{0,9}", fullmatch=True),
    view=NODES,
    unit=st.from_regex(r"[a-z0-9:.]{1,20}", fullmatch=True),
    evidence=PRINTABLE,
    structure=st.from_regex(r"[a-z][a-z0-9_]{0,9}", fullmatch=True),
    options=OPTIONS,
    learner=st.from_regex(r"[a-z][a-z0-9_\-]{0,9}", fullmatch=True),
    training=OPTIONS,
    run=st.one_of(st.just(""), IDS),
)


@given(STATES)
def test_a_link_says_the_whole_state(value: AppState):
    assert state.decode(state.encode(value)) == (value, ())


NAMES = st.sampled_from([field.name for field in dataclasses.fields(AppState)])


@given(st.dictionaries(st.one_of(NAMES, st.text(max_size=9)), st.text(max_size=300)))
def test_no_link_breaks_anything(parameters: dict[str, str]):
    value, ignored = state.decode(parameters)
    assert set(ignored) <= set(parameters)
    # What was taken is legal: it can be written and read again.
    assert state.decode(state.encode(value)) == (value, ())


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("model", "../../etc/passwd"),
        ("model", ".hidden"),
        ("run", "a/b"),
        ("run", ""),
        ("image", "-1"),
        ("image", "1e3"),
        ("image", "٣"),
        ("image", "1_000"),
        ("image", "9" * 5000),
        ("seed", str(2**31)),
        ("split", "secret"),
        ("mask", "<script>"),
        ("mask", "A" * 100_000),
        ("view", "a~<b>"),
        ("view", "~".join(["a"] * 10_000)),
        ("options", "depth"),
        ("options", "depth:1~depth:2"),
        ("options", "depth:__import__('os')"),
        ("evidence", "a\x00b"),
        ("evidence", "x" * 9000),
        ("unknown", "1"),
        ("__class__", "1"),
    ],
)
def test_hostile_values_are_ignored_by_name(name: str, text: str):
    assert state.decode({name: text}) == (AppState(), (name,))


def test_defaults_do_not_lengthen_the_link():
    assert state.encode(AppState()) == {}
    assert state.encode(AppState(image=3)) == {"image": "3"}


def script() -> None:
    import streamlit as st

    from pc_workbench import state

    value = state.sync()
    st.text(f"image {value.image} model {value.model or chr(45)}")
    st.text("ignored " + ",".join(state.take_notices()))
    st.number_input("Image", 0, 99, **state.bind("image"))
    st.selectbox("Split", ["train", "test"], **state.bind("split", among=["train", "test"]))


def app(**parameters: str) -> AppTest:
    at = AppTest.from_function(script, default_timeout=20)
    for name, text in parameters.items():
        at.query_params[name] = text
    return at.run()


def test_a_session_starts_from_its_link_and_says_what_it_ignored():
    at = app(image="7", model="x", split="nowhere")
    assert [t.value for t in at.text] == ["image 7 model x", "ignored split"]
    assert not at.exception


def test_a_bound_widget_writes_session_and_link():
    at = app(image="7")
    at.number_input[0].set_value(12).run()
    assert at.text[0].value == "image 12 model -"
    assert at.query_params["image"] in ("12", ["12"])
    at.number_input[0].set_value(0).run()
    assert "image" not in at.query_params


def test_a_page_switch_drops_the_link_and_it_comes_back():
    at = app(image="7", model="x")
    at.query_params.clear()
    at.run()
    assert at.text[0].value == "image 7 model x"
    assert at.query_params["image"] in ("7", ["7"])


def test_an_edited_address_is_taken_and_a_stale_one_is_not(monkeypatch: pytest.MonkeyPatch):
    at = app(image="7")
    at.number_input[0].set_value(8).run()
    at.query_params["image"] = "7"  # what the browser still showed when it was clicked again
    at.run()
    assert at.text[0].value == "image 8 model -"
    at.query_params["image"] = "55"
    at.run()
    assert at.text[0].value == "image 55 model -"
    monkeypatch.setattr(state, "_STALE_SECONDS", -1.0)
    at.query_params["image"] = "7"  # some time later that is the back button
    at.run()
    assert at.text[0].value == "image 7 model -"


def test_a_value_that_the_widget_does_not_offer_shows_the_first():
    at = app(split="valid")
    assert at.selectbox[0].value == "train"
    assert not at.exception


def bad_update() -> None:
    import streamlit as st

    from pc_workbench import state

    state.sync()
    for changes in ({"model": "../x"}, {"image": -1}, {"view": ("a~b",)}):
        try:
            state.update(**changes)
        except ValueError as error:
            st.text(f"refused {error}")
    st.text(f"{state.get() == state.AppState()}")


def test_update_refuses_what_no_link_could_carry():
    at = AppTest.from_function(bad_update, default_timeout=20).run()
    assert len(at.text) == 4
    assert at.text[3].value == "True"
