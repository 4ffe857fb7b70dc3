"""``mmlego merge`` and ``fuse``: models in a run folder, which ``run_folder.py`` describes."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Annotated, Any

import typer

from mmlego.commands.arguments import (
    AllowMissing,
    AsJson,
    Config,
    Data,
    DataDir,
    Links,
    NoProgress,
    Overrides,
    Overwrite,
    SameFeatures,
    share,
)
from mmlego.commands.progress import training
from mmlego.commands.runs import read_cohort
from mmlego.commands.show import answer, console, metrics_table, plain_warnings, say, short
from mmlego.commands.sites import Names, named, told
from mmlego.commands.train import SCORED
from mmlego.errors import InputError, LegoWarning
from mmlego.run_folder import RunFolder, runs_of

Sources = Annotated[
    list[Path],
    typer.Argument(metavar="RUN", help="Run folders, checkpoints of blocks, or OWNER/NAME@REVISION on the Hub."),
]


def merge(
    sources: Sources,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", metavar="FOLDER", help="Where to save; default: RUN/merge.")
    ] = None,
    rule: Annotated[str | None, typer.Option(metavar="NAME", help="residual, mean, harmonic, sum or product.")] = None,
    phase: Annotated[str | None, typer.Option(metavar="NAME", help="For harmonic: circular or mean.")] = None,
    heads: Annotated[
        str | None, typer.Option(metavar="NAME", help="common (one read-out for all), slerp, linear or ot.")
    ] = None,
    weights: Annotated[
        str | None,
        typer.Option(
            metavar="TEXT", help="auto, uniform, evidence, stacked (with --data), or numbers: rna=0.7,clinical=0.3."
        ),
    ] = None,
    strength: Annotated[str | None, typer.Option(metavar="NUMBER", help="Of residual: a number, or auto.")] = None,
    preset: Annotated[
        str | None, typer.Option(metavar="NAME", help="paper: rule, heads and weights as published.")
    ] = None,
    names: Names = None,
    allow_mismatch: Annotated[
        bool, typer.Option("--allow-mismatch", metavar="", help="Accept blocks of two baseplates.")
    ] = False,
    watched: Annotated[
        Path | None,
        typer.Option(
            "--calibrate", metavar="MANIFEST", help="Calibrate on the validation part of this cohort, split by the run."
        ),
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(
            "--data",
            "-d",
            metavar="MANIFEST",
            help="Compare predictions with held-out patients of this cohort, split by the run.",
        ),
    ] = None,
    data_dir: DataDir = None,
    links: Links = False,
    allow_missing: AllowMissing = False,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
) -> None:
    """Merge blocks into one model, without any training.

    Rule, phase, heads, weights and strength are those of the run's settings unless they are given. Blocks that several
    sites have trained of one modality count as one: they are called by their folders, as clinical@a, or by --name.
    """
    from mmlego.checkpoint import save
    from mmlego.job import data_of
    from mmlego.job.contradiction import doubt_on
    from mmlego.job.held_out import tell_of_merge
    from mmlego.job.merging import learn_weights
    from mmlego.job.sources import load_blocks, split_by_runs
    from mmlego.kept_answers import keep_origins
    from mmlego.merge import LegoMerge
    from mmlego.merge.weights import STACKED
    from mmlego.settings import read_settings
    from mmlego.training import calibrate

    said: dict[str, Any] = {
        "rule": rule,
        "phase": phase,
        "heads": heads,
        "weights": None if weights is None else _weights(weights),
        "strength": None if strength is None else _strength(strength),
    }
    with plain_warnings():
        place = _place(sources, out, "merge", overwrite=overwrite)
        if watched is not None and data is not None:
            raise InputError("--data and --calibrate", expected="one of them", got="both: --calibrate compares, too")
        # A preset has all of these; else what is given goes before the settings of the run.
        settings = read_settings(None if preset else _saved_settings(sources), []).merge
        chosen = settings.model_dump() | {name: value for name, value in said.items() if value is not None}
        stacked = chosen["weights"] == STACKED
        if stacked and watched is None and data is None:
            raise InputError(
                "weights stacked" + ("" if weights else ", as the settings of the run say"),
                expected="--data MANIFEST, patients to learn them from",
                got="none",
                remedy="Pass --data, or other --weights, as auto.",
            )
        blocks = named(load_blocks(sources, allow_missing=allow_missing), names)
        model = LegoMerge(
            [block for _, block in blocks],
            **(chosen | ({"weights": "auto"} if stacked else {})),
            preset=preset,  # type: ignore[arg-type]
            allow_mismatch=allow_mismatch,
        )
        scale = None
        manifest = data or watched
        if manifest is not None:
            cohort = read_cohort(manifest, data_dir, "calibration" if watched else "comparison", links=links)
            split = split_by_runs(sources, cohort, "calibrate on" if watched else "compare with")
            who = split.named(cohort.patients)
            weighed = zip(model.modalities, model.weights.tolist(), strict=True)
            counting = {name: model.block(name) for name, weight in weighed if weight > 0}
            doubt_on(counting, cohort, [*who["train"], *who["validation"]])
            if stacked:
                learn_weights(model, cohort, who["train"], who["validation"])
            if watched is None:
                tell_of_merge(model, cohort, who["train"], who["validation"])
            else:
                scale = calibrate(model, data_of(model, cohort, who["validation"]))
        save(model, place, overwrite=overwrite)
        keep_origins(place, {block.modality: source for source, block in blocks})
    shares = ", ".join(f"{name} {w:.2f}" for name, w in zip(model.modalities, model.weights.tolist(), strict=True))
    calibrated = "" if scale is None else f", calibrated by a factor of {scale:.2f}"
    for line in told(blocks):
        say(line)
    say(f"Merged {shares}{calibrated}. Saved in {short(place)}.")
    by_name = dict(zip(model.modalities, model.weights.tolist(), strict=True))
    answer({"path": place, "weights": by_name, "calibration": scale}, wanted=as_json)


def fuse(
    sources: Sources,
    data: Data,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", "-o", metavar="FOLDER", help="Where to save; default: RUN/fuse. Split and logs go beside it."
        ),
    ] = None,
    data_dir: DataDir = None,
    links: Links = False,
    mode: Annotated[str | None, typer.Option(metavar="NAME", help="stack, weave or parallel.")] = None,
    order: Annotated[
        str | None, typer.Option(metavar="NAMES", help="Order of the modalities, e.g. clinical,rna.")
    ] = None,
    names: Names = None,
    freeze: Annotated[str | None, typer.Option(metavar="NAME", help="encoders or blocks.")] = None,
    modality_dropout: Annotated[
        float | None,
        typer.Option(metavar="SHARE", help="How often to leave a modality out while tuning."),
    ] = None,
    epochs: Annotated[int | None, typer.Option(metavar="N", help="Epochs of tuning.")] = None,
    test: Annotated[
        float,
        typer.Option(
            metavar="SHARE",
            callback=share("test"),
            help="Share held back for evaluation, if no run has split the cohort.",
        ),
    ] = 0.0,
    duplicates: SameFeatures = "error",
    config: Config = None,
    overrides: Overrides = None,
    no_progress: NoProgress = False,
    allow_missing: AllowMissing = False,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
) -> None:
    """Fuse blocks and tune them briefly on the patients who have all modalities.

    Patients that the blocks' runs held back stay held back. Mode, order, freezing, modality dropout and epochs are
    those of the run's settings unless they are given.
    """
    from mmlego.checkpoint import save
    from mmlego.held_out import of_few
    from mmlego.job import tune_fuse
    from mmlego.job.begin import keep_split, make_split
    from mmlego.job.contradiction import doubt_on
    from mmlego.job.sources import load_blocks, split_of, strangers
    from mmlego.kept_answers import keep_origins
    from mmlego.settings import read_settings

    said: dict[str, str | int | float | None] = {
        "mode": mode,
        "order": None if order is None else f"[{order}]",
        "freeze": freeze,
        "fit.epochs": epochs,
        "modality_dropout": modality_dropout,
    }
    more = [f"fuse.{key}={value}" for key, value in said.items() if value is not None]
    shown = not no_progress and not as_json
    with plain_warnings():
        settings = read_settings(config or _saved_settings(sources), [*(overrides or []), *more])
        place = _place(sources, out, "fuse", overwrite=overwrite)
        cohort = read_cohort(data, data_dir, "tuning", links=links, shown=shown)
        places = {name: i for i, name in enumerate(cohort.modalities)}
        loaded = named(load_blocks(sources, allow_missing=allow_missing), names)
        blocks = sorted((block for _, block in loaded), key=lambda block: places.get(block.reads, len(places)))
        read = list(dict.fromkeys(block.reads for block in blocks))
        if any(name not in places for name in read):
            raise InputError(
                f"{cohort.name} lacks modalities of the blocks",
                expected=f"{', '.join(read)} in the manifest",
                got=", ".join(cohort.modalities),
                remedy="Merge the blocks instead: mmlego merge.",
            )
        told_of_strangers = strangers(
            {block.modality: block for _, block in loaded}, {block.modality: where for where, block in loaded}, cohort
        )
        split = split_of(runs_of([*sources, place]), cohort)
        home = RunFolder(place.parent)
        if split is None:
            split = make_split(cohort, home, test, 0.2, settings.seed, duplicates)
        keep_split(split, cohort, home)
        train_ids, valid_ids = ([cohort.patients[row] for row in rows] for rows in (split.train, split.validation))
        doubt_on({block.modality: block for block in blocks}, cohort, [*train_ids, *valid_ids])
        how: dict[str, Any] = {"seed": settings.seed, "out": home.fit(place.name), "resume": not overwrite}
        with training(1, "fuse", shown=shown) as (bars, watch):
            model = tune_fuse(cohort, blocks, train_ids, valid_ids, settings, **how, progress=bars)
            watch("tuned")
        if model is None:
            raise InputError(
                "no training patient has all modalities",
                expected=f"patients with {', '.join(read)}",
                got="none",
                remedy="Merge the blocks instead: mmlego merge.",
            )
        if told_of_strangers is not None:
            warnings.warn(told_of_strangers, LegoWarning, stacklevel=2)
        save(model, place, overwrite=overwrite)
        keep_origins(place, {block.modality: source for source, block in loaded})
    for line in told(loaded):
        say(line)
    show = console()
    scores = {"LegoFuse": model.card.patients | model.card.validation}
    show.print(metrics_table(SCORED, "model", scores, show.width))
    if few := of_few({"LegoFuse": model.card}):
        say(few)
    say(f"Saved in {short(place)}.")
    card = model.card
    answer({"path": place, "patients": card.patients, "validation": card.validation}, wanted=as_json)


def _run_folder(sources: list[Path]) -> RunFolder | None:
    """Return the one run folder among the sources, if it is just that."""
    run = RunFolder(sources[0])
    return run if len(sources) == 1 and run.has_blocks() else None


def _saved_settings(sources: list[Path]) -> Path | None:
    run = _run_folder(sources)
    return run.settings if run is not None and run.settings.is_file() else None


def _place(sources: list[Path], out: Path | None, name: str, *, overwrite: bool) -> Path:
    """Return where to save, refused at once if it is taken."""
    from mmlego.checkpoint_config import perhaps_on_hub
    from mmlego.hub import named_on_hub

    absent = [str(source) for source in sources if not source.exists() and named_on_hub(source) is None]
    if absent:
        expected = "run folders, or checkpoints of blocks"
        if any("@" in text or perhaps_on_hub(Path(text)) for text in absent):
            expected = "run folders, checkpoints of blocks, or owner/name@revision where there is no folder owner"
        raise InputError(f"{', '.join(absent)} not found", expected=expected)
    bare = [
        str(source) for source in sources if RunFolder(source).split.is_file() and not RunFolder(source).has_blocks()
    ]
    if bare:
        remedy = "Run mmlego train again, which goes on where it stopped."
        raise InputError(f"{', '.join(bare)} has no block yet", expected="a run that has trained one", remedy=remedy)
    run = _run_folder(sources)
    if out is None and run is None:
        raise InputError("no place to save", expected="--out FOLDER, as the blocks are not one run's", got="none")
    place = out or (run.place if run else Path()) / name
    if not overwrite and place.is_dir() and any(place.iterdir()):
        remedy = "Choose another place with --out, or pass --overwrite."
        raise InputError(f"{place} exists", expected="a new or empty folder", got="a folder with files", remedy=remedy)
    return place


def _weights(text: str) -> Any:
    if "=" not in text:
        return text
    try:
        return {name.strip(): float(value) for name, value in (part.split("=") for part in text.split(","))}
    except ValueError as error:
        raise InputError(
            "--weights", expected="auto, uniform, evidence, stacked, or name=number,name=number", got=text
        ) from error


def _strength(text: str) -> Any:
    try:
        return float(text)
    except ValueError:
        return text  # checked by LegoMerge
