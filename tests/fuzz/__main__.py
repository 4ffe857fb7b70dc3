"""Mutate inputs of every kind: each is accepted, or refused by an error of ours, in bounded time and memory.

``python -m tests.fuzz --count 1000 --kind settings``; a fault is told with the line that runs it again.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

from tests.fuzz.cases import ACCEPTED, FAULT, REFUSED, Kind, Outcome
from tests.fuzz.guard import MOST_MEMORY, MOST_SECONDS, Guard, bound_memory
from tests.fuzz.subjects import SUBJECTS

BEGIN, END = "<!-- make fuzz -->", "<!-- end -->"  # what stands between them in a page a command has put there
SHARE = 5000  # cases of a process: to begin one takes as long as hundreds of cases


def work(kind: str, seed: int, first: int, last: int) -> int:
    """Run cases in this process, a line each on the standard output."""
    out = os.fdopen(os.dup(1), "w")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # what a library prints is no line of ours
    with tempfile.TemporaryDirectory(prefix="mmlego-fuzz-", dir=_memory()) as folder:
        subject = Kind(kind, Path(folder), Guard())
        subject.warm()
        plain = subject.run(seed, -1, plain=True)
        if plain.what != ACCEPTED:
            print(json.dumps(vars(plain) | {"what": FAULT}), file=out, flush=True)
            return 1
        bound_memory()
        for number in range(first, last):
            print(json.dumps({"begun": number}), file=out, flush=True)
            print(json.dumps(vars(subject.run(seed, number))), file=out, flush=True)
    return 0


def share(kind: str, seed: int, first: int, last: int) -> list[Outcome]:
    """Run cases in a process of their own; one that does not answer in time is ended, and what it was at is a fault."""
    found: list[Outcome] = []
    while first < last:
        command = [sys.executable, "-m", "tests.fuzz", "--kind", kind, "--seed", str(seed), "--work", f"{first}:{last}"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
            ended = _Watch(process)
            begun = first
            for line in process.stdout or ():
                ended.told()
                told = json.loads(line)
                if "begun" in told:
                    begun = told["begun"]
                else:
                    found.append(Outcome(**told))
            errors = process.stderr.read() if process.stderr else ""
            process.wait()
            ended.stop()
        if process.returncode == 0 or (found and found[-1].number < 0):
            return found
        why = "hangs" if ended.killed else f"the process ended with {process.returncode}: {errors[-200:]}"
        found.append(Outcome(begun, FAULT, "process", why))
        first = begun + 1
    return found


def _of(kind: str, seed: int, bounds: tuple[int, int]) -> list[Outcome]:
    return share(kind, seed, *bounds)


class _Watch:
    """Ends a process that has said nothing for too long."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        import threading

        self.process, self.killed, self._last, self._over = process, False, time.monotonic() + 60, threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def told(self) -> None:
        self._last = time.monotonic()

    def stop(self) -> None:
        self._over.set()

    def _watch(self) -> None:
        while not self._over.wait(1.0):
            if time.monotonic() - self._last > 4 * MOST_SECONDS:
                self.killed = True
                self.process.kill()
                return


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--count", type=int, default=1000, help="mutations of each kind")
    parser.add_argument("--kind", action="append", choices=list(SUBJECTS), help="of which kind (repeat; default: all)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--case", type=int, help="run this one alone, and show what it raises")
    parser.add_argument("--json", type=Path, help="where the counts go, beside those of other kinds that stand there")
    parser.add_argument("--page", type=Path, help="run nothing: put the table of --json into this page")
    parser.add_argument("--work", help=argparse.SUPPRESS)
    given = parser.parse_args(arguments)
    if given.work:
        return work(given.kind[0], given.seed, *map(int, given.work.split(":")))
    if given.page is not None:
        fill(given.page, json.loads(given.json.read_text()))
        return 0
    if given.case is not None:
        return again(given.kind[0], given.seed, given.case)
    table, faults = {}, 0
    for kind in given.kind or SUBJECTS:
        began = time.monotonic()
        bounds = [(first, min(first + SHARE, given.count)) for first in range(0, given.count, SHARE)]
        with ThreadPoolExecutor(given.workers) as pool:
            found = [one for some in pool.map(partial(_of, kind, given.seed), bounds) for one in some]
        counts = Counter(one.what for one in found)
        seconds = time.monotonic() - began
        table[kind] = {what: counts[what] for what in (ACCEPTED, REFUSED, FAULT)} | {"seconds": round(seconds, 1)}
        faults += counts[FAULT]
        print(f"{kind:26} {len(found):7,} mutations: {table[kind]}", flush=True)
        _tell(kind, given.seed, [one for one in found if one.what == FAULT])
        if given.json is not None:
            known = json.loads(given.json.read_text()) if given.json.is_file() else {"kinds": {}}
            bounds_of = {"seconds": MOST_SECONDS, "bytes": MOST_MEMORY}
            kinds = known["kinds"] | {kind: table[kind] | {"seed": given.seed}}
            ordered = {name: kinds[name] for name in SUBJECTS if name in kinds}
            given.json.write_text(json.dumps({"bounds": bounds_of, "kinds": ordered}, indent=1) + "\n")
    return 1 if faults else 0


def fill(page: Path, found: dict[str, Any]) -> None:
    """Put the table of counts between the marks of a page."""
    lines = ["| input | mutations | accepted | refused | faults | seed |", "|---|---|---|---|---|---|"]
    for kind, one in found["kinds"].items():
        counts = [one[what] for what in (ACCEPTED, REFUSED, FAULT)]
        lines.append(f"| {kind} | {' | '.join(f'{number:,}' for number in (sum(counts), *counts))} | {one['seed']} |")
    whole = sum(one[what] for one in found["kinds"].values() for what in (ACCEPTED, REFUSED, FAULT))
    bounds = f"{found['bounds']['seconds']:.0f} s and {found['bounds']['bytes'] // 2**30} GiB a case"
    told = f"{whole:,} mutations, bounded to {bounds}:"
    before, rest = page.read_text(encoding="utf-8").split(BEGIN)
    text = "\n".join([BEGIN, told, "", *lines, END])
    page.write_text(before + text + rest.split(END)[1], encoding="utf-8")


def again(kind: str, seed: int, number: int) -> int:
    """Run one case, in a folder that stays, and show the traceback."""
    import traceback

    place = Path(tempfile.mkdtemp(prefix="mmlego-fuzz-", dir=_memory()))
    subject = Kind(kind, place, Guard())
    act = subject.subject.act

    def shown(here: Path, rng: object) -> None:
        try:
            act(here, rng)  # type: ignore[arg-type]
        except BaseException:
            traceback.print_exc(file=sys.__stderr__)
            raise

    object.__setattr__(subject.subject, "act", shown)
    found = subject.run(seed, number, keep=True)
    print(found, f"in {place}/case/{number}")
    if found.what != FAULT:
        shutil.rmtree(place)
    return int(found.what == FAULT)


def _tell(kind: str, seed: int, faults: list[Outcome]) -> None:
    places = Counter(one.place for one in faults)
    for place, times in places.most_common():
        first = next(one for one in faults if one.place == place)
        print(f"    {times:5} × {place}: {first.told}", flush=True)
        print(f"            python -m tests.fuzz --kind '{kind}' --seed {seed} --case {first.number}", flush=True)


def _memory() -> str | None:
    """Return a folder that lies in memory, where there is one."""
    return "/dev/shm" if os.access("/dev/shm", os.W_OK) else None


if __name__ == "__main__":
    sys.exit(main())
