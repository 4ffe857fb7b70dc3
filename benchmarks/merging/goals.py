"""The goals of merging and fusing beside what was reached."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from against import KEYS, fuse_over_dull, merge_over_dull
from methods import RIVALS, SHARES
from scipy.stats import binomtest
from tables import (
    TITLES,
    Run,
    best_block,
    closest_block,
    gaps,
    log_loss_gain,
    markdown,
    merged_score,
    missing_difference,
)

Perhaps = Callable[[Run], float | None]


def goals(runs: dict[str, list[Run]]) -> str:
    """Mean differences beside what they should be at least; what falls short is marked with a cross."""
    rows = []
    for title, least, scores in wanted(runs):
        cells = []
        for splits in runs.values():
            found = [mean for score in scores if (mean := mean_of(splits, score)) is not None]
            cell = f"{min(found):+.3f}" if found else ""
            cells.append(f"{cell} ✗" if found and round(min(found), 3) < least else cell)
        rows.append([title, f"{least:g}", *cells])
    head = ["mean difference", "at least", *(TITLES[name] for name in runs)]
    note = "Means over all splits, to three digits; ✗ where one falls short, whatever the interval in the tables below."
    return f"### Goals\n\n{note}\n\n" + markdown(head, rows)


def over_cohorts(runs: dict[str, list[Run]]) -> str:
    """Each comparison over all cohorts, one number per cohort: how many are above zero, and the sign test."""
    best = {name: best_block(splits) for name, splits in runs.items()}
    closest = {name: closest_block(splits) for name, splits in runs.items()}
    shares = [(f"{share:.0%} of pairs", str(share)) for share in SHARES]
    compared: list[tuple[str, Perhaps]] = [
        ("LegoMerge − ensemble", merge_over_ensemble),
        ("LegoMerge − paper", lambda run: merged_score("LegoMerge")(run) - merged_score("paper")(run)),
        ("LegoMerge − best block", over_block(best)),
        *((f"LegoFuse − ensemble, {title}", over_ensemble(share)) for title, share in shares),
        *((f"LegoFuse − {rival}, {title}", over_rival(share, rival)) for rival in RIVALS for title, share in shares),
        ("LegoMerge − best dull without pairs", merge_over_dull(runs)),
        ("LegoFuse − best dull with pairs, 100% of pairs", fuse_over_dull(runs)),
        *(
            (f"LegoFuse − best dull on {told}, {share:.0%} of pairs", fuse_over_dull(runs, str(share), key))
            for key, told in KEYS.items()
            for share in SHARES
            if share < 1
        ),
        ("patients apart − shared", apart_or_shared),
        ("log-loss, best block − LegoMerge, calibrated", lambda run: log_loss_gain(run, *closest[run["cohort"]])),
        ("log-loss, ensemble, calibrated − LegoMerge, calibrated", over_calibrated_ensemble),
    ]
    rows = []
    for title, score in compared:
        found = [mean for splits in runs.values() if (mean := mean_of(splits, score)) is not None]
        if not found:
            continue
        above, below = sum(value > 0 for value in found), sum(value < 0 for value in found)
        chance = f"{binomtest(above, above + below).pvalue:.3f}" if above + below else ""
        span = f"{min(found):+.3f} … {max(found):+.3f}"
        rows.append([title, f"{above} of {len(found)}", span, f"{np.median(found):+.3f}", chance])
    head = ["mean difference of a cohort", "above zero", "from … to", "median", "p"]
    note = (
        "How far cohorts agree, one number per cohort; it does not replace the intervals below. p: sign test, "
        "two-sided, not corrected for the number of rows; with seven cohorts it is 0.016 at least, with six "
        "0.031. Other splits of the same cohorts chose the defaults, and BBBP and ClinTox share molecules."
    )
    return f"### Over all cohorts\n\n{note}\n\n" + markdown(head, rows)


def wanted(runs: dict[str, list[Run]]) -> list[tuple[str, float, list[Perhaps]]]:
    """Return each goal: its title, the least difference, and the scores of which the worst counts."""
    few = [str(share) for share in SHARES if share < 1]
    best = {name: best_block(splits) for name, splits in runs.items()}
    patterns = sorted({pattern for splits in runs.values() for pattern in gaps(splits[0])})
    rows: list[tuple[str, float, list[Perhaps]]] = [
        ("LegoMerge − ensemble", -0.003, [merge_over_ensemble]),
        ("LegoMerge − best block", -0.005, [over_block(best)]),
        ("LegoFuse, all pairs − ensemble", 0.0, [over_ensemble("1.0")]),
    ]
    rows += [(f"LegoFuse, all pairs − {rival}", 0.0, [over_rival("1.0", rival)]) for rival in RIVALS]
    rows.append(("LegoFuse, few pairs − ensemble, worst share", 0.0, [over_ensemble(share) for share in few]))
    rows += [
        (f"LegoFuse, few pairs − {rival}, worst share", 0.0, [over_rival(share, rival) for share in few])
        for rival in RIVALS
    ]
    rows += [
        ("LegoMerge − best dull without pairs", 0.0, [merge_over_dull(runs)]),
        ("LegoFuse, all pairs − best dull with pairs", 0.0, [fuse_over_dull(runs)]),
    ]
    rows += [
        (
            f"LegoFuse, few pairs − best dull on {told}, worst share",
            0.0,
            [fuse_over_dull(runs, one, key) for one in few],
        )
        for key, told in KEYS.items()
    ]
    rows.append(("patients apart − shared", -0.01, [apart_or_shared]))
    rows += [
        (f"modalities missing, {way} − ensemble, worst pattern", 0.0, [with_gaps(one, way) for one in patterns])
        for way in ("LegoMerge", "LegoFuse")
    ]
    rows += [
        (f"calibration error, best block after temperature − {way}", 0.0, [calibration_error_gain(best, way)])
        for way in ("LegoMerge", "LegoMerge, calibrated")
    ]
    return rows


def merge_over_ensemble(run: Run) -> float:
    """Compare the merge with the ensemble."""
    return float(merged_score("LegoMerge")(run) - run["ensemble"]["score"])


def over_block(best: dict[str, str]) -> Perhaps:
    """Return what compares the merge with a cohort's best block, on the patients who have its modality."""

    def score(run: Run) -> float:
        name = best[run["cohort"]]
        return float(run["on patients of"][name]["LegoMerge"]["score"] - run["blocks"][name]["score"])

    return score


