"""Turn the results of ``run.py`` into the tables and pictures of docs/merging.md."""

from __future__ import annotations

import argparse
import contextlib
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from ablation import COHORTS as ABLATED
from ablation import PLATES, STARTS, table

from cohorts import HELD_OUT, ROOT
from mmlego.bench.statistics import Comparison, compare

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
SHARES = ("0.05", "0.1", "0.25", "1.0")
MARKS = ("<!-- made by benchmarks/merging/report.py -->", "<!-- end -->")


def main() -> None:
    """Print the tables, or put them into the page, and write the pictures."""
    parser = argparse.ArgumentParser(description="Tables and pictures of docs/merging.md.")
    parser.add_argument("--results", type=Path, default=ROOT / "runs" / "merging")
    parser.add_argument("--ablation", type=Path, help="results of ablation.py; default: ablation/ in the results")
    parser.add_argument("--pictures", type=Path, default=ROOT / "docs" / "pictures")
    parser.add_argument("--page", type=Path, help="a page whose part between the two marks is replaced")
    chosen = parser.parse_args()
    runs = read(chosen.results)
    if not runs:
        raise SystemExit(f"no results in {chosen.results}: run benchmarks/merging/run.py first")
    parts = [part(runs) for part in (goals, overview, merges, fusing, missing, apart, calibration, costs)]
    text = "\n\n".join([*parts, *variants(chosen.ablation or chosen.results / "ablation")])
    if chosen.page is None:
        print(text)
    else:
        before, rest = chosen.page.read_text().split(MARKS[0])
        after = rest.split(MARKS[1])[1]
        chosen.page.write_text(f"{before}{MARKS[0]}\n{text}\n{MARKS[1]}{after}")
    draw_pairs(runs, chosen.pictures / "merging_pairs.png")
    draw_missing(runs, chosen.pictures / "merging_missing.png")


def read(folder: Path) -> dict[str, list[Run]]:
    """Return the splits of each cohort, in order."""
    found: dict[str, list[Run]] = {}
    for name in TITLES:
        files = sorted(folder.glob(f"{name}-*/*.json"))
        if len({file.parent for file in files}) > 1:
            raise SystemExit(f"results of several settings in {folder}/{name}-*: move all but one away")
        if files:
            found[name] = sorted((json.loads(file.read_text()) for file in files), key=lambda run: run["index"])
    return found


def goals(runs: dict[str, list[Run]]) -> str:
    """Mean differences beside what they should be at least; what is short of it stands in brackets."""
    few = [share for share in SHARES if float(share) < 1]

    def best(run: Run) -> str:
        return _best_block(runs[run["cohort"]])

    def over_best(run: Run) -> float:
        return float(run["on patients of"][best(run)]["LegoMerge"]["score"] - run["blocks"][best(run)]["score"])

    def fused(share: str, rival: str) -> Score:
        return lambda run: run["pairs"][share]["LegoFuse"]["score"] - run["pairs"][share][rival]["score"]

    def over_ensemble(share: str) -> Score:
        return lambda run: run["pairs"][share]["LegoFuse"]["score"] - run["ensemble"]["score"]

    def calibrated(way: str) -> Score:
        return lambda run: run["temperature"][best(run)]["ece"] - run["on patients of"][best(run)][way]["ece"]

    rivals = ("concatenation", "sequential")
    patterns = {pattern for splits in runs.values() for pattern in splits[0]["missing"]}
    wanted: list[tuple[str, float, list[Score]]] = [
        ("LegoMerge − ensemble", -0.003, [lambda run: _merge("LegoMerge")(run) - run["ensemble"]["score"]]),
        ("LegoMerge − best block", -0.005, [over_best]),
        ("LegoFuse, all pairs − ensemble", 0.0, [over_ensemble("1.0")]),
        *((f"LegoFuse, all pairs − {rival}", 0.0, [fused("1.0", rival)]) for rival in rivals),
        ("LegoFuse, few pairs − ensemble, least", 0.0, [over_ensemble(share) for share in few]),
        *((f"LegoFuse, few pairs − {rival}, least", 0.0, [fused(share, rival) for share in few]) for rival in rivals),
        ("patients apart − shared", -0.01, [lambda run: run["disjoint"]["apart"] - run["disjoint"]["shared"]]),
        *(
            (
                f"modalities missing, {way} − ensemble, worst pattern",
                0.0,
                [lambda run, pattern=pattern, way=way: _of_missing(run, pattern, way) for pattern in patterns],
            )
            for way in ("LegoMerge", "LegoFuse")
        ),
        *(
            (f"calibration error, best block − {way}", 0.0, [calibrated(way)])
            for way in ("LegoMerge", "LegoMerge, calibrated")
        ),
    ]
    rows = []
    for title, least, scores in wanted:
        cells = []
        for splits in runs.values():
            values = [value for score in scores if (value := _mean_of(splits, score)) is not None]
            found = f"{min(values):+.3f}" if values else ""
            cells.append(f"({found})" if values and round(min(values), 3) < least else found)
        rows.append([title, f"{least:g}", *cells])
    head = ["mean difference", "at least", *(TITLES[name] for name in runs)]
    return "### Goals\n\n" + _table(head, rows)


