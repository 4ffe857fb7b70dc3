"""Yes-or-no questions on patients held out: classes and labels by ROC, precision, calibration and net benefit."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from mmlego.reporting.answers import Answers, Heard
from mmlego.reporting.benefit import beside, decision_items, thresholds_of
from mmlego.reporting.drawing.probabilities import Ranked, draw_ranking, draw_reliability
from mmlego.reporting.measures import AUPRC, AUROC, yes_or_no
from mmlego.reporting.numbers import plain, with_interval
from mmlego.reporting.outcomes import FEW, yes_of
from mmlego.reporting.parts import Item, Picture, Section, Table, section
from mmlego.reporting.statistics.decision_curve import net_benefit
from mmlego.reporting.statistics.pair_scores import area_of, precision_of
from mmlego.reporting.statistics.reliability import recalibration, reliability
from mmlego.reporting.statistics.resampling import Floats, estimate, resamples
from mmlego.reporting.subject import Subject

MOST = 6  # questions that are drawn
POINTS = 200  # of a curve


class Question:
    """A question with yes or no, of those patients for whom the answer is known.

    Parameters
    ----------
    name
        What is asked for.
    log_odds : (n,)
        What a model says.
    truth : (n,) bool
        What was so.
    """

    def __init__(self, name: str, log_odds: Floats, truth: NDArray[np.bool_]) -> None:
        self.name, self.log_odds, self.truth = name, log_odds, truth

    @property
    def chance(self) -> Floats:
        """The probabilities of yes, ``(n,)``."""
        found: Floats = 1 / (1 + np.exp(-np.clip(self.log_odds, -700, 700)))
        return found

    @property
    def can_be_asked(self) -> bool:
        """Whether both answers are there."""
        return bool(0 < self.truth.sum() < len(self.truth))


def questions(answers: Answers) -> list[Question]:
    """Return the questions of classes (of two the second) or of labels.

    Parameters
    ----------
    answers
        Of a model.
    """
    if answers.task.name == "multilabel":
        target, odds = answers.target.double().numpy(), answers.logits.numpy()
        known = np.isfinite(target)
        names = answers.task.labels  # type: ignore[attr-defined]
        return [
            Question(str(name), odds[known[:, one], one], target[known[:, one], one] == 1)
            for one, name in enumerate(names)
        ]
    log_odds, truth = yes_or_no(answers)
    names = list(answers.task.classes)  # type: ignore[attr-defined]
    names = [yes_of(answers.task, answers.column)] if len(names) == 2 else names
    return [Question(str(name), log_odds[:, one], truth[:, one]) for one, name in enumerate(names)]


def ranked_sections(subject: Subject, heard: Heard) -> list[Section]:
    """Return the sections on classes or labels.

    Parameters
    ----------
    subject
        Whose models.
    heard
        Their answers.
    """
    answers = heard.answers[subject.main or ""]
    asked = [one for one in questions(answers) if one.can_be_asked]
    if not asked:
        return []
    other = beside(heard, answers)
    others = [] if other is None or len(asked) > 1 else [one for one in questions(other) if one.can_be_asked]
    lines = [(answers.label if len(asked) == 1 else one.name, one) for one in asked[:MOST]]
    lines += [(other.label, one) for one in others if other is not None]
    found = [section("ranking", "Telling patients apart", ranked(lines, asked))]
    found.append(section("calibration", "Are predicted chances right?", calibrated(asked, answers.label)))
    if len(asked) == 1:
        found.append(section("decision", "Would acting on it do good?", _decision(answers, asked[0], other, others)))
    return found


def ranked(lines: Sequence[tuple[str, Question]], asked: Sequence[Question]) -> list[Item | None]:
    """Return ROC and precision-recall curves with their areas.

    Parameters
    ----------
    lines
        What is drawn, by its name in the picture.
    asked
        All questions.
    """
    roc = [Ranked(label, *roc_curve(one.log_odds, one.truth)) for label, one in lines]
    precision = [Ranked(label, *precision_curve(one.log_odds, one.truth)) for label, one in lines]
    rows = []
    for label, one in lines:
        weights = resamples(len(one.truth))
        area = estimate(area_of(one.log_odds, one.truth), weights)
        mean = estimate(precision_of(one.log_odds, one.truth), weights)
        told = f"{int(one.truth.sum())} of {len(one.truth)}"
        rows.append((label, told, with_interval(area), with_interval(mean)))
    share = float(asked[0].truth.mean()) if len(asked) == 1 else None
    told = "; ".join(f"{row[0]}: AUROC {row[2]}, AUPRC {row[3]}" for row in rows)
    head = ("question" if len(asked) > 1 else "model", "yes", AUROC.label, AUPRC.label)
    return [
        Picture(
            "ranking",
            f"ROC and precision-recall curves, patients held out ({', '.join(one.name for one in asked[:MOST])})",
            f"{told}.",
            draw_ranking(roc, precision, share),
            "Dotted: chance.",
        ),
        Table("Areas below the curves (95 % intervals)", head, tuple(rows)),
    ]


def roc_curve(value: Floats, truth: NDArray[np.bool_]) -> tuple[Floats, Floats]:
    """Return 1 − specificity and sensitivity over all thresholds, thinned where they are very many.

    Parameters
    ----------
    value : (n,)
        What rises with the probability of yes.
    truth : (n,) bool
        Who is a yes.

    Examples
    --------
    >>> x, y = roc_curve(np.array([0.1, 0.8, 0.4]), np.array([False, True, False]))
    >>> x.tolist(), y.tolist()
    ([0.0, 0.0, 0.5, 1.0], [0.0, 1.0, 1.0, 1.0])
    """
    hits, misses = _counts(value, truth)
    x = np.concatenate([[0.0], misses / misses[-1]])
    y = np.concatenate([[0.0], hits / hits[-1]])
    return _thinned(x, y)


def precision_curve(value: Floats, truth: NDArray[np.bool_]) -> tuple[Floats, Floats]:
    """Return recall and precision over all thresholds, from the highest on.

    Parameters
    ----------
    value, truth : (n,)
        As :func:`roc_curve` takes them.

    Examples
    --------
    >>> x, y = precision_curve(np.array([0.1, 0.8, 0.4]), np.array([True, True, False]))
    >>> x.tolist(), y.round(2).tolist()
    ([0.5, 0.5, 1.0], [1.0, 0.5, 0.67])
    """
    hits, misses = _counts(value, truth)
    return _thinned(hits / hits[-1], hits / (hits + misses))


def _counts(value: Floats, truth: NDArray[np.bool_]) -> tuple[Floats, Floats]:
    order = np.argsort(-value, kind="stable")
    last = np.append(value[order][:-1] != value[order][1:], True)
    hits, misses = np.cumsum(truth[order])[last], np.cumsum(~truth[order])[last]
    return hits.astype(float), misses.astype(float)


def _thinned(x: Floats, y: Floats) -> tuple[Floats, Floats]:
    if len(x) <= POINTS:
        return x, y
    keep = np.unique(np.linspace(0, len(x) - 1, POINTS).round().astype(int))
    return x[keep], y[keep]


def calibrated(asked: Sequence[Question], label: str) -> list[Item | None]:
    """Return predicted against seen chances of questions.

    Parameters
    ----------
    asked
        The questions.
    label
        Of the model.
    """
    panels, rows = {}, []
    for one in asked[:4]:
        bins = int(np.clip(min(one.truth.sum(), (~one.truth).sum()) // (FEW // 2), 2, 10))
        panels[one.name] = reliability(one.chance, one.truth, bins)
    for one in asked[:MOST]:
        found = recalibration(one.log_odds, one.truth)
        cells = ("not defined", "not defined")
        if found is not None:
            cells = tuple(f"{plain(v)} ({plain(lo)} to {plain(hi)})" for v, lo, hi in (found.intercept, found.slope))  # type: ignore[assignment]
        means = f"{100 * float(one.chance.mean()):.0f} %", f"{100 * float(one.truth.mean()):.0f} %"
        rows.append((one.name, *means, *cells))
    told = "; ".join(f"{row[0]}: predicted {row[1]}, seen {row[2]}" for row in rows)
    return [
        Picture(
            "calibration",
            "Chance: predicted and seen, in groups of like prediction",
            f"On average {told}.",
            draw_reliability(panels, "predicted chance", "seen"),
            "Groups of equal size; bars are 95 % intervals (Wilson). On the dotted line predictions are right.",
        ),
        Table(
            "Calibration",
            ("of", "predicted, mean", "seen", "intercept (0 is right)", "slope (1 is right)"),
            tuple(rows),
            f"Of {label}. A slope below 1 means that predictions are too sure, an intercept above 0 that they "
            "are too low (Cox 1958; 95 % intervals).",
        ),
    ]


def _decision(answers: Answers, one: Question, other: Answers | None, others: Sequence[Question]) -> list[Item | None]:
    share = float(one.truth.mean())
    thresholds = thresholds_of(share)
    models = {answers.label: net_benefit(one.chance, one.truth, thresholds)}
    if other is not None and others:
        models[other.label] = net_benefit(others[0].chance, others[0].truth, thresholds)
    everybody = net_benefit(np.ones(len(one.truth)), one.truth, thresholds)
    return decision_items(thresholds, models, everybody, one.name, share, len(one.truth))
