"""Reports drawn from results: a table for the terminal and for Markdown, and pictures."""

from __future__ import annotations

import math
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from mmlego.anonymity import MIN_PATIENTS
from mmlego.bench.results import ENSEMBLE, Results
from mmlego.errors import InputError
from mmlego.files import write_atomically
from mmlego.tasks.aalen_johansen import aalen_johansen
from mmlego.tasks.kaplan_meier import kaplan_meier
from mmlego.wording import counted

if TYPE_CHECKING:
    from rich.table import Table

_LABELS = {"c_index": "c-index", "ibs": "Brier score", "auroc": "AUROC", "r2": "R²"}
_AGAINST = {"without pairs": "LegoMerge", "with pairs": "LegoFuse", "end to end": "LegoFuse"}
_KINDS = {"without pairs": "dull without pairs", "with pairs": "dull with pairs", "end to end": "end-to-end"}
_BLUE, _RED, _GREY = "#2166ac", "#b2182b", "#666666"


def rows(results: Results) -> list[tuple[str, str, str, str]]:
    """Return a row a method: name, mean ± sd, difference to the ensemble with interval, verdict."""
    lines = []
    for method in results.methods:
        spread = _spread(results, method, 3)
        if method == ENSEMBLE or ENSEMBLE not in results.methods:
            lines.append((method, spread, "", ""))
            continue
        found = results.versus(method, ENSEMBLE)
        if math.isnan(found.low):
            lines.append((method, spread, "", ""))
            continue
        difference = f"{found.difference:+.3f} [{found.low:+.3f}, {found.high:+.3f}]"
        lines.append((method, spread, difference, found.verdict))
    return lines


def against_rivals(results: Results) -> list[tuple[str, str, str]]:
    """Return LegoMerge and LegoFuse against the best rival of each kind: who, difference with interval, verdict.

    Which rival is the best was seen on the test patients, so that it is harder than any that could have been chosen.
    """
    lines = []
    for needs, ours in _AGAINST.items():
        best = results.hardest(needs)
        if best is None or ours not in results.methods:
            continue
        found = results.versus(ours, best)
        if math.isnan(found.low):
            continue
        difference = f"{found.difference:+.3f} [{found.low:+.3f}, {found.high:+.3f}]"
        lines.append((f"{ours} − best {_KINDS[needs]}: {best}", difference, found.verdict))
    return lines


def costs(results: Results) -> list[str]:
    """Return the seconds of CPU of each method on a split, in the order of the methods."""
    found = [results.cost(method) for method in results.methods]
    return ["" if math.isnan(value) else f"{value:.1f}" for value in found]


def _spread(results: Results, method: str, digits: int, metric: str | None = None) -> str:
    """Return mean ± sd over the splits on which a method has a score, and on how many if not on all."""
    scores = results.scores(method, metric)
    known = scores[np.isfinite(scores)]
    if len(known) == 0:
        return "not defined"
    text = f"{known.mean():.{digits}f}" + (f" ± {known.std(ddof=1):.{digits}f}" if len(known) > 1 else "")
    return text if len(known) == len(scores) else f"{text} ({len(known)} of {len(scores)} splits)"


def title(results: Results) -> str:
    """Return what was measured, in a line."""
    e = results.experiment
    apart = "each block on patients of its own" if e.get("disjoint", True) else "all blocks on the same patients"
    return (
        f"{e['cohort']}: {e['patients']} patients, {e['folds']} folds × {e.get('repeats', 1)}, {apart}; "
        f"{_LABELS.get(results.metric, results.metric)} on held-out patients"
    )


def table(results: Results) -> Table:
    """Return the table for the terminal."""
    from rich.table import Table

    made = Table(title=title(results), title_justify="left", title_style="bold", caption="".join(_paired_told(results)))
    made.caption_justify = "left"
    made.add_column("method")
    made.add_column(f"{_LABELS.get(results.metric, results.metric)},\nmean ± sd", justify="right")
    made.add_column("minus the ensemble\n[95 % CI]", justify="right", no_wrap=True)
    made.add_column("", no_wrap=True)
    made.add_column("CPU s", justify="right", no_wrap=True)
    for (method, *cells), cost in zip(rows(results), costs(results), strict=True):
        made.add_row(method, *cells, cost, style="bold" if method.startswith("Lego") else None)
    for name, difference, verdict in against_rivals(results):
        made.add_row(name, "", difference, verdict, "", style="bold")
    return made


