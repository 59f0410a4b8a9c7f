"""PC Workbench: the shell around the pages. Streamlit runs this file for every visitor.

Pages and engine are imported inside the functions: the navigation is on the screen before torch,
which takes seconds the first time, has been read. The pages are in `screens`, not in `pages`:
Streamlit would run the files of a folder of that name by itself, without this shell.
"""

from __future__ import annotations

from types import MappingProxyType

import streamlit as st

from pc_workbench.resources import assets_folder
from pc_workbench.upkeep import upkeep

st.set_page_config(
    page_title="PC Workbench", page_icon="⊕", layout="wide", initial_sidebar_state=220
)
st.logo(assets_folder() / "icon.svg", size="large")
upkeep().touch()


def _gallery() -> None:
    from pc_workbench.screens import gallery

    gallery.page()


def _data() -> None:
    from pc_workbench.screens import data

    data.page()


def _build() -> None:
    from pc_workbench.screens import build

    build.page()


def _inspect() -> None:
    from pc_workbench.screens import inspect

    inspect.page()


def _train() -> None:
    from pc_workbench.screens import train

    train.page()


def _complete() -> None:
    from pc_workbench.screens import complete

    complete.page()


def _query() -> None:
    from pc_workbench.screens import query

    query.page()


def _compare() -> None:
    from pc_workbench.screens import compare

    compare.page()


def _learn() -> None:
    from pc_workbench.screens import learn

    learn.page()


def _workspace() -> None:
    from pc_workbench.screens import workspace

    workspace.page()


def _first() -> None:
    st.switch_page(pages["gallery"], query_params=st.query_params.to_dict())


pages = MappingProxyType(
    {
        "gallery": st.Page(_gallery, title="Gallery", default=True),
        "data": st.Page(_data, title="Data", url_path="data"),
        "build": st.Page(_build, title="Build", url_path="build"),
        "inspect": st.Page(_inspect, title="Inspect", url_path="inspect"),
        "query": st.Page(_query, title="Query", url_path="query"),
        "train": st.Page(_train, title="Train", url_path="train"),
        "complete": st.Page(_complete, title="Complete", url_path="complete"),
        "compare": st.Page(_compare, title="Compare", url_path="compare"),
        "learn": st.Page(_learn, title="Learn", url_path="learn"),
        "workspace": st.Page(_workspace, title="Workspace", url_path="workspace"),
    }
)
# The default page answers at the root only; who writes its name in the address is led there.
first = st.Page(_first, title="Gallery", url_path="gallery", visibility="hidden")
navigation = st.navigation({"PC Workbench": [*pages.values(), first]})
st.set_page_config(page_title=f"{navigation.title} · PC Workbench")  # tells tabs and history apart

from pc_workbench import navigate, shell  # noqa: E402 - after the navigation is on the screen

navigate.remember(pages)
shell.run(navigation.run)
