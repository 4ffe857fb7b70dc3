"""Risk groups, chances and scores over time: the numbers on the page are those of the patients."""

from __future__ import annotations

import re

import numpy as np
import pytest
import torch

from mmlego.reporting.answers import Heard
from mmlego.reporting.chances import Whole, calibrated, chance_at, decided, horizons_of
from mmlego.reporting.measures import events_of
from mmlego.reporting.over_time import over_time
from mmlego.reporting.page import inline_svg
from mmlego.reporting.parts import Item, Picture, Table, Text
from mmlego.reporting.survival import axis_of, group_count, grouped, risk_groups
from mmlego.tasks.kaplan_meier import kaplan_meier
from tests.reporting.answered import survival

MONTHS = {"time": "months"}


def tables(items: list[Item | None]) -> list[Table]:
    return [item for item in items if isinstance(item, Table)]


def pictures(items: list[Item | None]) -> list[Picture]:
    return [item for item in items if isinstance(item, Picture)]


def words(items: list[Item | None]) -> str:
    return " ".join(item.text for item in items if isinstance(item, Text))


def heard(answers: object, reference: torch.Tensor | None) -> Heard:
    found = answers
    n = len(found)  # type: ignore[arg-type]
    return Heard({"LegoMerge": found}, np.ones((n, 1), dtype=bool), ("rna",), found.patients, reference)  # type: ignore[dict-item, attr-defined]


def test_groups_are_cut_at_the_risks_of_others() -> None:
    held, fitting = survival(90, 1), survival(200, 2)
    groups = risk_groups(held, fitting)
    cuts = np.quantile(fitting.prediction.risk.numpy(), [1 / 3, 2 / 3])
    risk = held.prediction.risk.numpy()
    assert groups.member.tolist() == [int(one > cuts[0]) + int(one > cuts[1]) for one in risk]
    assert groups.cut == "thirds of the risks of the 200 training and validation patients"
    few = risk_groups(survival(25, 1), fitting)
    assert few.names == ("lower risk", "higher risk")
    assert "these patients themselves" in risk_groups(held, None).cut
    assert (group_count(held), group_count(survival(25, 1))) == (3, 2)
    # a patient of the page is put into groups of the same number
    assert risk_groups(held, fitting, count=group_count(held)).cut == groups.cut


def test_the_text_of_groups_is_that_of_scikit_survival() -> None:
    compare = pytest.importorskip("sksurv.compare")
    from sksurv.linear_model import CoxPHSurvivalAnalysis
    from sksurv.util import Surv

    held = survival(150, 3)
    groups = risk_groups(held, survival(200, 4))
    event, time = events_of(held.target)
    items = grouped(held, groups, axis_of(time, held.task, MONTHS))
    _, p = compare.compare_survival(Surv.from_arrays(event, time), groups.member)
    assert p < 0.001
    assert "p < 0.001" in words(items)
    ends = groups.member != 1
    model = CoxPHSurvivalAnalysis(ties="efron").fit(
        (groups.member[ends, None] == 2).astype(float), Surv.from_arrays(event[ends], time[ends])
    )
    assert f"{np.exp(model.coef_[0]):.2f} times" in words(items)
    (table,) = tables(items)
    assert [int(row[1]) for row in table.rows] == np.bincount(groups.member).tolist()
    assert [int(row[2]) for row in table.rows] == np.bincount(groups.member[event]).tolist()


def test_time_is_marked_at_round_times_and_the_axis_ends_where_few_are_left() -> None:
    held = survival(150, 3)
    _, time = events_of(held.target)
    axis = axis_of(time, held.task, MONTHS)
    assert (time >= axis.last).mean() == pytest.approx(0.1, abs=0.01)
    assert axis.marks[:3] == [0, 12, 24]
    (picture,) = pictures(grouped(held, risk_groups(held, None), axis))
    curves, counts = picture.figure.axes
    assert curves.get_xticks().tolist() == axis.marks
    told = [text.get_text() for text in counts.texts]
    member = risk_groups(held, None).member
    for mark in axis.marks:
        for group in range(3):
            assert str(int((time[member == group] >= mark).sum())) in told


