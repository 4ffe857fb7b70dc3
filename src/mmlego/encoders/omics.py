"""Encoders of omics by gene sets: one row of measurements a patient → one token a pathway."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mmlego.admitted import Chance, Width
from mmlego.encoders.registry import register_encoder
from mmlego.errors import InputError


@register_encoder("pathways")
class PathwayTokens(nn.Module):
    """One token a pathway: each has a small network of its own over the genes in it.

    ``token_p = W2_p SELU(W1_p x_{G_p} + b1_p) + b2_p``, with ``G_p`` the columns of pathway ``p``: the pathway tokens
    of SurvPath (Jaume et al. 2024, section 3.1). Pathways of about one size are computed together, with one matrix
    product for all whose sizes lie within a factor of two; there is no loop over pathways.

    Takes ``(b, in_features)``, gives unordered tokens ``(b, len(sets), out_features)``, in the order of ``sets``.

    Parameters
    ----------
    in_features
        Number of columns.
    sets
        For each pathway the numbers of its columns, counted from 0. A column may be in many pathways, or in none, and
        then is not read.
    out_features
        ``e``, the width of the tokens.
    hidden
        Width of each pathway's hidden layer.
    dropout
        Alpha dropout of the hidden layers while training.

    Raises
    ------
    InputError
        If there are no sets, one is empty, or a column is unknown or named twice in one set.

    Examples
    --------
    >>> genes = torch.randn(4, 6)
    >>> PathwayTokens(6, sets=[[0, 1, 2], [2, 5]], out_features=8)(genes).shape
    torch.Size([4, 2, 8])
    """

    ordered = False
    tokenwise = False

    def __init__(
        self,
        in_features: Width,
        sets: Sequence[Sequence[int]],
        out_features: Width = 64,
        hidden: Width = 16,
        dropout: Chance = 0.1,
    ) -> None:
        super().__init__()
        _check_sets(sets, in_features)
        self.in_features, self.out_features = in_features, out_features
        sizes = [len(genes) for genes in sets]
        columns = torch.tensor([gene for genes in sets for gene in genes])
        # A row a gene of a pathway, one pathway after the other; variance 1/fan-in, as SELU wants it.
        fan_in = torch.tensor(sizes).repeat_interleave(torch.tensor(sizes))
        self.weight = nn.Parameter(torch.randn(len(columns), hidden) / fan_in.sqrt()[:, None])
        self.bias = nn.Parameter(torch.zeros(len(sizes), hidden))
        self.out_weight = nn.Parameter(torch.randn(len(sizes), hidden, out_features) * hidden**-0.5)
        self.out_bias = nn.Parameter(torch.zeros(len(sizes), out_features))
        self.dropout = nn.AlphaDropout(dropout)
        self._classes = _size_classes(sizes, columns)
        for i, (members, rows, genes) in enumerate(self._classes):
            for name, index in (("members", members), ("rows", rows), ("genes", genes)):
                self.register_buffer(f"{name}_{i}", index, persistent=False)
        order = torch.cat([members for members, _, _ in self._classes])
        self.register_buffer("place", order.argsort(), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """Return tokens ``(b, p, e)`` of rows ``(b, f)``."""
        weight = F.pad(self.weight, (0, 0, 0, 1))  # the last row is for places that no gene fills
        parts = []
        for i in range(len(self._classes)):
            genes, rows = self.get_buffer(f"genes_{i}"), self.get_buffer(f"rows_{i}")  # (p', g) each
            parts.append(torch.einsum("bpg,pgh->bph", x[:, genes], F.embedding(rows, weight)))
        hidden = torch.cat(parts, dim=1)[:, self.get_buffer("place")] + self.bias  # (b, p, h)
        hidden = self.dropout(F.selu(hidden))
        return torch.einsum("bph,phe->bpe", hidden, self.out_weight) + self.out_bias


def _size_classes(sizes: Sequence[int], columns: Tensor) -> list[tuple[Tensor, Tensor, Tensor]]:
    """Sort pathways by size, powers of two apart.

    For each class: which pathways, ``(p',)``; for each of their places the row of the weight, ``(p', g)``, the number
    of rows where there is none; and its column, ``(p', g)``.
    """
    classes = []
    starts = torch.tensor([0, *sizes[:-1]]).cumsum(0)
    for level in sorted({(size - 1).bit_length() for size in sizes}):
        members = torch.tensor([p for p, size in enumerate(sizes) if (size - 1).bit_length() == level])
        lengths = torch.tensor([sizes[p] for p in members])[:, None]
        place = torch.arange(int(lengths.max()))[None]
        rows = torch.where(place < lengths, starts[members][:, None] + place, len(columns))  # (p', g)
        genes = columns[rows.clamp(max=len(columns) - 1)]
        classes.append((members, rows, genes))
    return classes


def _check_sets(sets: Sequence[Sequence[int]], in_features: int) -> None:
    if not sets:
        raise InputError("no pathways", expected="a list of lists of column numbers", got=sets)
    for number, genes in enumerate(sets):
        odd = [gene for gene in genes if type(gene) is not int or not 0 <= gene < in_features]
        if len(genes) == 0 or odd:
            raise InputError(
                f"pathway {number} has {'an unknown column' if odd else 'no columns'}",
                expected=f"integers from 0 to {in_features - 1}",
                got=repr(odd[0]) if odd else "an empty set",
                remedy="Keep the pathways that share genes with the data.",
            )
        if len(set(genes)) < len(genes):
            raise InputError(f"pathway {number} names a column twice", expected="each once", got=list(genes))