def _mean_of(splits: list[Run], score: Score) -> float | None:
    """Return the mean over the splits in which there is a score."""
    found = []
    for run in splits:
        with contextlib.suppress(KeyError):
            found.append(score(run))
    return float(np.nanmean(found)) if found else None


def overview(runs: dict[str, list[Run]]) -> str:
    """Blocks, ensemble, merge: scores, and the differences that the goals are about."""
    rows = []
    for name, splits in runs.items():
        best = _best_block(splits)
        merge, ensemble = (_values(splits, key) for key in (_merge("LegoMerge"), lambda run: run["ensemble"]["score"]))
        single = _values(splits, lambda run, best=best: run["blocks"][best]["score"])
        same = _values(splits, lambda run, best=best: run["on patients of"][best]["LegoMerge"]["score"])
        rows.append(
            [
                TITLES[name] + ("" if name in HELD_OUT else " ¹"),
                str(len(splits)),
                f"{best} {_mean(single)}",
                _mean(ensemble),
                _mean(_values(splits, _merge("paper"))),
                _mean(merge),
                _difference(merge, ensemble),
                _difference(same, single),
            ]
        )
    head = ["cohort", "splits", "best block", "logit ensemble", "paper", "LegoMerge", "− ensemble", "− best block"]
    return "### Merging\n\n" + _table(head, rows)


def merges(runs: dict[str, list[Run]]) -> str:
    """Every way of merging the same blocks, as a difference to their ensemble."""
    ways = list(next(iter(runs.values()))[0]["merges"])
    rows = []
    for way in ways:
        row = [way]
        for splits in runs.values():
            values = _values(splits, _merge(way)) - _values(splits, lambda run: run["ensemble"]["score"])
            row.append(f"{np.nanmean(values):+.3f}")
        rows.append(row)
    weighted = ["weighted ensemble"]
    for splits in runs.values():
        values = [run["weighted ensemble"]["score"] - run["ensemble"]["score"] for run in splits]
        weighted.append(f"{np.nanmean(values):+.3f}")
    rows.append(weighted)
    return "### Ways of merging, against the logit ensemble\n\n" + _table(["", *(TITLES[name] for name in runs)], rows)


def fusing(runs: dict[str, list[Run]]) -> str:
    """LegoFuse against its rivals, by share of pairs."""
    rows = []
    for name, splits in runs.items():
        for share in splits[0]["pairs"]:
            got = [run for run in splits if "concatenation" in run["pairs"][share]]
            if not got:
                continue
            fuse, *others = (
                _values(got, lambda run, way=way, share=share: run["pairs"][share][way]["score"])
                for way in ("LegoFuse", "concatenation", "sequential")
            )
            ensemble = _values(got, lambda run: run["ensemble"]["score"])
            pairs = round(np.mean([run["pairs"][share]["pairs"] for run in got]))
            scores = [_mean(values) for values in (ensemble, fuse, *others)]
            against = [_difference(fuse, other) for other in (ensemble, *others)]
            rows.append([TITLES[name], f"{float(share):.0%} ({pairs})", *scores, *against])
    head = ["cohort", "pairs", "ensemble", "LegoFuse", "concatenation", "sequential", "− ens.", "− concat.", "− seq."]
    return "### Fusing, by pairs\n\n" + _table(head, rows)


