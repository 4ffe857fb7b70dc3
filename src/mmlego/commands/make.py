"""``mmlego train``, ``merge`` and ``fuse``: from a cohort to models in a run folder.

A run folder holds ``plate/`` (share it with other sites before they train), ``blocks/NAME/``, ``merge/``, ``fuse/``,
``split.json`` (which patients nobody trained on), ``settings.yaml`` (all settings in force) and ``fits/`` (histories
and logs, from which an interrupted run goes on).
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mmlego.commands.arguments import Config, Data, Overrides, Progress, Shared
from mmlego.commands.show import console, metrics_table, plain_warnings, short

if TYPE_CHECKING:
    from mmlego.baseplate import Baseplate
    from mmlego.block import LegoBlock
    from mmlego.data import Cohort, Split
    from mmlego.settings import Settings

Sources = Annotated[list[Path], typer.Argument(help="Run folders, or checkpoints of blocks.")]


def train(
    data: Data,
    out: Annotated[Path, typer.Option("--out", "-o", help="The run folder.")],
    modality: Annotated[
        list[str] | None,
        typer.Option("--modality", "-m", help="Train this modality's block (repeat for more; default: all)."),
    ] = None,
    plate: Annotated[
        Path | None, typer.Option(help="A baseplate that another site made; default: a new one, in OUT/plate.")
    ] = None,
    test: Annotated[float, typer.Option(min=0, max=0.9, help="Share of patients held back for evaluation.")] = 0.2,
    validation: Annotated[float, typer.Option(min=0, max=0.9, help="Share that early stopping watches.")] = 0.2,
    shared_patients: Shared = False,
    config: Config = None,
    overrides: Overrides = None,
    progress: Progress = True,
) -> None:
    """Train a block for each modality, apart, on one baseplate.

    Each block is trained on patients of its own unless --shared-patients is given. Run it again after an interruption
    to go on where it stopped.
    """
    from mmlego.bench.job import parts_of, train_block
    from mmlego.checkpoint import save
    from mmlego.data import Cohort
    from mmlego.files import write_atomically
    from mmlego.settings import read_settings, write_settings

    with plain_warnings():
        settings = read_settings(config, overrides or [])
        cohort = Cohort.from_manifest(data)
        show = console()
        show.print(cohort.summary(), highlight=False)
        names = _chosen(cohort, modality)
        split = _split_of(cohort, out, test, validation, settings.seed)
        train_ids, valid_ids = ([cohort.patients[row] for row in rows] for rows in (split.train, split.validation))
        shared = _plate_of(cohort, train_ids, plate, out, settings)
        write_atomically(out / "settings.yaml", write_settings(settings))
        count = 1 if shared_patients else len(cohort.modalities)
        train_parts = parts_of(cohort, train_ids, count, settings.seed)
        valid_parts = parts_of(cohort, valid_ids, count, settings.seed) if valid_ids else [[]] * count
        scores = {}
        for i, name in enumerate(cohort.modalities):
            if name not in names:
                continue
            ids = (train_parts[i % count], valid_parts[i % count])
            folder = out / "fits" / name
            block = train_block(
                cohort, name, shared, *ids, settings, seed=settings.seed + i, out=folder, progress=progress
            )
            save(block, out / "blocks" / name, overwrite=True)
            scores[f"block {name}"] = block.card.validation
    show.print(metrics_table("Validation part", scores))
    show.print(f"Blocks in {short(out / 'blocks')}, their baseplate in {short(out / 'plate')}.", highlight=False)


def merge(
    sources: Sources,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Where to save; default: RUN/merge.")] = None,
    rule: Annotated[str, typer.Option(help="harmonic, mean, sum, product or residual.")] = "harmonic",
    phase: Annotated[str, typer.Option(help="For harmonic: circular or mean.")] = "circular",
    heads: Annotated[str, typer.Option(help="slerp, linear or ot.")] = "slerp",
    weights: Annotated[str, typer.Option(help="uniform, evidence, or numbers: rna=0.7,clinical=0.3.")] = "uniform",
    allow_mismatch: Annotated[bool, typer.Option("--allow-mismatch", help="Accept blocks of two baseplates.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an earlier model there.")] = False,
) -> None:
    """Merge blocks into one model, without any training."""
    from mmlego.checkpoint import save
    from mmlego.merge import LegoMerge

    with plain_warnings():
        blocks = _blocks(sources)
        chosen: Any = phase  # checked by LegoMerge
        model = LegoMerge(
            blocks, rule=rule, phase=chosen, heads=heads, weights=_weights(weights), allow_mismatch=allow_mismatch
        )
        place = save(model, out or _default_out(sources, "merge"), overwrite=overwrite)
    shares = ", ".join(f"{name} {w:.2f}" for name, w in zip(model.modalities, model.weights.tolist(), strict=True))
    console().print(f"Merged {shares}. Saved in {short(place)}.", highlight=False)


def fuse(
    sources: Sources,
    data: Data,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Where to save; default: RUN/fuse.")] = None,
    mode: Annotated[str | None, typer.Option(help="stack, weave or parallel.")] = None,
    order: Annotated[str | None, typer.Option(help="Order of the modalities, e.g. clinical,rna.")] = None,
    freeze: Annotated[str | None, typer.Option(help="encoders or blocks.")] = None,
    modality_dropout: Annotated[float | None, typer.Option(min=0, max=0.99)] = None,
    epochs: Annotated[int | None, typer.Option(min=1, help="Epochs of tuning.")] = None,
    config: Config = None,
    overrides: Overrides = None,
    progress: Progress = True,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an earlier model there.")] = False,
) -> None:
    """Fuse blocks and tune them briefly on the patients who have all modalities."""
    from mmlego.bench.job import tune_fuse
    from mmlego.checkpoint import save
    from mmlego.data import Cohort
    from mmlego.errors import InputError
    from mmlego.settings import read_settings

    said: dict[str, str | int | float | None] = {
        "mode": mode,
        "order": None if order is None else f"[{order}]",
        "freeze": freeze,
        "fit.epochs": epochs,
        "modality_dropout": modality_dropout,
    }
    more = [f"fuse.{key}={value}" for key, value in said.items() if value is not None]
    with plain_warnings():
        run = _run_folder(sources)
        settings = read_settings(config or _saved_settings(run), [*(overrides or []), *more])
        cohort = Cohort.from_manifest(data)
        place = out or _default_out(sources, "fuse")
        if run is not None and (run / "split.json").is_file():
            split = read_split(run, cohort)
        else:
            split = _split_of(cohort, place.parent, 0.0, 0.2, settings.seed)
        train_ids, valid_ids = ([cohort.patients[row] for row in rows] for rows in (split.train, split.validation))
        places = {name: i for i, name in enumerate(cohort.modalities)}
        blocks = sorted(_blocks(sources), key=lambda block: places.get(block.modality, len(places)))
        fits = place.parent / "fits" / place.name
        model = tune_fuse(
            cohort, blocks, train_ids, valid_ids, settings, seed=settings.seed, out=fits, progress=progress
        )
        if model is None:
            raise InputError(
                "no training patient has all modalities",
                expected=f"patients with {', '.join(block.modality for block in blocks)}",
                got="none",
                remedy="Merge the blocks instead: mmlego merge.",
            )
        save(model, place, overwrite=overwrite)
    show = console()
    show.print(metrics_table("Validation part", {"LegoFuse": model.card.validation}))
    show.print(f"Saved in {short(place)}.", highlight=False)


def _chosen(cohort: Cohort, modality: list[str] | None) -> list[str]:
    from mmlego.errors import UnknownNameError

    unknown = [name for name in modality or [] if name not in cohort.modalities]
    if unknown:
        raise UnknownNameError(
            "unknown modality", expected=f"of {', '.join(cohort.modalities)}", got=", ".join(unknown)
        )
    return modality or list(cohort.modalities)


def _split_of(cohort: Cohort, out: Path, test: float, validation: float, seed: int) -> Split:
    """Return the split of a run folder; make it if there is none."""
    from mmlego.data import save_splits, split_patients

    if (out / "split.json").is_file():
        return read_split(out, cohort)
    fractions = (1 - test - validation, validation, test)
    split = split_patients(cohort.patients, cohort.strata(), fractions=fractions, seed=seed)[0]
    out.mkdir(parents=True, exist_ok=True)
    save_splits([split], cohort.patients, out / "split.json")
    return split


def read_split(run: Path, cohort: Cohort) -> Split:
    """Return the split of a run folder, checked against the cohort's patients."""
    from mmlego.data import load_splits

    return load_splits(run / "split.json", cohort.patients)[0]


