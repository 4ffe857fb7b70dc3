"""The checks of scikit-learn: all that can apply, the others named in docs/estimators.md with a reason."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.utils.estimator_checks import check_estimator
from sklearn.utils.validation import check_array, column_or_1d

from mmlego.estimators import LegoClassifier, LegoMultiLabelClassifier, LegoRegressor, LegoSurvival

PAGE = (Path(__file__).parents[2] / "docs" / "estimators.md").read_text(encoding="utf-8")
ROW = re.compile(r"^\| `(Lego\w+)` \| `(check_\w+)` \| (.+) \|$", re.MULTILINE)


class OfNumbers(LegoSurvival):
    """LegoSurvival with the y of a regressor: a time, counted from the earliest, at which all have the event."""

    def fit(self, X: Any, y: Any = None, *, patients: Any = None) -> LegoSurvival:
        return super().fit(X, survival(y), patients=patients)

    def score(self, X: Any, y: Any = None, *, patients: Any = None) -> float:
        return super().score(X, survival(y), patients=patients)


def survival(y: Any) -> Any:
    if y is None:
        return None
    times = column_or_1d(check_array(y, ensure_2d=False, dtype=float), warn=True)
    made = np.empty(len(times), dtype=[("event", "?"), ("time", "<f8")])
    made["event"], made["time"] = True, times - times.min() + 1
    return made


# The checks fit hundreds of times, and ask what is given and taken, not how well a penalty was chosen.
LOGISTIC = {"encoder.name": "logistic", "encoder.options": {"penalties": 3, "folds": 2}}
RIDGE = {"encoder.name": "coxnet", "encoder.options": {"l1_ratios": [0.0], "penalties": 5, "folds": 2}}
CASES = {
    "LegoClassifier": LegoClassifier(settings=LOGISTIC, fuse=False),
    "LegoRegressor": LegoRegressor("ridge", fuse=False),
    "LegoMultiLabelClassifier": LegoMultiLabelClassifier(settings=LOGISTIC, fuse=False),
    "LegoSurvival": OfNumbers(settings=RIDGE, fuse=False),
}


def expected() -> dict[str, set[str]]:
    """Return by estimator the checks that the page says it cannot pass."""
    found: dict[str, set[str]] = {name: set() for name in CASES}
    for name, check, reason in ROW.findall(PAGE):
        assert reason
        found[name].add(check)
    return found


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.filterwarnings("ignore")  # checks ask for what is warned of: few patients, constant columns, wide data
@pytest.mark.parametrize("name", list(CASES))
def test_those_pass_that_the_page_does_not_name(name: str) -> None:
    results = check_estimator(CASES[name], on_fail=None, on_skip=None)
    failed = {result["check_name"] for result in results if result["status"] == "failed"}
    assert failed == expected()[name]
    told = re.search(rf"^\| `{name}` \| (\d+) of (\d+) \|$", PAGE, re.MULTILINE)
    assert told
    passed = sum(result["status"] == "passed" for result in results)
    assert (int(told[1]), int(told[2])) == (passed, len(results))
