"""HyperSPN against weight decay: Shih et al. 2021, tables 1, 2 and 3.

    PCCORE_DATA=... pccore bench hyperspn [DATASET ...] [--minutes 10] [--runs DIR]

Every dataset of the tables that is in the data folder, or those named, small ones first, with the
paper's defaults: k = 5, r = 50, h = 5, layers of 20 (baby registries 20 and 10), Adam, batches of
500 (50 above 850 variables, as the authors' scripts have it). Each model trains until the
validation score has not risen for 1000 steps, or for the minutes of processor time given; the
epoch is chosen by validation. The HyperSPN comes with an indicator for each state of a variable,
as in the authors' code, and with k of them (`copies`); the baseline with the weight decay of the
paper, 0.001, once on the sum over a batch, as the authors' code has it, and once on the mean,
which is 500 times stronger; validation chooses. The test rows are scored once, at the end. Prints
test log-likelihoods in nats beside the published ones.

With --runs the models are ordinary run directories: a second call prints what is done and goes on
with what was cut short by an interrupt or, where more minutes are given now, by time.
"""

from __future__ import annotations

import argparse
import math
import tempfile
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from functools import partial
from pathlib import Path

import torch

from pccore.datasets import Dataset, load
from pccore.errors import NotFoundError
from pccore.graph import Circuit
from pccore.presets import Facts, preset_options
from pccore.structures import build_structure, shape_of
from tests.benchmarks._budgeted import Job, Outcome, trained
from tests.benchmarks._speed.output import Output

#: name: test log-likelihood of HyperSPN and of weight decay, parameters of both (tables 1, 2).
PUBLISHED = {
    "nltcs": (-6.01, -6.02, 9115, 40050),
    "msnbc": (-6.05, -6.05, 9615, 42550),
    "kdd": (-2.13, -2.14, 33115, 160050),
    "plants": (-13.26, -13.36, 35615, 172550),
    "baudio": (-39.83, -40.18, 51115, 250050),
    "jester": (-52.75, -52.98, 51115, 250050),
    "bnetflix": (-56.74, -57.15, 51115, 250050),
    "accidents": (-35.36, -36.09, 56615, 277550),
    "tretail": (-10.89, -10.91, 68615, 337550),
    "pumsb_star": (-30.79, -31.76, 82615, 407550),
    "dna": (-98.49, -98.41, 91115, 450050),
    "kosarek": (-10.89, -10.93, 96115, 475050),
    "msweb": (-9.90, -10.40, 148115, 735050),
    "book": (-34.90, -35.01, 251115, 1250050),
    "tmovie": (-51.32, -52.99, 251115, 1250050),
    "cwebkb": (-158.60, -159.91, 420615, 2097550),
    "cr52": (-85.65, -90.14, 445615, 2222550),
    "c20ng": (-152.49, -154.37, 456115, 2275050),
    "bbc": (-254.44, -262.01, 530115, 2645050),
    "ad": (-28.25, -52.23, 779115, 3890050),
    "amzn_apparel": (-9.24, -9.32, 50655, 250050),
    "amzn_bath": (-8.47, -8.58, 50655, 250050),
    "amzn_bedding": (-8.54, -8.60, 50655, 250050),
    "amzn_carseats": (-4.66, -4.80, 17655, 85050),
    "amzn_diaper": (-9.88, -9.94, 50655, 250050),
    "amzn_feeding": (-11.30, -11.39, 50655, 250050),
    "amzn_furniture": (-4.34, -4.60, 16655, 80050),
    "amzn_gear": (-9.21, -9.23, 50655, 250050),
    "amzn_gifts": (-3.43, -3.46, 8655, 40050),
    "amzn_health": (-7.38, -7.51, 31655, 155050),
    "amzn_media": (-7.84, -7.93, 29655, 145050),
    "amzn_moms": (-3.54, -3.47, 8655, 40050),
    "amzn_safety": (-4.34, -4.62, 18655, 90050),
    "amzn_strollers": (-4.99, -5.28, 20655, 100050),
    "amzn_toys": (-7.78, -7.82, 31655, 155050),
    # Table 3, the hand-designed data; SPN-Small has k = 2.
    "two_level_tree_256": (-166.32, -166.90, 129115, 640050),
}
TREE = "two_level_tree_256"
PUBLISHED_SMALL = (-167.00, 102450)

#: Milliseconds of one step of the authors' code, two threads of an idle machine A (peers.md).
REFERENCE_MS = {"nltcs": (136.0, 126.0), "plants": (771.0, 762.0)}

#: Variables above which batches are smaller.
WIDE = 850
#: How far below the paper a score may be, relative to it.
NEAR = 0.005


