"""Mutations of a MAF file (GDC, cBioPortal, MC3) as a matrix, a row a patient and a column a gene."""

from __future__ import annotations

import fnmatch
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np

from mmlego.data.kinds.folder import Folder
from mmlego.data.kinds.omics.panels import PanelKeys, Panels, refuse_mixed
from mmlego.data.kinds.omics.text_matrix import lines_of, open_text
from mmlego.data.reading.chosen_rows import Where, doubts_of_words, fits_word
from mmlego.data.reading.files import read_lines
from mmlego.data.reading.remarks import Doubtful, Dropped, Noted
from mmlego.data.reading.unmet import doubts_of_unmet, told_unmet, unmet
from mmlego.errors import InputError
from mmlego.wording import counted, listed, meant

if TYPE_CHECKING:
    import pandas as pd

BARCODE, GENE, CLASS = "Tumor_Sample_Barcode", "Hugo_Symbol", "Variant_Classification"
PLACE = ("Chromosome", "Start_Position", "Reference_Allele", "Tumor_Seq_Allele2")
# What says that a line is no mutation of the tumour, where where: does not say otherwise. Callers write PASS, or a
# point or nothing where they filter nothing; all else names a filter that the line did not pass.
FILTER, STATUS = "FILTER", "Mutation_Status"
PASSED = ("PASS", ".", "")
NOT_SOMATIC = ("germline", "loh", "wildtype", "post-transcriptional modification")
NO_GENE = ("", "Unknown")  # what lies between genes
LISTED = "listed"
Mutation: TypeAlias = tuple[str, ...]  # where it is, and what of
# What changes a protein; the rest of the classes that MAF has are silent, or lie outside of what is translated.
CHANGING = (
    "Missense_Mutation",
    "Nonsense_Mutation",
    "Nonstop_Mutation",
    "Frame_Shift_Del",
    "Frame_Shift_Ins",
    "In_Frame_Del",
    "In_Frame_Ins",
    "Splice_Site",
    "Translation_Start_Site",
)


