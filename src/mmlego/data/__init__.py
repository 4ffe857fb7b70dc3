"""Patients × modalities with gaps: files in, splits by patient, batches out."""

from __future__ import annotations

from mmlego.data.bags import Bag, BagPreprocessor, BagSource
from mmlego.data.batch import Batch
from mmlego.data.chance import Draw
from mmlego.data.cohort import Cohort
from mmlego.data.fitted import Preprocessing
from mmlego.data.graph_sources import GraphSource
from mmlego.data.graphs import GraphPreprocessor
from mmlego.data.image_sources import ImageSource, VolumeSource
from mmlego.data.images import ImagePreprocessor
from mmlego.data.joins import Dropped
from mmlego.data.leakage import check_leakage, duplicates
from mmlego.data.manifest import Manifest, read_manifest
from mmlego.data.molecule_bits import FingerprintPreprocessor, FingerprintSource
from mmlego.data.molecules import scaffold_groups
from mmlego.data.omics import OmicsPreprocessor, OmicsSource
from mmlego.data.patients import PatientData
from mmlego.data.prepared import Prepared
from mmlego.data.preprocessing import preprocessing_from_config, preprocessing_names
from mmlego.data.sampler import ShuffledRows
from mmlego.data.sequences import SequencePreprocessor, SequenceSource
from mmlego.data.series import SeriesPreprocessor
from mmlego.data.series_sources import SeriesSource, StaticSource
from mmlego.data.source import Folder, Source
from mmlego.data.sources import TableSource
from mmlego.data.split_files import hash_patients, load_splits, save_splits
from mmlego.data.splits import Split, check_split, halves, split_patients
from mmlego.data.tables import TablePreprocessor
from mmlego.data.texts import TextPreprocessor, TextSource

__all__ = [
    "Bag",
    "BagPreprocessor",
    "BagSource",
    "Batch",
    "Cohort",
    "Draw",
    "Dropped",
    "FingerprintPreprocessor",
    "FingerprintSource",
    "Folder",
    "GraphPreprocessor",
    "GraphSource",
    "ImagePreprocessor",
    "ImageSource",
    "Manifest",
    "OmicsPreprocessor",
    "OmicsSource",
    "PatientData",
    "Prepared",
    "Preprocessing",
    "SequencePreprocessor",
    "SequenceSource",
    "SeriesPreprocessor",
    "SeriesSource",
    "ShuffledRows",
    "Source",
    "Split",
    "StaticSource",
    "TablePreprocessor",
    "TableSource",
    "TextPreprocessor",
    "TextSource",
    "VolumeSource",
    "check_leakage",
    "check_split",
    "duplicates",
    "halves",
    "hash_patients",
    "load_splits",
    "preprocessing_from_config",
    "preprocessing_names",
    "read_manifest",
    "save_splits",
    "scaffold_groups",
    "split_patients",
]
