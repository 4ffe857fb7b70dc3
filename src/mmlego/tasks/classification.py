"""Classification: which one of k classes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from mmlego.errors import ShapeError
from mmlego.tasks.base import Task
from mmlego.tasks.checks import as_names, as_numbers, check_logits, refuse
from mmlego.tasks.conformal import class_sets, class_summary
from mmlego.tasks.prediction import Prediction
from mmlego.tasks.registry import register_task
from mmlego.tasks.scores import calibration_error, mean_of_defined, ranking_scores

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True, eq=False)
class ClassificationPrediction(Prediction):
    """Probabilities of the classes, and the most probable one.

    Attributes
    ----------
    probabilities : (b, k)
        Rows sum to 1.
    label : (b,) int64
        The number of the most probable class.
    classes : tuple of k str
        The names of the classes.

    Examples
    --------
    >>> import torch
    >>> prediction = Classification(["alive", "dead"]).predict(torch.tensor([[0.0, 2.0]]))
    >>> prediction.classes[prediction.label[0]]
    'dead'
    """

    probabilities: Tensor
    label: Tensor
    classes: tuple[str, ...]

    def columns(self) -> dict[str, np.ndarray]:
        """Name the columns of the table: the name of the class, then the probability of each.

        Returns
        -------
        dict of str to array (b,)
            ``label`` and ``probability_<class>``.

        Examples
        --------
        >>> import torch
        >>> list(Classification(["alive", "dead"]).predict(torch.zeros(1, 2)).columns())
        ['label', 'probability_alive', 'probability_dead']
        """
        import numpy as np

        probabilities = self.probabilities.detach().cpu().numpy()  # (b, k)
        named = np.array(self.classes, dtype=object)[self.label.cpu().numpy()]
        each = {f"probability_{name}": probabilities[:, j] for j, name in enumerate(self.classes)}
        return {"label": named, **each}


@register_task
@dataclass(frozen=True, init=False)
class Classification(Task):
    """One of k ≥ 2 classes that exclude one another, by softmax. Two classes have two logits as well.

    Parameters
    ----------
    classes
        The number of classes, or their names in the order of the logits. A number names them "0", "1" and so
        on. Of two classes, the second is the positive one.

    Raises
    ------
    InputError
        If there are fewer than two classes or two of the same name.

    Examples
    --------
    >>> import torch
    >>> task = Classification(["alive", "dead"])
    >>> task.outputs
    2
    >>> task.metrics(torch.tensor([[1.0, 0.0], [0.0, 1.0]]), torch.tensor([0, 1]))["auroc"]
    1.0
    """

    name: ClassVar[str] = "classification"
    primary_metric: ClassVar[str] = "auroc"
    chance: ClassVar[float] = 0.5
    evidence_adds: ClassVar[bool] = True
    calibrated_adds: ClassVar[bool] = True

    classes: tuple[str, ...]

    def __init__(self, classes: int | Sequence[str]) -> None:
        object.__setattr__(self, "classes", as_names(classes, "classes", "", least=2))

    @property
    def outputs(self) -> int:
        """The number k of classes."""
        return len(self.classes)

    def check_target(self, target: object, *, shape_only: bool = False) -> Tensor:
        """Check a target (n,) of class numbers.

        Parameters
        ----------
        target : (n,)
            Whole numbers from 0 to k − 1, of any numeric dtype.
        shape_only
            Leave the values unread, for a target that was checked before and is on an accelerator.

        Returns
        -------
        Tensor : (n,) int64
            The same.

        Raises
        ------
        InputError
            If a label is missing, broken or out of range.

        Examples
        --------
        >>> Classification(3).check_target([0.0, 2.0])
        tensor([0, 2])
        """
        values = as_numbers(target, "target")
        if values.ndim != 1:
            raise ShapeError(
                "the target is not one of classification",
                expected="(n,) with one class number for each sample",
                got=tuple(values.shape),
                remedy="Turn one-hot rows into numbers with argmax(1); for several labels use MultiLabel.",
            )
        if not shape_only:
            refuse(
                ~((values >= 0) & (values < self.outputs) & (values == values.long())),
                values,
                "label is not a class",
                expected=f"whole numbers from 0 to {self.outputs - 1}",
                remedy=f"The classes are {', '.join(self.classes)}; drop samples without a label.",
            )
        return values.long()

    def sample_loss(self, logits: Tensor, target: Tensor) -> Tensor:
        """Compute the cross-entropy −log softmax(logits)_y.

        Parameters
        ----------
        logits : (b, k)
            Scores of the classes.
        target : (b,)
            Class numbers.

        Returns
        -------
        Tensor : (b,)
            The loss of each sample.

        Examples
        --------
        >>> import torch
        >>> Classification(4).sample_loss(torch.zeros(1, 4), torch.tensor([2]))
        tensor([1.3863])
        """
        return F.cross_entropy(logits, target, reduction="none")

    def predict(self, logits: Tensor) -> ClassificationPrediction:
        """Turn logits into probabilities and labels.

        Parameters
        ----------
        logits : (b, k)
            Finite logits.

        Returns
        -------
        ClassificationPrediction
            Probabilities (b, k) and labels (b,).

        Raises
        ------
        InputError
            If the logits are not finite or not (b, k).

        Examples
        --------
        >>> import torch
        >>> Classification(2).predict(torch.zeros(1, 2)).probabilities
        tensor([[0.5000, 0.5000]])
        """
        logits = check_logits(logits, self.outputs, finite=True)
        return ClassificationPrediction(logits.softmax(dim=1), logits.argmax(dim=1), self.classes)

    def strata(self, target: object) -> Tensor:
        """Group samples by class.

        Parameters
        ----------
        target : (n,)
            Class numbers.

        Returns
        -------
        Tensor : (n,) int64
            The class numbers.

        Examples
        --------
        >>> Classification(2).strata([1, 0])
        tensor([1, 0])
        """
        return self.check_target(target)

    def summary(self, logits: Tensor, target: Tensor) -> dict[str, Any]:
        """Return by class what split conformal prediction needs, as :func:`class_summary` finds it."""
        target = self.check_target(target).cpu()
        return class_summary(self.predict(logits.cpu()).probabilities, target, self.classes)

    def compared(
        self, logits: Tensor, summary: Mapping[str, Any], level: float = 0.9, times: Sequence[float] | None = None
    ) -> dict[str, np.ndarray]:
        """Return the classes that cannot be excluded, the most probable first, as the column ``not_excluded_90``.

        Of all patients of a class it is among them for so many in a hundred. An empty summary has no such column.
        """
        import numpy as np

        if not any(name in summary for name in self.classes):
            return {}
        sets = class_sets(self.predict(logits.cpu()).probabilities, summary, self.classes, level)
        return {f"not_excluded_{100 * level:g}": np.array(sets, dtype=object)}

    def _scores(self, logits: Tensor, target: Tensor, reference: Tensor | None) -> tuple[dict[str, float], list[str]]:
        scores = classification_scores(logits, target)
        present = len(set(target.tolist()))
        reasons = [] if present > 1 else ["auroc and auprc are undefined: the target holds one class only."]
        return scores, reasons


def classification_scores(logits: Tensor, target: Tensor) -> dict[str, float]:
    """Compute all scores of class predictions.

    =====================  ==================================================================================
    ``auroc``              area under the ROC curve; of the second of two classes, else the mean of one class
                           against the rest over the classes in the target
    ``auprc``              average precision, averaged in the same way
    ``accuracy``           share of right labels
    ``balanced_accuracy``  mean recall over the classes in the target
    ``f1_macro``           mean F1 over the classes in the target or in the predictions
    ``log_loss``           mean −log p_y; lower is better
    ``brier``              mean (p₁ − y)² for two classes, mean Σ (p − onehot y)² for more (Brier 1950); lower
                           is better
    ``ece``                expected calibration error in 15 bins, of p₁ for two classes, of the most probable
                           class for more (Guo et al. 2017); lower is better
    =====================  ==================================================================================

    Parameters
    ----------
    logits : (n, k)
        Scores of the classes.
    target : (n,) int64
        Class numbers.

    Returns
    -------
    dict of str to float
        ``auroc`` and ``auprc`` are NaN if the target holds one class only.

    Examples
    --------
    >>> import torch
    >>> scores = classification_scores(torch.tensor([[2.0, 0.0], [2.0, 0.0]]), torch.tensor([0, 1]))
    >>> scores["accuracy"], scores["balanced_accuracy"], scores["auroc"]
    (0.5, 0.5, 0.5)
    """
    from torchmetrics.functional.classification import multiclass_f1_score

    k = logits.shape[1]
    probabilities, label = logits.softmax(dim=1), logits.argmax(dim=1)  # (n, k), (n,)
    onehot = F.one_hot(target, k)  # (n, k)
    right = label == target  # (n,)
    present = sorted(set(target.tolist()))
    if k == 2:
        ranked = [ranking_scores(_log_odds(logits, 1), target)]
        ece = calibration_error(probabilities[:, 1], target)
        brier = (probabilities[:, 1] - target).square()
    else:
        ranked = [ranking_scores(_log_odds(logits, c), onehot[:, c]) for c in present]
        ece = calibration_error(probabilities.amax(dim=1), right)
        brier = (probabilities - onehot).square().sum(dim=1)
    return {
        "auroc": mean_of_defined([auroc for auroc, _ in ranked]),
        "auprc": mean_of_defined([auprc for _, auprc in ranked]),
        "accuracy": float(right.double().mean()),
        "balanced_accuracy": mean_of_defined([float(right[target == c].double().mean()) for c in present]),
        "f1_macro": float(multiclass_f1_score(label, target, num_classes=k, average="macro")),
        "log_loss": float(F.cross_entropy(logits, target)),
        "brier": float(brier.mean()),
        "ece": ece,
    }


def _log_odds(logits: Tensor, c: int) -> Tensor:
    """Return log p_c / (1 − p_c), which tells apart what in probabilities is 1 and 1."""
    return logits[:, c] - torch.cat([logits[:, :c], logits[:, c + 1 :]], dim=1).logsumexp(dim=1)
