"""Tables with several rows a patient, as a first manifest describes them: measurements, edges, files that rows name."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from mmlego.data.cohort.column_looks import SAMPLE, column_note, is_number, looks_like_outcome
from mmlego.data.cohort.draft_text import scalar
from mmlego.data.cohort.looks import Look
from mmlego.data.kinds.file_sources import FileSource
from mmlego.data.kinds.registry import KINDS
from mmlego.data.reading.date_forms import is_date
from mmlego.data.reading.units import unit_column
from mmlego.wording import listed

if TYPE_CHECKING:
    import pandas as pd

    from mmlego.data.kinds.source import Source

# What columns are called in MIMIC, eICU, OMOP, i2b2, CDISC (SDTM, ADaM) and by hand, the likeliest first.
VALUES = (
    "valuenum value_as_number numeric_value value_num nval_num aval lbstresn labresult nursingchartvalue result_value "
    "lab_result measurement_value value result reading score amount wert"
).split()
VARIABLES = (
    "variable parameter param paramcd lbtestcd vstestcd test testname test_name labname lab_name analyte component "
    "biomarker marker loinc loinc_code itemid measurement_concept_id observation_concept_id concept_cd "
    "nursingchartcelltypevalname signal measurement item label feature code lab name concept_id"
).split()
TIMES = (
    "time charttime chart_time measured_at taken_at sampled_at timestamp datetime measurement_datetime "
    "observation_datetime event_time result_time iculos hour hours time_hours minutes minute ady day days lbdtc adt "
    "measurement_date observation_date collection_date sample_date result_date visit_date chartdate start_date date "
    "datum"
).split()
_OFFSET = re.compile(r"(?!.*(?:revised|entry|discharge)).*offset")
_START = re.compile(
    r"admit|admission|intime|index|baseline|enrol|inclusion|(?:^|_)start|randomi|trtsdt|rfstdtc|diagnos"
)
_SOURCES = ("source", "from", "src", "node1", "node_1", "gene_a", "gene1", "protein1", "u", "head", "interactor_a")
_TARGETS = ("target", "to", "dst", "node2", "node_2", "gene_b", "gene2", "protein2", "v", "tail", "interactor_b")
_NODES = ("node", "name", "node_id", "id", "gene", "protein", "region")
MOST_ROWS_ALONE = 0.5  # of the patients may have one row alone, where measurements over time are drafted


@dataclass(frozen=True)
class Around:
    """What else is known where a table is described.

    Parameters
    ----------
    looks
        All that was seen.
    key
        The column of patient ids.
    where
        Returns how the manifest names the file of what was seen.
    """

    looks: Sequence[Look]
    key: str
    where: Callable[[Look], str]


def several_rows(one: Look, frame: pd.DataFrame, around: Around) -> list[str] | None:
    """Return the section of a table of measurements or edges, None of any other; nothing of nodes told with edges.

    Parameters
    ----------
    one
        What was seen of the file.
    frame
        The table, as text.
    around
        What else is known.
    """
    if around.key not in frame:
        return None
    ends = edge_ends(frame)
    if ends is not None:
        return _of_edges(one, frame, ends, around)
    if any(_nodes_of(one, other, around) for other in around.looks if other is not one):
        return []
    if frame[around.key].is_unique or _alone(frame[around.key]) > MOST_ROWS_ALONE:
        return None
    return _of_series(one, frame, around)


def _alone(ids: pd.Series) -> float:
    """Return which share of the patients has one row alone."""
    return float((ids.value_counts() == 1).mean())


def _called(names: Sequence[str], wanted: Sequence[str]) -> str | None:
    lower = {name.strip().lower(): name for name in reversed(names)}
    return next((lower[name] for name in wanted if name in lower), None)


def edge_ends(frame: pd.DataFrame) -> tuple[str, str] | None:
    """Return the two columns of nodes of a table of edges, None of any other.

    Parameters
    ----------
    frame
        The table, as text.

    Examples
    --------
    >>> import pandas as pd
    >>> edge_ends(pd.DataFrame({"id": ["a"], "gene_a": ["TP53"], "gene_b": ["MDM2"]}))
    ('gene_a', 'gene_b')
    """
    names = [str(name) for name in frame.columns]
    lower = [name.strip().lower() for name in names]
    for source, target in zip(_SOURCES, _TARGETS, strict=True):
        if source in lower and target in lower:
            return names[lower.index(source)], names[lower.index(target)]
    return None


def _of_edges(one: Look, frame: pd.DataFrame, ends: tuple[str, str], around: Around) -> list[str]:
    body = ["kind: graph", f"edges: {scalar(around.where(one))}  # a graph a patient; each row is an edge"]
    body += [f"{key}: {scalar(name)}" for key, name in zip(("source", "target"), ends, strict=True) if name != key]
    for other in around.looks:
        if other is not one and (node := _nodes_of(other, one, around)):
            body.append(f"nodes: {scalar(around.where(other))}")
            body += [] if node == "node" else [f"node: {scalar(node)}"]
            break
    pairs = frame[[around.key, *ends]].astype(str)
    turned = set(pairs.itertuples(index=False, name=None))
    both = sum((who, end, start) in turned for who, start, end in turned if start != end)
    if both:
        body.append("directed: true  # doubtful: edges are listed both ways; leave it out if these are the same")
    return body


def _nodes_of(other: Look, edges: Look, around: Around) -> str | None:
    """Return the column of nodes of a table of which the edges are in another; None if it is none."""
    if other.frame is None or edges.frame is None or around.key not in other.frame or other.layout or edges.layout:
        return None
    ends = edge_ends(edges.frame)
    if ends is None or around.key not in edges.frame or edge_ends(other.frame) is not None:
        return None
    named = {cell for end in ends for cell in edges.frame[end].dropna()}
    for name in other.frame.columns:
        if str(name).strip().lower() in _NODES and name != around.key:
            own = set(other.frame[name].dropna())
            if named and len(named & own) * 2 > len(named):
                return str(name)
    return None


def _of_series(one: Look, frame: pd.DataFrame, around: Around) -> list[str] | None:
    """Return the section of measurements over time, of a row each or of a column a variable; None if it is none."""
    names = [str(name) for name in frame.columns if name != around.key]
    time = _called(names, TIMES) or next((name for name in names if _OFFSET.fullmatch(name.strip().lower())), None)
    if time is None:
        return None
    variable = _called([name for name in names if name != time and _repeats(frame[name])], VARIABLES)
    free = [name for name in names if name not in (time, variable)]
    value = _called([name for name in free if is_number(frame[name])], VALUES)
    if variable is not None and value is not None:
        body = ["kind: series  # a row a measurement", f"file: {scalar(around.where(one))}"]
        body += [f"time: {scalar(time)}", f"variable: {scalar(variable)}", f"value: {scalar(value)}"]
        if unit := unit_column(names, value):
            body.append(f"# {unit} says the unit of a value: one unit a variable, or check doubts it")
    elif (
        measured := [name for name in free if is_number(frame[name]) and not _constant(frame, name, around.key)]
    ) and (variable is None):
        body = ["kind: series  # a row a time, a column a variable", f"file: {scalar(around.where(one))}"]
        kept = [name for name in measured if not looks_like_outcome(frame, name)]
        if not kept:
            return None
        body += ["layout: wide", f"time: {scalar(time)}", f"variables: [{', '.join(map(scalar, kept))}]"]
    else:
        return None
    stay = _called([name for name in free if _several_a_patient(frame, name, around.key)], ("stay_id", "hadm_id"))
    if stay is not None and "layout: wide" not in body:
        body.append(f"stay: {scalar(stay)}\nstays: first  # doubtful: patients have several stays: first | last")
    return _timed([line for text in body for line in text.split("\n")], frame[time], time, one, around)


def _timed(body: list[str], times: pd.Series, name: str, one: Look, around: Around) -> list[str]:
    """Return a section with what hours are counted from, as a comment where that is to be filled in."""
    cells = times.dropna().head(SAMPLE)
    if is_number(times) or not cells.map(is_date).mean() > 0.5:
        lower = name.lower()
        units = {"day": "days", "ady": "days", "min": "minutes", "offset": "minutes", "sec": "seconds"}
        unit = next((unit for part, unit in units.items() if part in lower), "hours")
        return [*body, f"unit: {unit}  # doubtful: seconds | minutes | hours | days since the start of the stay"]
    starts = [
        (other, str(column))
        for other in around.looks
        if other is not one and other.frame is not None and not other.layout and around.key in other.frame
        if other.frame[around.key].is_unique
        for column in other.frame.columns
        if _START.search(str(column).lower()) and other.frame[column].dropna().head(SAMPLE).map(is_date).mean() > 0.5
    ]
    if starts:
        other, column = starts[0]
        index = f"{{file: {scalar(around.where(other))}, column: {scalar(column)}}}"
        more = f", or {listed(column for _, column in starts[1:])}" if len(starts) > 1 else ""
        return [
            *body,
            f"index: {index}  # doubtful: hours count from this date{more}",
            "window: [0, null]  # doubtful: hours; what was measured before is left out",
        ]
    body = [*body, f"index:  # fill in: {{file: FILE, column: DATE}}, a date a patient from which {name} is counted"]
    return [f"# {line}" for line in body]


def _repeats(column: pd.Series) -> bool:
    known = column.dropna()
    return 0 < known.nunique() * 2 <= len(known)


def _constant(frame: pd.DataFrame, name: str, key: str) -> bool:
    """Return whether a column says the same in all rows of each patient: it is of the patient, or a record's number."""
    return bool((frame.groupby(key, sort=False)[name].nunique() <= 1).all()) or frame[name].dropna().is_unique


