"""The lessons of the Learn page: one Markdown file each (`views.lesson` says how they are written).

A new file in this folder is a new lesson; the tests solve every step of every lesson.
"""

from __future__ import annotations

import functools
from importlib import resources

from pc_workbench.views.lesson import Lesson, parse_lesson
from pccore.errors import NotFoundError


@functools.cache
def lessons() -> tuple[Lesson, ...]:
    """All lessons in their order. Raises FileError for one that is not well-formed."""
    files = [one for one in resources.files(__name__).iterdir() if one.name.endswith(".md")]
    found = [
        parse_lesson(one.read_text(encoding="utf-8"), one.name.removesuffix(".md")) for one in files
    ]
    return tuple(sorted(found, key=lambda lesson: (lesson.order, lesson.name)))


def find(name: str) -> Lesson:
    """The lesson with this name. Raises NotFoundError."""
    for lesson in lessons():
        if lesson.name == name:
            return lesson
    raise NotFoundError("there is no lesson of this name", hint="choose one on the page Learn")