def markdown(results: Results) -> str:
    """Return the same table as Markdown."""
    metric = _LABELS.get(results.metric, results.metric)
    lines = [
        f"{title(results)}.",
        "",
        f"| method | {metric}, mean ± sd | minus the ensemble [95 % CI] | | CPU s |",
        "|---|---|---|---|---|",
        *(f"| {' | '.join(row)} | {cost} |" for row, cost in zip(rows(results), costs(results), strict=True)),
        *_causes_told(results),
        *_rivals_told(results),
        *(["", *_paired_told(results)] if _paired_told(results) else []),
        "",
        "Mean and standard deviation over splits; intervals by the corrected resampled t (Nadeau and Bengio 2003); "
        "“better” or “worse” only where the interval excludes zero.",
    ]
    seconds = [split["seconds"] for split in results.splits if "seconds" in split]
    if seconds:
        lines[-1] += f" {np.mean(seconds):.1f} s a split."
    few = min((len(split["patients"]) for split in results.splits if "patients" in split), default=MIN_PATIENTS)
    if few < MIN_PATIENTS:
        lines[-1] += f" A split scores {counted(few, 'patient')}: of so few a score tells of each of them."
    return "\n".join(lines) + "\n"


def _paired_told(results: Results) -> list[str]:
    """Return on whom the end-to-end models of few pairs were trained."""
    share = results.experiment.get("paired")
    if share is None:
        return []
    return [
        f"On {100 * share:.3g} %: trained end to end on so many of the training and validation patients, as if nobody "
        "else had all modalities. LegoMerge needs nobody who has them; LegoFuse was tuned on all who do."
    ]


def _rivals_told(results: Results) -> list[str]:
    found = against_rivals(results)
    if not found:
        return []
    return [
        "",
        "| against the best rivals | difference [95 % CI] | |",
        "|---|---|---|",
        *(f"| {' | '.join(line)} |" for line in found),
        "",
        "The best rival of each kind is the one with the highest mean on these test patients, which nobody could have "
        "known: a hard one. Rivals without pairs are fitted to the patients of each block, those with pairs to all "
        "training and validation patients, end-to-end models to those who have all modalities.",
    ]


