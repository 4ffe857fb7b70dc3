r"""One read-out for all blocks: each block's own head moves to its side of the joint, where it costs nothing.

A block answers ``W_m LN_m(z) + b_m``, with ``z (d,)`` the mean of its spectrum's real part over the channels. Blocks
that were trained apart have different ``LN_m`` and ``W_m``; whoever averages their spectra and their heads averages
factors whose products do not belong together. But the head of a block can be written as an affine map of its spectrum
followed by *any* read-out ``R (k, d)`` with orthonormal rows::

    u = LN_m(z),    J_m(z) = u + Rᵀ (W_m u + b_m − a_m − R u),    R J_m(z) = W_m u + b_m − a_m

``J_m`` changes nothing of ``u`` but its part in the span of ``R``. There it puts what the block has to say beyond the
prior ``a_m``, the logits of who knows nothing but how frequent the outcomes were. As the LayerNorm is, given the
sample's mean and variance, affine too, ``J_m`` applies row by row to the whole spectrum. In these coordinates

- the mean of spectra, read by ``R``, *is* the mean of the blocks' logits: nothing is lost by merging;
- zero means no evidence, so that evidence adds up, and what is absent is neutral;
- the merged model has one latent and one linear head, and can be tuned as it is.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor

from mmlego.baseplate import Baseplate

COMMON = "common"
EPSILON = torch.nn.LayerNorm(1).eps


def read_out(plate: Baseplate) -> Tensor:
    """Return the common read-out of a baseplate's blocks: orthonormal rows, from the shared start of the heads.

    Parameters
    ----------
    plate
        With at least as many columns ``d`` as outputs ``k``.

    Returns
    -------
    Tensor
        ``R``, shape ``(k, d)``.

    Examples
    --------
    >>> from mmlego.tasks import Classification
    >>> rows = read_out(Baseplate(Classification(3), width=8))
    >>> torch.allclose(rows @ rows.T, torch.eye(3), atol=1e-6)
    True
    """
    start = plate.initial["head.linear.weight"].double()
    basis, triangle = torch.linalg.qr(start.T)
    signs = torch.where(triangle.diagonal() < 0, -1.0, 1.0)  # as near to the start as can be, on every machine
    rows: Tensor = (basis * signs).T.float().contiguous()
    return rows


def to_common(rows: Tensor, mean: Tensor, head: Mapping[str, Tensor], read: Tensor, prior: Tensor) -> Tensor:
    """Return a block's spectrum in common coordinates.

    Parameters
    ----------
    rows
        Rows of the spectrum, complex ``(b, r, d)``.
    mean
        The mean of its real part over all channels, ``(b, d)``.
    head
        The named tensors of the block's head.
    read
        The common read-out ``R``, ``(k, d)``.
    prior
        ``a_m``, ``(k,)``.

    Returns
    -------
    Tensor
        Complex ``(b, r, d)``; its mean over the channels, read by ``R``, is the block's logits less the prior.
    """
    gain, offset = head["norm.weight"], head["norm.bias"]
    weight, bias = head["linear.weight"], head["linear.bias"]

    def joint(part: Tensor) -> Tensor:
        unit = (part - part.mean(-1, keepdim=True)) * scale * gain
        return unit + F.linear(unit, turn) @ read

    with torch.autocast(rows.device.type, enabled=False):  # the phases of small numbers suffer from rounding
        scale = (mean.var(-1, unbiased=False) + EPSILON).rsqrt()[:, None, None]
        turn = weight - read  # (k, d)
        constant = offset + (F.linear(offset, turn) + bias - prior) @ read  # (d,)
        return torch.complex(joint(rows.real) + constant, joint(rows.imag))