def over_rival(share: str, rival: str) -> Perhaps:
    """Return what compares LegoFuse with a rival, where both were trained."""

    def score(run: Run) -> float | None:
        found = run["pairs"].get(share, {})
        return found["LegoFuse"]["score"] - found[rival]["score"] if rival in found else None

    return score


def over_ensemble(share: str) -> Perhaps:
    """Return what compares LegoFuse with the ensemble."""

    def score(run: Run) -> float | None:
        found = run["pairs"].get(share, {})
        return found["LegoFuse"]["score"] - run["ensemble"]["score"] if "LegoFuse" in found else None

    return score


def apart_or_shared(run: Run) -> float:
    """Compare blocks of disjoint patients with blocks of shared ones."""
    return float(run["disjoint"]["apart"] - run["disjoint"]["shared"])


def with_gaps(pattern: str, way: str) -> Perhaps:
    """Return what compares a model with the ensemble where only some modalities are shown."""
    return lambda run: missing_difference(run, pattern, way) if pattern in run["missing"] else None


def calibration_error_gain(best: dict[str, str], way: str) -> Perhaps:
    """Return by how much a merge is better calibrated than a cohort's best block after its temperature."""

    def score(run: Run) -> float | None:
        name = best[run["cohort"]]
        heated, same = run["temperature"][name], run["on patients of"][name][way]
        return heated["ece"] - same["ece"] if "ece" in heated else None

    return score


def over_calibrated_ensemble(run: Run) -> float:
    """Return by how much the calibrated merge's log-loss is below that of the ensemble, calibrated by the same rule."""
    found = run["merges"]
    return float(found["uniform, strength 1, calibrated"]["loss"] - found["LegoMerge, calibrated"]["loss"])


def mean_of(splits: list[Run], score: Perhaps) -> float | None:
    """Return the mean over the splits in which there is a score."""
    found = [value for run in splits if (value := score(run)) is not None and np.isfinite(value)]
    return float(np.mean(found)) if found else None