def main() -> None:
    """Train, print line by line and in a table at the end."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("datasets", nargs="*", help="names; all of the tables that are found")
    parser.add_argument(
        "--minutes", type=float, default=10.0, help="of processor time for each model"
    )
    parser.add_argument("--runs", metavar="DIR", help="keeps the runs, to go on with")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--decay", choices=("sum", "mean", "both"), default="both", help="of the baseline"
    )
    parser.add_argument(
        "--indicators", choices=("states", "copies", "both"), default="both", help="of HyperSPNs"
    )
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--markdown", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    command = f"pccore bench hyperspn --minutes {options.minutes:g} --seed {options.seed}"
    output = Output(options, command)
    found: dict[str, dict[str, Outcome]] = {}
    with folder_of(options.runs) as folder:
        for name in options.datasets or sorted(PUBLISHED, key=lambda name: PUBLISHED[name][3]):
            try:
                data = load(name)
            except NotFoundError:
                if options.datasets:
                    raise
                continue
            found[name] = compare(data, name, folder, options, output)
    report(found, output)
    output.finish()


@contextmanager
def folder_of(path: str | None) -> Generator[Path]:
    """The folder for the runs, one that goes with the benchmark if none is named."""
    if path is None:
        with tempfile.TemporaryDirectory() as folder:
            yield Path(folder)
    else:
        folder = Path(path)
        folder.mkdir(parents=True, exist_ok=True)
        yield folder


def compare(
    data: Dataset, name: str, folder: Path, options: argparse.Namespace, output: Output
) -> dict[str, Outcome]:
    """The models of one dataset, by title; of each kind the one that validates best."""
    shape = shape_of(data)
    facts = Facts(shape.num_variables)
    batch = 50 if shape.num_variables > WIDE else 500
    seed = {"seed": options.seed}

    def built(structure: str, chosen: Mapping[str, object]) -> Callable[[], Circuit]:
        return partial(build_structure, structure, shape, {**chosen, **seed})

    def fit(word: str, build: Callable[[], Circuit], method: str, **settings: float) -> Outcome:
        label = f"{Path(name).stem}-{word}-seed{options.seed}"
        job = Job(label, build, method, settings, batch)
        done = trained(folder, job, data, options.minutes, options.seed)
        output.say(
            f"{label}: {settings}: test {done.test:.4f}, valid {done.valid:.4f}, epoch "
            f"{done.best_epoch} of {done.epochs}, {done.seconds:.0f} s of processor time, "
            f"{done.cpu_ms:.1f} ms a step, ended by {done.ended}"
        )
        return done

    network = "hyperspn-baby" if name.startswith("amzn") else "hyperspn-paper"
    hyper = preset_options("hyperspn", network, facts)
    plain = preset_options("rat", "hyperspn-paper", facts)
    tried = [
        fit(word, built("hyperspn", {**hyper, "copies": kind == "copies"}), "hyper",
            learning_rate=5e-3)
        for kind, word in (("states", "hyper"), ("copies", "hyper-copies"))
        if options.indicators in (kind, "both")
    ]  # fmt: skip
    models = {"HyperSPN": max(tried, key=lambda one: one.valid)}
    sizes = {"weight decay": plain}
    if name == TREE:
        sizes = {"SPN-Large": plain, "SPN-Small": plain | {"units": 2}}
    for title, chosen in sizes.items():
        word = title.lower().replace(" ", "-")
        tried = [
            fit(f"{word}-{kind}", built("rat", chosen), "adam",
                learning_rate=2e-2, weight_decay=decay)
            for kind, decay in (("sum", 1e-3 / batch), ("mean", 1e-3))
            if options.decay in (kind, "both")
        ]  # fmt: skip
        models[title] = max(tried, key=lambda one: one.valid)
    return models


def report(found: Mapping[str, Mapping[str, Outcome]], output: Output) -> None:
    """The table, and how often HyperSPN is ahead of the baselines and near the paper."""
    head = ["dataset", "model", "parameters", "test", "paper", "gap", "valid", "best epoch", "of",
            "ms a step", "cpu ms", "reference ms", "cpu s", "ended by"]  # fmt: skip
    output.table(head, [row for name, models in found.items() for row in rows_of(name, models)])
    ahead = near = 0
    for name, models in found.items():
        hyper, *others = models.values()
        ahead += hyper.test > max(one.test for one in others)
        near += name in PUBLISHED and hyper.test >= (1 + NEAR) * PUBLISHED[name][0]
    output.say(
        f"HyperSPN: ahead of weight decay on {ahead} of {len(found)} datasets; within "
        f"{100 * NEAR:g} % of the paper or better on {near} of {len(found.keys() & PUBLISHED)}"
    )
    output.result["results"] = {
        name: {title: asdict(one) for title, one in models.items()}
        for name, models in found.items()
    }


def rows_of(name: str, models: Mapping[str, Outcome]) -> Iterator[list[str]]:
    """The lines of the table for one dataset. Ends the benchmark where a model has not as many
    parameters as the paper says."""
    published = PUBLISHED.get(name)
    for number, (title, found) in enumerate(models.items()):
        paper, gap = math.nan, ""
        if published is not None:
            small = title == "SPN-Small"
            place = min(number, 1)
            paper = PUBLISHED_SMALL[0] if small else published[place]
            wanted = PUBLISHED_SMALL[1] if small else published[2 + place]
            gap = f"{100 * (found.test - paper) / abs(paper):+.2f} %"
            if found.parameters != wanted:
                raise SystemExit(f"{name}: {found.parameters} parameters, the paper has {wanted}")
        reference = REFERENCE_MS.get(name, (math.nan, math.nan))[min(number, 1)]
        yield [
            name if number == 0 else "", title, f"{found.parameters}", f"{found.test:.3f}",
            f"{paper:.2f}" if gap else "", gap, f"{found.valid:.3f}", f"{found.best_epoch}",
            f"{found.epochs}", f"{found.ms:.1f}", f"{found.cpu_ms:.1f}",
            "" if math.isnan(reference) else f"{reference:.0f} ({reference / found.ms:.1f}x)",
            f"{found.seconds:.0f}", found.ended,
        ]  # fmt: skip


if __name__ == "__main__":
    main()