def missing(runs: dict[str, list[Run]]) -> str:
    """Differences to the ensemble of what is shown, over all patterns of presence: the mean, and the worst pattern."""
    rows = []
    for name, splits in runs.items():
        row = [TITLES[name], str(len(splits[0]["missing"]))]
        for way in ("LegoMerge", "LegoFuse"):
            means = {
                pattern: float(np.nanmean([_of_missing(run, pattern, way) for run in splits]))
                for pattern in splits[0]["missing"]
            }
            worst = min(means, key=lambda pattern: means[pattern])
            row.append(f"{np.mean(list(means.values())):+.3f}")
            against = [np.array([_of_missing(run, worst, way) for run in splits]), np.zeros(len(splits))]
            row.append(f"{worst.replace('+', ', ')} {_difference(*against)}")
        rows.append(row)
    head = ["cohort", "patterns", "LegoMerge − ensemble, mean", "worst", "LegoFuse − ensemble, mean", "worst"]
    return "### Modalities missing at prediction\n\n" + _table(head, rows)


def _of_missing(run: Run, pattern: str, way: str) -> float:
    found = run["missing"][pattern]
    return float(found.get(way, math.nan)) - float(found["ensemble"])


def apart(runs: dict[str, list[Run]]) -> str:
    """Blocks of disjoint patients against blocks of as many shared ones."""
    rows = []
    for name, splits in runs.items():
        got = [run for run in splits if "disjoint" in run]
        if got:
            values = [_values(got, lambda run, way=way: run["disjoint"][way]) for way in ("apart", "shared")]
            rows.append([TITLES[name], *map(_mean, values), _difference(*values)])
    return "### Patients apart\n\n" + _table(["cohort", "disjoint patients", "shared patients", "difference"], rows)


def calibration(runs: dict[str, list[Run]]) -> str:
    """Calibration error, what of it is chance, and log-loss."""
    rows = []
    for name, splits in runs.items():
        best = _best_block(splits)
        for way in ("ece", "ece_by_chance", "loss"):
            if way not in splits[0]["ensemble"]:
                continue
            heated, ensemble, merge, scaled, tuned, same = (
                np.array([part[way] for part in parts])
                for parts in (
                    [run["temperature"][best] for run in splits],
                    [run["ensemble"] for run in splits],
                    [run["merges"]["LegoMerge"] for run in splits],
                    [run["merges"]["LegoMerge, calibrated"] for run in splits],
                    [run["pairs"]["1.0"]["LegoFuse"] for run in splits],
                    [run["on patients of"][best]["LegoMerge, calibrated"] for run in splits],
                )
            )
            means = [f"{np.mean(part):.3f}" for part in (ensemble, merge, scaled, tuned)]
            against = "" if way == "ece_by_chance" else _difference(same, heated)
            title = {"ece": "error", "ece_by_chance": "of it chance", "loss": "log-loss"}[way]
            rows.append([TITLES[name], title, f"{best} {np.mean(heated):.3f}", *means, against])
    head = ["cohort", "", "best block after temperature", "ensemble", "LegoMerge", "calibrated", "LegoFuse"]
    return "### Calibration\n\n" + _table([*head, "calibrated − best block"], rows)


def variants(folder: Path) -> list[str]:
    """Return the tables of ``ablation.py``: ensemble, and what the merge and merged heads differ from it by."""
    if not folder.is_dir():
        return []
    cohorts = [name for name in ABLATED if (folder / name).is_dir()]
    note = "Ensemble of the blocks; LegoMerge − ensemble; merged heads (mean, slerp) − ensemble; five splits each."
    return [
        "### Variants of the block\n\n" + note + "\n\n" + table(folder, cohorts, tuple(PLATES)),
        "### Variants of the common start\n\nWith the common read-out, merging needs no common start: what one is good "
        "for shows in merged heads.\n\n" + table(folder, cohorts, STARTS),
    ]


def costs(runs: dict[str, list[Run]]) -> str:
    """Wall time and parameters."""
    rows = []
    for name, splits in runs.items():
        whole = [run for run in splits if "concatenation" in run["seconds"]]
        ways = ("blocks", "LegoFuse", "concatenation", "sequential")
        seconds = [np.mean([run["seconds"][way] for run in whole]) for way in ways]
        parameters = [splits[0]["parameters"].get(way, 0) for way in ("LegoFuse", "concatenation", "sequential")]
        rows.append([TITLES[name], *(f"{value:.0f}" for value in seconds), *(f"{value:,}" for value in parameters)])
    head = ["cohort", "blocks, s", "LegoFuse", "concatenation", "sequential", "parameters: LegoFuse", "concat.", "seq."]
    return "### Cost (seconds on one thread; fused models: all shares of pairs together)\n\n" + _table(head, rows)


