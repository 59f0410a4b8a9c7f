"""Sessions as Streamlit runs them, each in its workspace: lists, rights, links, copies."""

from __future__ import annotations

import json
import shlex
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from pc_workbench import drafts, jobs, paths, publish, workspaces
from pccore import cli, datasets, structures
from pccore.draft import Draft
from pccore.learn import RunDirectory, Status, prepare_run
from pccore.structures.figures import figure1_naive_bayes

PATIENCE = 90.0
DATA = datasets.load("parity")
MODEL = structures.build_structure("naive_bayes", structures.shape_of(DATA), {"components": 2})

pytestmark = pytest.mark.usefixtures("one_run_at_a_time")


def train_page() -> None:
    from pc_workbench import shell
    from pc_workbench.screens import train

    shell.run(train.page)


def workspace_page() -> None:
    from pc_workbench import shell
    from pc_workbench.screens import workspace

    shell.run(workspace.page)


def learn_page() -> None:
    from pc_workbench import shell
    from pc_workbench.screens import learn

    shell.run(learn.page)


def making_page() -> None:
    """Keeps a model, as Build and the upload do."""
    import streamlit as st

    from pc_workbench import session, shell, store
    from pccore.build import bernoulli, circuit

    def page() -> None:
        st.text(session.workspace())
        if st.button("Make"):
            a, b = bernoulli("A", 0.3), bernoulli("A", 0.8)
            model = store.put_model(circuit(0.4 * a + 0.6 * b, meta={"title": "Mine"}))
            st.text(f"{model} {store.is_untrained(model)}")
        st.text(",".join(one.title for one in store.models()))

    shell.run(page)


def deleting_page() -> None:
    """Presses Delete for what the evidence of the link lists: tests cannot select rows."""
    import json

    from pc_workbench import shell, state
    from pc_workbench.screens import workspace

    shell.run(lambda: workspace._delete(json.loads(state.get().evidence)))


def show(page: Callable[[], None], **parameters: str) -> AppTest:
    at = AppTest.from_function(page, default_timeout=60)
    for name, text in parameters.items():
        at.query_params[name] = text
    return at.run()


def clean(at: AppTest) -> None:
    assert not at.exception
    assert not [one.value for one in at.error]


def parameter(at: AppTest, name: str) -> str:
    found = at.query_params.get(name, "")
    return found[0] if isinstance(found, list) else found


def labels(at: AppTest) -> set[str]:
    return {one.label for one in at.button}


def button(at: AppTest, label: str):
    return next(one for one in at.button if one.label == label)


def listed(at: AppTest) -> set[str]:
    return {run for d in at.dataframe if "run" in d.value for run in d.value["run"]}


def shared_run(name: str) -> RunDirectory:
    """A run that somebody started on the command line of the server."""
    run = prepare_run(paths.runs_folder() / name, MODEL, DATA, model="m", data="parity")
    run.write_status(Status("running", time.time(), 1, epochs=50))
    return run


def test_a_visitor_without_a_link_gets_a_workspace_that_the_link_keeps():
    first, second = show(making_page), show(making_page)
    names = [at.text[0].value for at in (first, second)]
    assert len(set(names)) == 2 and all(map(workspaces.is_workspace, names))
    assert [parameter(at, "workspace") for at in (first, second)] == names
    assert not any(map(workspaces.exists, names))
    button(first, "Make").click().run()
    clean(first)
    assert first.text[-1].value == "Mine" and second.run().text[-1].value == ""
    again = show(making_page, workspace=names[0])
    assert again.text[0].value == names[0] and again.text[-1].value == "Mine"


