"""What a model answers when it is shown only some of the modalities that a patient has: all subsets of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from mmlego.across import ACROSS
from mmlego.brick import Brick
from mmlego.data import Batch, PatientData
from mmlego.errors import InputError
from mmlego.fuse import LegoFuse
from mmlego.merge import LegoMerge
from mmlego.multimodal import Gaps
from mmlego.nn.modes import modes_kept
from mmlego.sites import by_modality
from mmlego.training.evaluate import Model, known_of, logits_of

MOST_MODALITIES = 12  # 4096 subsets


@dataclass(frozen=True)
class Answers:
    """Logits of some patients who have the same modalities, by subset of these.

    Parameters
    ----------
    rows
        Which patients of the data, ``(b,)``.
    has
        Which modalities they have, by number, as ``by_modality`` counts those of the data.
    logits
        ``(b, 2^h, k)``: at place ``s`` the answer to those of ``has`` whose bits are set; at 0 that to nothing.
    """

    rows: Tensor
    has: tuple[int, ...]
    logits: Tensor


def prior_of(model: Model) -> Tensor:
    """Return what a model answers to who knows nothing, ``(k,)``, float32 on the CPU.

    That is the constant answer that fits the training patients best, as the cards of the blocks tell it; of several
    blocks their mean, each counted as it is merged.

    Examples
    --------
    >>> from mmlego import Baseplate, LegoBlock
    >>> from mmlego.encoders import SNN
    >>> from mmlego.tasks import Classification
    >>> plate = Baseplate(Classification(2), channels=8, width=16)
    >>> merge = LegoMerge([LegoBlock(SNN(5), plate, "rna"), LegoBlock(SNN(3), plate, "clinical")])
    >>> merge.block("rna").card.prior, merge.block("clinical").card.prior = [0.0, 1.0], [0.0, 2.0]
    >>> prior_of(merge)
    tensor([0.0000, 1.5000])
    """
    if isinstance(model, Brick):
        return model.prior().detach().float().cpu()
    priors = torch.stack([model.block(name).prior().detach().float().cpu() for name in model.modalities])
    weights = model.weights.detach().float().cpu()
    return (weights / weights.sum()) @ priors


def subset_answers(
    model: Model, data: PatientData, *, batch_size: int = 64, out_of_fold: bool = False
) -> Iterator[Answers]:
    """Yield the answers of a model to all subsets of what each patient has.

    Each block is asked once a patient; what it says is merged or fused anew for each subset, in which all blocks of a
    modality are, or none. A model in sequence, whose blocks see what came before, is asked anew.

    Parameters
    ----------
    model
        Any.
    data
        Of :func:`mmlego.training.evaluate.data_for`.
    batch_size
        Patients at a time.
    out_of_fold
        As :func:`mmlego.training.evaluate.logits_of` takes it.

    Raises
    ------
    InputError
        If the model has more modalities than all of whose subsets can be asked about.
    """
    if len(by_modality(model.modalities)) > MOST_MODALITIES:
        raise InputError(
            "all subsets of so many modalities cannot be asked about",
            expected=f"at most {MOST_MODALITIES} modalities",
            got=len(by_modality(model.modalities)),
            remedy=f"Explain a model of {MOST_MODALITIES} of them, as mmlego.LegoMerge makes it of their blocks.",
        )
    device = next(p.device for p in (*model.parameters(), *model.buffers()))
    known = out_of_fold and data.numbering is None
    prior = prior_of(model)
    names = data.modalities
    places = {modality: i for i, modality in enumerate(by_modality(names))}
    there = torch.stack([data.present[name] for name in names], dim=1)  # (n, m)
    patterns, which = there.unique(dim=0, return_inverse=True)
    with modes_kept(model), torch.no_grad():
        model.eval()
        for place, pattern in enumerate(patterns.tolist()):
            rows = (which == place).nonzero().squeeze(1)
            blocks = [name for name, here in zip(names, pattern, strict=True) if here]
            has = tuple(places[modality] for modality in by_modality(blocks))
            mine = data.only(blocks).subset(rows)
            begun = 0
            for batch in mine.loader(batch_size):
                logits = _answers(model, batch.to(device), known)
                nothing = prior.expand(len(logits), 1, -1)
                yield Answers(rows[begun : begun + len(logits)], has, torch.cat([nothing, logits.float().cpu()], dim=1))
                begun += len(logits)


def _answers(model: Model, batch: Batch, out_of_fold: bool) -> Tensor:
    """Return the logits ``(b, 2^h − 1, k)`` of patients who all have the modalities of a batch."""
    sites = list(by_modality(batch.inputs).values())
    subsets = [
        [name for i, names in enumerate(sites) if subset >> i & 1 for name in names]
        for subset in range(1, 1 << len(sites))
    ]
    if not isinstance(model, LegoMerge | LegoFuse):
        return torch.stack([logits_of(model, _only(batch, subset), out_of_fold=out_of_fold) for subset in subsets], 1)
    known = known_of(model, batch) if out_of_fold else {}
    whole = model.read(batch.inputs, batch.present, {n: told for n, told in known.items() if n != ACROSS})
    if not isinstance(model, LegoFuse) or model.mode == "parallel":
        whole = replace(
            whole,
            parts={name: replace(part, told=model.spectrum_of(name, whole)) for name, part in whole.parts.items()},
        )
    return torch.stack([model.answer(_part(model, whole, subset), known.get(ACROSS)) for subset in subsets], 1)


def _part(model: LegoMerge | LegoFuse, whole: Gaps, names: list[str]) -> Gaps:
    """Return a batch whose patients have all that it holds, as if they had some of it alone."""
    parts = {name: whole.parts[name] for name in names}
    device = next(iter(parts.values())).x.device
    here = torch.tensor([name in parts for name in model.modalities], device=device)
    return Gaps(parts, None if bool(here.all()) else here[:, None].expand(-1, whole.size), whole.size)


def _only(batch: Batch, names: list[str]) -> Batch:
    return replace(
        batch,
        inputs={name: batch.inputs[name] for name in names},
        present={name: batch.present[name] for name in names},
    )
