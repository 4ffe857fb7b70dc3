"""Whether merging was worth it: paired differences, on the patients of both, the right way round."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mmlego.reporting.worth import duel
from tests.reporting import answered


def test_a_better_model_is_better_and_the_other_way_round() -> None:
    good, bad = answered.classes(300, noise=0.7), answered.classes(300, noise=4.0, label="rna")
    one, other = duel(good, bad), duel(bad, good)
    assert (one.verdict, other.verdict) == ("better", "worse")
    assert one.gain.value == pytest.approx(-other.gain.value)
    assert one.gain.value == pytest.approx(one.scores[0].value - one.scores[1].value)


def test_twins_are_the_same_and_near_ones_not_told_apart() -> None:
    one = answered.survival(80)
    assert duel(one, replace(one, label="rna")).verdict == "the same"
    assert duel(one, answered.survival(80, noise=0.55)).verdict == "not told apart"


def test_models_are_compared_on_the_patients_of_both() -> None:
    whole = answered.survival(100)
    part = replace(whole.of(whole.patients[40:]), label="rna")
    found = duel(whole, part)
    assert (found.patients, found.told) == (60, str(int((whole.target[40:, 0] == 1).sum())))
    assert found.scores[0].value == found.scores[1].value
