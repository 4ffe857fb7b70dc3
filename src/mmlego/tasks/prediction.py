"""What a task predicts: tensors in its units, and a table of them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING

from mmlego.errors import ShapeError

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd


class Prediction(ABC):
    """Predictions in the units of a task, one row a patient.

    Examples
    --------
    >>> import torch
    >>> from mmlego.tasks import Regression
    >>> prediction = Regression().predict(torch.tensor([[1.0], [2.0]]))
    >>> isinstance(prediction, Prediction), len(prediction)
    (True, 2)
    """

    @abstractmethod
    def columns(self) -> dict[str, np.ndarray]:
        """Name the columns of the table of predictions.

        Returns
        -------
        dict of str to array (b,)
            The columns in order.

        Examples
        --------
        >>> import torch
        >>> from mmlego.tasks import Regression
        >>> list(Regression(["age"]).predict(torch.zeros(2, 1)).columns())
        ['age']
        """

    def __len__(self) -> int:
        return len(next(iter(self.columns().values())))

    def frame(self, patients: Sequence[str] | None = None) -> pd.DataFrame:
        """Put the predictions in a table.

        Parameters
        ----------
        patients : b names, optional
            The index of the table. Without it rows are numbered.

        Returns
        -------
        pandas.DataFrame : (b, columns)
            One row a patient.

        Raises
        ------
        ShapeError
            If there are not as many names as predictions.

        Examples
        --------
        >>> import torch
        >>> from mmlego.tasks import Regression
        >>> prediction = Regression(["age"], mean=50.0, scale=10.0).predict(torch.tensor([[1.0]]))
        >>> prediction.frame(["p1"]).loc["p1", "age"].item()
        60.0
        """
        import pandas as pd

        if patients is None:
            return pd.DataFrame(self.columns())
        names = list(patients)
        if len(names) != len(self):
            raise ShapeError("patients and predictions differ in number", expected=len(self), got=len(names))
        return pd.DataFrame(self.columns(), index=pd.Index(names, name="patient"))
