"""Turn the results of ``run.py`` into the tables and pictures of docs/merging.md."""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from ablation import COHORTS as ABLATED
from ablation import PLATES, STARTS, table
from against import against_dull
from goals import goals, over_cohorts
from tables import (
    END_TO_END,
    OF_NEURAL,
    TITLES,
    Run,
    best_block,
    closest_block,
    difference,
    gaps,
    markdown,
    merged_score,
    missing_difference,
    read,
    scores_of,
    spread,
)

from cohorts import ROOT

MARKS = ("<!-- made by benchmarks/merging/report.py -->", "<!-- end -->")


def main() -> None:
    """Print the tables, or put them into the page, and write the pictures."""
    parser = argparse.ArgumentParser(description="Tables and pictures of docs/merging.md.")
    parser.add_argument("--results", type=Path, default=ROOT / "runs" / "merging")
    parser.add_argument("--ablation", type=Path, help="results of ablation.py; default: ablation/ in the results")
    parser.add_argument("--pictures", type=Path, default=ROOT / "docs" / "pictures")
    parser.add_argument("--page", type=Path, help="a page whose part between the two marks is replaced")
    chosen = parser.parse_args()
    sorts = read(chosen.results)
    runs, neural = sorts["defaults"], sorts["neural"]
    if not runs:
        raise SystemExit(f"no results in {chosen.results}/defaults: run benchmarks/merging/run.py first")
    tables = (goals, over_cohorts, overview, against_dull, fusing, missing, apart, calibration, costs)
    parts = [part(runs) for part in tables]
    if neural:
        parts += ["## Neural blocks alone", merges(neural), costs(neural)]
    text = "\n\n".join([*parts, *variants(chosen.ablation or chosen.results / "ablation")])
    if chosen.page is None:
        print(text)
    else:
        before, rest = chosen.page.read_text().split(MARKS[0])
        after = rest.split(MARKS[1])[1]
        chosen.page.write_text(f"{before}{MARKS[0]}\n{text}\n{MARKS[1]}{after}")
    draw_pairs(runs, chosen.pictures / "merging_pairs.png")
    draw_missing(runs, chosen.pictures / "merging_missing.png")


def overview(runs: dict[str, list[Run]]) -> str:
    """Blocks, ensemble, merge: scores, and the differences that the goals are about."""
    rows = []
    for name, splits in runs.items():
        best = best_block(splits)
        merge, ensemble = (
            scores_of(splits, key) for key in (merged_score("LegoMerge"), lambda run: run["ensemble"]["score"])
        )
        neural = scores_of(splits, merged_score(OF_NEURAL))
        weighted = scores_of(splits, lambda run: run["weighted ensemble"]["score"])
        single = scores_of(splits, lambda run, best=best: run["blocks"][best]["score"])
        same = scores_of(splits, lambda run, best=best: run["on patients of"][best]["LegoMerge"]["score"])
        rows.append(
            [
                TITLES[name],
                str(len(splits)),
                f"{best} {spread(single)}",
                spread(ensemble),
                spread(weighted),
                spread(merge),
                difference(merge, ensemble),
                difference(same, single),
                difference(merge, weighted),
                *(("", "") if np.isnan(neural).all() else (spread(neural), difference(merge, neural))),
            ]
        )
    head = ["cohort", "splits", "best block", "logit ensemble", "weighted ensemble", "LegoMerge"]
    head += ["− ensemble", "− best block", "− weighted", "of neural blocks", "− of neural blocks"]
    return "### Merging\n\n" + markdown(head, rows)


def merges(runs: dict[str, list[Run]]) -> str:
    """Every way of merging the same blocks, as a difference to their ensemble."""
    ways = list(next(iter(runs.values()))[0]["merges"])
    rows = []
    for way in ways:
        row = [way]
        for splits in runs.values():
            values = scores_of(splits, merged_score(way)) - scores_of(splits, lambda run: run["ensemble"]["score"])
            row.append(f"{np.nanmean(values):+.3f}")
        rows.append(row)
    weighted = ["weighted ensemble"]
    for splits in runs.values():
        values = [run["weighted ensemble"]["score"] - run["ensemble"]["score"] for run in splits]
        weighted.append(f"{np.nanmean(values):+.3f}")
    rows.append(weighted)
    return "### Ways of merging, against the logit ensemble\n\n" + markdown(
        ["", *(TITLES[name] for name in runs)], rows
    )


