"""Questions about a circuit, made from a seed, with computed answers and explanations.

    asked = questions(part_of(circuit, seed), seed, 10)
    verdict = judge(asked[0], "0.25")

Texts are plain (no markup): the page and the worksheets escape them as they need.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from types import MappingProxyType

import numpy as np

from pc_workbench.views.lesson_goals import Verdict, close, read_number
from pc_workbench.views.lesson_subject import Subject
from pc_workbench.views.lesson_terms import show
from pc_workbench.views.questions_base import Question
from pc_workbench.views.questions_numbers import NUMBERS
from pc_workbench.views.questions_structure import STRUCTURE
from pccore.errors import NotFoundError, OptionError
from pccore.graph import Circuit

__all__ = ["KINDS", "Question", "judge", "questions", "read_number"]

Maker = Callable[[Subject, np.random.Generator], Question | None]
#: The kinds of questions by name, with a title and what makes one (None where it does not apply).
KINDS: Mapping[str, tuple[str, Maker]] = MappingProxyType({**STRUCTURE, **NUMBERS})
_ATTEMPTS = 12  # tries for a question that was not asked yet


def questions(
    circuit: Circuit, seed: int, count: int, kinds: Collection[str] = ()
) -> tuple[Question, ...]:
    """Up to `count` different questions; the same seed gives the same ones.

    kinds: names of KINDS, all by default; those that the circuit does not license or that make no
    sense for it are left out. There are fewer questions where the circuit is too small for more.
    Raises NotFoundError for an unknown kind, OptionError where no kind applies.
    """
    unknown = set(kinds) - set(KINDS)
    if unknown:
        raise NotFoundError(f"there is no kind of question {min(unknown)!r}")
    subject = Subject(circuit)
    rng = np.random.default_rng([seed, 2])
    names = [name for name in KINDS if not kinds or name in kinds]
    asked: list[Question] = []
    texts: set[str] = set()
    while names and len(asked) < count:
        # A round asks one of each kind that still has something to ask.
        order = rng.permutation(len(names)).tolist()
        spent: set[str] = set()
        for name in [names[i] for i in order]:
            question = _fresh(KINDS[name][1], subject, rng, texts)
            if question is None:
                spent.add(name)
            elif len(asked) < count:
                asked.append(question)
                texts.add(question.text)
        names = [name for name in names if name not in spent]
    if not asked:
        raise OptionError("there is nothing of these kinds to ask about this circuit")
    return tuple(asked)


def _fresh(
    make: Maker, subject: Subject, rng: np.random.Generator, texts: Collection[str]
) -> Question | None:
    for _ in range(_ATTEMPTS):
        question = make(subject, rng)
        if question is not None and question.text not in texts:
            return question
    return None


def judge(question: Question, answer: str) -> Verdict:
    """Whether an answer is right; its text is plain."""
    if question.options:
        right = answer == question.answer
        return Verdict(right, "Right." if right else f"Not {answer}.")
    value = read_number(answer)
    if value is None:
        return Verdict(False, "This is not a number; write it like 0.25 or 1/4.")
    wanted = float(question.answer)
    if question.tolerance == 0.0:
        right = value == wanted
    else:
        right = close(value, wanted, question.tolerance)
    if right:
        return Verdict(True, "Right.")
    return Verdict(False, f"{show(value)} is too {'small' if value < wanted else 'large'}.")
