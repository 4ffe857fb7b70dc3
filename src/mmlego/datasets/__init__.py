"""Cohorts by name: GSE7390, TCGA files, and a synthetic one whose signal is known."""

from mmlego.datasets.desmedt import gse7390
from mmlego.datasets.porpoise import tcga
from mmlego.datasets.registry import Dataset, dataset_names, load_dataset, register_dataset, write_dataset
from mmlego.datasets.simulated import synthetic, write_synthetic

__all__ = [
    "Dataset",
    "dataset_names",
    "gse7390",
    "load_dataset",
    "register_dataset",
    "synthetic",
    "tcga",
    "write_dataset",
    "write_synthetic",
]
