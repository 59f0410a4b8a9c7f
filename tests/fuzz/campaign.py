"""A long search for bad inputs, guided by coverage: `python -m tests.fuzz.campaign --seconds 1800`.

Needs `pip install -e .[fuzz]` (atheris; Linux). Each target runs in a process of its own for its
share of the time, from its seeds, the regressions in tests/fuzz/corpus, and what earlier campaigns
found worth keeping (`--work`, outside the repository). What raises anything but a PCError, takes
over five seconds or two gigabytes is written to WORK/finds/TARGET; a find that is mended goes to
tests/fuzz/corpus/TARGET, where `tests/fuzz/test_targets.py` runs it for good.
"""

from __future__ import annotations

import argparse
import hashlib
import subprocess
import sys
import tempfile
import time
import traceback
from pathlib import Path

CORPUS = Path(__file__).resolve().parent / "corpus"
SECONDS_EACH, MEGABYTES = 5, 2048


def main() -> int:
    """Run the campaign; the exit status is 1 if there are finds."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("targets", nargs="*", help="default: all")
    parser.add_argument("--seconds", type=float, default=1800, help="in all")
    parser.add_argument("--work", type=Path, default=Path(tempfile.gettempdir()) / "pccore-fuzz")
    parser.add_argument("--one", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        _fuzz(options.targets[0], options.work, int(options.seconds))
        return 0
    from tests.fuzz.targets import targets

    names = options.targets or list(targets())
    share = max(5, int(options.seconds / len(names)))
    for name in names:
        start = time.monotonic()
        command = [sys.executable, "-m", "tests.fuzz.campaign", name, "--one"]
        command += ["--seconds", str(share), "--work", str(options.work)]
        log = options.work / f"{name}.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("wb") as stream:
            done = subprocess.run(command, stdout=stream, stderr=subprocess.STDOUT, check=False)
        found = sorted((options.work / "finds" / name).glob("*"))
        runs = [
            one for one in log.read_text(errors="replace").splitlines() if "stat::number" in one
        ]
        told = runs[-1].split()[-1] if runs else "?"
        seconds = time.monotonic() - start
        print(f"{name}: {told} runs, {seconds:.0f} s, exit {done.returncode}, {len(found)} finds")
        sys.stdout.flush()
    finds = [one for one in (options.work / "finds").glob("*/*") if one.suffix != ".txt"]
    print(f"{len(finds)} finds in {options.work / 'finds'}")
    return 1 if finds else 0


def _fuzz(name: str, work: Path, seconds: int) -> None:
    """Fuzz one target in this process, which ends with it."""
    import atheris

    with atheris.instrument_imports(include=["pccore", "pc_workbench"]):
        from tests.fuzz.target import survives
        from tests.fuzz.targets import targets

    target = targets()[name]
    finds, grown, seeds = work / "finds" / name, work / "corpus" / name, work / "seeds" / name
    for folder in (finds, grown, seeds):
        folder.mkdir(parents=True, exist_ok=True)
    for seed in target.seeds:
        (seeds / hashlib.sha1(seed, usedforsecurity=False).hexdigest()).write_bytes(seed)
    words = work / f"{name}.dict"
    words.write_text("".join(f'"{_escaped(word)}"\n' for word in target.words))
    known: set[str] = set()

    def one_input(data: bytes) -> None:
        try:
            survives(target, data)
        except (Exception, RecursionError, MemoryError) as error:
            # One find a place; the search goes on behind it.
            frame = traceback.extract_tb(error.__traceback__)[-1]
            place = f"{type(error).__name__}-{Path(frame.filename).stem}-{frame.lineno}"
            if place not in known:
                known.add(place)
                (finds / place).write_bytes(data)
                (finds / f"{place}.txt").write_text(
                    ascii(traceback.format_exc()).replace("\\n", "\n")
                )

    arguments = [
        "campaign",
        f"-max_total_time={seconds}",
        f"-timeout={SECONDS_EACH}",
        f"-rss_limit_mb={MEGABYTES}",
        f"-artifact_prefix={finds}/",
        "-max_len=8192",
        "-print_final_stats=1",
        "-verbosity=1",
        *([f"-dict={words}"] if target.words else []),
        str(grown),
        str(seeds),
        *([str(CORPUS / name)] if (CORPUS / name).is_dir() else []),
    ]
    atheris.Setup(arguments, one_input)
    atheris.Fuzz()


def _escaped(word: bytes) -> str:
    """A word as libFuzzer's dictionaries write it."""
    return "".join(f"\\x{byte:02X}" for byte in word)


if __name__ == "__main__":
    raise SystemExit(main())