def test_a_workspace_remembers_what_was_looked_at_last():
    mine = workspaces.new_id()
    at = show(
        making_page, workspace=mine, model="figure3_parity", evidence="X1=1", presenting="yes"
    )
    assert workspaces.last(mine) == {}  # it holds nothing
    button(at, "Make").click().run()
    again = show(making_page, workspace=mine)
    assert (parameter(again, "model"), parameter(again, "evidence")) == ("figure3_parity", "X1=1")
    assert parameter(again, "presenting") == ""
    asked = show(making_page, workspace=mine, model="inconsistent")
    assert (parameter(asked, "model"), parameter(asked, "evidence")) == ("inconsistent", "")
    (workspaces.folder(mine) / "last.json").write_text('{"model": "../x", "nothing": "1"}')
    damaged = show(making_page, workspace=mine)
    clean(damaged)
    assert parameter(damaged, "model") == "digits_pd"


def test_a_link_to_a_workspace_that_is_gone_begins_an_empty_one():
    wanted = workspaces.new_id()
    at = show(making_page, workspace=wanted)
    assert at.text[0].value == wanted
    assert any("begins empty" in one.value for one in at.toast)
    hostile = show(making_page, workspace="../../etc")
    assert workspaces.is_workspace(hostile.text[0].value)