@dataclass(frozen=True)
class Mutations:
    """What is read of a MAF.

    Parameters
    ----------
    variants
        The classes of mutations that count, as names or globs.
    values
        ``mutated``: 1 where a patient has a mutation in a gene, else 0; ``count``: how many different ones.
    sequenced
        A file of who was sequenced: a table with the key, a line an id, or a case list of cBioPortal; or ``listed``:
        all who have a mutation of any class in the file, and nobody else.
    gene_column
        The column that names genes.
    panels
        Who was sequenced by which panel, or ``same``: all alike; None: a table of panels beside the file is refused.
    where
        By column of the MAF the words, or globs, of the lines that count. Where it does not name ``FILTER``, lines that
        did not pass are left out; where it does not name ``Mutation_Status``, such of the germline.
    """

    variants: str | Sequence[str] = CHANGING
    values: Literal["mutated", "count"] = "mutated"
    sequenced: str | None = None
    gene_column: str | None = None
    panels: PanelKeys | Literal["same"] | None = None
    where: Where = field(default_factory=dict)

    def read(
        self, name: str, folder: Folder, columns: str | Sequence[str], where: str
    ) -> tuple[pd.DataFrame, list[Dropped]]:
        """Return the matrix, of the chosen genes and all who were sequenced; who has no mutation has zeros.

        With panels, a gene that is on none of a patient's panels is missing, unless it is mutated; who was sequenced
        stands in their table.

        Parameters
        ----------
        name
            The MAF, relative to the folder.
        folder
            Where the files lie.
        columns
            Genes, as names or globs; one that is named and mutated in nobody is a column of zeros.
        where
            The modality, for messages.

        Raises
        ------
        InputError
            If it is not said who was sequenced, or the files cannot be used.
        """
        import pandas as pd

        if self.panels is None:
            refuse_mixed(folder, name, where)
        panels = self.panels.read(folder, where) if isinstance(self.panels, PanelKeys) else None
        if self.sequenced is None and panels is None:
            raise InputError(
                f"{where}: who was sequenced is not said, and patients without a mutation are not in {name!r}",
                remedy="Name a list of their ids, as sequenced: cases_sequenced.txt, or say sequenced: listed if "
                "everybody who was sequenced has a mutation in the file.",
            )
        barcodes, notes = self._found(folder.file(name), folder.key, where)
        found: dict[str, dict[str, set[Mutation]]] = {}
        for patient, own in zip(folder.ids(list(barcodes), where), barcodes.values(), strict=True):
            together = found.setdefault(patient, {})
            for gene, mutations in zip(folder.expected.named(list(own), where), own.values(), strict=True):
                together[gene] = together.get(gene, set()) | mutations
        patients = self._everybody(folder, list(found), where, notes, panels)
        universe = {gene for genes in found.values() for gene in genes}
        if panels is not None:
            universe = universe.union(*panels.genes.values(), folder.expected.known)
        genes = _chosen(columns, sorted(universe), where)
        if not folder.expected.lenient and (nobodys := unmet(genes, universe, sorted(universe.difference(genes)))):
            notes.append(Noted(where, f"{told_unmet(nobodys, 'mutated in nobody, so columns of zeros:')}"))
        place = {gene: number for number, gene in enumerate(genes)}
        values = np.zeros((len(patients), len(genes)), dtype=np.float32)
        for row, patient in enumerate(patients):
            if panels is not None:
                values[row, panels.unseen(patient, genes)] = np.nan
            for gene, mutations in found.get(patient, {}).items():
                if gene in place:
                    values[row, place[gene]] = len(mutations) if self.values == "count" else 1
        zeros = sum(not found.get(patient) for patient in patients)
        notes.append(Noted(where, f"{counted(zeros, 'patient')} sequenced, without a mutation that counts: zeros"))
        if panels is not None:
            lost = int(np.isnan(values).any(axis=1).sum())
            text = f"{counted(lost, 'patient')} sequenced by panels without some of the genes, which are missing"
            notes.append(Noted(where, text))
        return pd.DataFrame(values, pd.Index(patients, dtype=object), pd.Index(genes, dtype=object)), notes

    def _found(self, path: Path, key: str, where: str) -> tuple[dict[str, dict[str, set[Mutation]]], list[Dropped]]:
        """Return by sample which mutations that count are in each gene; who has others alone is there too."""
        found: dict[str, dict[str, set[Mutation]]] = {}
        classes: Counter[str] = Counter()
        between: Counter[str] = Counter()
        unfit: Counter[str] = Counter()
        cells = set[tuple[str, str]]()
        bare = nowhere = 0
        for number, row in enumerate(_rows(path, key, self.gene_column or GENE, self.where)):
            if not row[BARCODE]:
                bare += 1
                continue
            cells.update((column, row[column]) for column in self.where)
            own = found.setdefault(row[BARCODE], {})
            if why := self._unfit(row):
                unfit[why] += 1
                continue
            classes[row[CLASS]] += 1
            if row[GENE] in NO_GENE:
                between[row[GENE]] += self._counts(row[CLASS])
            elif self._counts(row[CLASS]):
                place = tuple(row[part] for part in PLACE)
                nowhere += not any(place)
                own.setdefault(row[GENE], set()).add(place if any(place) else (str(number),))
        if not any(map(self._counts, classes)):
            wanted = [self.variants] if isinstance(self.variants, str) else list(self.variants)
            left = f"; left out: {_told(unfit)}" if unfit else ""
            raise InputError(
                f"{where}: no mutation of {path.name!r} counts{left}",
                expected=listed(wanted, 9),
                got=listed(classes, 9) or "none",
                remedy=_override(unfit) if unfit else None,
            )
        notes: list[Dropped] = [Dropped(where, f"{counted(bare, 'mutation')} without a patient id")] if bare else []
        notes += self._unmet(cells, classes, where)
        if unfit:
            notes.append(Dropped(where, f"{counted(unfit.total(), 'mutation')} left out: {_told(unfit)}"))
        if nowhere and self.values == "count":
            text = f"{counted(nowhere, 'mutation')} without a position: one that is listed twice, or of two samples,"
            notes.append(Doubtful(where, f"{text} counts twice"))
        if lost := between.total():
            words = listed(f"{word!r} {count}×" for word, count in between.most_common() if count)
            notes.append(Dropped(where, f"{counted(lost, 'mutation')} of no gene left out ({words})"))
        others = [
            f"{kind or 'without a class'} {count}×" for kind, count in classes.most_common() if not self._counts(kind)
        ]
        if others:
            notes.append(Dropped(where, f"mutations of other classes left out: {listed(others)}"))
        return found, notes

    def _unfit(self, row: Mapping[str, str]) -> str | None:
        """Return what of a line says that it does not count; None if nothing does."""
        for column, wanted in self.where.items():
            if not any(fits_word(row[column], word) for word in wanted):
                return f"{column} {row[column]!r}"
        if FILTER not in self.where and row.get(FILTER, "") not in PASSED:
            return f"{FILTER} {row[FILTER]!r}"
        if STATUS not in self.where and row.get(STATUS, "").casefold() in NOT_SOMATIC:
            return f"{STATUS} {row[STATUS]!r}"
        return None

    def _unmet(self, cells: Collection[tuple[str, str]], classes: Collection[str], where: str) -> list[Dropped]:
        """Return the doubt that no line has a word, or is of a class, that the section names."""
        notes: list[Dropped] = []
        for column, words in self.where.items():
            notes += doubts_of_words(column, words, sorted(cell for name, cell in cells if name == column), where)
        wanted = [self.variants] if isinstance(self.variants, str) else list(self.variants)
        if tuple(wanted) == CHANGING:  # which is what counts where the section says nothing
            return notes
        met = {pattern for pattern in wanted if any(fnmatch.fnmatchcase(kind, pattern) for kind in classes)}
        others = [kind for kind in classes if not self._counts(kind)]
        return [*notes, *doubts_of_unmet(unmet(wanted, met, others), "variants: no mutation is", where)]

    def _counts(self, kind: str) -> bool:
        wanted = [self.variants] if isinstance(self.variants, str) else self.variants
        return any(fnmatch.fnmatchcase(kind, pattern) for pattern in wanted)

    def _everybody(
        self, folder: Folder, mutated: Sequence[str], where: str, notes: list[Dropped], panels: Panels | None
    ) -> list[str]:
        if panels is not None:
            strange = [patient for patient in mutated if patient not in panels.covered]
            if len(strange) == len(mutated):
                raise InputError(
                    f"{where}: nobody with a mutation is in the table of panels",
                    expected=f"ids as {listed(mutated, 2)}",
                    got=listed(panels.covered, 2) or "none",
                    remedy="Say how ids are brought to one form, as id: {length: 12}.",
                )
            if strange:
                text = f"{counted(len(strange), 'patient')} with mutations and without a panel, other genes missing"
                notes.append(Noted(where, text, tuple(strange)))
            if self.sequenced is None:
                without = [patient for patient in panels.without if patient not in set(mutated)]
                if without:
                    text = f"{counted(len(without), 'patient')} in the table of panels, sequenced by none"
                    notes.append(Dropped(where, text, tuple(without)))
                return [*panels.covered, *strange]
        if self.sequenced is None or self.sequenced == LISTED:
            return list(mutated)
        listed_there = list(dict.fromkeys(folder.ids(_ids(folder, self.sequenced), where)))
        known = set(listed_there)
        more = [patient for patient in mutated if patient not in known]
        if len(more) == len(mutated):
            raise InputError(
                f"{where}: nobody with a mutation is in {self.sequenced!r}",
                expected=f"ids as {listed(mutated, 2)}",
                got=listed(listed_there, 2) or "none",
                remedy="Say how ids are brought to one form, as id: {length: 12}.",
            )
        if more:
            text = f"{counted(len(more), 'patient')} with mutations, not in {self.sequenced!r}, taken as sequenced"
            notes.append(Noted(where, text, tuple(more)))
        return [*listed_there, *more]


