"""Scores on patients held out: of whom they are, and which are of too few to be passed on."""

from __future__ import annotations

import numpy as np
import pytest

from mmlego.reporting.answers import Heard
from mmlego.reporting.scored import all_scores
from tests.reporting import answered


@pytest.mark.parametrize(("n", "few"), [(4, True), (5, False)])
def test_models_scored_on_fewer_than_five_patients_are_named(n: int, few: bool) -> None:
    whole, part = answered.classes(60), answered.classes(n, label="rna")
    heard = Heard({one.label: one for one in (whole, part)}, np.ones((60, 1), bool), ("rna",), whole.patients, None)
    table = all_scores(heard)
    assert [row[:2] for row in table.rows] == [("LegoMerge", "60"), ("rna", str(n))]
    assert table.note.startswith("Scores of fewer than 5 patients tell of each of them: rna. ") is few
