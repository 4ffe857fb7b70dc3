"""What all tables of the merging benchmark are made of: results, means, intervals, rows."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from mmlego.bench.statistics import Comparison, compare

END_TO_END = ("concatenation", "sequential")
Run = dict[str, Any]
Score = Callable[[Run], float]
TITLES = {
    "gse7390": "GSE7390",
    "blca": "TCGA-BLCA",
    "kirp": "TCGA-KIRP",
    "icu": "ICU mortality",
    "bbbp": "BBBP",
    "clintox": "ClinTox",
    "synthetic": "synthetic",
}
TEST_SHARE = 0.2


OF_NEURAL = "LegoMerge of neural blocks"
OTHER_FOLDS = ("bbbp", "clintox")  # whose results without a fingerprint are of folds in which salts stood apart


def read(folder: Path) -> dict[str, dict[str, list[Run]]]:
    """Return the splits of each cohort, in order, by the sort of their blocks.

    Beside the defaults stands what was measured of neural blocks, and of end-to-end models, on the same patients.
    """
    sorts = {sort: _read(folder / sort) for sort in ("defaults", "neural")}
    for name, splits in sorts["defaults"].items():
        neural = {run["index"]: run for run in sorts["neural"].get(name, [])}
        for run in splits:
            if (other := neural.get(run["index"])) is not None and _same_split(run, other):
                run["merges"] |= {OF_NEURAL: other["merges"]["LegoMerge"], "paper": other["merges"]["paper"]}
                for share, scores in other["pairs"].items():
                    run["pairs"][share] |= {way: scores[way] for way in END_TO_END if way in scores}
    return sorts


def _same_split(run: Run, other: Run) -> bool:
    if "fingerprint" in other:
        return bool(other["fingerprint"]["split"] == run["fingerprint"]["split"])
    return run["cohort"] not in OTHER_FOLDS and bool(other["patients"] == run["patients"])


def _read(folder: Path) -> dict[str, list[Run]]:
    found: dict[str, list[Run]] = {}
    for name in TITLES:
        files = sorted(folder.glob(f"{name}-*/*.json"))
        if len({file.parent for file in files}) > 1:
            raise SystemExit(f"results of several settings in {folder}/{name}-*: move all but one away")
        if files:
            found[name] = sorted((json.loads(file.read_text()) for file in files), key=lambda run: run["index"])
            if len({run["cohort_sha256"] for run in found[name]}) > 1:
                raise SystemExit(f"results of several lists of patients in {folder}/{name}-*: move all but one away")
    return found


def merged_score(way: str) -> Score:
    """Return what reads the score of a way of merging."""
    return lambda run: run["merges"].get(way, {}).get("score", math.nan)


def scores_of(splits: list[Run], score: Score) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Return a score of each split."""
    return np.array([score(run) for run in splits], dtype=np.float64)


def best_block(splits: list[Run]) -> str:
    """Return the block that is best on average, on test patients: nobody could have known, so it is a hard rival."""
    names = list(splits[0]["blocks"])
    return max(names, key=lambda name: float(np.nanmean([run["blocks"][name]["score"] for run in splits])))


def closest_block(splits: list[Run]) -> tuple[str, str]:
    """Return the block, and what was done to its logits, that the calibrated merge's log-loss is ahead of by least.

    As it is, after its temperature, or calibrated: known in hindsight alone, a hard rival.
    """
    ways = [(way, name) for way in ("blocks", "temperature", "calibrated") for name in splits[0]["blocks"]]
    return min(ways, key=lambda pair: float(np.mean([log_loss_gain(run, *pair) for run in splits])))


def log_loss_gain(run: Run, way: str, name: str) -> float:
    """Return by how much the calibrated merge's log-loss is below a block's, on the patients whom the block knows."""
    return float(run[way][name]["loss"] - run["on patients of"][name]["LegoMerge, calibrated"]["loss"])


def rows_of(run: Run, needs: str) -> dict[str, float]:
    """Return the scores of the dull rivals of a split that are fitted ``"without pairs"``, or ``"with pairs"``."""
    rows = run.get("rivals", {}).get("rows", {})
    return {name: row["score"] for name, row in rows.items() if row["needs"] == needs}


def on_pairs(run: Run, share: str, key: str) -> dict[str, float]:
    """Return the scores of the dull rivals that see some pairs alone (``"dull"``), or those of validation, too."""
    return {name: row["score"] for name, row in run["pairs"].get(share, {}).get(key, {}).items()}


def best_dull(splits: list[Run], scores: Callable[[Run], dict[str, float]]) -> str | None:
    """Return the dull rival that is best on average, on test patients: nobody could have known, so it is a hard one."""
    found = [known for run in splits if (known := scores(run))]
    means = {
        name: np.array([known.get(name, math.nan) for known in found], dtype=float)
        for name in dict.fromkeys(name for known in found for name in known)
    }
    defined = {name: float(np.nanmean(values)) for name, values in means.items() if np.isfinite(values).any()}
    return max(defined, key=lambda name: defined[name], default=None)


def merge_beside(run: Run, rival: str) -> float:
    """Return the score of LegoMerge on the patients whom a rival without pairs answers for.

    One of a modality alone, which has its name last, answers for those who have it.
    """
    for name in run["blocks"]:
        if rival.endswith(f" {name}") and name in run["on patients of"]:
            return float(run["on patients of"][name]["LegoMerge"]["score"])
    return merged_score("LegoMerge")(run)


def spread(values: np.ndarray[Any, Any]) -> str:
    """Return mean and standard deviation as text."""
    return f"{np.nanmean(values):.3f} ± {np.nanstd(values, ddof=1) if len(values) > 1 else 0.0:.3f}"


def difference(first: np.ndarray[Any, Any], second: np.ndarray[Any, Any]) -> str:
    """Return the mean paired difference with its interval as text."""
    found: Comparison = compare(list(first), list(second), test_share=TEST_SHARE)
    return f"{found.difference:+.3f} [{found.low:+.3f}, {found.high:+.3f}]"


def markdown(head: list[str], rows: list[list[str]]) -> str:
    """Return a table."""
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows])


def missing_difference(run: Run, pattern: str, way: str) -> float:
    """Return by how much a model is above the ensemble where only some modalities are shown."""
    found = run["missing"][pattern]
    return float(found.get(way, math.nan)) - float(found["ensemble"])


def gaps(run: Run) -> list[str]:
    """Return the patterns in which something is missing."""
    whole = max(run["missing"], key=lambda pattern: pattern.count("+"))
    return [pattern for pattern in run["missing"] if pattern != whole]
