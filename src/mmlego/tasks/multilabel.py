"""Multi-label classification: which of k labels, any number of them, some unknown."""

from __future__ import annotations

import math
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
from mmlego.tasks.scores import mean_of_defined, ranking_scores

if TYPE_CHECKING:
    import numpy as np

ANSWERS = ("no", "yes")


@dataclass(frozen=True, eq=False)
class MultiLabelPrediction(Prediction):
    """Probabilities of labels, each on its own.

    Attributes
    ----------
    probabilities : (b, k)
        Each between 0 and 1; rows need not sum to 1.
    labels : tuple of k str
        The names of the labels.

    Examples
    --------
    >>> MultiLabel(["sepsis", "stroke"]).predict(torch.zeros(1, 2)).probabilities
    tensor([[0.5000, 0.5000]])
    """

    probabilities: Tensor
    labels: tuple[str, ...]

    def columns(self) -> dict[str, np.ndarray]:
        """Name the columns of the table, one for each label.

        Returns
        -------
        dict of str to array (b,)
            ``probability_<label>``.

        Examples
        --------
        >>> list(MultiLabel(["sepsis", "stroke"]).predict(torch.zeros(1, 2)).columns())
        ['probability_sepsis', 'probability_stroke']
        """
        probabilities = self.probabilities.detach().cpu().numpy()  # (b, k)
        return {f"probability_{name}": probabilities[:, j] for j, name in enumerate(self.labels)}


@register_task
@dataclass(frozen=True, init=False)
class MultiLabel(Task):
    """Any number of k labels a sample, by a sigmoid each; NaN in the target is a label nobody knows.

    Parameters
    ----------
    labels
        The number of labels, or their names in the order of the logits. A number n names them "label_0" on.

    Raises
    ------
    InputError
        If there is no label or two of the same name.

    Examples
    --------
    >>> task = MultiLabel(["sepsis", "stroke"])
    >>> target = torch.tensor([[1.0, float("nan")], [0.0, 1.0]])
    >>> task.loss(torch.zeros(2, 2), target)  # three of four labels are known: ¾ log 2
    tensor(0.5199)
    """

    name: ClassVar[str] = "multilabel"
    primary_metric: ClassVar[str] = "auroc"
    chance: ClassVar[float] = 0.5
    evidence_adds: ClassVar[bool] = True
    calibrated_adds: ClassVar[bool] = True

    labels: tuple[str, ...]

    def __init__(self, labels: int | Sequence[str]) -> None:
        object.__setattr__(self, "labels", as_names(labels, "labels", "label_", least=1))

    @property
    def outputs(self) -> int:
        """The number k of labels."""
        return len(self.labels)

    def check_target(self, target: object, *, shape_only: bool = False) -> Tensor:
        """Check a target (n, k) of 0, 1 and NaN.

        Parameters
        ----------
        target : (n, k)
            1 where the label holds, 0 where it does not, NaN where nobody knows.
        shape_only
            Leave the values unread, for a target that was checked before and is on an accelerator.

        Returns
        -------
        Tensor : (n, k) float32
            The same.

        Raises
        ------
        InputError
            If a value is something else.

        Examples
        --------
        >>> MultiLabel(2).check_target([[1, None]])
        tensor([[1., nan]])
        """
        values = as_numbers(target, "target")
        if values.ndim != 2 or values.shape[1] != self.outputs:
            raise ShapeError(
                "the target is not one of these labels",
                expected=f"(n, {self.outputs})",
                got=tuple(values.shape),
                remedy=f"Give one column for each of {', '.join(self.labels)}.",
            )
        if not shape_only:
            refuse(
                ~((values == 0) | (values == 1) | values.isnan()),
                values,
                "label is neither 0 nor 1",
                expected="0, 1, or NaN where it is unknown",
                columns=self.labels,
            )
        return values.float()

    def sample_loss(self, logits: Tensor, target: Tensor) -> Tensor:
        """Compute the binary cross-entropy of the known labels, Σ_known ℓⱼ / k.

        The divisor is k and not the number of known labels, so that every known label counts the same and
        hiding one changes nothing for the others. A sample without any known label contributes 0.

        Parameters
        ----------
        logits : (b, k)
            Log-odds of the labels.
        target : (b, k)
            Labels, NaN where unknown.

        Returns
        -------
        Tensor : (b,)
            The loss of each sample.

        Examples
        --------
        >>> MultiLabel(1).sample_loss(torch.zeros(2, 1), torch.tensor([[1.0], [float("nan")]]))
        tensor([0.6931, 0.0000])
        """
        unknown = target.isnan()  # (b, k)
        truth = target.masked_fill(unknown, 0.0).to(logits.dtype)  # (b, k)
        losses = F.binary_cross_entropy_with_logits(logits, truth, reduction="none")  # (b, k)
        return losses.masked_fill(unknown, 0.0).mean(dim=1)

    def predict(self, logits: Tensor) -> MultiLabelPrediction:
        """Turn logits into probabilities.

        Parameters
        ----------
        logits : (b, k)
            Finite logits.

        Returns
        -------
        MultiLabelPrediction
            Probabilities (b, k).

        Raises
        ------
        InputError
            If the logits are not finite or not (b, k).

        Examples
        --------
        >>> MultiLabel(1).predict(torch.zeros(1, 1)).probabilities
        tensor([[0.5000]])
        """
        logits = check_logits(logits, self.outputs, finite=True)
        return MultiLabelPrediction(logits.sigmoid(), self.labels)

    def strata(self, target: object) -> Tensor:
        """Group samples by the rarest label that holds for them, so that splits share the rare ones out.

        Parameters
        ----------
        target : (n, k)
            Labels, NaN where unknown.

        Returns
        -------
        Tensor : (n,) int64
            0 where no label is known to hold, else 1 + the number of the label.

        Examples
        --------
        >>> MultiLabel(2).strata([[1, 1], [1, 0], [0, 0]])
        tensor([2, 1, 0])
        """
        holds = self.check_target(target) == 1  # (n, k)
        rarest_first = holds.sum(dim=0).argsort(stable=True)  # (k,)
        first = holds[:, rarest_first].byte().argmax(dim=1)  # (n,), the first that holds
        return torch.where(holds.any(dim=1), rarest_first[first] + 1, 0)

    def summary(self, logits: Tensor, target: Tensor) -> dict[str, Any]:
        """Return by label, for its absence and its presence, what :func:`class_summary` finds where it is known."""
        target = self.check_target(target).cpu()
        found, probabilities = {}, self.predict(logits.cpu()).probabilities
        for j, (label, p) in enumerate(zip(self.labels, probabilities.unbind(1), strict=True)):
            known = ~target[:, j].isnan()
            both = torch.stack([1 - p, p], dim=1)[known]
            found[label] = class_summary(both, target[known, j].long(), ANSWERS)
        return found

    def compared(
        self, logits: Tensor, summary: Mapping[str, Any], level: float = 0.9, times: Sequence[float] | None = None
    ) -> dict[str, np.ndarray]:
        """Return for each label whether it can be told, as the column ``<label>_not_excluded_90``: no, yes or both."""
        import numpy as np

        found = {}
        for label, p in zip(self.labels, self.predict(logits.cpu()).probabilities.unbind(1), strict=True):
            if isinstance(known := summary.get(label), dict):
                sets = class_sets(torch.stack([1 - p, p], dim=1), known, ANSWERS, level)
                found[f"{label}_not_excluded_{100 * level:g}"] = np.array(sets, dtype=object)
        return found

    def _scores(self, logits: Tensor, target: Tensor, reference: Tensor | None) -> tuple[dict[str, float], list[str]]:
        scores = multilabel_scores(logits, target, self.labels)
        one_sided = [name for name in self.labels if math.isnan(scores[f"auroc/{name}"])]
        reasons = []
        if len(one_sided) == len(self.labels):
            reasons.append("auroc, auprc and f1 are undefined: no label has both classes in the target.")
        elif one_sided:
            reasons.append(f"left out of the averages, one class only: {', '.join(one_sided)}.")
        if math.isnan(scores["log_loss"]):
            reasons.append("accuracy, log_loss and brier are undefined: no label is known.")
        return scores, reasons


