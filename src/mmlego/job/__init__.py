"""The main job: train a block, train all, tune a fuse; parts of patients, and data of a model."""

from mmlego.job.blocks import fit_blocks, parts_by_modality, parts_of
from mmlego.job.bricks import Blocks, Bricks, save_bricks
from mmlego.job.data import data_of, having, having_all
from mmlego.job.main import train, train_blocks
from mmlego.job.one_block import encoder_for, train_block
from mmlego.job.predicted_table import predict_table
from mmlego.job.predicting import completed, predict_cohort, wanted_of
from mmlego.job.tuning import tune_fuse

__all__ = [
    "Blocks",
    "Bricks",
    "completed",
    "data_of",
    "encoder_for",
    "fit_blocks",
    "having",
    "having_all",
    "parts_by_modality",
    "parts_of",
    "predict_cohort",
    "predict_table",
    "save_bricks",
    "train",
    "train_block",
    "train_blocks",
    "tune_fuse",
    "wanted_of",
]