def _plate_of(cohort: Cohort, train_ids: list[str], given: Path | None, out: Path, settings: Settings) -> Baseplate:
    from mmlego.baseplate import Baseplate
    from mmlego.checkpoint import load, save
    from mmlego.errors import InputError, MismatchError

    place = out / "plate"
    found = None
    for source in (given, place if place.is_dir() else None):
        if source is None:
            continue
        plate = load(source)
        if not isinstance(plate, Baseplate):
            raise InputError(f"{source} holds no baseplate", expected="a Baseplate", got=type(plate).__name__)
        if found is not None and plate.fingerprint != found.fingerprint:
            raise MismatchError(
                f"{out} was begun on another baseplate",
                expected=found,
                got="; ".join(found.differences(plate)),
                remedy="Choose another --out.",
            )
        found = plate
    if found is None:
        if cohort.outcome is None or cohort.outcome_spec is None:
            raise InputError("training needs an outcome", remedy="Add outcome: to the manifest.")
        task = cohort.outcome_spec.fit_task(cohort.outcome.loc[train_ids])
        found = Baseplate(task, **settings.plate.model_dump())
    if not place.is_dir():
        save(found, place)
    return found


def _run_folder(sources: list[Path]) -> Path | None:
    """Return the one run folder among the sources, if it is just that."""
    return sources[0] if len(sources) == 1 and (sources[0] / "blocks").is_dir() else None


def _saved_settings(run: Path | None) -> Path | None:
    return run / "settings.yaml" if run is not None and (run / "settings.yaml").is_file() else None


def _default_out(sources: list[Path], name: str) -> Path:
    from mmlego.errors import InputError

    run = _run_folder(sources)
    if run is None:
        raise InputError("where to save?", expected="--out FOLDER, as the blocks come from several places", got="none")
    return run / name


def _blocks(sources: list[Path]) -> list[LegoBlock]:
    from mmlego.block import LegoBlock
    from mmlego.checkpoint import load
    from mmlego.errors import InputError

    places: list[Path] = []
    for source in sources:
        below = source / "blocks"
        places += sorted(path for path in below.iterdir() if path.is_dir()) if below.is_dir() else [source]
    models = [(place, load(place)) for place in places]
    for place, model in models:
        if not isinstance(model, LegoBlock):
            raise InputError(f"{place} holds no block", expected="a LegoBlock", got=type(model).__name__)
    return [model for _, model in models]


def _weights(text: str) -> Any:
    from mmlego.errors import InputError

    if "=" not in text:
        return text
    try:
        return {name.strip(): float(value) for name, value in (part.split("=") for part in text.split(","))}
    except ValueError as error:
        raise InputError("--weights", expected="uniform, evidence, or name=number,name=number", got=text) from error
