"""Numbers on patients held out: predicted against observed, and what is left over."""

from __future__ import annotations

import numpy as np

from mmlego.reporting.answers import Heard
from mmlego.reporting.drawing.probabilities import draw_numbers
from mmlego.reporting.measures import numbers_of
from mmlego.reporting.numbers import significant
from mmlego.reporting.parts import Picture, Section, Table, section
from mmlego.reporting.subject import Subject

MOST = 4


def numeric_sections(subject: Subject, heard: Heard) -> list[Section]:
    """Return the section on predicted numbers.

    Parameters
    ----------
    subject
        Whose models.
    heard
        Their answers.
    """
    answers = heard.answers[subject.main or ""]
    values, target = numbers_of(answers)
    names = [str(name) for name in answers.task.targets]  # type: ignore[attr-defined]
    panels, rows = {}, []
    for place, name in enumerate(names[:MOST]):
        left = target[:, place] - values[:, place]
        panels[name] = (values[:, place], target[:, place])
        low, high = np.quantile(left, [0.025, 0.975])
        spread = f"{significant(float(low))} to {significant(float(high))}"
        rows.append((name, significant(float(left.mean())), significant(float(left.std(ddof=1))), spread))
    alt = "; ".join(f"{row[0]}: observed − predicted is {row[1]} on average, 95 % of it {row[3]}" for row in rows)
    return [
        section(
            "numbers",
            "Predicted and observed",
            [
                Picture(
                    "numbers",
                    "Predicted against observed, and what is left over, patients held out",
                    f"{alt}.",
                    draw_numbers(panels),
                    "Blue: how many patients lie there. Orange: medians with quartiles of patients of like prediction.",
                ),
                Table(
                    "Observed − predicted",
                    ("of", "mean", "standard deviation", "95 % of patients"),
                    tuple(rows),
                    f"Of {answers.label}, in units of the outcome. A mean away from 0 is a bias.",
                ),
            ],
        )
    ]
