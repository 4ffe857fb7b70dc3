"""What docs/safety.md says of the thresholds of trees: between values of patients, or the value of one."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from mmlego import LegoBlock
from mmlego.tasks import Classification
from tests.bricks import plate


@pytest.mark.parametrize(
    ("learner", "n", "options", "values_of_one"),
    [
        ("forest", 300, {"trees": 5}, False),
        ("boosting", 200, {"rounds": 5}, False),
        ("boosting", 400, {"rounds": 5}, True),  # more than 255 values
        ("xgboost", 200, {"rounds": 5}, True),
    ],
)
def test_thresholds_are_as_the_page_says(learner: str, n: int, options: dict[str, int], values_of_one: bool) -> None:
    if learner == "xgboost":
        pytest.importorskip("xgboost")
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(n, 1, generator=generator)
    y = (x[:, 0] + torch.randn(n, generator=generator) > 0).long()
    block = LegoBlock.of(learner, plate(Classification(2)), "labs", (x, y), folds=2, options=options)
    encoder = block.encoder
    if learner == "xgboost":
        table = encoder._models()[0].trees_to_dataframe()
        thresholds = table.loc[table["Feature"] != "Leaf", "Split"].to_numpy()
    else:
        thresholds = encoder.threshold[encoder.threshold != 0].numpy()
    share = np.isin(thresholds.astype(np.float32), x.numpy()).mean()
    assert share > 0.5 if values_of_one else share == 0
