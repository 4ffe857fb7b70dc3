"""Several blocks of one modality in a merge: what they say is pooled first, so that they count as one modality."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from mmlego.merge.weights import present_weights
from mmlego.sites import by_modality

Sites = tuple[tuple[int, ...], ...]


def sites_of(names: Sequence[str]) -> Sites:
    """Return for each modality the places of its blocks.

    Parameters
    ----------
    names
        Of the ``m`` blocks.

    Examples
    --------
    >>> sites_of(["clinical@a", "rna", "clinical@b"])
    ((0, 2), (1,))
    """
    place = {name: i for i, name in enumerate(names)}
    return tuple(tuple(place[name] for name in blocks) for blocks in by_modality(names).values())


def summed_by(values: Tensor, sites: Sites) -> Tensor:
    """Return sums ``(g, …)`` over the blocks of each modality of values ``(m, …)``.

    Parameters
    ----------
    values
        One a block.
    sites
        From :func:`sites_of`.
    """
    return torch.stack([values[list(blocks)].sum(0) for blocks in sites])


def spread_out(values: Tensor, sites: Sites) -> Tensor:
    """Return for each block the value of its modality, ``(m, …)`` of ``(g, …)``.

    Parameters
    ----------
    values
        One a modality.
    sites
        From :func:`sites_of`.
    """
    modality = {block: place for place, blocks in enumerate(sites) for block in blocks}
    return values[[modality[block] for block in range(len(modality))]]


def shares_of(weights: Tensor, present: Tensor, sites: Sites) -> tuple[Tensor, Tensor]:
    """Return how much each block counts in the merge, and within its modality, ``(m, b)`` each, 0 where absent.

    The weights are renormalised over the modalities that are present, and within each over its blocks: that one of its
    blocks cannot answer takes nothing from a modality. What has weight 0 counts where there is nothing else.

    Parameters
    ----------
    weights
        Of the blocks, ``(m,)``.
    present
        Which of them can answer, boolean ``(m, b)``, at least one True a column.
    sites
        From :func:`sites_of`.

    Examples
    --------
    >>> weights, sites = torch.tensor([0.25, 0.25, 0.5]), ((0, 1), (2,))
    >>> present = torch.tensor([[True, False], [True, True], [True, True]])
    >>> whole, within = shares_of(weights, present, sites)
    >>> whole.T.tolist(), within.T.tolist()
    ([[0.25, 0.25, 0.5], [0.0, 0.5, 0.5]], [[0.5, 0.5, 1.0], [0.0, 1.0, 1.0]])
    """
    here = summed_by(present.to(weights.dtype), sites) > 0  # (g, b)
    of_modalities = present_weights(summed_by(weights, sites), here)
    kept = weights[:, None] * present
    kept = torch.where(spread_out(summed_by(kept, sites), sites) > 0, kept, present.to(kept.dtype))
    total = spread_out(summed_by(kept, sites), sites)
    within = kept / torch.where(total > 0, total, 1.0)
    return spread_out(of_modalities, sites) * within, within


def pooled(spectra: Tensor, within: Tensor, sites: Sites) -> Tensor:
    """Return the spectra of modalities, ``(g, b, r, d)``: the weighted means of those of their blocks.

    Parameters
    ----------
    spectra
        Of the blocks, ``(m, b, r, d)``; what is absent may hold anything.
    within
        From :func:`shares_of`, ``(m, b)`` or ``(m, 1)``.
    sites
        From :func:`sites_of`.
    """
    said = within[:, :, None, None]
    return summed_by(torch.where(said > 0, spectra * said, 0.0), sites)
