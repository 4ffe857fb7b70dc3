"""What a recipe may say: which blocks, trained where or trained now, and how one model is made of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import AfterValidator, Field, model_validator

from mmlego.merge.weights import STACKED
from mmlego.sections import Section, Shares
from mmlego.settings import FuseSettings, MergeSettings, Settings
from mmlego.sites import is_name, modality_of

MOST_LETTERS = 100  # of the name of a block
NEEDED = "needs held_out:, patients whom no block was trained on"


def needs_patients(content: Mapping[str, Any]) -> str | None:
    """Return the key of a recipe that asks for patients whom it does not name, or None.

    Parameters
    ----------
    content
        The recipe, checked or not.
    """
    if content.get("held_out") is not None:
        return None
    if content.get("weights") == STACKED:
        return "weights"
    return "calibrate" if content.get("calibrate") is True else None


def _name(name: str) -> str:
    """Refuse a name that could not be that of a folder beside others: a block that is trained now lies under it."""
    odd = any(sign in "/\\." or not sign.isprintable() for sign in name)
    if odd or not is_name(name) or len(name) > MOST_LETTERS:
        raise ValueError(f"{name!r} is no name of a block: a modality, or modality@site, without slashes and dots")
    return name


class Patients(Section):
    """A cohort: its manifest, and where its files lie if not beside it. Paths count from the recipe."""

    data: str = Field(description="The manifest of the cohort.")
    data_dir: list[str] = Field(default_factory=list, description="Where its files lie, if not beside it.")


class TrainSection(Patients, Shares):
    """A block that is trained now, as ``mmlego train --modality`` does it."""

    modality: str | None = Field(default=None, description="Of the cohort; what stands before @ in the block's name.")
    shared_patients: bool = Field(default=False, description="Train on all patients, not on the modality's own part.")
    settings: Settings = Field(default=Settings(), description="As --config takes them.")


class BlockSection(Section):
    """One block: the folder or the repository of a trained one, or how it is trained now."""

    path: str | None = Field(default=None, description="The folder of a trained block.")
    hub: str | None = Field(default=None, description="A repository of the Hugging Face Hub, owner/name.")
    revision: str | None = Field(default=None, description="Of it: a commit, or a branch.")
    sha256: str | None = Field(
        default=None, pattern="^[0-9a-f]{64}$", description="Of its files: another block is refused."
    )
    train: TrainSection | None = Field(default=None, description="How it is trained, in place of a path.")

    @model_validator(mode="before")
    @classmethod
    def _path_alone(cls, given: Any) -> Any:
        return {"path": given} if isinstance(given, str) else given

    @model_validator(mode="after")
    def _one_of_both(self) -> BlockSection:
        if sum(one is not None for one in (self.path, self.hub, self.train)) != 1:
            raise ValueError("a block has a path:, a repository hub:, or train: says how it is made; one of these")
        if (self.hub is None) != (self.revision is None):
            raise ValueError("hub: and revision: belong together, as a branch may change")
        if self.sha256 is not None and self.train is not None:
            raise ValueError("sha256: is of a block that is there")
        return self


class WatchedSection(Patients):
    """Patients of whom weights are stacked, on whom the model is calibrated, and with whom predictions are compared."""

    unseen: bool = Field(
        default=False,
        description="Says that no block was trained on any of them; else the blocks' runs must have split the cohort.",
    )


class FuseSection(Patients, FuseSettings):
    """Tuning on patients who have all modalities; those that the blocks' runs held back stay held back."""

    test: float = Field(default=0.0, ge=0, lt=1, description="Share held back, if no run has split the cohort.")
    seed: int = Field(default=0, ge=0, lt=2**63)


class Recipe(MergeSettings):
    """How one model is made of blocks.

    Parameters
    ----------
    blocks
        By name, as ``rna``, or ``clinical@a`` where several sites have one modality: a folder, or how it is trained.
    plate
        The folder of the baseplate on which blocks are trained now; None: that of the trained ones, or a new one.
    rule, phase, heads, weights, strength
        Of the merge, as ``mmlego merge`` takes them.
    held_out
        Patients for stacked weights, calibration and comparison.
    calibrate
        Whether the merge is calibrated on these.
    fuse
        How it is tuned; None: it is not.

    Examples
    --------
    >>> Recipe.model_validate({"blocks": {"rna": "b/run/blocks/rna", "clinical": "a/run/blocks/clinical"}}).rule
    'residual'
    """

    blocks: dict[Annotated[str, AfterValidator(_name)], BlockSection] = Field(min_length=1)
    plate: str | None = None
    held_out: WatchedSection | None = None
    calibrate: bool = False
    fuse: FuseSection | None = None

    @model_validator(mode="after")
    def _has_patients(self) -> Recipe:
        lacking = needs_patients(dict(self))
        if lacking is not None:
            raise ValueError(f"{lacking} {NEEDED}")
        return self

    @model_validator(mode="after")
    def _of_blocks(self) -> Recipe:
        for name, part in self.blocks.items():
            if part.train is not None and part.train.modality not in (None, modality_of(name)):
                raise ValueError(
                    f"block {name} would read {modality_of(name)}, and is trained on {part.train.modality}: "
                    f"call it {part.train.modality}, or {part.train.modality}@site"
                )
        known = {*self.blocks, *map(modality_of, self.blocks)}
        strange = sorted(self.weights.keys() - known) if isinstance(self.weights, dict) else []
        if strange:
            raise ValueError(f"weights name no block: {', '.join(strange)}; there are {', '.join(self.blocks)}")
        return self
