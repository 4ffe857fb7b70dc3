"""LegoMerge and LegoFuse against dull rivals, each time the best of them in hindsight."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from tables import (
    TITLES,
    Run,
    best_dull,
    difference,
    markdown,
    merge_beside,
    on_pairs,
    rows_of,
    scores_of,
    spread,
)

Perhaps = Callable[[Run], float | None]
KEYS = {"dull": "these pairs alone"}
NOTE = (
    "The best of the dull rivals is the one with the highest mean on these very test parts: nobody could have chosen "
    "it, which makes it harder than any that could have been. They are fitted to training and validation patients; on "
    "few pairs to these alone (preprocessing, too), and to as large a share of those of the validation part, as the "
    "learner of LegoFuse is. CPU: mean seconds of a split, of all dull rivals together, and of the best ones."
)


def against_dull(runs: dict[str, list[Run]]) -> str:
    """Return the tables: on everybody, and on few pairs."""
    rows, few = [], []
    for name, splits in runs.items():
        alone, paired = (
            best_dull(splits, lambda run, needs=needs: rows_of(run, needs)) for needs in ("without pairs", "with pairs")
        )
        if alone is None or paired is None:
            continue
        got = [run for run in splits if "rivals" in run]
        one = scores_of(got, lambda run, alone=alone: rows_of(run, "without pairs")[alone])
        both = scores_of(got, lambda run, paired=paired: rows_of(run, "with pairs")[paired])
        merge = scores_of(got, lambda run, alone=alone: merge_beside(run, alone))
        fuse = scores_of(got, lambda run: run["pairs"]["1.0"]["LegoFuse"]["score"])
        paid = [
            np.mean([run["cpu"]["rivals"] for run in got]),
            *(np.mean([run["rivals"]["rows"][best]["cpu"] for run in got]) for best in (alone, paired)),
        ]
        rows.append(
            [
                TITLES[name],
                str(len(got)),
                f"{alone} {spread(one)}",
                spread(merge),
                difference(merge, one),
                f"{paired} {spread(both)}",
                spread(fuse),
                difference(fuse, both),
                ", ".join(f"{seconds:.1f}" for seconds in paid),
            ]
        )
        few += [_on_few(name, splits, share) for share in splits[0]["pairs"] if share != "1.0"]
    if not rows:
        return "### Against dull rivals\n\nThese results have none."
    head = [
        "cohort",
        "splits",
        "best dull without pairs",
        "LegoMerge",
        "difference",
        "best dull with pairs",
        "LegoFuse",
    ]
    table = markdown([*head, "difference", "CPU s: all, best without, best with"], rows)
    head = ["cohort", "pairs", "LegoFuse"]
    head += [cell for key in KEYS.values() for cell in (f"best dull, {key}", "LegoFuse − it")]
    return f"### Against dull rivals\n\n{NOTE}\n\n{table}\n\nOn few pairs:\n\n" + markdown(
        head, [row for row in few if row]
    )


def _on_few(name: str, splits: list[Run], share: str) -> list[str]:
    got = [run for run in splits if on_pairs(run, share, "dull")]
    if not got:
        return []
    fuse = scores_of(got, lambda run: run["pairs"][share]["LegoFuse"]["score"])
    pairs = round(np.mean([run["pairs"][share]["pairs"] for run in got]))
    cells = [TITLES[name], f"{float(share):.0%} ({pairs})", spread(fuse)]
    for key in KEYS:
        best = best_dull(got, lambda run, key=key: on_pairs(run, share, key))
        if best is None:
            cells += ["", ""]
            continue
        scores = scores_of(got, lambda run, key=key, best=best: on_pairs(run, share, key)[best])
        cells += [f"{best} {spread(scores)}", difference(fuse, scores)]
    return cells


def merge_over_dull(runs: dict[str, list[Run]]) -> Perhaps:
    """Return what compares LegoMerge with a cohort's best dull rival that needs no pairs."""
    best = {name: best_dull(splits, lambda run: rows_of(run, "without pairs")) for name, splits in runs.items()}

    def score(run: Run) -> float | None:
        rival = best[run["cohort"]]
        return None if rival is None else merge_beside(run, rival) - rows_of(run, "without pairs")[rival]

    return score


def fuse_over_dull(runs: dict[str, list[Run]], share: str = "1.0", key: str = "dull") -> Perhaps:
    """Return what compares LegoFuse with a cohort's best dull rival that needs pairs, on all or on few of them."""

    def scores(run: Run) -> dict[str, float]:
        return rows_of(run, "with pairs") if share == "1.0" else on_pairs(run, share, key)

    best = {name: best_dull(splits, scores) for name, splits in runs.items()}

    def score(run: Run) -> float | None:
        rival, found = best[run["cohort"]], run["pairs"].get(share, {})
        if rival is None or "LegoFuse" not in found or rival not in scores(run):
            return None
        return float(found["LegoFuse"]["score"] - scores(run)[rival])

    return score
