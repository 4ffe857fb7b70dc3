"""What a page says of competing risks: the numbers are those of the patients, and of independent sources."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
import torch
from sklearn.metrics import roc_auc_score

from mmlego.reporting.answers import Answers, Heard
from mmlego.reporting.chances import Cause, calibrated, decided
from mmlego.reporting.competing import of_cause
from mmlego.reporting.drawing.survival import Steps
from mmlego.reporting.measures import area_of_cause, measures_of, primary, score_of
from mmlego.reporting.numbers import p_value
from mmlego.reporting.outcomes import cell_of, had, happened, rarest
from mmlego.reporting.over_time import over_time
from mmlego.reporting.parts import Item, Picture, Table, Text
from mmlego.reporting.statistics.gray import gray_test
from mmlego.reporting.statistics.resampling import resamples
from mmlego.reporting.survival import axis_of, cut_groups
from mmlego.tasks.aalen_johansen import aalen_johansen
from tests.reporting.answered import causes

NAMES = ("relapse", "death")
HELD = causes(150, 3)
CAME, TIME = HELD.target[:, 0].long().numpy(), HELD.target[:, 1].double().numpy()


def heard_of(answers: Answers, reference: torch.Tensor | None) -> Heard:
    n = len(answers)
    return Heard({"LegoMerge": answers}, np.ones((n, 1), dtype=bool), ("rna",), answers.patients, reference)


def items(place: int) -> tuple[list[Item | None], np.ndarray]:
    groups = cut_groups(HELD.prediction.risks[:, place].numpy(), None, int((CAME == place + 1).sum()), of=NAMES[place])
    axis = axis_of(TIME, HELD.task, None)
    return of_cause(CAME, TIME, groups, axis, "LegoMerge", place, NAMES, {"24 months": 24.0}), groups.member


@pytest.mark.parametrize("place", [0, 1])
def test_groups_of_a_cause_are_those_of_scikit_survival(place: int) -> None:
    nonparametric = pytest.importorskip("sksurv.nonparametric")
    from sksurv.compare import compare_survival
    from sksurv.linear_model import CoxPHSurvivalAnalysis
    from sksurv.util import Surv

    made, member = items(place)
    (table,) = [one for one in made if isinstance(one, Table)]
    for number, row in enumerate(table.rows):
        here = member == number
        at, curves, band = nonparametric.cumulative_incidence_competing_risks(
            CAME[here], TIME[here], conf_type="log-log"
        )
        step = np.searchsorted(at, 24.0, side="right") - 1
        value, low, high = curves[place + 1, step], *band[place + 1, :, step]
        assert row[4] == f"{100 * value:.0f} % ({100 * low:.0f} to {100 * high:.0f} %)"
        assert row[1:4] == tuple(
            str(int((here & one).sum())) for one in (CAME >= 0, CAME == place + 1, (CAME > 0) & (CAME != place + 1))
        )
    (text,) = [one.text for one in made if isinstance(one, Text)]
    surv = Surv.from_arrays(CAME == place + 1, TIME)  # the other cause as censored
    _, p = compare_survival(surv, member)
    assert p < 0.01
    assert f"Whether the curves differ: {p_value(gray_test(CAME, TIME, member, place + 1).p)} (test of Gray)." in text
    assert f"Whether the hazards of {NAMES[place]} differ: {p_value(p)} (cause-specific log-rank test)" in text
    ends = member != 1
    ratio = CoxPHSurvivalAnalysis(ties="efron").fit((member[ends, None] == 2).astype(float), surv[ends]).coef_[0]
    assert f"the hazard of {NAMES[place]} of “high risk” is {np.exp(ratio):.2f} times" in text


def test_curves_rise_and_are_told_in_words() -> None:
    (picture,) = [one for one in items(0)[0] if isinstance(one, Picture)]
    assert picture.name == "risk_groups_1"
    axes = picture.figure.axes[0]
    assert axes.get_ylabel() == "relapse has come first"
    for line in axes.get_lines():
        y = np.asarray(line.get_ydata())
        assert y[0] == 0
        assert (np.diff(y) >= 0).all()
    assert Steps.__dataclass_fields__.keys() == {"times", "values", "low", "high", "start"}


def test_chances_on_average_against_aalen_johansen() -> None:
    nonparametric = pytest.importorskip("sksurv.nonparametric")
    at, curves = nonparametric.cumulative_incidence_competing_risks(CAME, TIME)
    for place, cause in enumerate(NAMES):
        (table,) = [one for one in calibrated(Cause(HELD, place), HELD, [12.0, 24.0], None) if isinstance(one, Table)]
        assert table.head[0] == cause
        for row, when in zip(table.rows, (12.0, 24.0), strict=True):
            seen = curves[place + 1, np.searchsorted(at, when, side="right") - 1]
            mean = float(HELD.prediction.incidence_at([when])[:, 0, place].mean())
            assert row[:2] == (f"by {when:g} months", f"{100 * mean:.0f} %")
            assert row[2].startswith(f"{100 * seen:.0f} % (")


def test_scores_are_those_of_the_task() -> None:
    scores = HELD.scores(None)
    names = [one.name for one in measures_of(HELD.task)]
    assert names == ["c_index", "c_index/relapse", "c_index/death"]
    for one in measures_of(HELD.task):
        assert float(score_of(one, HELD)(np.ones((1, 150)))[0]) == pytest.approx(scores[one.name])
    twice = np.repeat(np.arange(150), 2)
    doubled = HELD.of([HELD.patients[row] for row in twice])
    weighed = float(score_of(primary("competing_risks"), HELD)(np.full((1, 150), 2.0))[0])
    assert weighed == pytest.approx(doubled.scores(None)["c_index"], abs=2e-3)
    assert resamples(150).shape == (1000, 150)


def test_areas_and_brier_scores_over_time() -> None:
    """Of patients who are all followed they are the plain area, and the plain mean of squares."""
    full = HELD.of([HELD.patients[row] for row in np.flatnonzero(CAME > 0)])
    heard = heard_of(full, full.target)
    for place, cause in enumerate(NAMES):
        kind = partial(Cause, place=place)
        items = over_time(kind, heard, full, 48.0, "months", [12.0, 24.0], "months")
        picture, table = items[0], items[1]
        assert isinstance(picture, Picture)
        assert isinstance(table, Table)
        assert (picture.name, table.caption) == (
            f"over_time_{place + 1}",
            f"At round times of {cause} (95 % intervals)",
        )
        for row, at in zip(table.rows, (12.0, 24.0), strict=True):
            truth = ((full.target[:, 0] == place + 1) & (full.target[:, 1] <= at)).numpy()
            chance = full.prediction.incidence_at([at])[:, 0, place].double().numpy()
            area = roc_auc_score(truth, full.prediction.risks[:, place].numpy())
            assert row[1].startswith(f"{area:.2f} (")
            assert row[2].startswith(f"{((truth - chance) ** 2).mean():.3f} (")
            assert row[3] == f"{truth.mean() * (1 - truth.mean()):.3f}"
    assert over_time(partial(Cause, place=0), heard_of(HELD, None), HELD, 48.0, "months", [12.0], "months") == []


def test_an_area_by_hand() -> None:
    """By 3 relapse has come to the first; the second died, the fourth is there, the third was lost at 2."""
    target = torch.tensor([[1.0, 1.0], [2.0, 2.5], [0.0, 2.0], [1.0, 9.0]])
    score = area_of_cause(np.array([2.0, 3.0, 9.0, 1.0]), target, 1, 3.0, target)
    # one of the three who were there at 2 is lost: who comes after weighs 3/2, and the controls are two alike
    assert score(np.ones((1, 4)))[0] == 0.5
    assert score(np.array([[1.0, 1.0, 1.0, 2.0]]))[0] == pytest.approx(2 / 3)


def test_acting_on_chances_of_a_cause() -> None:
    heard = heard_of(HELD, None)
    items = decided(partial(Cause, place=1), heard, HELD, [24.0], None)
    (picture,) = [one for one in items if isinstance(one, Picture)]
    (table,) = [one for one in items if isinstance(one, Table)]
    assert picture.name == "decision_2"
    assert "death by 24 months" in picture.title
    had = aalen_johansen(CAME, TIME, 2).at(24.0)[0][1, 0]
    row = table.rows[2]
    assert row[0] == "20 %"
    assert row[2] == f"{had - (1 - had) * 0.25:.3f}"


def test_what_happened_in_words() -> None:
    target = torch.tensor([[1.0, 2.0], [2.0, 3.0], [1.0, 4.0], [0.0, 5.0]])
    assert happened(HELD.task, target) == cell_of(HELD.task, target) == "2 relapse, 1 death"
    assert had(HELD.task, target) == "relapse came first in 2, death in 1 of them"
    assert rarest(HELD.task, target) == 1
