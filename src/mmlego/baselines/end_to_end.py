"""Models of several modalities that are trained end to end, on patients who have them all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn

from mmlego.baseplate import Baseplate
from mmlego.block import LegoBlock
from mmlego.data import Cohort, Preprocessing
from mmlego.errors import UnknownNameError
from mmlego.fuse import LegoFuse
from mmlego.job.data import data_of, having_all
from mmlego.job.one_block import encoder_for
from mmlego.multimodal import Inputs, Presence
from mmlego.settings import Settings
from mmlego.tasks import Task
from mmlego.training.fit import fit
from mmlego.turns import in_turn

HIDDEN = 64
END_TO_END = ("concatenation", "sequential")
FEWEST = 8  # patients with all modalities, below which nothing is trained


class EndToEnd(LegoFuse):
    """What is trained from scratch: before training it knows nothing, and is no candidate for the best epoch."""

    keep_untuned = False


class Concatenation(EndToEnd):
    """Late fusion: the latents of all modalities side by side, read by a small network; trained end to end.

    Encoders and latents are those of the blocks, so that features, encoders and capacity are the same for all methods.
    A missing modality is zero.

    Parameters
    ----------
    blocks
        Fresh blocks; their heads are not used.
    dropout
        Of the network that reads them.
    """

    def __init__(self, blocks: Sequence[LegoBlock], dropout: float = 0.2) -> None:
        super().__init__(blocks, mode="stack", heads="linear")
        width = self.plate.width * len(blocks)
        self.head = nn.Sequential(
            nn.LayerNorm(width),
            nn.Linear(width, HIDDEN),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(HIDDEN, self.task.outputs),
        )

    def forward(self, inputs: Inputs, present: Presence | None = None, known: Presence | None = None) -> Tensor:
        """Return logits ``(b, k)``."""
        batch = self.read(inputs, present)
        means: list[Tensor] = []
        for name in self.modalities:
            part, block = batch.parts.get(name), cast("LegoBlock", self.block(name))
            if part is None:
                means.append(block.latent.new_zeros(batch.size, self.plate.width))
                continue
            mean = block.run(block.tokens(part.x, part.mask)).mean()
            if part.rows is not None:
                mean = mean.new_zeros(batch.size, mean.shape[1]).index_copy(0, part.rows, mean)
            means.append(mean)
        logits: Tensor = self.head(torch.cat(means, -1))
        return logits


def end_to_end(name: str, blocks: Sequence[LegoBlock], dropout: float) -> LegoFuse:
    """Return an untrained model over fresh blocks.

    Parameters
    ----------
    name
        ``"concatenation"``; or ``"sequential"``: one latent that attends to the modalities in turn, in several rounds,
        in the manner of HEALNet, with the attention, the encoders and the latent of the blocks.
    blocks
        Fresh ones.
    dropout
        Of the network that reads a concatenation.

    Raises
    ------
    UnknownNameError
        If it is neither.
    """
    if name == "concatenation":
        return Concatenation(blocks, dropout)
    if name == "sequential":
        return EndToEnd(blocks, mode="weave", heads="linear", weights="uniform")
    raise UnknownNameError("unknown end-to-end model", expected=f"one of {', '.join(END_TO_END)}", got=repr(name))


def fresh_block(
    preprocessing: Preprocessing, plate: Baseplate, modality: str, settings: Settings, *, seed: int
) -> LegoBlock:
    """Return an untrained neural block; where the settings choose learners, with the encoder that suits the kind.

    Parameters
    ----------
    preprocessing
        Of the modality, fitted.
    plate, modality
        Of the block.
    settings
        Of encoders.
    seed
        Of weights.
    """
    with in_turn(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        block = LegoBlock(encoder_for(preprocessing, modality, settings), plate, modality)
    block.preprocessing = preprocessing
    return block


def fit_end_to_end(
    name: str,
    cohort: Cohort,
    train: Sequence[str],
    validation: Sequence[str],
    settings: Settings,
    task: Task,
    *,
    seed: int,
) -> LegoFuse | None:
    """Train an end-to-end model on the patients who have all modalities; None if there are fewer than eight.

    Parameters
    ----------
    name
        Of :func:`end_to_end`.
    cohort
        The patients.
    train, validation
        Ids; those who lack a modality are left out.
    settings
        Of baseplate, encoders and training: those of a block.
    task
        What is to be predicted.
    seed
        Of weights and training.
    """
    names = cohort.modalities
    pairs, watched = (having_all(cohort, names, ids) for ids in (train, validation))
    if len(pairs) < FEWEST:
        return None
    plate = Baseplate(task, **settings.plate.model_dump())
    fitted: Mapping[str, Preprocessing] = cohort.prepare(pairs, task=task, min_patients=1).preprocessing
    blocks = [fresh_block(fitted[one], plate, one, settings, seed=seed) for one in names]
    with in_turn(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(int(np.random.SeedSequence([seed, 2]).generate_state(1)[0]))
        model = end_to_end(name, blocks, settings.plate.dropout)
    data = data_of(model, cohort, pairs)
    valid = data_of(model, cohort, watched) if watched else None
    fit(model, data, validation=valid, seed=seed, progress=False, **settings.fit.model_dump())
    return model
