"""A merged model's head is always that of its blocks as they are now."""

from __future__ import annotations

import pytest
import torch

from mmlego import Baseplate, LegoBlock, LegoFuse, LegoMerge, LegoWarning
from mmlego.encoders import SNN
from mmlego.errors import InputError, MismatchError
from mmlego.tasks import Classification

PLATE = Baseplate(Classification(2), channels=8, width=8)


def blocks(second: Baseplate = PLATE) -> list[LegoBlock]:
    torch.manual_seed(0)
    return [LegoBlock(SNN(5), PLATE, "a"), LegoBlock(SNN(3), second, "b")]


def batch() -> dict[str, torch.Tensor]:
    return {"a": torch.randn(4, 5), "b": torch.randn(4, 3)}


@pytest.mark.parametrize("heads", ["slerp", "common"])
def test_an_export_after_training_holds_the_trained_head(heads: str) -> None:
    merge, x = LegoMerge(blocks(), heads=heads), batch()
    optimiser = torch.optim.SGD(merge.parameters(), 1.0)
    merge(x).square().sum().backward()
    optimiser.step()
    merge.eval()
    exported = torch.export.export(merge, (x,)).module()
    torch.testing.assert_close(exported(x), merge(x))


@pytest.mark.parametrize("heads", ["slerp", "common"])
def test_a_write_through_data_reaches_the_head(heads: str) -> None:
    merge, x = LegoMerge(blocks(), heads=heads).eval(), batch()
    with torch.no_grad():
        before = merge(x)
        merge.block("a").head.linear.weight.data[0].add_(torch.arange(8.0))
        assert not torch.allclose(merge(x), before)


def test_blocks_in_double_precision_fuse() -> None:
    fuse = LegoFuse([block.double() for block in blocks()])
    assert fuse({name: x.double() for name, x in batch().items()}).dtype == torch.float64


def test_huge_weights_are_shares_all_the_same() -> None:
    assert LegoMerge(blocks(), weights=[1e308, 1e308]).weights.tolist() == [0.5, 0.5]


def test_residual_refuses_blocks_of_different_starts() -> None:
    other = Baseplate(Classification(2), channels=8, width=8, seed=4)
    with pytest.warns(LegoWarning, match="different baseplates"), pytest.raises(MismatchError, match="one start"):
        LegoMerge(blocks(other), rule="residual", heads="slerp", allow_mismatch=True)


@pytest.mark.parametrize("strength", [1e39, -0.5, float("nan"), True, "1", 10**400, torch.ones(2)])
def test_a_strength_that_is_no_sensible_number_is_refused(strength: float) -> None:
    with pytest.raises(InputError, match="strength"):
        LegoMerge(blocks(), rule="residual", strength=strength)


def test_a_layer_that_puts_time_before_the_batch_is_warned_of() -> None:
    layer = torch.nn.TransformerEncoderLayer(4, 2)
    with pytest.warns(LegoWarning, match="batch_first=False"):
        LegoBlock(torch.nn.Sequential(torch.nn.Linear(5, 4), layer), PLATE, "x", out_features=4)
