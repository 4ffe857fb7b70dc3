"""Encoders of images and volumes: pixels → one token a cell of a grid."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from mmlego.admitted import Chance, Width
from mmlego.encoders.registry import register_encoder
from mmlego.errors import InputError, ShapeError


@register_encoder("small_cnn")
class SmallCNN(nn.Module):
    """A small convolutional network for images or volumes; each stage halves the grid.

    A stage is ``GELU(GroupNorm(Conv 3, stride 2))`` and once more with stride 1. Groups are normalised within one
    image (Wu & He 2018), so that no image depends on the others in its batch and small batches do no harm.

    Takes ``(b, in_channels, h, w)``, or ``(b, in_channels, d, h, w)`` for ``dims=3``; any size. Gives a token a cell of
    the last grid, ``(b, n, out_features)``, or one token ``(b, out_features)`` with ``pool=True``.
    The tokens are unordered: a grid of two or three dimensions has no one order, and a Fourier transform along its
    rows, one behind the other, would mean nothing. Where a cell lies is told by its coordinates from −1 to 1, which
    are channels of the last projection (Liu et al. 2018, *An intriguing failing of convolutional neural networks*).

    Parameters
    ----------
    in_channels
        Number of colours or sequences.
    out_features
        ``e``, the width of the tokens.
    dims
        2 for images, 3 for volumes.
    channels
        Width of each stage.
    pool
        Take the mean over the grid: one token an image.
    dropout
        Dropout of the tokens while training.

    Raises
    ------
    InputError
        If ``dims`` is neither 2 nor 3, or there are no stages.
    ShapeError
        If images have another number of dimensions or channels.

    Examples
    --------
    >>> SmallCNN(1, out_features=8)(torch.zeros(2, 1, 32, 24)).shape
    torch.Size([2, 12, 8])
    >>> SmallCNN(1, out_features=8, dims=3, pool=True)(torch.zeros(2, 1, 16, 16, 8)).shape
    torch.Size([2, 8])
    """

    ordered = False
    tokenwise = False

    def __init__(
        self,
        in_channels: Width,
        out_features: Width = 64,
        dims: Literal[2, 3] = 2,
        channels: Annotated[Sequence[Width], Field(max_length=100)] = (16, 32, 64),
        pool: bool = False,
        dropout: Chance = 0.0,
    ) -> None:
        super().__init__()
        if dims not in (2, 3) or len(channels) == 0:
            raise InputError(
                "the shape of a SmallCNN",
                expected="dims 2 or 3 and at least one stage",
                got=f"dims={dims}, channels={list(channels)}",
            )
        self.in_channels, self.out_features, self.dims, self.pool = in_channels, out_features, dims, pool
        convolution: type[nn.Conv2d] | type[nn.Conv3d] = nn.Conv2d if dims == 2 else nn.Conv3d
        layers: list[nn.Module] = []
        before = in_channels
        for width in channels:
            for stride in (2, 1):
                groups = math.gcd(width, max(1, width // 4))  # of four channels or more: one alone may be constant
                layers += [convolution(before, width, 3, stride, 1), nn.GroupNorm(groups, width), nn.GELU()]
                before = width
        self.stages = nn.Sequential(*layers)
        self.project = nn.Linear(before + (0 if pool else dims), out_features)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """Return tokens ``(b, n, e)`` of images ``(b, ch, h, w)`` or volumes ``(b, ch, d, h, w)``."""
        check_image(x, self.dims, self.in_channels)
        grid = self.stages(x)  # (b, c, h', w')
        if self.pool:
            cells = grid.flatten(2).mean(-1)  # (b, c)
        else:
            where = _coordinates(grid.shape[2:], grid).expand(grid.shape[0], *[-1] * (self.dims + 1))
            cells = torch.cat([grid, where], dim=1).flatten(2).mT  # (b, n, c + dims)
        tokens: Tensor = self.dropout(self.project(cells))
        return tokens


def _coordinates(size: Sequence[int], like: Tensor) -> Tensor:
    """Return the coordinates of the cells of a grid, from −1 to 1: ``(1, dims, h', w')``."""
    axes = [(2.0 * torch.arange(n, device=like.device) + 1.0) / n - 1.0 for n in size]
    return torch.stack(torch.meshgrid(*axes, indexing="ij"))[None].to(like.dtype)


def check_image(x: Tensor, dims: int | None, channels: int | None) -> None:
    """Check the number of dimensions and channels of a batch of images.

    Parameters
    ----------
    x
        ``(b, ch, h, w)`` or ``(b, ch, d, h, w)``.
    dims
        2 or 3; None for either.
    channels
        Their number; None for any.

    Raises
    ------
    ShapeError
        If one is wrong.

    Examples
    --------
    >>> check_image(torch.zeros(4, 28, 28), 2, 1)
    Traceback (most recent call last):
    ...
    mmlego.errors.ShapeError: images of the wrong shape: expected (b, 1, h, w), got (4, 28, 28). ...
    """
    right = x.ndim in ((4, 5) if dims is None else (dims + 2,)) and channels in (None, x.shape[1])
    if not right:
        count = "ch" if channels is None else channels
        size = "h, w" if dims == 2 else "d, h, w" if dims == 3 else "h, w) or (b, ch, d, h, w"
        raise ShapeError(
            "images of the wrong shape",
            expected=f"(b, {count}, {size})",
            got=tuple(x.shape),
            remedy="Put the channels behind the batch; a grey image has one, as x[:, None].",
        )


def cells(features: Tensor) -> Tensor:
    """Return a feature map ``(b, e, h, w)`` as tokens ``(b, h · w, e)``; tokens or one vector an image stay.

    Examples
    --------
    >>> cells(torch.zeros(2, 8, 3, 4)).shape
    torch.Size([2, 12, 8])
    """
    return features.flatten(2).mT if features.ndim > 3 else features
