"""What a visitor does over a websocket, with the time of each step and every answer that came."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs

import numpy as np

from tests.benchmarks._load.client import PATIENCE, Client, Lost
from tests.benchmarks._load.plan import GRID, Answers, Plan, packed, same_panels

CANVAS = f"pcw_paint_{GRID.height}x{GRID.width}"
BAD_STATES = ("failed", "interrupted", "stopped")


@dataclass(frozen=True)
class Pace:
    """Seconds. pause: between two steps on average, half of it between strokes. watch: that a
    visitor looks at the curve of the training. patience: until an answer counts as lost."""

    pause: float = 2.0
    watch: float = 5.0
    patience: float = PATIENCE


@dataclass
class Record:
    """What happened to one visitor. steps: (what, seconds). painted: masks and their panels.
    posteriors: by number of clicks, rows of the list. problems: in sentences."""

    name: str
    steps: list[tuple[str, float]] = field(default_factory=list)
    ticks: list[float] = field(default_factory=list)
    painted: list[tuple[np.ndarray, list[Mapping[str, Any]]]] = field(default_factory=list)
    posteriors: list[tuple[int, list[Mapping[str, Any]]]] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


class Visitor:
    """One session."""

    def __init__(self, address: str, plan: Plan, pace: Pace) -> None:
        self.plan = plan
        self.record = Record(f"session {plan.number}")
        self.client = Client(address, self.record.name, plan.link, pace.patience)
        self._pace = pace
        self._chance = random.Random(plan.number)
        self._sequence = 0

    async def visit(self) -> None:
        """Everything that the load test asks of a session; it stays connected afterwards."""
        await self._careful(self._first_visit())

    async def arrive(self) -> None:
        """Open the gallery, no more: a new visitor of the soak."""

        async def opened() -> None:
            self._note("open the gallery", await self.client.open())

        await self._careful(opened())

    async def round(self) -> None:
        """A shorter way through the pages, for the soak."""
        await self._careful(self._again())

    async def leave(self) -> None:
        """Close the tab."""
        self.record.ticks = self.client.ticks
        await self.client.close()

    # -- the way through the pages -------------------------------------------------------

    async def _careful(self, steps: Any) -> None:
        try:
            await steps
        except Lost as error:
            self.record.problems.append(str(error))
        except Exception as error:  # the report names it; the others go on
            self.record.problems.append(f"{self.record.name}: {type(error).__name__}: {error}")
        found, self.client.problems = self.client.problems, []
        self.record.problems += [f"{self.record.name}: {one}" for one in found]

    async def _first_visit(self) -> None:
        self._note("open the gallery", await self.client.open())
        await self._choose(self.plan.asked)
        await self._inspect()
        await self._ask()
        self._note("gallery", await self._go(""))
        await self._choose(self.plan.painted)
        await self._train()
        await self._paint(self.plan.strokes)

    async def _again(self) -> None:
        self._note("gallery", await self._go(""))
        await self._choose(self.plan.asked)
        await self._inspect()
        await self._ask()
        self._note("gallery", await self._go(""))
        await self._choose(self.plan.painted)
        await self._paint(self.plan.strokes[:3])

    async def _choose(self, model: str) -> None:
        if self._now("model") != model:
            await self._rest()
            button = self.client.widget(f"pcw_use_{model}")
            self._note("choose a model", await self.client.click(button))
        self._expect(self._now("model") == model, f"the model is {self._now('model')}, not {model}")

    async def _inspect(self) -> None:
        self._note("inspect", await self._go("inspect"))
        graph = self.client.widget("pcw_inspect_graph").data["scene"]["nodes"]
        for nonce, node in enumerate(self._chance.sample(graph, 2), 1):
            await self._rest()
            event = {"type": "select", "id": node["id"], "nonce": nonce}
            self._note(
                "select a unit", await self.client.trigger("pcw_inspect_graph", "event", event)
            )
            self._expect(self._now("unit") == node["id"], "another unit is selected")

    async def _ask(self) -> None:
        self._note("query", await self._go("query"))
        client, given = self.client, {}
        start = client.widget("pcw_query_evidence").data["seq"]
        for clicks, (name, state) in enumerate(self.plan.observed, 1):
            await self._rest()
            given[f"v:{name}"] = state
            seq = start + clicks
            value = {"observed": given, "soft": {}, "find": "", "clear": False, "seq": seq}
            sent = await client.send_state("pcw_query_evidence", {"given": value})

            def answered(seq: int = seq) -> bool:
                return client.widget("pcw_query_evidence").data["seq"] == seq

            came = await client.until(answered, f"the answer to click {clicks}")
            self._note("observe", came - sent)
            self.record.posteriors.append(
                (clicks, client.widget("pcw_query_evidence").data["rows"])
            )

    async def _train(self) -> None:
        self._note("train", await self._go("train"))
        await self._rest()
        client = self.client
        self._note("start training", await client.click(client.button("Start")))
        run = self._now("run")
        self._expect(bool(run), "no run was started")
        await asyncio.sleep(self._pace.watch)
        said = " ".join(client.texts("code"))
        self._expect(f"seed={self.plan.number + 1}" in said, "the run on the page is another's")
        badges = " ".join(client.texts("markdown"))
        bad = [state for state in BAD_STATES if f"badge[{state}]" in badges]
        self._expect(not bad, f"the training is {bad}")
        self._expect(self._now("run") == run, "the link names another run")

    async def _paint(self, strokes: Sequence[Any]) -> None:
        self._note("complete", await self._go("complete"))
        self._sequence = self.client.widget(CANVAS).data["sequence"]
        for stroke in strokes:
            await self._rest(0.5)
            await self._send_mask(stroke.middle, final=False)
            await asyncio.sleep(self._chance.uniform(0.03, 0.3))
            seen = self.client.widget(CANVAS).data
            if seen["sequence"] == self._sequence:  # else the end of the stroke overtakes it
                self.record.painted.append((stroke.middle, seen["panels"]))
            sent = await self._send_mask(stroke.end, final=True)
            sequence = self._sequence

            def answered(sequence: int = sequence) -> bool:
                return self.client.widget(CANVAS).data["sequence"] == sequence

            came = await self.client.until(answered, f"the answer to stroke {sequence}")
            self._note("stroke", came - sent)
            data = self.client.widget(CANVAS).data
            self._expect(data["mask"] == packed(stroke.end), "the mask on the page is another")
            self.record.painted.append((stroke.end, data["panels"]))
        mask = packed(strokes[-1].end)

        def linked() -> bool:
            return self._now("mask") == mask

        await self.client.until(linked, "the mask in the link")

    async def _send_mask(self, mask: np.ndarray, final: bool) -> float:
        """As `sender.js` does: all of the mask, with the next number."""
        data = self.client.widget(CANVAS).data
        self._sequence += 1
        value = {
            "bits": packed(mask), "sequence": self._sequence, "height": GRID.height,
            "width": GRID.width, "image_id": data["image"]["id"],
            "mask_version": data["mask_version"], "final": final,
        }  # fmt: skip
        return await self.client.send_state(CANVAS, {"mask": value})

    # -- help ----------------------------------------------------------------------------

    async def _go(self, path: str) -> float:
        await self._rest()
        return await self.client.go(path)

    async def _rest(self, part: float = 1.0) -> None:
        await asyncio.sleep(part * self._pace.pause * self._chance.uniform(0.5, 1.5))

    def _now(self, name: str) -> str:
        """A field of the state, from the link."""
        return parse_qs(self.client.query).get(name, [""])[0]

    def _note(self, what: str, seconds: float) -> None:
        self.record.steps.append((what, seconds))

    def _expect(self, holds: bool, otherwise: str) -> None:
        if not holds:
            self.record.problems.append(f"{self.record.name}: {otherwise}")


def wrong_answers(plan: Plan, record: Record, answers: Answers) -> list[str]:
    """The answers that differ from pccore's, in sentences."""
    wrong: list[str] = []
    for clicks, rows in record.posteriors:
        right = answers.posteriors(plan, clicks)
        given = dict(plan.observed[:clicks])
        for row in rows:
            chances = [right[row["name"]][int(value)] for value in row["values"]]
            if row["given"] != given.get(row["name"]):
                wrong.append(f"{record.name}: {row['name']} is observed as {row['given']}")
            elif not np.allclose(row["chances"], chances, atol=1e-9):
                wrong.append(f"{record.name}: wrong posterior of {row['name']} after {clicks}")
    for number, (mask, panels) in enumerate(record.painted, 1):
        if not same_panels(panels, answers.panels(plan, mask)):
            wrong.append(f"{record.name}: drawing {number} has the completion of something else")
    return wrong
