"""A report from beginning to end: what there is, what it says, the page."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from pathlib import Path

from mmlego.reporting.answers import Heard, hear
from mmlego.reporting.competing import competing_sections
from mmlego.reporting.experiment import experiment
from mmlego.reporting.explained import explained
from mmlego.reporting.numeric import numeric_sections
from mmlego.reporting.parts import Page, Section
from mmlego.reporting.patients import check_patients, patient_sections
from mmlego.reporting.people import people
from mmlego.reporting.ranked import ranked_sections
from mmlego.reporting.scored import scored
from mmlego.reporting.subgroups import subgroups
from mmlego.reporting.subject import Part, Subject, open_subject
from mmlego.reporting.summary import summary
from mmlego.reporting.survival import survival_sections
from mmlego.reporting.trained import trained
from mmlego.reporting.trials import trial_sections
from mmlego.reporting.tripod import tripod
from mmlego.reporting.worth import worth
from mmlego.reporting.writing import check_place, write_page
from mmlego.version import __version__


def make_report(
    source: str | Path,
    out: str | Path,
    *,
    data: str | Path | None = None,
    folders: Sequence[Path] | None = None,
    links: bool = False,
    bench: str | Path | None = None,
    part: Part = "auto",
    by: str | None = None,
    patients: Sequence[str] = (),
    features: int | None = None,
    missing_columns: float = 0.05,
    aliases: Mapping[str, str] | None = None,
    overwrite: bool = False,
) -> list[Path]:
    """Write a report on a run, a model or an experiment: one page that needs nothing else, and its pictures beside it.

    Performance is that on patients held out, and on nobody else.

    Parameters
    ----------
    source
        A run folder, a checkpoint, or the results of ``mmlego bench``.
    out
        The page, ``….html``.
    data
        The manifest of the cohort; None: that which the run was trained on, if it knows it.
    folders, links
        Where its files lie, and whether links may lead out of there, as ``Cohort.from_manifest`` takes them.
    bench
        Results of ``mmlego bench``, to be told on the page of a run or a model.
    part
        ``"auto"``: those whom the run held back; ``"all"``: everybody, where the models were trained on others.
    by
        A column by which scores are told apart, as a site.
    patients
        Ids of patients who have a section of their own; nobody else is named.
    features
        Of how many patients held out it is told which features moved them; None: 40, or 10 where neural blocks make it
        slow; 0: of none.
    missing_columns, aliases
        As ``mmlego predict`` takes them.
    overwrite
        Whether an earlier report there may be replaced.

    Returns
    -------
    list of Path
        The page, and the folder of its pictures.

    Raises
    ------
    InputError
        If there is nothing to report on, the cohort is not known, nobody knows whom the models were trained on, or
        something stands at ``out``.
    """
    place = Path(out)
    check_place(place, overwrite=overwrite)
    subject = open_subject(
        Path(source),
        None if data is None else Path(data),
        folders=folders,
        links=links,
        bench=None if bench is None else Path(bench),
        part=part,
        missing_columns=missing_columns,
        aliases=aliases,
    )
    page = compose(subject, by=by, patients=patients, features=features, links=links)
    return write_page(page, place, overwrite=overwrite)


def compose(
    subject: Subject,
    *,
    by: str | None = None,
    patients: Sequence[str] = (),
    features: int | None = None,
    links: bool = False,
    day: datetime.date | None = None,
) -> Page:
    """Return the page on a subject.

    Parameters
    ----------
    subject
        From :func:`mmlego.reporting.subject.open_subject`.
    by
        A column by which scores are told apart.
    patients
        Who have a section of their own.
    features
        Of how many patients features are told.
    links
        As :func:`make_report` takes it.
    day
        The date on the page; None: today.
    """
    check_patients(subject, patients)
    groups = None if by is None else subgroups(subject, by, links=links)
    heard = hear(subject)
    sections: list[Section | None] = [summary(subject, heard), people(subject), trained(subject)]
    if subject.models:
        sections += [scored(subject, heard, groups, by), worth(subject, heard), *_of_task(subject, heard)]
        sections.append(explained(subject, heard, features))
        sections += patient_sections(subject, patients)
    if subject.bench is not None:
        sections += [experiment(subject.bench), *([] if subject.models else trial_sections(subject.bench))]
    sections.append(tripod(_told(sections)))
    name = _name(subject)
    today = day or datetime.date.today()
    return Page(
        title=f"{name}: {subject.main or 'repeated splits'}",
        subtitle=f"Report of {today.isoformat()}, made by mmlego {__version__}",
        sections=tuple(one for one in sections if one is not None),
        about=("A higher risk means that the event comes earlier, or that an outcome is likelier.",),
    )


def _of_task(subject: Subject, heard: Heard | None) -> list[Section]:
    """Return the sections that only this task has."""
    if heard is None or subject.main is None or subject.main not in heard.answers:
        return []
    name = heard.answers[subject.main].task.name
    known = {
        "survival": survival_sections,
        "competing_risks": competing_sections,
        "regression": numeric_sections,
    }
    made = known.get(name, ranked_sections)
    return made(subject, heard)


def _told(sections: list[Section | None]) -> dict[str, str]:
    return {one.name: one.title for one in sections if one is not None} | {"about": "How this page was made"}


def _name(subject: Subject) -> str:
    if subject.cohort is not None:
        return subject.cohort.name
    return "an experiment" if subject.bench is None else str(subject.bench.experiment["cohort"])