def _told(unfit: Counter[str]) -> str:
    return listed((f"{why} {count}×" for why, count in unfit.most_common()), 6)


def _override(unfit: Counter[str]) -> str:
    """Return how lines that were left out would count."""
    column, _, word = unfit.most_common(1)[0][0].partition(" ")
    return f"If such lines are to count, declare where: {{{column}: [{word}]}} in the section."


def _rows(path: Path, key: str, gene: str, wanted: Collection[str]) -> Iterator[Mapping[str, str]]:
    """Yield the cells of a MAF that matter."""
    with open_text(path) as content:
        lines = lines_of(content, path.name)
        header = next((line for line in lines if line.strip() and not line.startswith("#")), "").split("\t")
        header = [name.strip() for name in header]
        whose = key if key in header else BARCODE
        names = {BARCODE: whose, GENE: gene, CLASS: CLASS}
        for name in [*names.values(), *wanted]:
            if name not in header:
                raise InputError(f"{path.name!r} has no column {name!r}", expected="a MAF", remedy=meant(name, header))
        place = {name: header.index(column) for name, column in names.items()}
        need = max(place.values()) + 1
        place |= {name: header.index(name) for name in (*PLACE, FILTER, STATUS, *wanted) if name in header}
        most = max(place.values()) + 1
        for line in lines:
            cells = line.split("\t", most)
            if line.startswith("#") or [cell.strip() for cell in cells[:need]] == header[:need]:
                continue  # of files that were put one after the other
            if len(cells) < need:
                if not line.strip():
                    continue
                got = f"{len(cells)} in {line[:40]!r}"
                raise InputError(f"{path.name!r} has a line that is too short", expected=f"{need} cells", got=got)
            cells += [""] * (most - len(cells))  # programs leave out empty cells at the end
            row = dict.fromkeys(PLACE, "")
            yield row | {name: cells[number].strip() for name, number in place.items()}


