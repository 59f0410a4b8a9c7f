"""Links from one page to another."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import streamlit as st

_PAGES = "pcw_pages"


def remember(pages: Mapping[str, Any]) -> None:
    """Tell what pages there are, by the last part of their address."""
    st.session_state[_PAGES] = dict(pages)


def links(*names: str, label: str = "Go to {}") -> None:
    """Links to pages, side by side; nothing where the shell is not around (in tests)."""
    pages = st.session_state.get(_PAGES, {})
    with st.container(horizontal=True, width="content"):
        for name in names:
            if name in pages:
                st.page_link(pages[name], label=label.format(pages[name].title))


def known(*names: str) -> tuple[str, ...]:
    """Those of the pages that there are."""
    pages = st.session_state.get(_PAGES, {})
    return tuple(name for name in names if name in pages)


def names() -> tuple[str, ...]:
    """The last parts of the addresses of all pages."""
    return tuple(st.session_state.get(_PAGES, {}))


def go(name: str) -> None:
    """Leave for another page; nothing where the shell is not around."""
    pages = st.session_state.get(_PAGES, {})
    if name in pages:
        st.switch_page(pages[name], query_params=st.query_params.to_dict())
