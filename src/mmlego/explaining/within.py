"""What moved a prediction within one modality: shares of its columns, cells, patches, pixels, characters, nodes."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from mmlego.block import LegoBlock
from mmlego.errors import InputError
from mmlego.explaining.asking import Fitted, Given, Question, given_outputs, in_place_of_encoders, recorded
from mmlego.explaining.outputs import Explained
from mmlego.explaining.path import Shares, integrated
from mmlego.explaining.pools import Pools, in_place_of_pools
from mmlego.explaining.reference import OTHERS, Reference, start_of
from mmlego.explaining.row_shares import beside_others, row_shares
from mmlego.explaining.spreading import Cells, spread, spread_of_bag
from mmlego.learners.rows import Rows
from mmlego.nn.graphs import Graphs
from mmlego.nn.ragged import Ragged

LARGE = 200_000  # numbers of a bag, which is put beside the mean of others alone
FEW_OTHERS = 6  # beside whom the columns of neural parts are put
MANY, NUMBERS = 32, 4_000_000  # points of a way that are asked at once, and of how many numbers at most
ROUGH_STEPS, ROUGH = (6, 24), 0.1  # gradients for each of them, tried in turn, and what sums may lack then


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
    of. Of bags whose patches are encoded each by itself the way is that of what attention pools from them, which is
    shared out over them without remainder (:class:`mmlego.explaining.pools.Pools`): they are looked at once.

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
    shares, cells = _along(question, chosen, reference, told[0], told[1], timed=timed)
    exact = True
    bags: dict[str, tuple[Rows, Tensor, Tensor]] = {}
    left = 0.0
    for place, part in enumerate(question.fitted):
        moved = (told[1][place] - told[0][place])[0]  # (k,)
        slope = torch.where(moved.abs() > 1e-12, shares.parts[place][0] / torch.where(moved == 0, 1.0, moved), 0.0)
        learner, weight, row = part.brick.encoder, slope @ part.brick.slope, ends[place]
        by_column, fine = row_shares(learner, row, starts[place], weight)
        exact &= fine
        own = slice(part.before, part.before + part.rows.columns)
        bag = not timed and part.rows.form in ("pooled", "subtrees") and _has_no_order(part.rows, question.x)
        others = _others(part, row, reference, _most(question, bag=bag)) if bag or part.rows.form == "flat" else None
        beside = None if others is None else beside_others(learner, row, others, weight)
        if part.rows.form == "flat":
            cells.beside = None if beside is None or cells.beside is None else cells.beside + beside[:, own]
        if not bag:
            cells.add(spread(part.rows, question.x, question.mask, by_column[own], starts[place][own]))
            continue
        if beside is None or others is None:
            beside, others = by_column[None], starts[place][None]
        else:  # the answer to the mean row is not the mean answer
            left += float(by_column.sum() - beside.sum(1).mean())
        key = f"{len(others)}: {sorted(part.rows.config().items(), key=str)}"
        rows, known, bases = bags.get(key, (part.rows, torch.zeros(()), others[:, own]))
        bags[key] = (rows, known + beside[:, own], bases)
    for rows, known, bases in bags.values():  # once for all parts that read a bag alike
        cells.add(spread_of_bag(rows, question.x, question.mask, known, bases))
    if left:
        there = torch.ones(len(cells.values), 1) if question.mask is None else question.mask.mT.double()
        cells.values = cells.values + left * there / there.sum()
    return Found(cells, shares.start, shares.end, exact)


def _has_no_order(rows: Rows, x: Tensor | Ragged) -> bool:
    return not (rows.ordered or rows.gaps) and (isinstance(x, Ragged) or x.ndim == 3)


def _others(part: Fitted, row: Tensor, reference: Reference, most: int) -> Tensor | None:
    """Return rows like a patient's, but of the modality those of others, ``(r, p)``; None where there are too few."""
    found = reference.others(part.rows, most) if most else None
    if found is None:
        return None
    whole = row.expand(len(found), -1).clone()
    whole[:, part.before : part.before + part.rows.columns] = found
    return whole


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
) -> tuple[Shares, Cells]:
    """Return the shares of fitted parts' logits, and of the patient's features those that neural parts give them."""
    x = question.x
    values = x.values if isinstance(x, Ragged) else x
    shape = values.shape if isinstance(x, Ragged) else values.shape[1:]
    f = len(starts)
    orderly = any(part.rows.ordered or part.rows.gaps for part in question.fitted)
    bag = len(shape) == 2 and not (timed or orderly or question.accepts_missing)
    columns = not isinstance(x, Ragged) and len(shape) == 1
    if not question.neural:
        blank = torch.zeros(shape[0], 1) if bag else torch.zeros(shape)
        shares = integrated(
            lambda point: question.answers(chosen, values, point, len(point[0])), starts, ends, at_once=MANY
        )
        return shares, Cells(blank.double(), beside=_nobody(question, reference) if columns else None)
    if not values.is_floating_point():
        shares, each = _of_codes(question, chosen, values, starts, ends)
        return shares, Cells(each)
    if len(shape) == 2 and not isinstance(x, Graphs) and all(_tokenwise(block.encoder) for block in question.neural):
        blocks = _blocks(question) if bag else None
        if blocks is not None:
            shares, each = _of_pools(question, chosen, (reference.token().to(values), blocks), starts, ends)
            return shares, Cells(each)
        first = start_of(question, reference, timed=timed)
        shares, each = _of_tokens(question, chosen, (first, values), starts, ends)
        return shares, Cells(each)
    first = start_of(question, reference, timed=timed)
    many = 1 if isinstance(x, Ragged) else _at_once(question, values.numel())

    def answer(point: list[Tensor]) -> Tensor:
        if many == 1:
            return question.answer(chosen, point[-1], point[:f])
        return question.answers(chosen, point[-1], point[:f], len(point[-1]))

    shares = integrated(answer, [*starts, first], [*ends, values], at_once=many)
    cells = Cells(shares.parts[-1].reshape(shape), beside=_nobody(question, reference) if columns else None)
    if cells.beside is not None:
        cells.beside = torch.stack(
            [
                integrated(
                    lambda point: answer([*(end.expand(len(point[0]), -1) for end in ends), point[0]]),
                    [torch.where(other.isnan(), values, other)],
                    [values],
                    steps=ROUGH_STEPS,
                    tolerance=ROUGH,
                    floor=ROUGH * abs(shares.end - shares.start),
                    at_once=many,
                ).parts[0][0]
                for other in reference.flat(_most(question)).to(values)
            ]
        )
    return shares, cells


