"""Turn unimodal encoders into one multimodal model: blocks trained apart, merged, then fused."""

from typing import TYPE_CHECKING

from mmlego.errors import (
    CheckpointError,
    InputError,
    LegoError,
    LegoWarning,
    MismatchError,
    MissingExtraError,
    ShapeError,
    UnknownNameError,
    VersionError,
)
from mmlego.version import __version__

if TYPE_CHECKING:
    from mmlego import data, datasets, encoders, estimators, interop, learners, tasks
    from mmlego.baseplate import Baseplate
    from mmlego.block import LegoBlock
    from mmlego.brick import BlockOutput
    from mmlego.bundle import Bundle
    from mmlego.card import Card
    from mmlego.checkpoint import load, save
    from mmlego.explaining.explain import explain
    from mmlego.fitted import FittedBlock
    from mmlego.fuse import LegoFuse
    from mmlego.hub import push
    from mmlego.job import Blocks, Bricks, data_of, predict_table, train, train_blocks
    from mmlego.merge import LegoMerge, merge_rules
    from mmlego.nn import Ragged
    from mmlego.recipes import run_recipe
    from mmlego.renaming import rename
    from mmlego.training.calibrate import calibrate
    from mmlego.training.evaluate import evaluate, predict
    from mmlego.training.fit import fit
    from mmlego.training.stacking import stack
else:  # the command line shows its help without torch, which takes longer to import than all the rest
    from mmlego.lazy import lazily

    __getattr__, __dir__ = lazily(
        "mmlego",
        {
            "baseplate": ["Baseplate"],
            "block": ["LegoBlock"],
            "brick": ["BlockOutput"],
            "bundle": ["Bundle"],
            "card": ["Card"],
            "checkpoint": ["load", "save"],
            "explaining.explain": ["explain"],
            "fitted": ["FittedBlock"],
            "fuse": ["LegoFuse"],
            "hub": ["push"],
            "job": ["Blocks", "Bricks", "data_of", "predict_table", "train", "train_blocks"],
            "merge": ["LegoMerge", "merge_rules"],
            "nn": ["Ragged"],
            "recipes": ["run_recipe"],
            "renaming": ["rename"],
            "training.calibrate": ["calibrate"],
            "training.evaluate": ["evaluate", "predict"],
            "training.fit": ["fit"],
            "training.stacking": ["stack"],
        },
        "baseplate block card checkpoint data datasets encoders encoding estimators explaining fingerprint fuse "
        "interop job learners merge multimodal nn settings tasks training".split(),
    )

__all__ = [
    "Baseplate",
    "BlockOutput",
    "Blocks",
    "Bricks",
    "Bundle",
    "Card",
    "CheckpointError",
    "FittedBlock",
    "InputError",
    "LegoBlock",
    "LegoError",
    "LegoFuse",
    "LegoMerge",
    "LegoWarning",
    "MismatchError",
    "MissingExtraError",
    "Ragged",
    "ShapeError",
    "UnknownNameError",
    "VersionError",
    "__version__",
    "calibrate",
    "data",
    "data_of",
    "datasets",
    "encoders",
    "estimators",
    "evaluate",
    "explain",
    "fit",
    "interop",
    "learners",
    "load",
    "merge_rules",
    "predict",
    "predict_table",
    "push",
    "rename",
    "run_recipe",
    "save",
    "stack",
    "tasks",
    "train",
    "train_blocks",
]
