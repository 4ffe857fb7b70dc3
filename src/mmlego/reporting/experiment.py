"""What an experiment measured: every method over repeated splits, and whether merging was worth it there."""

from __future__ import annotations

import math

import numpy as np

from mmlego.bench import Results
from mmlego.bench.report import against_rivals
from mmlego.bench.results import ENSEMBLE
from mmlego.reporting.drawing.intervals import Line, draw_differences
from mmlego.reporting.measures import OF_TASK, Measure, primary
from mmlego.reporting.numbers import plain, signed, with_interval
from mmlego.reporting.parts import Item, Picture, Section, Table, Text, section
from mmlego.reporting.statistics.resampling import Estimate
from mmlego.wording import counted

_KINDS = {"without pairs": "dull, without pairs", "with pairs": "dull, with pairs", "end to end": "end to end"}
HOW = (
    "Means over splits; intervals of differences by the corrected resampled t, which knows that training parts overlap "
    "(Nadeau and Bengio 2003). Rivals are measured on the same splits; which of a kind is the best was seen on the "
    "test patients, so that it is harder than any that could have been chosen."
)


def measure_of(results: Results) -> Measure:
    """Return the score by which an experiment compares."""
    if (results.experiment.get("outcome") or {}).get("causes"):
        return primary("competing_risks")
    known = {one.name: one for task, measures in OF_TASK.items() if task != "competing_risks" for one in measures}
    return known.get(results.metric, Measure(results.metric, results.metric, "higher", "higher is better"))


def experiment(results: Results) -> Section:
    """Return the section on an experiment.

    Parameters
    ----------
    results
        What it measured.
    """
    measure = measure_of(results)
    e = results.experiment
    count = len(results.splits)
    against = {name: _against(results, name) for name in results.methods}
    rows = []
    for name in results.methods:
        found = results.scores(name)
        known = found[np.isfinite(found)]
        spread = plain(float(known.mean())) if len(known) else "not defined"
        spread += f" ± {plain(float(known.std(ddof=1)))}" if len(known) > 1 else ""
        cost = results.cost(name)
        gain = against[name]
        told = with_interval(gain, 3, sign=True) if gain is not None else "–"
        rows.append((name, _kind(results, name), spread, told, "–" if math.isnan(cost) else f"{cost:.1f}"))
    head = ("method", "kind", f"{measure.label}, mean ± sd", f"minus {ENSEMBLE} (95 % interval)", "CPU s a split")
    lines = [Line(name, gain, count) for name, gain in against.items() if gain is not None]
    items: list[Item | None] = [
        Text(
            f"{counted(e['patients'], 'patient')} of {e['cohort']}, {e['folds']} folds × {e['repeats']}: "
            f"{counted(count, 'split')}, in each of which the models were trained anew without those held out."
        ),
        Table("Methods on the same splits", head, tuple(rows), HOW),
    ]
    if lines:
        items.append(
            Picture(
                "experiment",
                f"{measure.label} above that of the {ENSEMBLE}, over splits",
                "; ".join(f"{line.label}: {with_interval(line.found, 3, sign=True)}" for line in lines) + ".",
                draw_differences(lines, f"gain in {measure.label}", better="right"),
                "Bars are 95 % intervals of the mean difference.",
            )
        )
    items.append(_rivals(results, measure))
    return section("experiment", "Measured over repeated splits", items)


def in_words(results: Results) -> str:
    """Return in a sentence how well, and whether merging was worth it.

    Parameters
    ----------
    results
        What an experiment measured.
    """
    measure = measure_of(results)
    ours = next((name for name in ("LegoMerge", "LegoFuse") if name in results.methods), None)
    if ours is None:
        return "Nothing was merged."
    scores = results.scores(ours)
    gain = _against(results, ours)
    mean = plain(float(np.nanmean(scores)))
    told = f"Over {counted(len(results.splits), 'split')}, the {measure.label} of {ours} was {mean} on average"
    if gain is None or not gain.known:
        return told + "."
    verdict = "better than" if gain.low > 0 else "worse than" if gain.high < 0 else "not told apart from"
    ends = f"{signed(gain.value)}, {signed(gain.low)} to {signed(gain.high)}"
    return f"{told}, {verdict} that of the mean of its blocks ({ends})."


def _against(results: Results, name: str) -> Estimate | None:
    if name == ENSEMBLE or ENSEMBLE not in results.methods:
        return None
    found = results.versus(name, ENSEMBLE)
    return None if math.isnan(found.low) else Estimate(found.difference, found.low, found.high)


def _kind(results: Results, name: str) -> str:
    if name.startswith("block "):
        return "block"
    if name == ENSEMBLE:
        return "ensemble"
    if name.startswith("Lego"):
        return "merged" if name == "LegoMerge" else "fused"
    return next((told for needs, told in _KINDS.items() if name in results.rivals(needs)), "")


def _rivals(results: Results, measure: Measure) -> Table | None:
    found = against_rivals(results)
    if not found:
        return None
    rows = tuple((who, difference.replace("-", "−"), verdict) for who, difference, verdict in found)
    return Table("Against the best rival of each kind", ("who", f"{measure.label}, 95 % interval", "verdict"), rows)