def multilabel_scores(logits: Tensor, target: Tensor, names: Sequence[str]) -> dict[str, float]:
    """Compute all scores of label predictions, each label over the samples where it is known.

    ================  =======================================================================================
    ``auroc``         area under the ROC curve, mean over the labels with a positive and a negative sample
    ``auprc``         average precision, mean over the same labels
    ``f1``            F1 of probability > ½, mean over the same labels
    ``accuracy``      share of right labels at ½, mean over the labels known for some sample
    ``log_loss``      binary cross-entropy, mean over the same labels; lower is better
    ``brier``         mean (p − y)², mean over the same labels; lower is better
    ``auroc/<name>``  area under the ROC curve of one label
    ================  =======================================================================================

    Parameters
    ----------
    logits : (n, k)
        Log-odds of the labels.
    target : (n, k)
        Labels, NaN where unknown.
    names
        The k names.

    Returns
    -------
    dict of str to float
        NaN where undefined.

    Examples
    --------
    >>> target = torch.tensor([[0.0, 1.0], [1.0, float("nan")]])
    >>> scores = multilabel_scores(torch.tensor([[-1.0, 3.0], [1.0, 0.0]]), target, ["a", "b"])
    >>> scores["auroc"], scores["auroc/b"]
    (1.0, nan)
    """
    columns: dict[str, list[float]] = {key: [] for key in ("auroc", "auprc", "f1", "accuracy", "log_loss", "brier")}
    for logit, column in zip(logits.T, target.T, strict=True):
        known = ~column.isnan()  # (n,)
        for key, value in _label_scores(logit[known], column[known].to(logits)).items():
            columns[key].append(value)
    averages = {key: mean_of_defined(values) for key, values in columns.items()}
    each = {f"auroc/{name}": value for name, value in zip(names, columns["auroc"], strict=True)}
    return averages | each


def _label_scores(logit: Tensor, truth: Tensor) -> dict[str, float]:
    """Compute the scores of one label on its known samples (n,)."""
    from torchmetrics.functional.classification import binary_f1_score

    probability, said = logit.sigmoid(), logit > 0  # (n,), (n,)
    auroc, auprc = ranking_scores(logit, truth)
    both = not math.isnan(auroc)
    loss = F.binary_cross_entropy_with_logits(logit, truth) if len(truth) else torch.tensor(math.nan)
    return {
        "auroc": auroc,
        "auprc": auprc,
        "f1": float(binary_f1_score(said.long(), truth.long())) if both else math.nan,
        "accuracy": float((said == truth.bool()).double().mean()),
        "log_loss": float(loss),
        "brier": float((probability - truth).square().mean()),
    }