def by_cause(results: Results) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Return of competing risks the heads and the rows of a table of c-index and Brier score by cause; else no rows.

    Examples
    --------
    >>> by_cause(Results({"outcome": {"task": "survival"}}, "c_index", [], {}))[1]
    []
    """
    causes = list((results.experiment.get("outcome") or {}).get("causes") or {})
    metrics = [f"{metric}/{cause}" for metric in ("c_index", "ibs") for cause in causes]
    if not causes:
        return (), []
    names = [_LABELS.get(metric, metric) for metric in ("c_index", "ibs")]
    heads = ("method", *(f"{name}, {cause}" for name in names for cause in causes))
    return heads, [(method, *(_spread(results, method, 3, one) for one in metrics)) for method in results.methods]


def causes_table(results: Results) -> Table | None:
    """Return :func:`by_cause` for the terminal; None of other tasks."""
    from rich import box
    from rich.table import Table

    heads, lines = by_cause(results)
    if not lines:
        return None
    said = "By cause, mean ± sd (Brier score: integrated, lower is better)"
    made = Table(title=said, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, show_edge=False)
    made.pad_edge = False
    for name in heads:
        made.add_column(name.replace(", ", "\n"), justify="left" if name == "method" else "right")
    for line in lines:
        made.add_row(*line, style="bold" if line[0].startswith("Lego") else None)
    return made


def _causes_told(results: Results) -> list[str]:
    heads, lines = by_cause(results)
    if not lines:
        return []
    rule = f"|{'---|' * len(heads)}"
    return ["", f"| {' | '.join(heads)} |", rule, *(f"| {' | '.join(line)} |" for line in lines)]


def write_report(results: Results, folder: Path) -> list[Path]:
    """Write ``table.md`` and the picture that fits the task.

    Returns
    -------
    list of Path
        The files.
    """
    folder.mkdir(parents=True, exist_ok=True)
    text = folder / "table.md"
    write_atomically(text, markdown(results))
    files = [text]
    if any("risk" in split for split in results.splits):
        files.append(draw_kaplan_meier(results, folder / "kaplan_meier.png"))
    elif any("risks" in split for split in results.splits):
        files.append(draw_incidence(results, folder / "incidence.png"))
    elif any("probability" in split for split in results.splits) and _classes(results) == 2:
        files.append(draw_roc(results, folder / "roc.png"))
    return files


def draw_kaplan_meier(results: Results, file: Path) -> Path:
    """Draw Kaplan–Meier curves of the predicted risk groups, each patient predicted by a model that never saw them.

    The groups are cut at the median risk of the training patients of each fold; the first repeat is drawn.
    """
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    first, models = _first_repeat(results, "risk")
    outcome = results.experiment["outcome"]
    figure, axes = plt.subplots(1, len(models), figsize=(5.2 * len(models), 4.6), sharey=True, squeeze=False)
    for axis, model in zip(axes[0], models, strict=True):
        found = [(split["patients"], split["risk"][model], split["cut"][model]) for split in first]
        _draw_groups(axis, _halves(results, found), _falling)
        axis.set_xlabel(outcome.get("unit") or outcome.get("time") or "time")
        axis.set_title(f"{model}  (c-index {_spread(results, model, 2)})", fontsize=11)
    axes[0][0].set_ylabel("survival without the event")
    figure.suptitle(f"{results.experiment['cohort']}: predicted risk groups of held-out patients", fontsize=12)
    figure.tight_layout()
    return _save(figure, file)


def draw_incidence(results: Results, file: Path) -> Path:
    """Draw of each cause its cumulative incidence in the predicted risk groups, as :func:`draw_kaplan_meier` does."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    first, models = _first_repeat(results, "risks")
    outcome = results.experiment["outcome"]
    causes = list(outcome["causes"])
    size = (5.2 * len(models), 4.4 * len(causes))
    figure, axes = plt.subplots(len(causes), len(models), figsize=size, sharey=True, squeeze=False)
    for place, (row, cause) in enumerate(zip(axes, causes, strict=True)):
        for axis, model in zip(row, models, strict=True):
            found = [
                (split["patients"], [risks[place] for risks in split["risks"][model]], split["cuts"][model][place])
                for split in first
            ]
            steps = partial(_rising, place=place, causes=len(causes))
            _draw_groups(axis, _halves(results, found), steps, place + 1, f"with {cause}")
            axis.set_xlabel(outcome.get("unit") or outcome.get("time") or "time")
            score = _spread(results, model, 2, f"c_index/{cause}")
            axis.set_title(f"{model}, {cause}  (c-index {score})", fontsize=11)
        row[0].set_ylabel(f"{cause} has come first")
    figure.suptitle(f"{results.experiment['cohort']}: groups of held-out patients by predicted risk", fontsize=12)
    figure.tight_layout()
    return _save(figure, file)


def _halves(results: Results, found: list[tuple[list[str], list[float], float]]) -> dict[str, list[list[float]]]:
    """Return the outcomes of patients by whether their risk is above the cut of their fold."""
    groups: dict[str, list[list[float]]] = {"lower risk": [], "higher risk": []}
    for patients, risks, cut in found:
        for patient, risk in zip(patients, risks, strict=True):
            groups["higher risk" if risk > cut else "lower risk"].append(results.outcome[patient])
    return groups


def _falling(event: Any, time: Any) -> tuple[Any, Any]:
    """Return the steps of survival."""
    curve = kaplan_meier(event == 1, time)
    return np.concatenate([[0.0], curve.times]), np.concatenate([[1.0], curve.survival])


def _rising(event: Any, time: Any, *, place: int, causes: int) -> tuple[Any, Any]:
    """Return the steps of the incidence of a cause."""
    curve = aalen_johansen(event.astype(int), time, causes)
    return np.concatenate([[0.0], curve.times]), np.concatenate([[0.0], curve.incidence[place]])


