"""Cumulative incidences by hand, and against scikit-survival."""

from __future__ import annotations

import numpy as np
import pytest

from mmlego.tasks.aalen_johansen import aalen_johansen
from mmlego.tasks.kaplan_meier import kaplan_meier
from tests.tasks.causes import competing_cohort


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("seed", range(3))
def test_it_is_that_of_scikit_survival(seed: int, ties: bool) -> None:
    nonparametric = pytest.importorskip("sksurv.nonparametric")
    event, time = (one.numpy() for one in competing_cohort(seed, 90, ties=ties))
    with np.errstate(all="ignore"):
        at, curves, band = nonparametric.cumulative_incidence_competing_risks(event, time, conf_type="log-log")
    found = aalen_johansen(event, time, 2)
    np.testing.assert_allclose(found.times, at)
    np.testing.assert_allclose(found.incidence, curves[1:], atol=1e-12)
    early = found.at_risk > 1  # of one patient no variance is known
    np.testing.assert_allclose(found.low[:, early], band[1:, 0][:, early], atol=1e-9)
    np.testing.assert_allclose(found.high[:, early], band[1:, 1][:, early], atol=1e-9)


def test_by_hand() -> None:
    """Of five: relapse at 1; one leaves at 2; death at 3, of three who are there, when 4/5 are free."""
    found = aalen_johansen(np.array([1, 0, 2, 0, 1]), np.array([1.0, 2.0, 3.0, 4.0, 5.0]), 2)
    assert found.at(3.5)[0][:, 0].tolist() == pytest.approx([1 / 5, 4 / 5 / 3])
    assert found.at(0.5)[0].tolist() == [[0.0], [0.0]]
    assert found.at_risk.tolist() == [5, 4, 3, 2, 1]


def test_beyond_the_last_time_nothing_is_known_but_where_all_had_an_event() -> None:
    assert np.isnan(aalen_johansen(np.array([1, 0]), np.array([1.0, 2.0]), 2).at(2.1)[0]).all()
    assert aalen_johansen(np.array([1, 2]), np.array([1.0, 2.0]), 2).at(9.0)[0].tolist() == [[0.5], [0.5]]
    assert aalen_johansen(np.array([], dtype=int), np.array([]), 2).incidence.shape == (2, 0)


def test_incidences_and_kaplan_meier_are_a_whole() -> None:
    event, time = (one.numpy() for one in competing_cohort(7, 200, ties=True))
    at = [0.5, 1.0, 2.0]
    free = kaplan_meier(event > 0, time).at(at)[0]
    np.testing.assert_allclose(aalen_johansen(event, time, 2).at(at)[0].sum(axis=0) + free, 1.0)