def test_a_workspace_that_is_full_says_so(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PC_WORKBENCH_WORKSPACE_DISK", "0.0001")
    at = show(making_page)
    button(at, "Make").click().run()
    assert not at.exception
    assert "delete runs or models on the page Workspace" in at.error[0].value


def test_runs_are_seen_and_changed_in_their_workspace_alone(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PC_WORKBENCH_PUBLIC", "1")
    mine, other = workspaces.new_id(), workspaces.new_id()
    link = {"model": "figure3_parity", "dataset": "parity", "learner": "em", "training": "epochs:2"}
    shared_run("of-all")
    at = show(train_page, workspace=mine, **link)
    button(at, "Start").click().run()
    clean(at)
    run = parameter(at, "run")
    assert jobs.registry().owned(mine) == (run,)
    assert listed(at) == {run, "of-all"}
    elsewhere = show(train_page, workspace=other, **link)
    clean(elsewhere)
    assert listed(elsewhere) == {"of-all"}
    looking = show(train_page, workspace=other, run=run, **link)
    clean(looking)
    assert not {"Pause", "Resume", "Stop"} & labels(looking)
    assert any("read only" in one.value for one in looking.markdown)
    assert not {"Pause", "Stop"} & labels(show(train_page, workspace=other, run="of-all", **link))
    # On a server for one person they are that person's.
    monkeypatch.delenv("PC_WORKBENCH_PUBLIC")
    jobs.registry().close()
    jobs.registry.cache_clear()
    assert "Stop" in labels(show(train_page, workspace=other, run="of-all", **link))


def test_the_command_that_is_shown_does_the_same_run_and_appears(home: Path):
    mine = workspaces.new_id()
    link = {"model": "figure3_parity", "dataset": "parity", "learner": "em", "training": "epochs:2"}
    at = show(train_page, workspace=mine, **link)
    button(at, "Start").click().run()
    clean(at)
    run = parameter(at, "run")
    end = time.monotonic() + PATIENCE
    while jobs.registry().view(run).state != "finished":
        assert time.monotonic() < end, jobs.registry().view(run)
        time.sleep(0.05)
    at.run()
    command = next(c.value for c in at.code if f"{run}-again" in c.value and "pccore" in c.value)
    words = shlex.split(command)
    words[words.index("-o") + 1] = str(home / "trained.pc.safetensors")
    assert cli.main([*words[1:], "--json"]) == 0
    at.run()
    assert listed(at) == {run, f"{run}-again"}
    first, second = (workspaces.runs_folder(mine) / name for name in (run, f"{run}-again"))
    same = ("data", "method", "method_options", "train_options", "threads", "title", "label")
    configs = [json.loads((path / "config.json").read_text()) for path in (first, second)]
    assert all(configs[0][name] == configs[1][name] for name in same)
    scores = [RunDirectory(path).scores() for path in (first, second)]
    assert scores[0].train == scores[1].train and scores[0].best == scores[1].best


def test_the_page_shows_what_there_is_and_deletes_it(home: Path):
    mine = workspaces.new_id()
    at = show(making_page, workspace=mine)
    button(at, "Make").click().run()
    prepare_run(workspaces.runs_folder(mine) / "done", MODEL, DATA, model="m", data="parity"
                ).write_status(Status("finished", time.time()))  # fmt: skip
    page = show(workspace_page, workspace=mine)
    clean(page)
    assert any(mine in one.value and "workspace=" in one.value for one in page.code)
    assert {one.label: one.value for one in page.metric}["Models"] == "1"
    drafts.save("d-" + "0" * 16, Draft.of(figure1_naive_bayes()), mine)
    workspaces.add_drawing(mine, "d-" + "0" * 16)
    page.run()
    things = next(d.value for d in page.dataframe if "kind" in d.value)
    assert list(things["kind"]) == ["model", "drawing", "run"]
    assert button(page, "Delete").disabled
    other = show(workspace_page, workspace=workspaces.new_id())
    assert not other.dataframe
    chosen = list(zip(things["kind"], things["id"], strict=True))
    show(deleting_page, workspace=workspaces.new_id(), evidence=json.dumps(chosen))
    assert workspaces.usage(mine).runs == 1  # another workspace deletes nothing here
    clean(show(deleting_page, workspace=mine, evidence=json.dumps(chosen)))
    left = workspaces.usage(mine)
    assert (left.models, left.drawings, left.runs) == (0, 0, 0)
    assert not list((home / "models").glob("[md]-*"))


def test_what_is_published_opens_as_a_copy_in_another_workspace():
    teacher, pupil = workspaces.new_id(), workspaces.new_id()
    at = show(workspace_page, workspace=teacher, model="figure1_naive_bayes", evidence="X1=1")
    button(at, "Publish").click().run()
    clean(at)
    (published,) = publish.published(teacher)
    assert any(f"open={published.id}" in one.value for one in at.code)
    opened = show(train_page, workspace=pupil, open=published.id)
    clean(opened)
    assert parameter(opened, "open") == "" and parameter(opened, "workspace") == pupil
    assert parameter(opened, "model") == "figure1_naive_bayes"
    assert parameter(opened, "evidence") == "X1=1"
    assert any("copy" in one.value for one in opened.toast)
    button(at, "Withdraw it").click().run()
    clean(at)
    late = show(train_page, workspace=pupil, open=published.id)
    assert not late.exception and "was withdrawn" in late.error[0].value


def test_a_dataset_and_a_lesson_are_published():
    teacher = workspaces.new_id()
    at = show(workspace_page, workspace=teacher, dataset="parity")
    what = next(one for one in at.button_group if one.label == "What")
    what.select("Dataset").run()
    button(at, "Publish").click().run()
    next(one for one in at.button_group if one.label == "What").select("Lesson").run()
    at.selectbox(key="pcw_publish_step").select(1).run()
    button(at, "Publish").click().run()
    clean(at)
    kinds = {one.kind: one for one in publish.published(teacher)}
    assert dict(kinds["dataset"].link) == {"dataset": "parity"}
    opened = show(learn_page, open=kinds["lesson"].id)
    clean(opened)
    assert parameter(opened, "lesson") == kinds["lesson"].link["lesson"]
    assert parameter(opened, "stage") == "1"


def test_a_lesson_of_ones_own_is_taken_in_another_workspace():
    teacher = workspaces.new_id()
    text = (
        '+++\ntitle = "A coin"\nminutes = 3\nmodel = "0.6*x + 0.4*!x"\ngoals = ["know"]\n+++\n'
        "## Look\nThe value is {{S(x=1)}}.\n"
    )
    published = publish.publish(teacher, "lesson", "Coin", {}, lesson=text)
    opened = show(learn_page, open=published)
    clean(opened)
    assert any("A coin" in one.value for one in opened.markdown)
    assert any("0.6" in one.value for one in opened.markdown)
    gone = show(learn_page, lesson="p-" + "0" * 32)
    assert not gone.exception and any("not on this server" in one.value for one in gone.warning)