def _first_repeat(results: Results, what: str) -> tuple[list[dict[str, Any]], list[str]]:
    """Return the splits of the first repeat, and the models that predicted on all of them: a fuse may lack patients."""
    first = [split for split in results.splits if split.get("repeat", 0) == 0]
    return first, [model for model in first[0][what] if all(model in split[what] for split in first)]


def _classes(results: Results) -> int:
    return int(max(values[0] for values in results.outcome.values())) + 1


def _draw_groups(
    axis: Any, groups: dict[str, list[list[float]]], steps: Any, number: int = 1, what: str = "events"
) -> None:
    """Draw the curve of each group, from its events and times, with those who were censored and who is at risk."""
    # Where fewer than one in ten are still watched, a curve says more about chance than about patients.
    every = sorted(time for members in groups.values() for _, time in members)
    last = every[int(0.9 * (len(every) - 1))]
    step = max(1.0, float(np.ceil(last / 5)))
    marks = np.arange(0, last * 1.001, step)
    for (name, members), colour, place in zip(groups.items(), (_BLUE, _RED), (-0.20, -0.26), strict=True):
        if not members:
            continue
        event, time = np.array(members, dtype=float).T
        x, y = steps(event, time)
        x, y = np.append(x, max(x[-1], last)), np.append(y, y[-1])
        axis.step(
            x,
            y,
            where="post",
            color=colour,
            label=f"{name}: {len(members)} patients, {int((event == number).sum())} events",
        )
        censored = time[event == 0]
        axis.plot(censored, y[np.searchsorted(x, censored, side="right") - 1], "|", color=colour, markersize=5)
        for mark in marks:
            at_risk = int((time >= mark).sum())
            axis.text(
                mark, place, str(at_risk), color=colour, ha="center", transform=axis.get_xaxis_transform(), fontsize=8
            )
    axis.text(0, -0.145, "at risk", color=_GREY, ha="center", transform=axis.get_xaxis_transform(), fontsize=8)
    axis.set_xticks(marks, [f"{mark:.0f}" for mark in marks])
    axis.xaxis.set_label_coords(0.5, -0.075)
    axis.set(xlim=(-0.02 * last, 1.02 * last), ylim=(0, 1.02))
    axis.spines[["top", "right"]].set_visible(False)
    axis.legend(loc="lower left" if y[0] else "upper left", frameon=False, fontsize=9)


def draw_roc(results: Results, file: Path) -> Path:
    """Draw ROC curves of the held-out predictions of the first repeat, for two classes.

    Raises
    ------
    InputError
        If there are more classes.
    """
    if _classes(results) > 2:
        raise InputError("a ROC curve is drawn for two classes", expected=2, got=_classes(results))
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt
    from torchmetrics.functional.classification import binary_roc

    first, models = _first_repeat(results, "probability")
    figure, axis = plt.subplots(figsize=(5.2, 4.8))
    for model, colour in zip(models, (_BLUE, _RED), strict=False):
        predicted = torch.tensor([p for split in first for p in split["probability"][model]])
        true = torch.tensor([int(results.outcome[patient][0]) for split in first for patient in split["patients"]])
        false_positive, true_positive, _ = binary_roc(predicted, true)
        label = f"{model}: AUROC {_spread(results, model, 2)}"
        axis.plot(false_positive, true_positive, color=colour, label=label)
    axis.plot([0, 1], [0, 1], ":", color=_GREY)
    axis.set(xlabel="1 − specificity", ylabel="sensitivity", xlim=(0, 1), ylim=(0, 1), aspect="equal")
    axis.set_title(f"{results.experiment['cohort']}: held-out patients", fontsize=11)
    axis.spines[["top", "right"]].set_visible(False)
    axis.legend(loc="lower right", frameon=False, fontsize=9)
    figure.tight_layout()
    return _save(figure, file)


def _save(figure: Any, file: Path) -> Path:
    from io import BytesIO

    from matplotlib import pyplot as plt

    buffer = BytesIO()
    figure.savefig(buffer, format="png", dpi=150)
    plt.close(figure)
    write_atomically(file, buffer.getvalue())
    return file
