"""The first thing on the page: three sentences for a clinician."""

from __future__ import annotations

from mmlego.bench import Results
from mmlego.reporting import worth
from mmlego.reporting.answers import Heard
from mmlego.reporting.experiment import in_words as measured
from mmlego.reporting.measures import CAUSES_C_INDEX, primary, score_of
from mmlego.reporting.numbers import plain
from mmlego.reporting.outcomes import had
from mmlego.reporting.parts import Item, Section, Text, section
from mmlego.reporting.statistics.resampling import estimate, resamples
from mmlego.reporting.subject import Subject
from mmlego.reporting.trained import predicted
from mmlego.sites import by_modality
from mmlego.wording import counted, listed

_GOOD = {
    "c_index": "Of two of them it gave the higher risk to the one whose event came earlier in {percent} % of the pairs",
    "auroc": "It gave a patient with the outcome a higher risk than one without in {percent} % of the pairs",
    "causes": "Of two of them it gave the higher risk of a cause to the one whose event of it came earlier, or at all, "
    "in {percent} % of the pairs, on average over the causes",
    "r2": "It explained {percent} % of the variance",
}
_CHANCE = {"c_index": "50 % is chance", "auroc": "50 % is chance", "r2": "0 % is what the mean of all patients gives"}


def summary(subject: Subject, heard: Heard | None) -> Section:
    """Return what was predicted and for whom, how well, and whether merging was worth it.

    Parameters
    ----------
    subject
        Whose models.
    heard
        Their answers.
    """
    if not subject.models and subject.bench is not None:
        return section(
            "summary", "Summary", [Text(_of_experiment(subject.bench), "lead"), Text(measured(subject.bench), "lead")]
        )
    items: list[Item | None] = [Text(_what(subject, heard), "lead")]
    if heard is not None and subject.main in heard.answers:
        items.append(Text(_how_well(subject, heard), "lead"))
        if len(heard.answers) > 1:
            items.append(Text(worth.in_words(subject, heard), "lead"))
    else:
        items.append(Text("How well is not known, for nobody was held out to try it on.", "lead"))
    if subject.bench is not None:
        items.append(Text(measured(subject.bench), "lead"))
    items.append(
        Text(
            "A model of this kind supports no decision about a patient by itself: it was not tried in practice.", "note"
        )
    )
    return section("summary", "Summary", items)


def _what(subject: Subject, heard: Heard | None) -> str:
    cohort = subject.cohort
    if cohort is None or subject.main is None:
        return ""
    model = subject.models[subject.main]
    told = f"From {listed(by_modality(model.modalities), 8)}, {subject.main} predicts {predicted(subject)}"
    unsure = subject.main in subject.unsure
    if unsure:
        told += "; it was made elsewhere, at least in part"
    elif subject.fitting:
        told += f"; it was made from {counted(len(subject.fitting), 'patient')} of {cohort.name}"
    if heard is None or subject.main not in heard.answers:
        return told + "."
    answers = heard.answers[subject.main]
    happening = had(answers.task, answers.target, answers.column)
    told += (
        f", and tried on {counted(len(answers), 'patient')}"
        if unsure
        else f" and tried on {counted(len(answers), 'other')}"
        if subject.fitting
        else f"; it was tried on {counted(len(answers), 'patient')} of {cohort.name}"
    )
    ending = "; nobody knows whether these had a part in it." if unsure else "."
    return told + (f", {happening}" if happening else "") + ending


def _how_well(subject: Subject, heard: Heard) -> str:
    answers = heard.answers[subject.main or ""]
    measure = primary(answers.task.name)
    found = estimate(score_of(measure, answers), resamples(len(answers)))
    if not found.known:
        return f"Its {measure.label} on them is not defined: too few of them, or of one kind only."
    percent = [round(100 * value) for value in (found.value, found.low, found.high)]
    told = _GOOD["causes" if measure is CAUSES_C_INDEX else measure.name].format(percent=percent[0])
    interval = f"95 % interval {percent[1]} to {percent[2]} %".replace("-", "−")
    return f"{told} ({interval}; {_CHANCE[measure.name]}): {measure.label} {plain(found.value)}."


def _of_experiment(results: Results) -> str:
    e = results.experiment
    outcome = e.get("outcome") or {}
    named = outcome.get("label") or outcome.get("target") or "the outcome"
    task = outcome.get("task", "")
    causes = list(outcome.get("causes") or {})
    if causes:
        named = f"which of {listed(causes, 8)} comes first, and when,"
    elif task == "survival":
        named = f"the time to the event ({outcome.get('event')} = {outcome.get('event_when')})"
    events = ""
    if causes:
        counts = [sum(int(one[0] == place) for one in results.outcome.values()) for place in range(1, len(causes) + 1)]
        events = f", of whom {listed(f'{count} had {cause}' for count, cause in zip(counts, causes, strict=True))}"
    elif task == "survival":
        events = f", of whom {sum(int(one[0] == 1) for one in results.outcome.values())} had the event"
    return (
        f"From {listed(e.get('columns', {}), 8)}, {named} was predicted for "
        f"{counted(e['patients'], 'patient')} of {e['cohort']}{events}, each by models that had not seen them."
    )
