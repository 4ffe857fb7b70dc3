"""Gray's test against figures that others have published or computed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmlego.reporting.statistics.gray import gray_test
from mmlego.reporting.statistics.log_rank import log_rank

# 177 stem cell transplants for acute leukaemia: 1 relapse, 2 death in remission (Scrucca, Santucci and Aversa, Bone
# Marrow Transplant 2010;45:1388; three columns of `bmtcrr` in the R package casebase)
BMT = pd.read_csv(Path(__file__).with_name("bmt.csv"))
CAME, MONTHS = BMT["came"].to_numpy(), BMT["months"].to_numpy()
DISEASE, THIRDS = BMT["disease"].to_numpy(), np.arange(len(BMT)) % 3


@pytest.mark.parametrize(("cause", "statistic", "p"), [(1, 2.8623325, 0.09067592), (2, 0.4481279, 0.50322531)])
def test_it_is_that_of_cmprsk(cause: int, statistic: float, p: float) -> None:
    """As ``cmprsk::cuminc(ftime, Status, D)`` prints it in courses on competing risks."""
    found = gray_test(CAME, MONTHS, DISEASE, cause)
    assert (found.statistic, found.p, found.freedom) == (pytest.approx(statistic), pytest.approx(p), 1)


@pytest.mark.parametrize(("cause", "statistic"), [(1, 0.0633821586907406), (2, 0.3980105332898294)])
def test_three_groups_are_those_of_comprisk(cause: int, statistic: float) -> None:
    """As ``comprisk.gray_test`` 0.8.0 has it of every third patient."""
    found = gray_test(CAME, MONTHS, THIRDS, cause)
    assert (found.statistic, found.freedom) == (pytest.approx(statistic), 2)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000), st.permutations([0, 1, 2]))
def test_names_of_groups_and_other_causes_do_not_matter(seed: int, names: list[int]) -> None:
    rng = np.random.default_rng(seed)
    came, time, group = rng.integers(0, 3, 60), rng.integers(1, 12, 60).astype(float), rng.integers(0, 3, 60)
    found = gray_test(came, time, group)
    again = gray_test(np.where(came == 2, 3, came), 7 * time, np.array(names)[group])
    assert again.statistic == pytest.approx(found.statistic, rel=1e-6, nan_ok=True)


def test_curves_may_differ_where_hazards_do_not() -> None:
    """Others take half of one group early: of those still free as many have the event, of all fewer."""
    rng = np.random.default_rng(1)
    n, group = 4000, np.arange(4000) % 2
    mine, other = rng.exponential(10, n), np.where(group == 1, rng.exponential(4, n), np.inf)
    time, came = np.minimum(np.minimum(mine, other), 10.0), np.where(mine <= other, 1, 2)
    came[time == 10.0] = 0
    assert log_rank(came == 1, time, group).p > 0.05
    assert gray_test(came, time, group).p < 1e-6


def test_what_cannot_be_told_is_not_told() -> None:
    for came, group in (([1, 1], [0, 0]), ([2, 2], [0, 1]), ([0, 0], [0, 1])):
        assert np.isnan(gray_test(np.array(came), np.array([1.0, 2.0]), np.array(group)).p)