def draw_pairs(runs: dict[str, list[Run]], file: Path) -> None:
    """Draw scores over the share of pairs, a panel a cohort."""
    ways = {"LegoFuse": "C0", "concatenation": "C1", "sequential": "C2"}

    def panel(axes: Any, splits: list[Run]) -> None:
        whole = [run for run in splits if "concatenation" in run["pairs"]["1.0"]]
        ensemble = np.nanmean(_values(whole, lambda run: run["ensemble"]["score"]))
        axes.axhline(ensemble, color="0.4", linestyle="--", label="logit ensemble")
        for way, colour in ways.items():
            points = []
            for share in splits[0]["pairs"]:
                got = [run["pairs"][share][way]["score"] for run in whole if way in run["pairs"][share]]
                if got:
                    points.append((100 * float(share), np.nanmean(got), np.nanstd(got) / math.sqrt(len(got))))
            x, y, error = zip(*points, strict=True)
            axes.errorbar(x, y, error, color=colour, marker="o", markersize=3, capsize=2, label=way)
        axes.set_xscale("log")
        axes.set_xticks([5, 10, 25, 50, 100], ["5", "10", "25", "50", "100"])
        axes.minorticks_off()
        axes.set_xlabel("% of patients with all modalities")

    _panels(runs, file, panel)


def draw_missing(runs: dict[str, list[Run]], file: Path) -> None:
    """Draw scores over the number of modalities that are shown, a panel a cohort."""

    def panel(axes: Any, splits: list[Run]) -> None:
        patterns = list(splits[0]["missing"])
        for way, colour in {"ensemble": "0.4", "LegoMerge": "C3", "LegoFuse": "C0"}.items():
            means: dict[int, list[float]] = {}
            for pattern in patterns:
                got = [run["missing"][pattern].get(way, math.nan) for run in splits]
                means.setdefault(pattern.count("+") + 1, []).append(float(np.nanmean(got)))
            axes.plot(list(means), [np.mean(part) for part in means.values()], color=colour, marker="o", label=way)
        axes.set_xticks(sorted(means))
        axes.set_xlabel("modalities shown")

    _panels(runs, file, panel)


def _panels(runs: dict[str, list[Run]], file: Path, draw: Callable[[Any, list[Run]], None]) -> None:
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    columns = min(4, len(runs))
    rows = math.ceil(len(runs) / columns)
    figure, grid = plt.subplots(rows, columns, figsize=(3.3 * columns, 2.8 * rows), squeeze=False)
    for axes in grid.flat[len(runs) :]:
        axes.axis("off")
    for axes, (name, splits) in zip(grid.flat, runs.items(), strict=False):
        draw(axes, splits)
        axes.set_title(TITLES[name], fontsize=10)
        axes.set_ylabel({"c_index": "c-index", "auroc": "AUROC"}[splits[0]["metric"]])
        axes.spines[["top", "right"]].set_visible(False)
    handles, labels = grid.flat[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="lower center", ncols=len(labels), frameon=False)
    figure.tight_layout(rect=(0, 0.07 if rows > 1 else 0.12, 1, 1))
    file.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(file, dpi=150)
    plt.close(figure)


def _merge(way: str) -> Score:
    return lambda run: run["merges"][way]["score"]


def _values(splits: list[Run], score: Score) -> np.ndarray[Any, np.dtype[np.float64]]:
    return np.array([score(run) for run in splits], dtype=np.float64)


def _best_block(splits: list[Run]) -> str:
    """Return the block that is best on average, on test patients: nobody could have known, so it is a hard rival."""
    names = list(splits[0]["blocks"])
    return max(names, key=lambda name: float(np.nanmean([run["blocks"][name]["score"] for run in splits])))


def _mean(values: np.ndarray[Any, Any]) -> str:
    return f"{np.nanmean(values):.3f} ± {np.nanstd(values, ddof=1) if len(values) > 1 else 0.0:.3f}"


def _difference(first: np.ndarray[Any, Any], second: np.ndarray[Any, Any]) -> str:
    found: Comparison = compare(list(first), list(second), test_share=TEST_SHARE)
    return f"{found.difference:+.3f} [{found.low:+.3f}, {found.high:+.3f}]"


def _table(head: list[str], rows: list[list[str]]) -> str:
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows])


if __name__ == "__main__":
    main()