def test_chances_on_average_against_kaplan_meier() -> None:
    held = survival(400, 5, noise=0.0)
    horizons = horizons_of(held, MONTHS)
    assert horizons == [6, 12, 24][-len(horizons) :] or max(horizons) <= 60
    (table,) = tables(calibrated(Whole(held), held, horizons, MONTHS))
    event, time = events_of(held.target)
    for row, horizon in zip(table.rows, horizons, strict=True):
        seen = 1 - kaplan_meier(event, time).at(horizon)[0][0]
        assert row[1] == f"{100 * chance_at(held, horizon).mean():.0f} %"
        assert row[2].startswith(f"{100 * seen:.0f} %")
        assert abs(chance_at(held, horizon).mean() - seen) < 0.07  # the times were drawn from these very chances


def test_no_horizon_beyond_what_the_model_knows() -> None:
    held = survival(300, 6)
    last = float(np.quantile(held.target[:, 1].numpy(), 0.9))
    assert all(one <= min(60.0, last) for one in horizons_of(held, MONTHS))
    assert all(np.isfinite(chance_at(held, one)).all() for one in horizons_of(held, MONTHS))


def test_acting_on_true_chances_does_good_and_on_noise_does_not() -> None:
    held, reference = survival(500, 7, noise=0.1), survival(500, 8).target
    good = decided(Whole, heard(held, reference), held, [24.0], MONTHS)
    found = re.search(r"At (\d+) of (\d+) thresholds.* at (\d+) of them so much", words(good))
    assert found is not None
    better, every, surely = map(int, found.groups())
    assert better > 2 * every / 3
    assert every / 4 < surely <= better
    order = torch.randperm(500, generator=torch.Generator().manual_seed(0))
    noise = survival(500, 7, noise=0.1)
    shuffled = type(noise)(noise.label, noise.task, noise.patients, noise.logits[order], noise.target)
    told = words(decided(Whole, heard(shuffled, reference), shuffled, [24.0], MONTHS))
    bad = re.search(r"At (\d+) of .*(at none of them) so much", told)
    assert bad is None or int(bad.group(1)) < every / 4
    assert "do more good than the better of" in told or bad is not None


def test_over_time_tells_the_scores_of_the_task() -> None:
    held, reference = survival(300, 9), survival(300, 10).target
    items = over_time(Whole, heard(held, reference), held, 60.0, "months", [12.0, 24.0], "time (months)")
    (table,) = tables(items)
    assert [row[0] for row in table.rows] == ["12", "24"]
    metrics = pytest.importorskip("sksurv.metrics")
    from sksurv.util import Surv

    train, test = (Surv.from_arrays(one[:, 0] == 1, one[:, 1].double()) for one in (reference, held.target))
    inside = held.target[:, 1] < reference[:, 1].max()
    area, _ = metrics.cumulative_dynamic_auc(
        train, test[inside.numpy()], held.prediction.risk.numpy()[inside.numpy()], [12.0, 24.0]
    )
    assert [float(row[1].split()[0]) for row in table.rows] == pytest.approx(area.tolist(), abs=0.01)
    assert over_time(Whole, heard(held, None), held, 60.0, None, [12.0], "time") == []


def test_ten_thousand_patients_are_not_ten_thousand_marks() -> None:
    held = survival(10_000, 11)
    _, time = events_of(held.target)
    axis = axis_of(time, held.task, MONTHS)
    right = calibrated(Whole(held), held, [12.0, 24.0], MONTHS)
    for item in pictures([*grouped(held, risk_groups(held, None), axis), *right]):
        assert len(inline_svg(item)) < 200_000
