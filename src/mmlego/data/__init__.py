"""Patients × modalities with gaps: files in, splits by patient, batches out."""

from __future__ import annotations

from mmlego.data.cohort.checking import check_manifest
from mmlego.data.cohort.cohort import Cohort
from mmlego.data.cohort.draft import draft_manifest
from mmlego.data.cohort.leakage import check_leakage, duplicates
from mmlego.data.cohort.manifest import Manifest, read_manifest
from mmlego.data.cohort.prepared import Prepared
from mmlego.data.cohort.report import Report
from mmlego.data.kinds import preprocessing_from_config, preprocessing_names, register_kind
from mmlego.data.kinds.bag.bag import Bag
from mmlego.data.kinds.bag.preprocess import BagPreprocessor
from mmlego.data.kinds.bag.source import BagSource
from mmlego.data.kinds.file_sources import FileSource
from mmlego.data.kinds.fingerprint.preprocess import FingerprintPreprocessor
from mmlego.data.kinds.fingerprint.source import FingerprintSource
from mmlego.data.kinds.fitted import Preprocessing
from mmlego.data.kinds.folder import Folder
from mmlego.data.kinds.graph.preprocess import GraphPreprocessor
from mmlego.data.kinds.graph.source import GraphSource
from mmlego.data.kinds.image.preprocess import ImagePreprocessor
from mmlego.data.kinds.image.source import ImageSource, VolumeSource
from mmlego.data.kinds.molecules import scaffold_groups
from mmlego.data.kinds.omics.preprocess import OmicsPreprocessor
from mmlego.data.kinds.omics.source import OmicsSource
from mmlego.data.kinds.sequence.preprocess import SequencePreprocessor
from mmlego.data.kinds.sequence.source import SequenceSource
from mmlego.data.kinds.series.preprocess import SeriesPreprocessor
from mmlego.data.kinds.series.source import SeriesSource, StaticSource
from mmlego.data.kinds.source import Source
from mmlego.data.kinds.table.source import TableSource
from mmlego.data.kinds.tabular.preprocess import TablePreprocessor
from mmlego.data.kinds.text.preprocess import TextPreprocessor
from mmlego.data.kinds.text.source import TextSource
from mmlego.data.memory.batch import Batch
from mmlego.data.memory.chance import Draw
from mmlego.data.memory.patients import PatientData
from mmlego.data.memory.sampler import ShuffledRows
from mmlego.data.reading.remarks import Dropped
from mmlego.data.splits.files import hash_patients, load_splits, save_splits
from mmlego.data.splits.splits import Split, check_split, halves, split_patients

__all__ = [
    "Bag",
    "BagPreprocessor",
    "BagSource",
    "Batch",
    "Cohort",
    "Draw",
    "Dropped",
    "FileSource",
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
    "Report",
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
    "check_manifest",
    "check_split",
    "draft_manifest",
    "duplicates",
    "halves",
    "hash_patients",
    "load_splits",
    "preprocessing_from_config",
    "preprocessing_names",
    "read_manifest",
    "register_kind",
    "save_splits",
    "scaffold_groups",
    "split_patients",
]
