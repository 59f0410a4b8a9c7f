"""Publications: a circuit, a dataset or a lesson behind a link, that opens as a copy.

HOME/published/p-.../publication.json     kind, title, and what the link says besides
                     models/ID.json       facts of a model that it holds
                     datasets/ID          an empty file for a dataset that it holds
                     drawing.json         a drawing as it was, with its places
                     lesson.md            a lesson that somebody wrote
                     opened               a byte for each time that it was opened

What is published stays as it was, whatever its author does later; who opens it gets a copy in a
workspace of their own. Whoever knows the id can open it; the workspace it was made in can withdraw
it, and a server may withdraw what nobody has opened for long (`limits`).
"""

from __future__ import annotations

import contextlib
import json
import re
import secrets
import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Literal, cast, get_args

from pc_workbench import datastore, drafts, paths, workspaces
from pc_workbench.views.lesson import Lesson, parse_lesson
from pccore.draft import from_json, to_json
from pccore.errors import FileError, NotFoundError, QuotaError
from pccore.files.atomic import write_atomically

Kind = Literal["circuit", "dataset", "lesson"]
#: Publications that a workspace may have.
MOST = 200
#: Bytes of a lesson that somebody wrote.
MOST_TEXT = 200_000
_ID = re.compile(r"p-[0-9a-f]{32}")
_FACTS, _DRAWING, _LESSON = "publication.json", "drawing.json", "lesson.md"
_OPENED = "opened"
_MOST_FIELDS = 40


@dataclass(frozen=True, slots=True)
class Publication:
    """What was published. link: parameters that its link sets, as `state.encode` writes them; a
    drawing is not among them: every opening makes another. made, used: when it was published, and
    last opened or published, in seconds since the epoch. opened: how often."""

    id: str
    kind: Kind
    title: str
    link: Mapping[str, str]
    made: float
    used: float
    opened: int


def is_publication(text: str) -> bool:
    """Whether a text is the id of a publication."""
    return _ID.fullmatch(text) is not None


def publish(
    workspace: str,
    kind: Kind,
    title: str,
    link: Mapping[str, str],
    *,
    facts: Mapping[str, Any] | None = None,
    lesson: str = "",
) -> str:
    """Publish and return the id.

    link: parameters; a `model` among them that is a drawing is kept as it now is. facts: of a
    stored model. lesson: the text of a lesson that somebody wrote, instead of one that is known.
    Raises QuotaError, FileError for a text that is no lesson, NotFoundError.
    """
    if len(workspaces.publications(workspace)) >= MOST:
        raise QuotaError(f"this workspace has published {MOST} times", hint="withdraw some")
    said = dict(link)
    files: dict[str, str] = {}
    model = said.get("model", "")
    if drafts.is_drawing(model):
        files[_DRAWING] = to_json(drafts.load(said.pop("model")).draft)
    if lesson:
        files[_LESSON] = _checked_lesson(lesson)
    publication = "p-" + secrets.token_hex(16)
    place = _folder(publication)
    place.mkdir(parents=True)
    if facts is not None:
        workspaces.keep_model(place, model, facts)
    if datastore.id_of(said.get("dataset", "")) is not None:
        workspaces.add_dataset(place, said["dataset"])
    for name, text in files.items():
        _write(place / name, text)
    # Last: with it the publication is there.
    _write(place / _FACTS, json.dumps({"kind": kind, "title": title[:200], "link": said}))
    workspaces.add_publication(workspace, publication)
    return publication


def read(publication: str) -> Publication:
    """A publication. Raises NotFoundError where there is none (any more), FileError."""
    path = _folder(publication) / _FACTS
    try:
        facts, made = json.loads(path.read_text("utf-8")), path.stat().st_mtime
    except FileNotFoundError:
        raise NotFoundError(
            "what this link leads to was withdrawn or has expired, or it never was on this server",
            hint="ask whoever gave it to you for a new one",
        ) from None
    except (OSError, ValueError):
        raise FileError("is damaged", where=publication) from None
    link = facts.get("link") if isinstance(facts, dict) else None
    if (
        not isinstance(link, dict)
        or len(link) > _MOST_FIELDS
        or facts.get("kind") not in get_args(Kind)
        or not all(isinstance(text, str) for one in link.items() for text in one)
    ):
        raise FileError("is damaged", where=publication)
    title = str(facts.get("title", ""))
    used, opened = _openings(path.parent)
    return Publication(
        publication, facts["kind"], title, cast(dict[str, str], link), made, max(made, used), opened
    )


