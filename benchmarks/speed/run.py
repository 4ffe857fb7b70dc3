"""Measure a block's speed and memory against the plain rendering of the method, and print the ratios.

Rival and block hold equal weights and give equal answers (checked first). They are timed in turn, in one process and
on two threads; the ratio is the median of the pairs, with its quartiles. Memory is the peak of a training step beyond
what stood before it, each in a process of its own (Linux). From the repository: ``python benchmarks/speed/run.py``.
"""

from __future__ import annotations

import argparse
import json
import platform
from pathlib import Path
from typing import Any

import torch
from measure import extra_memory, measure, merge_times
from rich.console import Console
from rich.progress import track
from rich.table import Table

import mmlego
from cases import CASES, case_named

THREADS = 2
RESULTS = Path(__file__).with_name("results.json")


def main() -> None:
    """Run the cases that are asked for, print the tables, and write the results of a full run."""
    parser = argparse.ArgumentParser(description="Ratios against a plain rendering of the method.")
    parser.add_argument("--quick", action="store_true", help="few repeats; no file is written")
    parser.add_argument("--only", metavar="NAME", help=f"one of {', '.join(c.name for c in CASES)}, merge")
    parser.add_argument("--memory", nargs=2, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    torch.set_num_threads(THREADS)
    if chosen.memory:
        print(json.dumps(extra_memory(case_named(chosen.memory[0]), plain=chosen.memory[1] == "plain")))
        return
    cases = [case for case in CASES if chosen.only in (None, case.name)]
    repeats = 5 if chosen.quick else 15
    rows = [measure(case, repeats) for case in track(cases, description="cases", console=Console(stderr=True))]
    merge = merge_times(repeats) if chosen.only in (None, "merge") else {}
    show(rows, merge)
    if not chosen.quick and chosen.only is None:
        facts = {
            "torch": torch.__version__.split("+")[0],
            "mmlego": mmlego.__version__,
            "machine": platform.machine(),
            "threads": THREADS,
        }
        RESULTS.write_text(json.dumps({**facts, "cases": rows, "merge": merge}, indent=1) + "\n")


def show(rows: list[dict[str, Any]], merge: dict[str, dict[str, float]]) -> None:
    """Print the tables."""
    console = Console()
    if rows:
        table = Table(
            title=f"plain rendering / mmlego, {THREADS} threads: median of pairs [quartiles]", title_justify="left"
        )
        table.add_column("case")
        for name in ("training step", "inference", "memory", "apart"):
            table.add_column(name, justify="right")
        for row in rows:
            cells = [_cell(row, kind) for kind in ("training", "inference", "memory")]
            table.add_row(row["title"], *cells, f"{row['apart']['outputs']:.0e}")
        console.print(table)
    if merge:
        table = Table(title="LegoMerge of tables", title_justify="left")
        for name in ("modalities", "ms per modality", "ratio to two"):
            table.add_column(name, justify="right")
        for count, found in merge.items():
            table.add_row(count, f"{found['ms_per_modality']:.1f}", f"{found['ratio_to_two']:.2f}")
        console.print(table)


def _cell(row: dict[str, Any], kind: str) -> str:
    found, wanted = row[kind], row["wanted"][kind]
    text = f"{found['ratio']:.1f}" + (f" [{found['low']:.1f}, {found['high']:.1f}]" if "low" in found else "")
    return text + (f"\nwanted {wanted}" if wanted else "")


if __name__ == "__main__":
    main()
