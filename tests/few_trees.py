"""Whoever imports this has ``auto``, and what crosses modalities, grow few trees: the suite needs no more.

Hundreds of trees took a third of the time of the tests, and how good they are is measured elsewhere. Processes that
work for a test import it by :func:`mmlego.plugins.import_own`.
"""

from __future__ import annotations

from mmlego.job.pooling import OPTIONS

USUAL = dict(OPTIONS)
OPTIONS |= {name: {"trees": 20} for name in ("forest", "survival_forest")}
OPTIONS |= {name: {"rounds": 40} for name in ("boosting", "survival_boosting")}
FEW = dict(OPTIONS)