def take(publication: str, workspace: str, author: str) -> dict[str, str]:
    """Copy what was published into a workspace; returns the parameters that show the copy.

    author: whose the copy of a drawing is. Raises NotFoundError, FileError.
    """
    found = read(publication)
    place, link = _folder(publication), dict(found.link)
    with contextlib.suppress(OSError), (place / _OPENED).open("ab") as stream:
        stream.write(b".")
    for model, facts in workspaces.models(place).items():
        if workspace:
            facts.pop("created")
            workspaces.keep_model(workspaces.begin(workspace), model, facts)
    for dataset in workspaces.datasets(place) if workspace else ():
        workspaces.add_dataset(workspaces.begin(workspace), dataset)
    if (place / _DRAWING).is_file():
        draft = from_json((place / _DRAWING).read_text("utf-8"))
        link["model"] = drafts.new_id()
        mine = workspaces.drawings(workspace) if workspace else None
        drafts.save(link["model"], draft, author, mine)
        if workspace:
            workspaces.add_drawing(workspace, link["model"])
    if (place / _LESSON).is_file():
        link["lesson"] = publication
        if workspace:
            copy = _lesson_copy(workspace, publication)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(place / _LESSON, copy)
    return link


def lesson_of(publication: str, workspace: str) -> Lesson:
    """A lesson that somebody wrote: the copy in a workspace, else as it is published.

    Raises NotFoundError, FileError.
    """
    for path in (_lesson_copy(workspace, publication), _folder(publication) / _LESSON):
        with contextlib.suppress(OSError, UnicodeDecodeError):
            return parse_lesson(path.read_text("utf-8"), publication)
    raise NotFoundError("this lesson is not on this server", hint="choose one on the page Learn")


def withdraw(workspace: str, publication: str) -> None:
    """End a publication of this workspace; copies that were opened stay. Raises NotFoundError."""
    if publication not in workspaces.publications(workspace):
        raise NotFoundError("this was not published from this workspace")
    _remove(publication)
    workspaces.forget_publication(workspace, publication)


def expire(seconds: float) -> tuple[str, ...]:
    """Withdraw what nobody has opened for so long since; returns the ids."""
    gone: list[str] = []
    with contextlib.suppress(OSError):
        for place in list(paths.published_folder().iterdir()):
            if is_publication(place.name) and time.time() - _last_use(place) > seconds:
                _remove(place.name)
                workspaces.forget_everywhere(place.name)
                gone.append(place.name)
    return tuple(gone)


def published(workspace: str) -> tuple[Publication, ...]:
    """What was published from a workspace, the newest first; damaged ones are left out."""
    found: list[Publication] = []
    for publication in workspaces.publications(workspace):
        try:
            found.append(read(publication))
        except (NotFoundError, FileError):
            continue
    return tuple(found)


def _openings(place: Path) -> tuple[float, int]:
    """When it was last opened, and how often."""
    with contextlib.suppress(OSError):
        facts = (place / _OPENED).stat()
        return facts.st_mtime, facts.st_size
    return 0.0, 0


def _last_use(place: Path) -> float:
    """When it was last opened, or published; now where there is no telling."""
    with contextlib.suppress(OSError):
        return max((place / _FACTS).stat().st_mtime, _openings(place)[0])
    return time.time()


def _remove(publication: str) -> None:
    """Remove it with what nothing else holds."""
    place = _folder(publication)
    for model in workspaces.models(place):
        workspaces.forget_model(place, model)
    for dataset in workspaces.datasets(place):
        workspaces.forget_dataset(place, dataset)
    shutil.rmtree(place, ignore_errors=True)


def _checked_lesson(text: str) -> str:
    if len(text.encode()) > MOST_TEXT:
        raise FileError(f"has more than {MOST_TEXT:,} bytes", where="the lesson")
    lesson = parse_lesson(text, "lesson")
    texts = (lesson.title, lesson.summary, lesson.model, lesson.notes, *lesson.goals)
    if not all(isinstance(one, str) for one in texts) or not isinstance(lesson.minutes, int):
        raise FileError("has a head whose texts are no texts, or minutes no number", where="lesson")
    return text


def _lesson_copy(workspace: str, publication: str) -> Path:
    """Where a workspace has its copy of a lesson; nowhere without a workspace."""
    place = workspaces.folder(workspace) if workspace else paths.published_folder()
    return paths.below(place / "lessons", f"{publication}.md", "lesson")


def _folder(publication: str) -> Path:
    if not is_publication(publication):
        raise NotFoundError("there is nothing published of this name")
    return paths.below(paths.published_folder(), publication, "publication")


def _write(path: Path, text: str) -> None:
    def write(stream: BinaryIO) -> None:
        stream.write(text.encode())

    write_atomically(path, write)