def _several_a_patient(frame: pd.DataFrame, name: str, key: str) -> bool:
    return bool((frame.groupby(key, sort=False)[name].nunique() > 1).any())


def named_files(one: Look, frame: pd.DataFrame, around: Around) -> list[tuple[str, str, list[str]]]:
    """Return the columns of a table that name files of patients, each with a name and the section of the files.

    Parameters
    ----------
    one
        What was seen of the file.
    frame
        The table, as text.
    around
        What else is known.
    """
    endings = {
        ending: kind for kind, source in KINDS.items() for ending in source.endings if issubclass(source, FileSource)
    }
    found = []
    for column in map(str, frame.columns):
        cells = [str(cell).strip().lower() for cell in frame[column].dropna().head(SAMPLE)]
        if column == around.key or not cells:
            continue
        ending = max((end for end in endings if cells[0].endswith(end)), key=len, default=None)
        if ending is None or sum(cell.endswith(ending) for cell in cells) * 10 < 9 * len(cells):
            continue
        body = _of_named(one, frame, column, KINDS[endings[ending]], around)
        live = not body[0].startswith("#")
        found.append((f"{one.name}_{column}", column, [f"{'' if live else '# '}kind: {endings[ending]}", *body]))
    return found


def _of_named(one: Look, frame: pd.DataFrame, column: str, source: type[Source], around: Around) -> list[str]:
    """Return the section of files that a column names, which lie beside the manifest, or beside the table."""
    body = [f"file: {scalar(around.where(one))}", f"column: {scalar(column)}  # names the files"]
    names = [str(cell).strip() for cell in frame[column].dropna()]
    beside = around.where(one).rpartition("/")[0]
    base = one.place.parents[len(PurePosixPath(around.where(one)).parts) - 1]
    there = [path for name in names if _is_file(path := base / name)]
    if not there and (there := [path for name in names if _is_file(path := one.place.parent / name)]) and beside:
        body[1] = f"pattern: {scalar(f'{beside}/{{{column}}}')}  # the column names files beside the table"
    if not frame[around.key].is_unique and issubclass(source, FileSource):
        body += [f"rows: {way}  # some patients have several files" for way in list(source.ways)[:1]]
    drafted = source.draft([[path] for path in there[:: max(1, len(there) // 64)]])
    if not there or any("# fill in" in line and not line.startswith("#") for line in drafted):
        told = [] if there else [f"# fill in: there is no file {names[0]}: name the folder of the files under roots:"]
        return [f"# {line.removeprefix('# ')}" for line in [*body, *told, *drafted]]
    return [*body, *drafted]


def _is_file(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):
        return False


def files_of_rows(one: Look, where: str, around: Around) -> list[str] | None:
    """Return the section of files that are named after rows of a table, as slides are; None if they are not.

    Parameters
    ----------
    one
        The files.
    where
        Their folder, as the manifest names it.
    around
        What else is known.
    """
    stems = set(one.stems)
    for other in around.looks:
        if other.frame is None or other.layout or around.key not in other.frame:
            continue
        for column in map(str, other.frame.columns):
            cells = [str(cell).strip() for cell in other.frame[column].dropna()]
            for form, called in (("", cells), (":stem", [PurePosixPath(cell).stem for cell in cells])):
                if column == around.key or len(stems & set(called)) * 2 <= len(stems):
                    continue
                folder = "" if where == "." else f"{where}/"
                source = KINDS[one.kind]
                body = [f"kind: {one.kind}", f"file: {scalar(around.where(other))}"]
                body.append(f"pattern: {scalar(f'{folder}{{{column}{form}}}{one.ending}')}  # of each row of the table")
                if not other.frame[around.key].is_unique and issubclass(source, FileSource):
                    body += [f"rows: {way}  # some patients have several files" for way in list(source.ways)[:1]]
                paths = [one.place / f"{stem}{one.ending}" for stem in sorted(stems & set(called))]
                drafted = source.draft([[path] for path in paths[:: max(1, len(paths) // 64)]])
                body += drafted
                if any("# fill in" in line and not line.startswith("#") for line in drafted):
                    body = [f"# {line.removeprefix('# ')}" for line in body]
                return body
    return None


def events_of_redcap(one: Look, frame: pd.DataFrame, around: Around) -> list[tuple[str, list[str]]]:
    """Return the sections of an export of REDCap, one an event and repeated instrument; nothing of other tables.

    Parameters
    ----------
    one
        What was seen of the file.
    frame
        The table, as text.
    around
        What else is known.
    """
    event, again = "redcap_event_name", "redcap_repeat_instrument"
    marks = [name for name in (event, again) if name in frame]
    if around.key not in frame or not marks:
        return []
    found = []
    for words, rows in frame.fillna("").groupby(marks, sort=False):
        names = [
            name
            for name in map(str, frame.columns)
            if name != around.key and not name.startswith("redcap_") and (rows[name] != "").any()
        ]
        if not names:
            continue
        said = ", ".join(f"{name}: {scalar(str(word))}" for name, word in zip(marks, words, strict=True))
        body = ["kind: table", f"file: {scalar(around.where(one))}", f"where: {{{said}}}  # rows of one event"]
        if rows[around.key].duplicated().any():
            body.append("rows: mean  # doubtful: patients have several rows: first, mean, or kind: series over time")
        body.append("columns:")
        suspects = [name for name in names if looks_like_outcome(rows, name)]
        each = rows.replace("", None).drop_duplicates(around.key)
        for name in names:
            note = "may be or tell the outcome" if name in suspects else column_note(each[name])
            words_there = "rows: mean" in body[3] and not is_number(rows[name].replace("", None))
            note = f"no number, of which there is a mean; {note}" if words_there else note
            off = name in suspects or words_there or note.startswith(("doubtful: ", "one value", "empty"))
            body.append(f"  {'# ' if off else ''}- {scalar(name)}  # {note}")
        if all(line.strip().startswith("#") for line in body[body.index("columns:") + 1 :]):
            body = [f"# {line.removeprefix('# ')}" for line in body]
        title = "_".join(str(word) for word in words if word)
        found.append((f"{one.name}_{title}" if title else one.name, body))
    return found