def _chosen(columns: str | Sequence[str], genes: Sequence[str], where: str) -> list[str]:
    chosen: dict[str, None] = {}
    for pattern in [columns] if isinstance(columns, str) else columns:
        wild = any(sign in pattern for sign in "*?[")
        found = [gene for gene in genes if fnmatch.fnmatchcase(gene, pattern)] if wild else [pattern]
        if not found:
            raise InputError(f"{where}: no gene matches {pattern!r}", remedy=meant(pattern, genes))
        chosen |= dict.fromkeys(found)
    return list(chosen)


def _ids(folder: Folder, name: str) -> list[str]:
    """Return the ids in a table with the key, a case list of cBioPortal, or a file of an id a line."""
    if name.lower().endswith((".parquet", ".xlsx")):
        return _of_table(folder, name)
    lines = [line for line in read_lines(folder.file(name)) if line.strip() and not line.startswith("#")]
    ids = next((line.partition(":")[2] for line in lines if line.startswith("case_list_ids:")), None)
    if ids is not None:
        return ids.split()
    words = [word.strip(' "') for sign in ",;\t" for word in lines[0].split(sign)] if lines else []
    if folder.key in words:
        return _of_table(folder, name)
    several = [line for line in lines if any(sign in line.strip() for sign in ",;\t")]
    if several:
        raise InputError(
            f"{name!r} does not say who was sequenced",
            expected=f"a table with the key {folder.key!r}, or an id a line",
            got=repr(several[0][:40]),
        )
    return [line.strip() for line in lines]


def _of_table(folder: Folder, name: str) -> list[str]:
    return [str(patient) for patient in folder.beside().table(name, only=())[folder.key].dropna()]
