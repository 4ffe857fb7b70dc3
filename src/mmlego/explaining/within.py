"""What moved a prediction within one modality: shares of its columns, cells, patches, pixels, characters, nodes."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from mmlego.errors import InputError
from mmlego.explaining.asking import Fitted, Given, Question, given_outputs, in_place_of_encoders, recorded
from mmlego.explaining.outputs import Explained
from mmlego.explaining.path import Shares, integrated
from mmlego.explaining.reference import Reference, start_of
from mmlego.explaining.row_shares import row_shares
from mmlego.explaining.spreading import Cells, spread
from mmlego.nn.graphs import Graphs
from mmlego.nn.ragged import Ragged


@dataclass(frozen=True)
class Found:
    """What was found within one modality of one patient.

    Attributes
    ----------
    cells
        The shares.
    start, end
        The explained number with the modality at its base, and as it is.
    exact
        Whether all shares are what their definition says, but for the quadrature; False where orders were drawn.
    """

    cells: Cells
    start: float
    end: float
    exact: bool

    @property
    def error(self) -> float:
        """By how much the prediction moved beyond the sum of the shares."""
        return self.end - self.start - float(self.cells.values.sum()) - sum(self.cells.rest.values())


def found_within(question: Question, chosen: Explained, reference: Reference, *, timed: bool) -> Found:
    r"""Return the shares of what a patient's modality is made of.

    The answers of fitted parts and the features of neural ones go from their base to what they are on one straight
    way, and integrated gradients say how much each moves the prediction; what a fitted part moves is then shared out
    over the columns of its row (:func:`mmlego.explaining.row_shares.row_shares`), and these over what they were made
    of. Encoders that treat each token by itself are asked once, and the way is that of their tokens.

    Parameters
    ----------
    question
        About the patient.
    chosen
        Which output.
    reference
        Beside whom.
    timed
        Whether the first column of the tokens is their time.
    """
    ends = [question.whole_row(part).double() for part in question.fitted]
    starts = [_base_row(part, row, reference) for part, row in zip(question.fitted, ends, strict=True)]
    told = [
        [question.told(part, row) for part, row in zip(question.fitted, rows, strict=True)] for rows in (starts, ends)
    ]
    shares, values = _along(question, chosen, reference, told[0], told[1], timed=timed)
    cells, exact = Cells(values), True
    for place, part in enumerate(question.fitted):
        moved = (told[1][place] - told[0][place])[0]  # (k,)
        slope = torch.where(moved.abs() > 1e-12, shares.parts[place][0] / torch.where(moved == 0, 1.0, moved), 0.0)
        by_column, fine = row_shares(part.brick.encoder, ends[place], starts[place], slope @ part.brick.slope)
        exact &= fine
        own = slice(part.before, part.before + part.rows.columns)
        cells.add(spread(part.rows, question.x, question.mask, by_column[own], starts[place][own]))
    return Found(cells, shares.start, shares.end, exact)


def _base_row(part: Fitted, row: Tensor, reference: Reference) -> Tensor:
    base = row.clone()
    base[part.before : part.before + part.rows.columns] = reference.row(part.rows)
    return base


def _along(
    question: Question,
    chosen: Explained,
    reference: Reference,
    starts: list[Tensor],
    ends: list[Tensor],
    *,
    timed: bool,
) -> tuple[Shares, Tensor]:
    """Return the shares of fitted parts' logits, and of the patient's features those that neural parts give them."""
    x = question.x
    values = x.values if isinstance(x, Ragged) else x
    blank = torch.zeros(values.shape if isinstance(x, Ragged) else values.shape[1:], dtype=torch.float64)
    f = len(starts)
    if not question.neural:
        return integrated(lambda point: question.answer(chosen, values, point), starts, ends), blank
    if not values.is_floating_point():
        return _of_codes(question, chosen, values, starts, ends)
    first = start_of(question, reference, timed=timed)
    if blank.ndim == 2 and not isinstance(x, Graphs) and all(_tokenwise(block.encoder) for block in question.neural):
        return _of_tokens(question, chosen, (first, values), starts, ends)
    shares = integrated(lambda point: question.answer(chosen, point[-1], point[:f]), [*starts, first], [*ends, values])
    return shares, shares.parts[-1].reshape(blank.shape)


def _tokenwise(encoder: nn.Module) -> bool:
    return bool(getattr(encoder, "tokenwise", False))


def _of_tokens(
    question: Question, chosen: Explained, features: tuple[Tensor, Tensor], starts: list[Tensor], ends: list[Tensor]
) -> tuple[Shares, Tensor]:
    """Return the shares where encoders treat each token by itself: these are asked once."""
    first, values = features
    encoders = [block.encoder for block in question.neural]
    if len(question.seen) < len(encoders):
        question.logits()
    made = [question.seen[number] for number in range(len(encoders))]
    real = made[0][0]  # what encoders were given, (1, n, f)
    there = None if question.mask is None else question.mask[0]
    begin = first.reshape(-1, first.shape[-1])
    begin = begin if there is None else begin[there]
    one = begin[:1] if bool((begin == begin[:1]).all()) else begin
    with torch.no_grad():
        bases = [encoder(one[None]).expand_as(out).clone() for encoder, (_, out) in zip(encoders, made, strict=True)]
    given = [Given(out, tokenwise=True) for _, out in made]
    f = len(starts)

    def answer(point: list[Tensor]) -> Tensor:
        for place, tokens in zip(given, point[f:], strict=True):
            place.tokens = tokens
        return question.answer(chosen, values, point[:f])

    with in_place_of_encoders(question.neural, given):
        shares = integrated(answer, [*starts, *bases], [*ends, *(out for _, out in made)])
    each = torch.stack([part.sum(-1).flatten() for part in shares.parts[f:]]).sum(0)  # (n,)
    each = each[:, None].expand(len(each), real.shape[-1]) / real.shape[-1]
    if there is not None:
        whole = each.new_zeros(values.shape[1:])
        whole[there] = each
        each = whole
    return shares, each


def _of_codes(
    question: Question, chosen: Explained, codes: Tensor, starts: list[Tensor], ends: list[Tensor]
) -> tuple[Shares, Tensor]:
    """Return the shares of codes, by the vectors that encoders embed them as; these start from the mean vector."""
    modules = [part for block in question.neural for part in block.encoder.modules() if isinstance(part, nn.Embedding)]
    with torch.no_grad(), recorded(list(modules)) as seen:
        question.answer(chosen, codes, ends)
    wanted = codes.flatten() if question.mask is None else codes[question.mask]
    mine = [
        number
        for number, (inputs, _) in seen.items()
        if inputs.numel() == len(wanted) and torch.equal(inputs.flatten().long(), wanted.long())
    ]
    if len(mine) < len(question.neural):
        raise InputError(
            f"the encoder of {question.modality!r} cannot be explained",
            expected="an nn.Embedding that reads the codes as they are",
            got=type(question.neural[0].encoder).__name__,
            remedy="Leave this modality out.",
        )
    chosen_modules = [modules[number] for number in mine]
    vectors = [seen[number][1] for number in mine]
    bases = [
        module.weight.detach().mean(0).expand_as(vector).clone()
        for module, vector in zip(chosen_modules, vectors, strict=True)
    ]
    held = list(vectors)
    f = len(starts)

    def answer(point: list[Tensor]) -> Tensor:
        held[:] = point[f:]
        return question.answer(chosen, codes, point[:f])

    with given_outputs(list(chosen_modules), held):
        shares = integrated(answer, [*starts, *bases], [*ends, *vectors])
    each = torch.stack([part.sum(-1).flatten() for part in shares.parts[f:]]).sum(0)
    if question.mask is None:
        return shares, each
    whole = torch.zeros(question.mask.shape[1], dtype=torch.float64)
    whole[question.mask[0]] = each
    return shares, whole