def fusing(runs: dict[str, list[Run]]) -> str:
    """LegoFuse against end-to-end models, by share of pairs."""
    rows = []
    for name, splits in runs.items():
        for share in splits[0]["pairs"]:
            got = [run for run in splits if "LegoFuse" in run["pairs"][share]]
            if not got:
                continue
            fuse = scores_of(got, lambda run, share=share: run["pairs"][share]["LegoFuse"]["score"])
            merge = scores_of(got, merged_score("LegoMerge"))
            pairs = round(np.mean([run["pairs"][share]["pairs"] for run in got]))
            row = [TITLES[name], f"{float(share):.0%} ({pairs})", str(len(got)), spread(merge), spread(fuse)]
            row.append(difference(fuse, merge))
            for way in END_TO_END:
                both = [run for run in got if way in run["pairs"][share]]
                if both:
                    other, ours = (
                        scores_of(both, lambda run, one=one, share=share: run["pairs"][share][one]["score"])
                        for one in (way, "LegoFuse")
                    )
                    row += [spread(other), difference(ours, other)]
                else:
                    row += ["", ""]
            rows.append(row)
    head = ["cohort", "pairs", "splits", "LegoMerge", "LegoFuse", "− LegoMerge"]
    head += [cell for way in END_TO_END for cell in (way, "LegoFuse − it")]
    return "### Fusing, by pairs\n\n" + markdown(head, rows)


def missing(runs: dict[str, list[Run]]) -> str:
    """Differences to the ensemble of what is shown, over all patterns of presence: the mean, and the worst pattern."""
    rows = []
    for name, splits in runs.items():
        row = [TITLES[name], str(len(gaps(splits[0])))]
        for way in ("LegoMerge", "LegoFuse"):
            means = {
                pattern: float(np.nanmean([missing_difference(run, pattern, way) for run in splits]))
                for pattern in gaps(splits[0])
            }
            worst = min(means, key=lambda pattern: means[pattern])
            row.append(f"{np.mean(list(means.values())):+.3f}")
            against = [np.array([missing_difference(run, worst, way) for run in splits]), np.zeros(len(splits))]
            row.append(f"{worst.replace('+', ', ')} {difference(*against)}")
        rows.append(row)
    head = ["cohort", "patterns", "LegoMerge − ensemble, mean", "worst", "LegoFuse − ensemble, mean", "worst"]
    note = "LegoFuse is tuned here with `modality_dropout=0.3`, on all pairs."
    return f"### Modalities missing at prediction\n\n{note}\n\n" + markdown(head, rows)


def apart(runs: dict[str, list[Run]]) -> str:
    """Patients apart: merges of blocks that share no patient against merges of blocks that share all of theirs."""
    rows = []
    for name, splits in runs.items():
        values = [scores_of(splits, lambda run, way=way: run["disjoint"][way]) for way in ("apart", "shared")]
        counts = [
            round(np.mean([run["disjoint"][key] for run in splits])) for key in ("patients", "validation patients")
        ]
        whole = spread(scores_of(splits, merged_score("LegoMerge")))
        sizes = " + ".join(map(str, counts))
        rows.append([TITLES[name], sizes, *map(spread, values), difference(*values), whole])
    note = (
        "The patients are cut into as many parts as there are modalities, and a block of each modality is trained"
        " on each part. Merges of blocks of different parts against merges of blocks of one part, means over the "
        "merges of a split; every block is in one merge of each kind. Blocks that share no patient have seen more"
        " patients together, which helps a merge as it helps any ensemble: what is measured is both. Last, the "
        "merge of blocks that were all trained on everybody."
    )
    head = ["cohort", "patients a part, training + validation", "disjoint", "shared", "difference", "everybody"]
    return f"### Patients apart\n\n{note}\n\n" + markdown(head, rows)


