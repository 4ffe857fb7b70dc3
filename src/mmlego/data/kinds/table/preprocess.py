"""Kind ``table``, its preprocessing: the one of columns, which other kinds use too."""

from mmlego.data.kinds.tabular.preprocess import TablePreprocessor

__all__ = ["TablePreprocessor"]
