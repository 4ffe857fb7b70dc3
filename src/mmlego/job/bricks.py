"""What the main job makes: blocks trained apart, the models made of them, and on whom."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from mmlego.baseplate import Baseplate
from mmlego.brick import Brick
from mmlego.checkpoint import save
from mmlego.data import Cohort
from mmlego.errors import InputError
from mmlego.fuse import LegoFuse
from mmlego.job.scoring import score_models
from mmlego.merge import LegoMerge
from mmlego.run_folder import RunFolder
from mmlego.settings import Settings
from mmlego.training.evaluate import Model

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Blocks:
    """Blocks that were trained apart, and on whom.

    Parameters
    ----------
    plate
        Shared by all.
    blocks
        By modality.
    train, validation, test
        Ids of the split: whom blocks and fuse were trained on, whom early stopping watched, and who was held back.
    parts
        By modality, whom its block was given to train on and to watch; of these it uses those who have the modality.
    settings
        All settings in force.
    """

    plate: Baseplate
    blocks: dict[str, Brick]
    train: tuple[str, ...] = ()
    validation: tuple[str, ...] = ()
    test: tuple[str, ...] = ()
    parts: dict[str, tuple[Sequence[str], Sequence[str]]] = field(default_factory=dict, repr=False)
    settings: Settings = field(default_factory=Settings, repr=False)


@dataclass(frozen=True, kw_only=True)
class Bricks(Blocks):
    """What the main job makes: blocks, and the models made of them.

    Parameters
    ----------
    merge
        The blocks as one model, without training.
    fuse
        The blocks as one model, tuned on the training patients who have all modalities; None if there are none.
    """

    merge: LegoMerge
    fuse: LegoFuse | None = None

    def scores(self, cohort: Cohort, patients: Sequence[str] | None = None) -> pd.DataFrame:
        """Return the scores of blocks, merge and fuse, as ``mmlego evaluate`` and ``mmlego bench`` have them.

        Parameters
        ----------
        cohort
            The patients' cohort; the one trained on, for censoring is weighed by its training patients.
        patients
            Whom to score; None: those held back.

        Returns
        -------
        pandas.DataFrame
            A row a model: ``patients``, those of them who have a modality of it, ``loss``, and the task's metrics.

        Raises
        ------
        InputError
            If nobody was held back.
        """
        import pandas as pd

        chosen = self.test if patients is None else patients
        if not chosen:
            raise InputError(
                "nobody to score", expected="patients", got="none", remedy="Pass patients=, or train with test=0.2."
            )
        models: dict[str, Model] = {f"blocks/{name}": block for name, block in self.blocks.items()}
        models |= {"merge": self.merge} | ({} if self.fuse is None else {"fuse": self.fuse})
        found = score_models(models, cohort, chosen, self.train)
        rows = {name: {"patients": 0} if one is None else one.row() for name, one in found.items()}
        return pd.DataFrame.from_dict(rows, orient="index")


def save_bricks(bricks: Bricks, folder: Path, data: str) -> list[Path]:
    """Save baseplate, blocks, merge and fuse below a folder, replacing earlier checkpoints there.

    Parameters
    ----------
    bricks
        What the main job made.
    folder
        Of a run.
    data
        Description of the training data, for the cards of merge and fuse.

    Returns
    -------
    list of Path
        The checkpoints.
    """
    run = RunFolder(folder)
    made = [save(bricks.plate, run.plate, overwrite=True)]
    made += [save(block, run.block(name), overwrite=True) for name, block in bricks.blocks.items()]
    made.append(save(bricks.merge, run.merge, data=data, overwrite=True))
    if bricks.fuse is not None:
        made.append(save(bricks.fuse, run.fuse, data=data, overwrite=True))
    return made
