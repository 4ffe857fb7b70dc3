"""Reports: one page on a run, a model or an experiment, for those who have to judge it."""

from mmlego.reporting.making import make_report

__all__ = ["make_report"]