def calibration(runs: dict[str, list[Run]]) -> str:
    """Calibration error, what of it is chance, and log-loss."""
    titles = {"ece": "error", "ece_by_chance": "error if true", "loss": "log-loss"}
    done = {"blocks": "as it is", "temperature": "temperature", "calibrated": "calibrated"}
    rows = []
    for name, splits in runs.items():
        for score, title in titles.items():
            if score not in splits[0]["ensemble"]:
                continue
            way, best = closest_block(splits) if score == "loss" else ("temperature", best_block(splits))
            single = scores_of(splits, lambda run, way=way, best=best, score=score: run[way][best][score])
            same = [run["on patients of"][best]["LegoMerge, calibrated"][score] for run in splits]
            merged = ("uniform, strength 1, calibrated", "strength 1", "LegoMerge", "LegoMerge, calibrated")
            columns = [
                [run["ensemble"][score] for run in splits],
                *([run["merges"][one][score] for run in splits] for one in merged),
                [run["pairs"]["1.0"]["LegoFuse"][score] for run in splits],
            ]
            against = "" if score == "ece_by_chance" else difference(single, np.array(same))
            timid = "" if score == "ece_by_chance" else difference(np.array(columns[1]), np.array(columns[4]))
            means = [f"{np.mean(column):.3f}" for column in columns]
            rows.append([TITLES[name], title, f"{best}, {done[way]} {np.mean(single):.3f}", *means, against, timid])
    note = (
        "Of the errors the best block is that of the scores above, after its temperature; of log-loss it is the "
        "block that comes closest to the calibrated merge, as it is, after its temperature, or calibrated by the "
        "rule of the merges."
    )
    head = ["cohort", "", "best block", "ensemble", "ensemble, calibrated", "strength 1", "LegoMerge", "calibrated"]
    return f"### Calibration\n\n{note}\n\n" + markdown(
        [*head, "LegoFuse", "best block − calibrated", "ensemble, calibrated − calibrated"], rows
    )


def variants(folder: Path) -> list[str]:
    """Return the tables of ``ablation.py``: ensemble, and what the merge and merged heads differ from it by."""
    if not folder.is_dir():
        return []
    cohorts = [name for name in ABLATED if (folder / name).is_dir()]
    note = "Ensemble of the blocks (mean ± sd over five splits); LegoMerge − ensemble; merged heads (slerp) − ensemble."
    return [
        "### Variants of the block\n\n" + note + "\n\n" + table(folder, cohorts, tuple(PLATES)),
        "### Variants of the common start\n\nWith the common read-out, merging needs no common start: what one is good "
        "for shows in merged heads.\n\n" + table(folder, cohorts, STARTS),
    ]


def costs(runs: dict[str, list[Run]]) -> str:
    """Seconds and parameters."""
    rows = []
    for name, splits in runs.items():
        ways = ("blocks", "LegoFuse", *END_TO_END)
        seconds = [np.mean([run["seconds"].get(way, math.nan) for run in splits]) for way in ways]
        parameters = [splits[0]["parameters"].get(way, 0) for way in ("LegoFuse", *END_TO_END)]
        rows.append([TITLES[name], *("" if math.isnan(value) else f"{value:.0f}" for value in seconds)])
        rows[-1] += [f"{value:,}" if value else "" for value in parameters]
    head = ["cohort", "blocks, s", "LegoFuse", "concatenation", "sequential", "parameters: LegoFuse", "concat.", "seq."]
    text = "### Cost (seconds on one thread; fused models: all shares of pairs together)\n\n" + markdown(head, rows)
    paid = {name: splits for name, splits in runs.items() if all("cpu" in run for run in splits)}
    names = list(dict.fromkeys(name for splits in paid.values() for run in splits for name in run["cpu"]))
    spent = [
        [TITLES[name], *(f"{np.mean([run['cpu'].get(one, 0.0) for run in splits]):.0f}" for one in names)]
        for name, splits in paid.items()
    ]
    if not spent:
        return text
    return f"{text}\n\nSeconds of CPU of each part of a split:\n\n" + markdown(["cohort", *names], spent)


def draw_pairs(runs: dict[str, list[Run]], file: Path) -> None:
    """Draw scores over the share of pairs, a panel a cohort of which several shares were measured."""
    runs = {name: splits for name, splits in runs.items() if len(splits[0]["pairs"]) > 1} or runs
    ways = {"LegoFuse": "C0", "concatenation": "C1", "sequential": "C2"}

    def panel(axes: Any, splits: list[Run]) -> None:
        ensemble = np.nanmean(scores_of(splits, lambda run: run["ensemble"]["score"]))
        axes.axhline(ensemble, color="0.4", linestyle="--", label="logit ensemble")
        for way, colour in ways.items():
            points = []
            for share in splits[0]["pairs"]:
                got = [run["pairs"][share][way]["score"] for run in splits if way in run["pairs"][share]]
                if got:
                    points.append((100 * float(share), np.nanmean(got), np.nanstd(got) / math.sqrt(len(got))))
            if not points:
                continue
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


if __name__ == "__main__":
    main()
