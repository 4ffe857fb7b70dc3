"""Panels: which genes were looked at in whom. A gene that was not is not known, and is not without a mutation."""

from __future__ import annotations

import fnmatch
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict

from mmlego.data.kinds.folder import Folder
from mmlego.data.kinds.omics.gene_sets import read_gmt
from mmlego.data.kinds.omics.text_matrix import lines_of, open_text
from mmlego.data.reading.files import read_lines
from mmlego.data.reading.missing import is_missing
from mmlego.errors import InputError
from mmlego.wording import counted, listed, meant

# What cBioPortal calls a study's table of panels, and GENIE.
MATRICES = ("data_gene_panel_matrix.txt", "data_gene_matrix.txt")
PANELS = "data_gene_panel_*.txt"
SAMPLE = "SAMPLE_ID"
WHOLE = ("WES", "WXS", "WGS", "WES/WGS", "whole exome", "whole genome")  # all genes were looked at
SAME = "same"


class PanelKeys(BaseModel):
    """The key ``panels`` of a section: who was sequenced by which panel, and which genes are on it.

    Parameters
    ----------
    file
        A table of samples (``SAMPLE_ID``, or the key of the manifest) and the panel of each, as cBioPortal's gene panel
        matrix.
    column
        Its column of panels.
    genes
        The files of panels: cBioPortal's, one a panel, as names or globs; or a GMT. Not given: those beside ``file``.
    whole
        What panels are called that look at all genes.

    Examples
    --------
    >>> PanelKeys(file="data_gene_panel_matrix.txt").column
    'mutations'
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    file: str
    column: str = "mutations"
    genes: str | list[str] | None = None
    whole: str | list[str] = list(WHOLE)

    def read(self, folder: Folder, where: str) -> Panels:
        """Return who was sequenced by which panels.

        Parameters
        ----------
        folder
            Where the files lie.
        where
            The modality, for messages.

        Raises
        ------
        InputError
            If a file cannot be read, or a panel is nowhere described.
        """
        named = self._matrix(folder.file(self.file), folder.key)
        ids = folder.ids([sample for sample, _ in named], where)
        panels: dict[str, set[str]] = {}
        for patient, (_, panel) in zip(ids, named, strict=True):
            panels.setdefault(patient, set())
            if not is_missing(panel):
                panels[patient].add(panel)
        used = sorted({panel for found in panels.values() for panel in found})
        everything = [self.whole] if isinstance(self.whole, str) else self.whole
        whole = {panel for panel in used if panel.casefold() in {name.casefold() for name in everything}}
        genes = self._genes(folder) if whole != set(used) else {}
        unknown = [panel for panel in used if panel not in genes and panel not in whole]
        if unknown:
            raise InputError(
                f"{where}: the genes of {counted(len(unknown), 'panel')} are not said ({listed(unknown)})",
                expected="a file with stable_id: and gene_list:, or a GMT, that has them",
                got=listed(genes, 3) or "no panel",
                remedy=f"Name the files in panels:, as genes: {PANELS!r}; a panel of all genes is named there by "
                f"whole:, as whole: [{unknown[0]}].",
            )
        known = {panel: genes[panel] for panel in used if panel not in whole}
        covered = {
            patient: None if found & whole else frozenset(gene for panel in found for gene in known[panel])
            for patient, found in panels.items()
            if found
        }
        return Panels(covered, known, tuple(patient for patient, found in panels.items() if not found))

    def _matrix(self, path: Path, key: str) -> list[tuple[str, str]]:
        """Return samples, each with its panel."""
        with open_text(path) as content:
            lines = (line for line in lines_of(content, path.name) if line.strip() and not line.startswith("#"))
            header = [name.strip() for name in next(lines, "").split("\t")]
            whose = key if key in header else SAMPLE
            for name in (whose, self.column):
                if name not in header:
                    what = f"{path.name!r} has no column {name!r}"
                    raise InputError(what, expected="a table of panels", remedy=meant(name, header))
            places = [header.index(whose), header.index(self.column)]
            found = []
            for line in lines:
                cells = [*line.split("\t"), "", ""]
                if sample := cells[places[0]].strip():
                    found.append((sample, cells[places[1]].strip() if len(cells) > places[1] else ""))
            return found

    def _genes(self, folder: Folder) -> dict[str, frozenset[str]]:
        """Return the genes of each panel that is described."""
        beside = PurePosixPath(self.file).parent / PANELS
        patterns = [str(beside)] if self.genes is None else [self.genes] if isinstance(self.genes, str) else self.genes
        panels: dict[str, frozenset[str]] = {}
        for pattern in patterns:
            for name in _named(folder, pattern):
                if name.lower().endswith(".gmt"):
                    panels |= {panel: frozenset(genes) for panel, genes in read_gmt(folder.file(name)).items()}
                else:
                    panels |= _panel(folder.file(name))
        return panels


def _file(value: object) -> object:
    return {"file": value} if isinstance(value, str) and value != SAME else value


SaidOfPanels = Annotated[
    PanelKeys | Literal["same"] | None, BeforeValidator(_file, json_schema_input_type=PanelKeys | str | None)
]


@dataclass(frozen=True)
class Panels:
    """Which genes were looked at in whom.

    Parameters
    ----------
    covered
        By patient the genes on his panels; None: all.
    genes
        By panel that somebody was sequenced by its genes; those that look at all are not among them.
    without
        Who is in the table and was sequenced by none.

    Examples
    --------
    >>> panels = Panels({"a": frozenset({"TP53"}), "b": None}, {"P1": frozenset({"TP53"})})
    >>> panels.unseen("a", ["TP53", "MYC"]), panels.unseen("b", ["MYC"]), panels.unseen("c", ["MYC"])
    ([1], [], [0])
    """

    covered: Mapping[str, frozenset[str] | None]
    genes: Mapping[str, frozenset[str]] = field(default_factory=dict)
    without: tuple[str, ...] = ()

    def unseen(self, patient: str, genes: Sequence[str]) -> list[int]:
        """Return the places of the genes that were not looked at in a patient.

        Parameters
        ----------
        patient
            The patient; of one who is in no panel nothing is known.
        genes
            The genes.
        """
        mine = self.covered.get(patient, frozenset())
        return [] if mine is None else [place for place, gene in enumerate(genes) if gene not in mine]


def refuse_mixed(folder: Folder, name: str, where: str) -> None:
    """Refuse mutations beside which a table says that patients were sequenced by different panels.

    Parameters
    ----------
    folder
        Where the files lie.
    name
        The MAF, relative to the folder.
    where
        The modality, for messages.

    Raises
    ------
    InputError
        If there is one: genes that were not looked at would be taken for genes without a mutation.
    """
    for beside in MATRICES:
        file = str(PurePosixPath(name).parent / beside)
        if not _named(folder, file):
            continue
        panels = {panel for _, panel in PanelKeys(file=file)._matrix(folder.file(file), folder.key)}
        panels = {panel for panel in panels if not is_missing(panel)}
        if len(panels) > 1:
            used = listed(sorted(panels))
            raise InputError(
                f"{where}: {file!r} says that patients were sequenced by {len(panels)} panels ({used})",
                expected="panels:, for a gene that is not on a patient's panel is not known to be without a mutation",
                remedy=f"Declare panels: {file} (its files of genes, {PANELS}, beside it), or panels: {SAME} if all "
                "were sequenced alike all the same.",
            )


def _named(folder: Folder, pattern: str) -> list[str]:
    """Return the files that a name or a glob of its last part names; tables of panels are no files of panels."""
    found = set()
    for path in folder.places.paths(pattern):
        there = path.parent.glob(path.name) if any(sign in path.name for sign in "*?[") else [path]
        found |= {str(PurePosixPath(pattern).parent / file.name) for file in there if file.is_file()}
    wild = pattern not in found
    return sorted(name for name in found if not wild or PurePosixPath(name).name not in MATRICES)


def _panel(path: Path) -> dict[str, frozenset[str]]:
    """Return the panel that a file of cBioPortal describes."""
    parts = {}
    for line in read_lines(path):
        key, mark, rest = line.partition(":")
        if mark and fnmatch.fnmatchcase(key.strip(), "[a-z]*"):
            parts[key.strip()] = rest.strip()
    if not parts.get("stable_id") or not parts.get("gene_list"):
        what = f"{path.name!r} describes no panel"
        raise InputError(what, expected="lines stable_id: and gene_list:", got=listed(parts))
    return {parts["stable_id"]: frozenset(parts["gene_list"].replace(",", " ").split())}
