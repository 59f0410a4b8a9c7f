"""Workspaces, limits and publications on disk: what belongs to whom, and what is refused."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from hypothesis import given, strategies

from pc_workbench import (
    cookies,
    datastore,
    drafts,
    jobs_limits,
    limits,
    paths,
    publish,
    store,
    workspaces,
)
from pc_workbench.jobs_queue import Job
from pc_workbench.limits import MEGABYTE, PUBLIC, UNLIMITED, Limits
from pccore import datasets
from pccore.build import bernoulli, circuit
from pccore.draft import Draft
from pccore.errors import FileError, NotFoundError, OptionError, QuotaError
from pccore.learn import RunDirectory
from pccore.structures.figures import figure1_naive_bayes

LESSON = """+++
title = "A coin"
minutes = 3
model = "0.6*x + 0.4*!x"
goals = ["say what a coin does"]
+++
## Look
The value is {{S(x=1)}}.
"""


pytestmark = pytest.mark.usefixtures("home")


def stored(p: float = 0.6) -> str:
    return store.put_model(circuit(0.4 * bernoulli("A", p) + 0.6 * bernoulli("A", 0.1)))


def owned(workspace: str, model: str) -> None:
    """As the session keeps a model: noted in the workspace, not in the list of the server."""
    workspaces.keep_model(workspaces.begin(workspace), model, {"title": "t", "parameters": 3})
    (paths.models_folder() / f"{model}.json").unlink(missing_ok=True)


# -- ids and cookies -------------------------------------------------------------------------


def test_ids_cannot_be_guessed_and_name_no_path():
    made = {workspaces.new_id() for _ in range(50)}
    assert len(made) == 50 and all(map(workspaces.is_workspace, made))
    assert all(len(one) == 34 for one in made)  # 128 bits
    for name in (
        "",
        "w-",
        "w-../../etc",
        "W-" + "0" * 32,
        "w-" + "0" * 31,
        "w-" + "0" * 33,
        "../x",
    ):
        assert not workspaces.is_workspace(name)
        with pytest.raises(NotFoundError):
            workspaces.folder(name)


@given(strategies.text(max_size=300))
def test_a_cookie_of_anything_gives_ids_only(text: str):
    assert all(map(workspaces.is_workspace, cookies.workspaces_of(text)))
    assert isinstance(cookies.parse(text, "pcw_access"), str)


def test_the_newest_workspace_comes_first_in_the_cookie_and_few_are_kept():
    known: tuple[str, ...] = ()
    made = [workspaces.new_id() for _ in range(8)]
    for one in made:
        known = cookies.workspaces_of(cookies.with_first(known, one))
    assert known == tuple(made[::-1][: cookies.REMEMBERED])
    assert cookies.workspaces_of(cookies.with_first(known, known[2]))[0] == known[2]
    header = f"a=b; {cookies.WORKSPACES}={made[0]}; x"
    assert cookies.parse(header, cookies.WORKSPACES) == made[0]
    written = cookies.write("a", "b", path="/pc", seconds=5, secure=True)
    assert written == "a=b; Path=/pc; Max-Age=5; HttpOnly; SameSite=Lax; Secure"


# -- what belongs to a workspace -------------------------------------------------------------


def test_looking_at_a_workspace_writes_nothing(home: Path):
    workspace = workspaces.new_id()
    workspaces.touch(workspace)
    assert not workspaces.exists(workspace)
    assert workspaces.usage(workspace) == workspaces.Usage(0, 0, 0, 0, 0)
    assert not (home / "workspaces").exists()


def test_the_content_goes_with_the_last_that_it_belongs_to(home: Path):
    first, second = workspaces.new_id(), workspaces.new_id()
    model = stored()
    owned(first, model)
    owned(second, model)
    content = home / "models" / f"{model}.pc.safetensors"
    assert list(workspaces.models(workspaces.folder(first))) == [model]
    assert workspaces.usage(first).disk > content.stat().st_size
    workspaces.forget_model(workspaces.folder(first), model)
    assert content.exists() and workspaces.usage(first).models == 0
    workspaces.remove(second)
    assert not content.exists() and not workspaces.exists(second)


def test_a_dataset_is_listed_where_it_belongs_and_published_as_a_copy(home: Path):
    teacher, pupil = workspaces.new_id(), workspaces.new_id()
    dataset = datastore.put(datasets.load("parity"), "parity")
    content = home / "datasets" / f"{dataset}.npz"
    workspaces.add_dataset(workspaces.begin(teacher), dataset)
    assert workspaces.usage(teacher).disk >= content.stat().st_size
    published = publish.publish(teacher, "dataset", "parity", {"dataset": dataset})
    workspaces.remove(teacher)
    assert content.exists()  # the publication has it
    assert publish.take(published, pupil, pupil) == {"dataset": dataset}
    assert workspaces.datasets(workspaces.folder(pupil)) == (dataset,)
    workspaces.forget_dataset(workspaces.folder(pupil), dataset)
    assert content.exists()
    workspaces.add_publication(pupil, published)
    publish.withdraw(pupil, published)
    assert not content.exists()


def test_damaged_facts_are_left_out():
    workspace = workspaces.new_id()
    place = workspaces.begin(workspace)
    (place / "models").mkdir()
    (place / "models" / "m-0123456789abcdef.json").write_text("{")
    (place / "models" / "m-0123456789abcdee.json").write_text("[1]")
    assert workspaces.models(place) == {}


def test_too_many_drawings_of_one_do_not_cost_another_hers(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(drafts, "MOST_DRAWINGS", 2)
    modest, greedy = workspaces.new_id(), workspaces.new_id()

    def draw(workspace: str) -> str:
        drawing = drafts.new_id()
        draft = Draft.of(figure1_naive_bayes())
        drafts.save(drawing, draft, workspace, workspaces.drawings(workspace))
        workspaces.add_drawing(workspace, drawing)
        return drawing

    hers = draw(modest)
    for _ in range(5):
        draw(greedy)
    assert workspaces.drawings(modest) == (hers,) and len(workspaces.drawings(greedy)) == 2
    workspaces.forget_drawing(greedy, hers)  # not its own
    assert workspaces.drawings(modest) == (hers,)


def test_workspaces_that_nobody_opens_go(home: Path):
    old, used = workspaces.new_id(), workspaces.new_id()
    for one in (old, used):
        owned(one, stored(0.3))
    past = time.time() - 1000
    os.utime(workspaces.folder(old) / "seen", (past, past))
    assert workspaces.expire(900) == (old,)
    assert not workspaces.exists(old) and workspaces.exists(used)
    assert len(list((home / "models").glob("m-*.pc.safetensors"))) == 1


# -- limits ----------------------------------------------------------------------------------


def test_nothing_set_is_unlimited_and_a_public_server_has_stated_limits():
    assert limits.current({}) == UNLIMITED
    assert limits.current({"PC_WORKBENCH_PUBLIC": "1"}) == PUBLIC
    assert not limits.is_public({"PC_WORKBENCH_PUBLIC": "0"})
    given = {
        "PC_WORKBENCH_PUBLIC": "yes",
        "PC_WORKBENCH_WORKSPACE_DISK": "1.5",
        "PC_WORKBENCH_JOB_TIME": "0",
        "PC_WORKBENCH_MODEL_SIZE": "1000",
    }
    found = limits.current(given)
    assert (found.disk, found.job_seconds, found.parameters) == (1_500_000, None, 1000)
    assert found.jobs == PUBLIC.jobs


@pytest.mark.parametrize("text", ["-1", "much", "nan", "inf", "1e30", "1 GB"])
def test_a_limit_that_is_no_number_is_refused_by_its_option(text: str):
    with pytest.raises(OptionError, match="--job-time"):
        limits.current({"PC_WORKBENCH_JOB_TIME": text})


def test_every_refusal_says_how_much_and_a_way_out():
    tight = Limits(
        disk=5 * MEGABYTE, total_disk=9 * MEGABYTE, job_seconds=90, jobs=2, parameters=10
    )
    with pytest.raises(QuotaError, match=r"11 parameters, this server allows 10.*command line"):
        tight.check_model(11)
    with pytest.raises(QuotaError, match=r"2 runs of this workspace.*allows 2.*stop one"):
        tight.check_jobs(2)
    with pytest.raises(QuotaError, match=r"4 MB of 5 MB in use and this needs 2 MB.*delete"):
        tight.check_disk(4 * MEGABYTE, 2 * MEGABYTE, 0)
    with pytest.raises(QuotaError, match="disk space of this server, 9 MB"):
        tight.check_disk(0, 2 * MEGABYTE, 8 * MEGABYTE)
    with pytest.raises(QuotaError, match=r"its 1\.5 min of training"):
        tight.check_time(90)
    tight.check_model(10)
    tight.check_jobs(1)
    tight.check_disk(3 * MEGABYTE, 2 * MEGABYTE, 0)
    tight.check_time(89)
    UNLIMITED.check_disk(10**15, 10**15, 10**15)


def test_a_model_beyond_the_limit_is_not_written(home: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PC_WORKBENCH_MODEL_SIZE", "3")
    with pytest.raises(QuotaError):
        store.put_model(figure1_naive_bayes())
    assert not (home / "models").exists()


def test_a_run_without_room_is_refused(monkeypatch: pytest.MonkeyPatch):
    workspace = workspaces.new_id()
    monkeypatch.setenv("PC_WORKBENCH_WORKSPACE_DISK", "0.000001")
    with pytest.raises(QuotaError, match="page Workspace"):
        jobs_limits.check_room(workspace, 0, figure1_naive_bayes())
    job, other = (Job(RunDirectory("x"), owner, 0.0, 0.0) for owner in (workspace, "nobody's"))
    assert jobs_limits.over_room([job, other]) == []
    owned(workspace, stored())
    ((found, why),) = jobs_limits.over_room([job, other])
    assert found is job and "all of its 1 B in use" in why


# -- publications ----------------------------------------------------------------------------


def test_a_model_opens_as_a_copy_that_stays(home: Path):
    teacher, pupil = workspaces.new_id(), workspaces.new_id()
    model = stored()
    owned(teacher, model)
    facts = workspaces.models(workspaces.folder(teacher))[model]
    link = {"model": model, "evidence": "A=1"}
    published = publish.publish(teacher, "circuit", "Coin", link, facts=facts)
    assert [one.title for one in publish.published(teacher)] == ["Coin"]
    workspaces.remove(teacher)
    assert publish.take(published, pupil, pupil) == link
    assert list(workspaces.models(workspaces.folder(pupil))) == [model]
    assert store.get_circuit(model).variables == ("A",)


def test_a_drawing_is_published_as_it_was_and_every_opening_is_another():
    teacher, pupil = workspaces.new_id(), workspaces.new_id()
    drawing = drafts.new_id()
    before = Draft.of(figure1_naive_bayes())
    drafts.save(drawing, before, teacher)
    published = publish.publish(teacher, "circuit", "Bayes", {"model": drawing})
    drafts.save(drawing, Draft(), teacher)  # its author draws on
    first, second = (publish.take(published, pupil, pupil)["model"] for _ in range(2))
    assert len({drawing, first, second}) == 3
    assert set(workspaces.drawings(pupil)) == {first, second}
    copy = drafts.load(first)
    assert copy.owner == drafts.owner_of(pupil)
    assert copy.draft.circuit().params.equal(before.circuit().params)


def test_a_lesson_of_ones_own_is_checked_and_its_copy_stays():
    teacher, pupil = workspaces.new_id(), workspaces.new_id()
    published = publish.publish(teacher, "lesson", "Coin", {}, lesson=LESSON)
    assert publish.take(published, pupil, pupil) == {"lesson": published}
    publish.withdraw(teacher, published)
    assert publish.lesson_of(published, pupil).title == "A coin"
    with pytest.raises(NotFoundError):
        publish.lesson_of(published, workspaces.new_id())
    for wrong in ("# no head", LESSON.replace('"A coin"', "3"), LESSON + "x" * publish.MOST_TEXT):
        with pytest.raises(FileError):
            publish.publish(teacher, "lesson", "Wrong", {}, lesson=wrong)
    assert publish.published(teacher) == ()


def test_only_who_published_can_withdraw(home: Path):
    teacher, other = workspaces.new_id(), workspaces.new_id()
    model = stored()
    owned(teacher, model)
    published = publish.publish(teacher, "circuit", "x", {"model": model}, facts={"title": "x"})
    with pytest.raises(NotFoundError):
        publish.withdraw(other, published)
    assert publish.read(published).kind == "circuit"
    workspaces.forget_model(workspaces.folder(teacher), model)
    assert (home / "models" / f"{model}.pc.safetensors").exists()  # the publication has it
    publish.withdraw(teacher, published)
    assert not (home / "models" / f"{model}.pc.safetensors").exists()
    with pytest.raises(NotFoundError, match="withdrawn"):
        publish.read(published)


def test_what_was_published_tells_how_often_it_was_opened_and_expires(home: Path):
    teacher, pupil = workspaces.new_id(), workspaces.new_id()
    model = stored()
    owned(teacher, model)
    facts = {"title": "x"}
    old, used = (
        publish.publish(teacher, "circuit", name, {"model": model}, facts=facts)
        for name in ("old", "used")
    )
    past = time.time() - 1000
    for one in (old, used):
        os.utime(home / "published" / one / "publication.json", (past, past))
    before = publish.read(old)
    assert (before.opened, before.made, before.used) == (0, past, past)
    for _ in range(2):
        publish.take(used, pupil, pupil)
    now = publish.read(used)
    assert now.opened == 2 and now.made == past and now.used > past + 900
    assert publish.expire(900) == (old,)
    assert [one.title for one in publish.published(teacher)] == ["used"]
    assert workspaces.publications(teacher) == (used,)
    with pytest.raises(NotFoundError, match=r"withdrawn or has expired.*new one"):
        publish.take(old, pupil, pupil)
    assert store.get_circuit(model).variables == ("A",)  # others hold it
    assert limits.current({}).publication_seconds is None
    assert PUBLIC.publication_seconds == 365 * 86_400


@pytest.mark.parametrize(
    "text", ["{", "[]", '{"kind": "virus", "link": {}}', '{"kind": "lesson", "link": {"a": 1}}']
)
def test_a_damaged_publication_is_one_sentence(home: Path, text: str):
    published = publish.publish(workspaces.new_id(), "dataset", "x", {"dataset": "digits"})
    (home / "published" / published / "publication.json").write_text(text)
    with pytest.raises(FileError, match="damaged"):
        publish.read(published)


@pytest.mark.parametrize("name", ["", "p-", "../x", "p-" + "g" * 32, "w-" + "0" * 32])
def test_what_is_no_publication_is_not_looked_for(name: str):
    with pytest.raises(NotFoundError):
        publish.read(name)