def _at_once(question: Question, numbers: int) -> int:
    """Return how many points of so many numbers each are asked at once."""
    return max(1, min(MANY, NUMBERS // max(1, numbers))) if question.repeats else 1


def _most(question: Question, *, bag: bool = False) -> int:
    """Return beside how many others a patient is put: neural parts are asked about each, large bags beside none."""
    values = question.x.values if isinstance(question.x, Ragged) else question.x
    if bag:
        return OTHERS if values.numel() <= LARGE else 0
    return FEW_OTHERS if question.neural else OTHERS


def _nobody(question: Question, reference: Reference) -> Tensor | None:
    """Return zeros ``(r, f)``, a row a patient beside whom columns are put, where these are enough."""
    return torch.zeros(reference.flat(_most(question)).shape, dtype=torch.float64) if reference.enough else None


def _tokenwise(encoder: nn.Module) -> bool:
    return bool(getattr(encoder, "tokenwise", False))


def _blocks(question: Question) -> list[LegoBlock] | None:
    """Return the neural blocks where none knows an order of tokens."""
    blocks = [block for block in question.neural if isinstance(block, LegoBlock) and not block.ordered]
    return blocks if len(blocks) == len(question.neural) else None


def _of_pools(
    question: Question,
    chosen: Explained,
    known: tuple[Tensor, list[LegoBlock]],
    starts: list[Tensor],
    ends: list[Tensor],
) -> tuple[Shares, Tensor]:
    """Return the shares where tokens are encoded each by itself, and have no order: these are looked at once."""
    first, blocks = known
    there = None if question.mask is None else question.mask.flatten()
    one = first[None, None]  # (1, 1, f)
    pools = []
    for block, calls in zip(blocks, question.calls(), strict=True):
        with torch.no_grad():
            pools.append(Pools(calls, block.tokens(one).values.flatten()))
    two = one.expand(1, 2, -1)  # of a single patch blocks know that all rows of the latent get the same
    alone = question.of_few(two)
    both = [pool.ends() for pool in pools]
    f = len(starts)
    held = [list(end) for _, end in both]
    many = _at_once(question, sum(part.numel() for _, end in both for part in end))

    def answer(point: list[Tensor]) -> Tensor:
        rest = iter(point[f:])
        for mine in held:
            mine[:] = [next(rest) for _ in mine]
        if many == 1:
            return alone.answer(chosen, two, point[:f])
        count = len(point[-1])
        return alone.answers(chosen, two.expand(count, -1, -1), point[:f], count)

    with ExitStack() as stack:
        for block, mine in zip(blocks, held, strict=True):
            stack.enter_context(in_place_of_pools(block, mine))
        pooled = [[part[None] for side in both for part in side[end]] for end in (0, 1)]
        shares = integrated(answer, [*starts, *pooled[0]], [*ends, *pooled[1]], at_once=many)
    slopes = iter([slope[0] for slope in shares.slopes[f:]])
    each = torch.stack([pool.of_tokens([next(slopes) for _ in pool.calls]) for pool in pools]).sum(0)  # (n,)
    if there is not None and len(each) < len(there):
        each = each.new_zeros(len(there)).masked_scatter(there, each)
    return shares, each[:, None]


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

    many = 1 if isinstance(question.x, Ragged) else _at_once(question, sum(out.numel() for _, out in made))

    def answer(point: list[Tensor]) -> Tensor:
        for place, tokens in zip(given, point[f:], strict=True):
            place.tokens = tokens
        if many == 1:
            return question.answer(chosen, values, point[:f])
        count = len(point[-1])
        return question.answers(chosen, values.expand(count, *values.shape[1:]), point[:f], count)

    with in_place_of_encoders(question.neural, given):
        shares = integrated(answer, [*starts, *bases], [*ends, *(out for _, out in made)], at_once=many)
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
