"""Patients × modalities with gaps, in memory: what models are trained on and asked about."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import torch
from torch import Tensor
from torch.utils.data import DataLoader

from mmlego.data.memory.batch import Batch
from mmlego.data.memory.chance import Draw
from mmlego.data.memory.checks import (
    Array,
    Choice,
    Rows,
    check_any,
    check_names,
    check_rows,
)
from mmlego.data.memory.columns import Column, load_inputs
from mmlego.data.memory.joining import check_parts, join_columns, join_optional
from mmlego.data.memory.lazy import LazyColumn
from mmlego.data.memory.loading import make_loader
from mmlego.data.memory.table import PatientTable
from mmlego.errors import InputError


class PatientData(PatientTable):
    """Some modalities of ``n`` patients, any of which a patient may lack, and their outcome.

    All input is checked here, once. Every method returns new data, which shares memory where it can.

    Parameters
    ----------
    modalities
        In order, for each modality a tensor ``(n, f...)``; a tensor ``(n, t, f...)`` and its boolean token
        mask ``(n, t)``; or a list of ``n`` tensors ``(n_i, f...)`` for bags and sequences of unequal length.
        Rows where the modality is absent may hold anything, and None in a list. Floating features become
        float32; integers stay, as token ids do.
    target
        The outcome of each patient, first axis ``n``, in a form that ``task`` understands; None to predict.
    task
        The meaning of the target.
    patients
        The ``n`` patient ids; without them, the row numbers, which mean nothing in other data.
    present
        For each modality a boolean tensor ``(n,)``: who has it. Without it, everyone whose row is not
        entirely NaN, or not None in a list.
    weights
        The weight of each patient in the loss, ``(n,)``, finite and ≥ 0.
    repeats
        ``"allow"`` lets several rows belong to one patient (slides, stays).
    empty
        ``"allow"`` lets a patient have no modality at all; :meth:`with_any` drops them.
    missing
        Modalities in which NaN means "not measured", for encoders that accept missing values.

    Raises
    ------
    InputError
        For features, bags, ids, weights or targets that cannot be used; the message names the patients.
    ShapeError
        For lengths that disagree, or shapes that do not fit.
    UnknownNameError
        For a modality in ``present`` that is not among the modalities.

    Examples
    --------
    >>> nan = float("nan")
    >>> data = PatientData(
    ...     {"rna": torch.tensor([[1.0, 2.0], [nan, nan]]), "wsi": [torch.ones(3, 4), torch.ones(5, 4)]},
    ...     patients=["p1", "p2"],
    ... )
    >>> data
    PatientData(2 rows of 2 patients; rna 1, wsi 2; no target)
    >>> batch = data.batch([1, 0])
    >>> batch.present["rna"].tolist(), batch.inputs["rna"].tolist(), batch.inputs["wsi"].sizes
    ([False, True], [[0.0, 0.0], [1.0, 2.0]], [5, 3])
    """

    def subset(self, rows: Rows) -> PatientData:
        """Return the given rows, in the given order.

        Parameters
        ----------
        rows
            Row numbers ``(b,)``, or a boolean mask ``(n,)``.

        Returns
        -------
        PatientData
            The rows, with all modalities.

        Raises
        ------
        InputError
            If there is no row, or a row that does not exist.

        Examples
        --------
        >>> PatientData({"rna": torch.ones(3, 2)}).subset([2, 0]).patients
        ('2', '0')
        """
        index = check_rows(rows, len(self))
        if len(index) == 0:
            raise InputError("no rows are left", expected="at least one row", got=0)
        again = len(set(index.tolist())) < len(index)  # the caller asks for a row twice, as a bootstrap does
        repeats: Choice = "allow" if again else self.repeats
        return self._with({name: column.take(index) for name, column in self._columns.items()}, index, repeats)

    def only(self, modalities: Sequence[str] | Mapping[str, str]) -> PatientData:
        """Return the named modalities alone, in the named order, or under other names.

        Patients who have none of them stay, and can be dropped with :meth:`with_any`.

        Parameters
        ----------
        modalities
            Some of the names; or by new name the old one, which may have several.

        Raises
        ------
        UnknownNameError
            If a name is not known.

        Examples
        --------
        >>> data = PatientData({"rna": torch.ones(3, 2), "cnv": [torch.ones(2, 2), None, torch.ones(1, 2)]})
        >>> data.only(["cnv"]).with_any()
        PatientData(2 rows of 2 patients; cnv 2; no target)
        """
        if isinstance(modalities, str) or len(modalities) == 0:
            raise InputError("no list of modalities", expected="names, as ['rna', 'cnv']", got=repr(modalities))
        names = modalities if isinstance(modalities, Mapping) else dict(zip(modalities, modalities, strict=True))
        check_names(list(names.values()), self.modalities)
        return self._with(
            {new: self._columns[old] for new, old in names.items()}, torch.arange(len(self)), self.repeats
        )

    def with_all(self) -> PatientData:
        """Return the rows that have every modality.

        Examples
        --------
        >>> PatientData({"rna": torch.ones(2, 2), "cnv": [torch.ones(2, 2), None]}).with_all().patients
        ('0',)
        """
        return self.subset(torch.stack(list(self.present.values())).all(0))

    def with_any(self) -> PatientData:
        """Return the rows that have at least one modality.

        Examples
        --------
        >>> data = PatientData({"rna": torch.tensor([[1.0], [float("nan")]])}, empty="allow")
        >>> data.with_any().patients
        ('0',)
        """
        return self.subset(torch.stack(list(self.present.values())).any(0))

    def column(self, modality: str) -> Column:
        """Return how a modality is held.

        Parameters
        ----------
        modality
            Its name.

        Raises
        ------
        UnknownNameError
            If it is not known.

        Examples
        --------
        >>> PatientData({"rna": torch.ones(2, 2)}).column("rna").form
        'a tensor'
        """
        check_names([modality], self.modalities)
        return self._columns[modality]

    def with_column(self, modality: str, column: Column) -> PatientData:
        """Return the same data with another column in the place of one.

        Parameters
        ----------
        modality
            The name of the one that is replaced.
        column
            The other one, ``n`` rows.

        Raises
        ------
        UnknownNameError
            If the modality is not known.
        ShapeError
            If the column has another number of rows.

        Examples
        --------
        >>> data = PatientData({"rna": torch.ones(2, 2)})
        >>> data.with_column("rna", data.column("rna")).present["rna"].tolist()
        [True, True]
        """
        check_names([modality], self.modalities)
        columns = {**self._columns, modality: column}
        return self._remade(columns, self.target, self.patients, self.weights, self.repeats)

    def with_weights(self, weights: Array | Literal["balanced"] | None) -> PatientData:
        """Return the same data with other weights in the loss.

        Parameters
        ----------
        weights
            A weight per row ``(n,)``; ``"balanced"`` for those of ``task.balanced_weights``, computed on
            these rows; None for equal weights.

        Raises
        ------
        InputError
            If balanced weights are asked for without a target.

        Examples
        --------
        >>> PatientData({"rna": torch.ones(2, 2)}).with_weights(torch.tensor([0.5, 1.5])).batch([1]).weights
        tensor([1.5000])
        """
        if isinstance(weights, str):
            if weights != "balanced":
                raise InputError("unknown weights", expected="'balanced', a tensor or None", got=repr(weights))
            if self.target is None or self.task is None:
                raise InputError("balanced weights without a target", remedy="Give target= and task=.")
            weights = self.task.balanced_weights(self.target)
        return self._remade(self._columns, self.target, self.patients, weights, self.repeats)

    @classmethod
    def concat(cls, parts: Sequence[PatientData], repeats: Choice = "error") -> PatientData:
        """Put the rows of several data one after the other; a modality that a part lacks is absent there.

        Parameters
        ----------
        parts
            What to put together, of one task.
        repeats
            ``"allow"`` lets one patient be in two parts.

        Returns
        -------
        PatientData
            All rows, with every modality that any part has.

        Raises
        ------
        MismatchError
            If tasks differ, or only some parts have a target or weights.

        Examples
        --------
        >>> left = PatientData({"rna": torch.ones(2, 3)}, patients=["a", "b"])
        >>> right = PatientData({"cnv": torch.ones(1, 2)}, patients=["c"])
        >>> PatientData.concat([left, right])
        PatientData(3 rows of 3 patients; rna 2, cnv 1; no target)
        """
        check_parts([part.task for part in parts])
        allowed: Choice = "allow" if any(part.repeats == "allow" for part in parts) else repeats
        data = cls(
            join_columns([part._columns for part in parts], [len(part) for part in parts]),
            join_optional([part.target for part in parts], "target"),
            parts[0].task,
            [patient for part in parts for patient in part.patients],
            weights=join_optional([part.weights for part in parts], "weights"),
            repeats=allowed,
            empty="allow",
        )
        same = all(part.numbering is parts[0].numbering for part in parts)
        data.numbering = parts[0].numbering if same else object()
        return data

    @property
    def bags_in_files(self) -> bool:
        """Whether a batch has to be read from files of bags first."""
        return any(isinstance(column, LazyColumn) and column.ragged for column in self._columns.values())

    def batch(self, rows: Rows | None = None, draw: Draw | None = None) -> Batch:
        """Return the given rows as a model takes them.

        Parameters
        ----------
        rows
            Row numbers ``(b,)`` or a boolean mask ``(n,)``; None for all.
        draw
            While training, what chance decides in this epoch: which patches of a bag are seen, how an image is
            augmented. None: all patches, and nothing augmented.

        Returns
        -------
        Batch
            Bags come as one Ragged; a modality that no row has is None.

        Raises
        ------
        InputError
            If a row does not exist.

        Examples
        --------
        >>> PatientData({"rna": torch.ones(3, 2)}).batch([0, 1]).inputs["rna"].shape
        torch.Size([2, 2])
        """
        index = torch.arange(len(self)) if rows is None else check_rows(rows, len(self))
        columns = {name: column.take(index) for name, column in self._columns.items()}
        names = [(self.patients[row], row) for row in index.tolist()]
        return Batch(
            inputs=load_inputs(columns, {name: draw.chance(name, names) if draw else None for name in columns}),
            present={name: column.present for name, column in columns.items()},
            target=None if self.target is None else self.target[index],
            patients=[patient for patient, _ in names],
            weights=None if self.weights is None else self.weights[index],
        )

    def loader(
        self,
        batch_size: int,
        shuffle: bool = False,
        seed: int = 0,
        drop_last: bool = False,
        num_workers: int = 0,
        training: bool = False,
    ) -> DataLoader[Batch]:
        """Return a loader of :class:`~mmlego.data.memory.batch.Batch`.

        Parameters
        ----------
        batch_size
            Rows per batch at most; fewer, where their bags together would hold more than half a GiB.
        shuffle
            A new order each epoch, which depends on the seed and the number of the epoch alone.
        seed
            The seed of the order, and of what chance decides.
        drop_last
            Leave out the last batch where it is smaller.
        num_workers
            Processes that make batches; 0, the usual choice for data in memory, makes them in this one.
        training
            Sample bags and augment images, anew each epoch; otherwise batches hold all there is.

        Raises
        ------
        InputError
            If a patient has no modality at all, or the batch size is not positive.

        Examples
        --------
        >>> loader = PatientData({"rna": torch.ones(5, 2)}).loader(2, shuffle=True)
        >>> [len(batch) for batch in loader]
        [2, 2, 1]
        """
        check_any(self.present, self.patients, "Drop them with .with_any().")
        sizes = torch.stack([column.sizes() for column in self._columns.values()]).sum(0)
        return make_loader(self.batch, sizes, batch_size, shuffle, seed, drop_last, num_workers, training)

    def _with(self, columns: dict[str, Column], keep: Tensor, repeats: Choice) -> PatientData:
        target, weights = (None if values is None else values[keep] for values in (self.target, self.weights))
        return self._remade(columns, target, [self.patients[row] for row in keep.tolist()], weights, repeats)

    def _remade(
        self, parts: dict[str, Column], target: Array | None, ids: Sequence[str], weights: Array | None, repeats: Choice
    ) -> PatientData:
        data = PatientData(parts, target, self.task, ids, weights=weights, repeats=repeats, empty="allow")
        data.numbering = self.numbering
        return data
