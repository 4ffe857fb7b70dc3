"""SmallCNN: images and volumes of any size, each for itself."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from mmlego import InputError, LegoBlock, ShapeError
from mmlego.encoders import SmallCNN
from mmlego.encoders.images import cells
from tests.bricks import plate, stirred


@pytest.mark.parametrize(
    ("dims", "size", "tokens"),
    [(2, (16, 16), 16), (2, (17, 9), 15), (2, (1, 1), 1), (3, (8, 8, 4), 4), (3, (9, 5, 4), 6)],
)
def test_a_token_a_cell_of_the_last_grid(dims: Any, size: tuple[int, ...], tokens: int) -> None:
    x = torch.randn(2, 3, *size)
    assert SmallCNN(3, 5, dims, channels=(8, 8))(x).shape == (2, tokens, 5)
    assert SmallCNN(3, 5, dims, channels=(8, 8), pool=True)(x).shape == (2, 5)


@pytest.mark.parametrize("pool", [False, True])
def test_an_image_does_not_depend_on_its_batch_even_in_training(pool: bool) -> None:
    encoder, x = SmallCNN(1, 5, channels=(8, 8), pool=pool).train(), torch.randn(3, 1, 12, 12)
    for i in range(3):
        torch.testing.assert_close(encoder(x[i : i + 1]), encoder(x)[i : i + 1])


def test_tokens_say_where_their_cell_lies() -> None:
    """Inside one colour all cells look alike; their tokens differ by a line in their coordinates."""
    encoder = SmallCNN(1, 5, channels=(8,)).eval()
    tokens = encoder(torch.ones(1, 1, 20, 20))[0].reshape(10, 10, 5)[2:-2, 2:-2]
    down, right = tokens[1:] - tokens[:-1], tokens[:, 1:] - tokens[:, :-1]
    for step in (down, right):
        torch.testing.assert_close(step, step[:1, :1].expand_as(step), rtol=1e-3, atol=1e-5)
        assert step.abs().max() > 1e-3
    assert (down[0, 0] - right[0, 0]).abs().max() > 1e-3


def test_the_coordinates_run_from_left_to_right_whatever_the_size() -> None:
    encoder = SmallCNN(1, 2, channels=(8,))
    torch.nn.init.zeros_(encoder.project.weight)
    torch.nn.init.zeros_(encoder.project.bias)
    with torch.no_grad():
        encoder.project.weight[:, -2:] = torch.eye(2)
    for n in (2, 5, 16):
        grid = encoder(torch.zeros(1, 1, 2 * n, 6))[0].reshape(n, 3, 2)
        torch.testing.assert_close(grid[:, 0, 0], torch.linspace(-1 + 1 / n, 1 - 1 / n, n))
        torch.testing.assert_close(grid[0, :, 1], torch.tensor([-2 / 3, 0.0, 2 / 3]))


def test_a_block_learns_where_something_is() -> None:
    """The block over the tokens is blind to their order, so the place must be in the tokens."""
    x = torch.zeros(8, 1, 12, 12)
    x[:4, :, :4, :4], x[4:, :, 8:, 8:] = 1.0, 1.0
    target = torch.tensor([0] * 4 + [1] * 4)
    block = LegoBlock(SmallCNN(1, 8, channels=(8,)), plate(), "image")
    optimiser = torch.optim.Adam(block.parameters(), lr=0.01)
    for _ in range(60):
        optimiser.zero_grad()
        loss = block.task.loss(block(x).logits, target)
        loss.backward()
        optimiser.step()
    assert loss < 0.2


def test_dropout_acts_in_training_alone() -> None:
    encoder, x = stirred(SmallCNN(1, 5, channels=(4,), dropout=0.5)), torch.randn(1, 1, 8, 8)
    assert not torch.equal(encoder(x), encoder(x))
    encoder.eval()
    assert torch.equal(encoder(x), encoder(x))


@pytest.mark.parametrize(
    ("dims", "x", "message"),
    [
        (2, torch.zeros(2, 8, 8), r"expected \(b, 3, h, w\), got \(2, 8, 8\).*x\[:, None\]"),
        (2, torch.zeros(2, 1, 8, 8), r"expected \(b, 3, h, w\), got \(2, 1, 8, 8\)"),
        (2, torch.zeros(2, 3, 8, 8, 8), r"expected \(b, 3, h, w\), got \(2, 3, 8, 8, 8\)"),
        (3, torch.zeros(2, 3, 8, 8), r"expected \(b, 3, d, h, w\), got \(2, 3, 8, 8\)"),
    ],
)
def test_images_of_the_wrong_shape_are_refused(dims: Any, x: Tensor, message: str) -> None:
    with pytest.raises(ShapeError, match=f"images of the wrong shape: {message}"):
        LegoBlock(SmallCNN(3, 5, dims), plate(), "image")(x)


def test_pixels_that_are_integers_are_refused_with_a_remedy() -> None:
    with pytest.raises(InputError, match=r"'image' cannot take this dtype.*got torch\.uint8.*x\.float\(\)"):
        LegoBlock(SmallCNN(1), plate(), "image")(torch.zeros(2, 1, 8, 8, dtype=torch.uint8))


@pytest.mark.parametrize("options", [{"dims": 4}, {"channels": []}])
def test_impossible_networks_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="expected dims 2 or 3 and at least one stage"):
        SmallCNN(1, **options)


def test_features_as_tokens() -> None:
    grid = torch.arange(12.0).reshape(1, 2, 2, 3)
    assert torch.equal(cells(grid)[0, 4], grid[0, :, 1, 1])
    assert cells(torch.zeros(2, 5)).shape == (2, 5)
    assert cells(torch.zeros(2, 4, 5)).shape == (2, 4, 5)
