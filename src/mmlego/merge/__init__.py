"""Merging: spectra of any number of blocks → one spectrum, heads → one head, with no training."""

from mmlego.merge.heads import head_rules, merge_heads
from mmlego.merge.model import LegoMerge
from mmlego.merge.rules import combine, merge_rules, register_rule

__all__ = ["LegoMerge", "combine", "head_rules", "merge_heads", "merge_rules", "register_rule"]
