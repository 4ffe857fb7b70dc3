"""What merged and fused models have in common: blocks by modality, a batch with gaps, predictions."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from mmlego.baseplate import Baseplate
from mmlego.brick import Brick
from mmlego.card import Card, marked
from mmlego.encoding import check_kind, samples
from mmlego.errors import InputError, LegoWarning, MismatchError, ShapeError, UnknownNameError
from mmlego.nn.modes import modes_kept
from mmlego.nn.ragged import Ragged
from mmlego.renaming import WAS_CALLED
from mmlego.sites import AT, by_modality, modality_of
from mmlego.tasks import Task

Input = Tensor | Ragged | tuple[Tensor | Ragged, Tensor | None] | None
Inputs = Mapping[str, Input]
Presence = Mapping[str, Tensor | None]


@dataclass(frozen=True)
class Part:
    """One modality of a batch: its features, mask, and which rows of the batch they are (None: all)."""

    x: Tensor | Ragged
    mask: Tensor | None
    rows: Tensor | None
    known: Tensor | None = None  # answers out of fold, (r, k)
    told: Tensor | None = None  # the rows of the block's spectrum, where they are known already


@dataclass(frozen=True)
class Gaps:
    """A batch with gaps: the parts that are there, and who has what.

    Parameters
    ----------
    parts
        By modality, in the model's order; modalities that no sample has are left out.
    present
        Boolean ``(m, b)`` over all modalities of the model, or ``None`` if every sample has every modality.
    size
        ``b``.
    """

    parts: dict[str, Part]
    present: Tensor | None
    size: int


class Multimodal(nn.Module):
    """The base of LegoMerge and LegoFuse: copies of blocks, in a stored order.

    Parameters
    ----------
    blocks
        Blocks of different names and one baseplate; they are copied.
    allow_mismatch
        Accept blocks of different baseplates, with a warning, if their latents and tasks have one shape.
    """

    def __init__(self, blocks: Sequence[Brick], *, allow_mismatch: bool = False) -> None:
        super().__init__()
        blocks = check_blocks(blocks, allow_mismatch=allow_mismatch)
        self.allow_mismatch = allow_mismatch
        self.blocks = nn.ModuleDict({block.modality: copy.deepcopy(block) for block in blocks})
        self.plate: Baseplate = blocks[0].plate
        self.card = Card(parents=[_parent_line(block) for block in blocks])

    @property
    def modalities(self) -> tuple[str, ...]:
        """The names of the blocks, in the stored order: those of their modalities, or of sites that share one."""
        return tuple(self.blocks)

    @property
    def by_modality(self) -> dict[str, tuple[str, ...]]:
        """By modality the names of the blocks that read it, in the stored order: one, or one a site."""
        return by_modality(self.blocks)

    @property
    def task(self) -> Task:
        """The task that all blocks share."""
        return self.plate.task

    def block(self, modality: str) -> Brick:
        """Return the block of one modality."""
        if modality not in self.blocks:
            raise UnknownNameError("unknown modality", expected=f"one of {self.modalities}", got=repr(modality))
        found = self.blocks[modality]
        if not isinstance(found, Brick):
            raise MismatchError(f"{modality!r} is no block", expected="LegoBlock", got=type(found).__name__)
        return found

    def predict(self, inputs: Inputs, present: Presence | None = None) -> Any:
        """Return the prediction in the task's units, without gradients and in eval mode."""
        with modes_kept(self), torch.no_grad():
            self.eval()
            return self.task.predict(self(inputs, present))

    def read(
        self, inputs: Inputs, present: Presence | None = None, known: Mapping[str, Tensor | None] | None = None
    ) -> Gaps:
        """Check a batch and take it apart.

        Parameters
        ----------
        inputs, present, known
            As ``LegoMerge`` takes them.

        Raises
        ------
        UnknownNameError
            If a modality is unknown.
        ShapeError
            If the modalities disagree in their number of samples.
        InputError
            If a sample has no modality.
        """
        present = {} if present is None else present
        for what, by_name in (("inputs", inputs), ("present", present)):
            if not isinstance(by_name, Mapping):
                raise InputError(f"{what} of a model", expected="a mapping by modality", got=type(by_name).__name__)
        inputs, present = self._for_all_sites(inputs), self._for_all_sites(present)
        flags = {name: _flag(name, flag) for name, flag in present.items() if flag is not None}
        for names in (inputs, flags):
            unknown = [repr(name) for name in names if name not in self.blocks]
            if unknown:
                raise UnknownNameError("unknown modality", expected=f"of {self.modalities}", got=", ".join(unknown))
        given: dict[str, tuple[Tensor | Ragged, Tensor | None]] = {}
        for name in self.modalities:
            value = inputs.get(name)
            if value is not None:
                given[name] = split_input(name, value)
        sizes = {name: samples(x) for name, (x, _) in given.items()}
        sizes |= {f"present[{name!r}]": len(flag) for name, flag in flags.items()}
        if not given:
            raise InputError("no modality is present", expected=f"at least one of {self.modalities}", got="none")
        size = next(iter(sizes.values()))
        if any(other != size for other in sizes.values()):
            raise ShapeError("the modalities disagree in their number of samples", expected="one number", got=sizes)
        if size == 0:
            raise InputError("the batch has no samples", expected="at least one", got="none")
        if not flags and len(given) == len(self.blocks):
            gaps = Gaps({name: Part(x, mask, None) for name, (x, mask) in given.items()}, None, size)
        else:
            gaps = self._with_gaps(given, flags, size)
        return gaps if not known else replace(gaps, parts=_with_known(gaps, known))

    def _for_all_sites(self, given: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return what is given by block; what is given by modality goes to all of its blocks."""
        if not any(name not in self.blocks for name in given):
            return given
        sites = self.by_modality
        found: dict[str, Any] = {}
        for name, value in given.items():
            blocks = (name,) if name in self.blocks else sites.get(name, (name,))
            twice = [block for block in blocks if block in found]
            if twice:
                both = f"{name!r} beside {twice[0]!r}"
                raise InputError(f"{twice[0]!r} is given twice", expected="a modality, or its blocks", got=both)
            found |= dict.fromkeys(blocks, value)
        return found

    def _with_gaps(
        self, given: dict[str, tuple[Tensor | Ragged, Tensor | None]], present: Mapping[str, Tensor], size: int
    ) -> Gaps:
        device = next(iter(given.values()))[0].device
        flags = torch.zeros(len(self.blocks), size, dtype=torch.bool, device=device)
        for i, name in enumerate(self.modalities):
            if name in given:
                flag = present.get(name)
                flags[i] = True if flag is None else flag.to(device)
            elif name in present and bool(present[name].any()):
                raise InputError(f"modality {name!r} is marked present but not given", expected="features", got="none")
        nobody = (~flags.any(0)).nonzero().squeeze(1).tolist()
        if nobody:
            raise InputError(
                "a sample has no modality at all",
                expected=f"at least one of {self.modalities} present for every sample",
                got=f"none for sample {', '.join(map(str, nobody[:5]))}",
                remedy="Drop such samples; there is nothing to predict from.",
            )
        parts = {}
        for i, name in enumerate(self.modalities):
            if name not in given or not bool(flags[i].any()):
                continue
            x, mask = given[name]
            if bool(flags[i].all()):
                parts[name] = Part(x, mask, None)
            else:
                rows = flags[i].nonzero().squeeze(1)
                parts[name] = Part(x[rows], None if mask is None else mask[rows], rows)
        return Gaps(parts, None if bool(flags.all()) else flags, size)


def _with_known(gaps: Gaps, known: Mapping[str, Tensor | None]) -> dict[str, Part]:
    parts = {}
    for name, part in gaps.parts.items():
        told = known.get(name)
        if told is not None and part.rows is not None:
            told = told.to(part.rows.device)[part.rows]
        parts[name] = replace(part, known=told)
    return parts


def _flag(name: str, flag: Any) -> Tensor:
    if not isinstance(flag, Tensor) or flag.dtype != torch.bool or flag.ndim != 1:
        got = f"{flag.dtype} of shape {tuple(flag.shape)}" if isinstance(flag, Tensor) else type(flag).__name__
        raise ShapeError(f"present[{name!r}]", expected="a boolean tensor (b,)", got=got)
    return flag


def split_input(name: str, value: Any) -> tuple[Tensor | Ragged, Tensor | None]:
    """Return features and mask of what was given for one modality."""
    x, mask = value if isinstance(value, tuple) and len(value) == 2 else (value, None)
    check_kind(x, mask, name)
    return x, mask


def check_blocks(blocks: Iterable[Brick], *, allow_mismatch: bool) -> list[Brick]:
    """Return blocks as a list if they can be put together.

    Raises
    ------
    InputError
        If there are none, something is not a block, or two have the same name.
    MismatchError
        If their baseplates differ; the message names the fields.
    """
    if isinstance(blocks, nn.Module) or not isinstance(blocks, Iterable):
        raise InputError("blocks of a model", expected="a list of LegoBlocks", got=type(blocks).__name__)
    blocks = list(blocks)
    if not blocks:
        raise InputError("nothing to put together", expected="at least one LegoBlock", got="none")
    for block in blocks:
        if not isinstance(block, Brick):
            raise InputError("only blocks can be put together", expected="LegoBlock", got=type(block).__name__)
    names = [block.modality for block in blocks]
    if len(set(names)) < len(names):
        _refuse_same(names)
    for modality, sites in by_modality(names).items():
        if len(sites) > 1 and modality in sites:
            raise InputError(
                f"{len(sites)} blocks read {modality!r}, and one has no site",
                expected=f"{modality}{AT}SITE for each",
                got=", ".join(sites),
                remedy=f"Give it a name: mmlego.rename(block, '{modality}{AT}b').",
            )
    first = blocks[0]
    for block in blocks[1:]:
        if block.plate.fingerprint != first.plate.fingerprint:
            _check_mismatch(first, block, allow_mismatch=allow_mismatch)
    return blocks


def _refuse_same(names: Sequence[str]) -> None:
    same = next(name for name in names if names.count(name) > 1)
    modality = modality_of(same)
    raise InputError(
        f"two blocks are called {same!r}",
        expected="different names",
        got=", ".join(names),
        remedy=f"If two sites have trained one each, name both: mmlego.rename(block, '{modality}{AT}a'), "
        f"'{modality}{AT}b'; they count as one modality then.",
    )


def _check_mismatch(first: Brick, other: Brick, *, allow_mismatch: bool) -> None:
    lines = first.plate.differences(other.plate)
    fatal = [line for line in lines if line.startswith(("task.", "channels:", "width:", "domain:"))]
    pair = f"{first.modality!r} and {other.modality!r} stand on different baseplates"
    if fatal or not allow_mismatch:
        raise MismatchError(
            pair,
            expected="one Baseplate for all blocks",
            got="; ".join(lines),
            remedy="Train all blocks from one shared Baseplate"
            + ("." if fatal else ", or pass allow_mismatch=True; only the common read-out bears it."),
        )
    text = f"{pair} ({'; '.join(lines)}): only heads='common' bears it, in a LegoMerge or in a LegoFuse in parallel."
    warnings.warn(text, LegoWarning, stacklevel=6)


def _parent_line(block: Brick) -> str:
    scores = ", ".join(f"{name} {value:.3f}" for name, value in block.card.config()["validation"].items())
    before = f" (was called {block.card.recipe[WAS_CALLED]})" if WAS_CALLED in block.card.recipe else ""
    told = [block.card.data, *block.card.parents]  # a block that was fetched has its repository for a parent
    worse = "worse than chance" if block.below_chance() else ""
    scores = marked(scores, block.card)
    return "; ".join([f"{block.modality}{before}: {scores or 'no validation score'}", *filter(None, [worse, *told])])
