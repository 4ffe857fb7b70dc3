from __future__ import annotations

import json
import os
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from mmlego import Baseplate, LegoBlock, evaluate, fit, load, predict, save
from mmlego.data import Bag, BagPreprocessor, BagSource, Cohort, Draw, Prepared, preprocessing_from_config
from mmlego.data.kinds.bag.files import BagFile
from mmlego.data.reading.remarks import Doubtful
from mmlego.encoders import build_encoder
from mmlego.errors import CheckpointError, InputError, MissingExtraError, ShapeError, VersionError
from mmlego.tasks import Classification
from tests.data.kinds.bag.slides import (
    patches,
    places,
    write_bfloat16,
    write_h5,
    write_pt,
    write_slides,
    write_vector,
)

OUTCOME = "id,died\n" + "".join(f"p{i},{'yes' if i % 2 else 'no'}\n" for i in range(8))
MANIFEST = """
key: id
outcome: {{task: classification, file: outcome.csv, label: died}}
modalities:
  slides: {{kind: bag, {section}}}
"""


def cohort(folder: Path, section: str, outcome: str = OUTCOME) -> Cohort:
    (folder / "outcome.csv").write_text(outcome)
    (folder / "cohort.yaml").write_text(MANIFEST.format(section=section))
    return Cohort.from_manifest(folder / "cohort.yaml")


ROWS = np.array([6, 0, 3])
WAYS = {
    "in one piece": lambda path, x: write_h5(path.with_suffix(".h5"), x),
    "in chunks": lambda path, x: write_h5(path.with_suffix(".h5"), x, chunks=(2, 3)),
    "compressed": lambda path, x: write_h5(path.with_suffix(".h5"), x, chunks=(4, 3), compression="gzip"),
    "half precision": lambda path, x: write_h5(path.with_suffix(".hdf5"), x.astype(np.float16)),
    "double precision in chunks": lambda path, x: write_h5(path.with_suffix(".h5"), x.astype(">f8"), chunks=(3, 3)),
    "of STAMP": lambda path, x: write_h5(path.with_suffix(".h5"), x, "feats"),
    "of older tools": lambda path, x: write_h5(path.with_suffix(".h5"), x, "patch_embeddings"),
    "bfloat16 in HDF5": lambda path, x: write_bfloat16(path.with_suffix(".h5"), x),
    "bfloat16 in chunks of HDF5": lambda path, x: write_bfloat16(path.with_suffix(".h5"), x, chunks=(2, 3)),
    "a batch of one": lambda path, x: write_h5(path.with_suffix(".h5"), x[None]),
    "a batch of one in chunks": lambda path, x: write_h5(path.with_suffix(".h5"), x[None], chunks=(1, 2, 3)),
    "a tensor": lambda path, x: write_pt(path.with_suffix(".pt"), torch.from_numpy(x)),
    "a parameter": lambda path, x: write_pt(path.with_suffix(".pt"), torch.nn.Parameter(torch.from_numpy(x))),
    "bfloat16": lambda path, x: write_pt(path.with_suffix(".pth"), torch.from_numpy(x).bfloat16()),
    "tensors by name": lambda path, x: write_pt(
        path.with_suffix(".pt"), {"features": torch.from_numpy(x)[None], "coords": torch.from_numpy(places(len(x)))}
    ),
}


@pytest.mark.parametrize("way", WAYS)
def test_files_of_all_tools_are_read_alike(way: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mmlego.data.kinds.bag.files.ROWS", 4)  # several blocks
    features = patches(7)
    file = BagFile.open(WAYS[way](tmp_path / "slide", features))
    assert (file.tokens, file.width) == (7, 3)
    loose = 1e-2 if way.startswith("bfloat16") else {"half precision": 1e-3}.get(way, 0)
    np.testing.assert_allclose(file.features(), features, atol=loose, rtol=loose)
    np.testing.assert_allclose(file.features(ROWS), features[ROWS], atol=loose, rtol=loose)
    assert file.features().dtype == np.float32
    if way in ("a tensor", "a parameter", "bfloat16"):
        assert file.coords() is None
    else:
        assert file.coords().tolist() == places(7).tolist()


def test_a_file_of_old_torch_is_read_too(tmp_path: Path) -> None:
    features = torch.from_numpy(patches(4))
    torch.save(features, tmp_path / "old.pt", _use_new_zipfile_serialization=False)
    assert torch.equal(torch.from_numpy(BagFile.open(tmp_path / "old.pt").features()), features)


def test_a_dataset_of_another_name(tmp_path: Path) -> None:
    write_h5(tmp_path / "a.h5", patches(4), "uni2")
    assert BagFile.open(tmp_path / "a.h5", "uni2").tokens == 4
    with pytest.raises(InputError, match=r"holds no features: .* feats, .*, got coords, uni2.*features: NAME"):
        BagFile.open(tmp_path / "a.h5")


def test_features_in_a_group(tmp_path: Path) -> None:
    import h5py

    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["uni/features"], file["uni/coords"] = patches(4), places(4)
        file["uni/itself"] = file["/"]  # a circle
    with pytest.raises(InputError, match=r"holds no features: .* got uni/.*features: NAME"):
        BagFile.open(tmp_path / "a.h5")
    bag = BagFile.open(tmp_path / "a.h5", "uni/features")
    np.testing.assert_array_equal(bag.features(), patches(4))
    np.testing.assert_array_equal(bag.coords(), places(4))


def test_slides_by_pattern(tmp_path: Path) -> None:
    made = write_slides(tmp_path, {"p0": 5, "p1": 9, "stranger": 2})
    read = cohort(tmp_path, 'pattern: "slides/{key}.h5", sample: 4')
    assert read.patients == ("p0", "p1")
    assert "slides: 1 file of no patient: slides/stranger.h5" in map(str, read.dropped)
    assert "6 patients without any modality" in read.summary()
    assert read.sources["slides"].width(read.frames["slides"]) == 3
    prepared = read.prepare(["p0", "p1"])
    data = prepared.data(["p1", "p0"])
    batch = data.batch()
    assert batch.inputs["slides"].sizes == [9, 5]
    np.testing.assert_array_equal(batch.inputs["slides"].values, np.concatenate([made["p1"], made["p0"]]))
    seen = data.batch(draw=Draw(0, 0)).inputs["slides"].unbind()
    assert [len(bag) for bag in seen] == [4, 4]
    for bag, patient in zip(seen, ("p1", "p0"), strict=True):
        assert {tuple(row) for row in bag.tolist()} <= {tuple(row) for row in made[patient].tolist()}


def test_slides_whose_table_has_endings_of_its_own(tmp_path: Path) -> None:
    made = write_slides(tmp_path, {"a.01": 5, "b.02": 3})
    (tmp_path / "slides.csv").write_text("id,slide\np0,raw/a.01.svs\np1,b.02.ndpi\np2,c.03.svs\n")
    with pytest.raises(InputError) as wrong:
        cohort(tmp_path, 'file: slides.csv, pattern: "slides/{slide}.h5"')
    remedy = "Leave out the endings of the cells: pattern: 'slides/{slide:stem}.h5'."
    assert str(wrong.value) == (
        "slides: 3 files not there: expected files as 'slides/raw/a.01.svs.h5', by pattern: 'slides/{slide}.h5', got "
        f"files as 'slides/a.01.h5'. {remedy}"
    )
    read = cohort(tmp_path, 'file: slides.csv, on_error: skip, pattern: "slides/{slide:stem}.h5"')
    assert read.patients == ("p0", "p1")
    np.testing.assert_array_equal(read.frames["slides"]["bag"]["p0"].features(), made["a.01"])


def test_a_sample_is_without_repetition_and_as_likely_everywhere(tmp_path: Path) -> None:
    write_h5(tmp_path / "slides" / "p0.h5", np.arange(40, dtype=np.float32)[:, None])
    data = cohort(tmp_path, 'pattern: "slides/{key}.h5", sample: 10').prepare(["p0"]).data(["p0"])
    draws = [data.batch(draw=Draw(0, epoch)).inputs["slides"].values[:, 0].int().tolist() for epoch in range(400)]
    assert all(len(set(draw)) == 10 and draw == sorted(draw) for draw in draws)
    counts = np.bincount(np.concatenate(draws), minlength=40)
    assert abs(counts - 100).max() < 5 * np.sqrt(400 * 0.25 * 0.75)  # five standard deviations


def test_slides_by_table(tmp_path: Path) -> None:
    made = write_slides(tmp_path, {"a": 5, "b": 3, "c": 2})
    (tmp_path / "slides.csv").write_text(
        "id,slide_id,path\np0,a,slides/a.h5\np0,b,slides/b.h5\np1,c,slides/c.h5\np2,,\n"
    )
    by_path = cohort(tmp_path, "file: slides.csv, rows: concat")
    by_name = cohort(tmp_path, 'file: slides.csv, pattern: "slides/{slide_id}.h5", rows: concat')
    for read in (by_path, by_name):
        assert read.patients == ("p0", "p1")
        notes = [str(note) for note in read.dropped]
        assert "slides: 1 row that names no file" in notes
        assert "slides: 2 files of 1 patient put together" in notes
        bag = read.frames["slides"]["bag"]["p0"]
        assert isinstance(bag, Bag)
        assert (bag.tokens, bag.width) == (8, 3)
        np.testing.assert_array_equal(bag.features(), np.concatenate([made["a"], made["b"]]))
        np.testing.assert_array_equal(bag.features(np.array([4, 5, 7])), bag.features()[[4, 5, 7]])
        assert bag.coords().tolist() == [*places(5).tolist(), *places(3).tolist()]
        assert bag.slides().tolist() == [0] * 5 + [1] * 3
    first = cohort(tmp_path, "file: slides.csv, rows: first")
    assert first.frames["slides"]["bag"]["p0"].tokens == 5
    assert "slides: 1 further file of a patient, the first is kept" in map(str, first.dropped)


OWN = {
    "zeros": ["0000", "0001", "0002", "0003"],
    "exponents": ["1e2", "2e2", "3e2", "4e2"],
    "words": ["NA", "None", "nan", "1.0"],
}
OTHERS = ["0", "1", "2", "3", "100", "200", "300", "400"]


@pytest.mark.parametrize("ids", OWN)
@pytest.mark.parametrize("way", ["by path", "by pattern"])
def test_ids_of_slides_are_text(way: str, ids: str, tmp_path: Path) -> None:
    """0001 is not 1, 1e2 not 100, and a slide may be called NA: the file of another patient is never opened."""
    for number, name in enumerate([*OWN[ids], *OTHERS]):
        write_h5(tmp_path / "slides" / f"{name}.h5", np.full((2, 3), number, dtype=np.float32))
    form = "{}" if way == "by pattern" else "slides/{}.h5"
    rows = "".join(f"p{i},{form.format(name)}\n" for i, name in enumerate(OWN[ids]))
    (tmp_path / "slides.csv").write_text(f"id,slide.id\n{rows}")
    how = {"by path": 'column: "slide.id"', "by pattern": 'pattern: "slides/{slide.id}.h5"'}[way]
    frame = cohort(tmp_path, f"file: slides.csv, {how}").frames["slides"]
    assert [frame["bag"][f"p{i}"].features()[0, 0].item() for i in range(4)] == [0, 1, 2, 3]


def test_paths_of_a_file_whose_name_is_a_number(tmp_path: Path) -> None:
    """One folder a patient, as series are kept, whose names are numbers."""
    write_h5(tmp_path / "007" / "1.h5", patches(3))
    (tmp_path / "slides.csv").write_text("id,n\n007,1\n")
    read = cohort(tmp_path, 'file: slides.csv, pattern: "{key}/{n}.h5"', "id,died\n007,yes\n7,no\n")
    assert read.patients == ("007",)


def test_a_word_for_missing_without_such_a_file_names_none(tmp_path: Path) -> None:
    write_slides(tmp_path, {"a": 5})
    (tmp_path / "slides.csv").write_text("id,slide\np0,a\np1,NA\np2,\n")
    read = cohort(tmp_path, 'file: slides.csv, pattern: "slides/{slide}.h5"')
    assert read.patients == ("p0",)
    assert "slides: 2 rows that name no file" in map(str, read.dropped)
    (tmp_path / "slides.csv").write_text("id,slide\np0,a\np1,b\n")
    with pytest.raises(InputError, match=r"there is no file or folder 'slides/b\.h5'"):
        cohort(tmp_path, 'file: slides.csv, pattern: "slides/{slide}.h5"')


EMBEDDINGS = {
    "TRIDENT": lambda path, x: write_vector(path.with_suffix(".h5"), x, "features", coords=places(30)),
    "STAMP": lambda path, x: write_vector(path.with_suffix(".h5"), x, "feats"),
    "a row": lambda path, x: write_vector(path.with_suffix(".h5"), x[None], "features", coords=places(30)),
    "a batch of one row": lambda path, x: write_vector(path.with_suffix(".h5"), x[None, None], "features"),
    "half precision": lambda path, x: write_vector(path.with_suffix(".h5"), x.astype(np.float16), "feats"),
    "in chunks": lambda path, x: write_vector(path.with_suffix(".h5"), x, "features", chunks=(2,)),
    "a tensor": lambda path, x: write_pt(path.with_suffix(".pt"), torch.from_numpy(x)),
    "by name": lambda path, x: write_pt(
        path.with_suffix(".pt"), {"feats": torch.from_numpy(x), "coords": torch.from_numpy(places(30))}
    ),
}


@pytest.mark.parametrize("way", EMBEDDINGS)
def test_the_embedding_of_a_slide_is_a_bag_of_one(way: str, tmp_path: Path) -> None:
    vector = np.arange(6, dtype=np.float32) / 4
    file = BagFile.open(EMBEDDINGS[way](tmp_path / "slide", vector))
    assert (file.tokens, file.width) == (1, 6)
    assert file.features().tolist() == [vector.tolist()]
    assert file.features(np.array([0])).tolist() == [vector.tolist()]
    assert file.coords() is None, "the places of patches are not those of the slide"


def test_embeddings_of_several_slides_train(tmp_path: Path) -> None:
    for i in range(8):
        for slide in range(1 + i % 2):
            write_vector(tmp_path / f"p{i}_{slide}.h5", np.full(4, 10.0 * i + slide, np.float32), "feats")
    read = cohort(tmp_path, 'pattern: "{key}_*.h5", rows: concat')
    batch = read.prepare(read.patients).data(["p2", "p3"]).batch()
    assert batch.inputs["slides"].sizes == [1, 2]
    assert batch.inputs["slides"].values[:, 0].tolist() == [20, 30, 31]


def lazy_slide(path: Path, tables: dict[str, np.ndarray]) -> Path:
    """Write features as LazySlide keeps them: an AnnData a model, a row a tile, among the tables of SpatialData."""
    anndata, zarr = pytest.importorskip("anndata"), pytest.importorskip("zarr")
    group = zarr.open_group(path, mode="w", zarr_format=2).create_group("tables")
    for name, values in tables.items():
        obs = pd.DataFrame({"tile_id": np.arange(len(values))}, index=[str(i) for i in range(len(values))])
        anndata.io.write_elem(group, name, anndata.AnnData(X=values, obs=obs))
    return path


def test_features_in_zarr_of_lazy_slide(tmp_path: Path) -> None:
    made = {patient: patches(7, seed=i) for i, patient in enumerate(("p0", "p1"))}
    for patient, values in made.items():
        lazy_slide(tmp_path / "slides" / f"{patient}.zarr", {"uni_tiles": values})
    (tmp_path / "slides.csv").write_text("id,path\np0,slides/p0.zarr\np1,slides/p1.zarr\n")
    for section in ('pattern: "slides/{key}.zarr"', 'pattern: "**/{key}.zarr"', "file: slides.csv"):
        frame = cohort(tmp_path, section).frames["slides"]
        for patient, values in made.items():
            bag = frame["bag"][patient]
            np.testing.assert_array_equal(bag.features(), values)
            np.testing.assert_array_equal(bag.features(ROWS[:2][::-1]), values[ROWS[:2][::-1]])
            assert bag.coords() is None
    assert str(frame["bag"]["p0"]) != str(frame["bag"]["p1"])
    lazy_slide(tmp_path / "slides" / "p0.zarr", {"uni_tiles": made["p0"], "gigapath_tiles": made["p1"]})
    with pytest.raises(InputError, match=r"'p0\.zarr' holds features twice: .* got .*features: NAME"):
        cohort(tmp_path, "file: slides.csv")
    chosen = cohort(tmp_path, "file: slides.csv, features: uni_tiles").frames["slides"]
    np.testing.assert_array_equal(chosen["bag"]["p0"].features(), made["p0"])


@pytest.mark.parametrize("rule", ["concat", "first"])
def test_the_remedy_of_several_slides_is_accepted(rule: str, tmp_path: Path) -> None:
    for slide in ("a", "b"):
        write_h5(tmp_path / f"p0_{slide}.h5", patches(3))
    with pytest.raises(InputError, match=rf"1 patient with several files \(p0\): .*rows: {rule} \("):
        cohort(tmp_path, 'pattern: "{key}_*.h5"')
    assert cohort(tmp_path, f'pattern: "{{key}}_*.h5", rows: {rule}').patients == ("p0",)


def test_where_a_file_says_nothing_of_places(tmp_path: Path) -> None:
    write_h5(tmp_path / "slides" / "p0_a.h5", patches(3))
    write_pt(tmp_path / "slides" / "p0_b.pt", torch.from_numpy(patches(2)))
    read = cohort(tmp_path, 'pattern: "slides/{key}_*", rows: concat')
    assert read.frames["slides"]["bag"]["p0"].coords() is None


def test_bags_are_told_apart_by_content_wherever_they_lie(tmp_path: Path) -> None:
    for folder, seed in (("here", 0), ("there", 0), ("elsewhere", 1)):
        write_h5(tmp_path / folder / "a.h5", patches(9, seed=seed))
    bags = {name: Bag((BagFile.open(tmp_path / name / "a.h5"),)) for name in ("here", "there", "elsewhere")}
    assert str(bags["here"]) == str(bags["there"]) != str(bags["elsewhere"])
    assert str(bags["here"]).startswith("Bag(9 patches of 3 features, ")
    assert str(tmp_path) not in str(bags["here"])


def test_training_saving_and_predicting_from_files(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    patients = [f"p{i}" for i in range(16)]
    for i, patient in enumerate(patients):
        write_h5(tmp_path / "slides" / f"{patient}.h5", (rng.normal(size=(30, 4)) + 2 * (i % 2)).astype(np.float32))
    outcome = "id,died\n" + "".join(f"{p},{'yes' if i % 2 else 'no'}\n" for i, p in enumerate(patients))
    read = cohort(tmp_path, 'pattern: "slides/{key}.h5", sample: 8', outcome)
    prepared = read.prepare(patients[:12])
    fitted = prepared.preprocessing["slides"]
    name, arguments = fitted.encoder()
    plate = Baseplate(Classification(["no", "yes"]), channels=4, width=8, heads=2, head_width=4)
    block = LegoBlock(build_encoder(name, arguments | {"hidden": 8, "out_features": 8}), plate, "slides")
    block.preprocessing = fitted
    options = {"epochs": 12, "lr": 1e-2, "validation": None, "progress": False}
    fit(block, prepared.data(patients[:12]), out=tmp_path / "run", **options)
    assert (
        fit(block, prepared.data(patients[:12]), out=tmp_path / "run", **options).shape[0] == 12
    )  # taken from the run
    test = prepared.data(patients[12:])
    assert evaluate(block, test)["auroc"] == 1.0
    whole, at_once = predict(block, test), predict(block, test, batch_size=1)
    assert torch.allclose(whole.probabilities, at_once.probabilities, atol=1e-5)
    loaded = load(save(block, tmp_path / "block"))
    assert loaded.preprocessing == fitted
    again = Prepared(read, {"slides": loaded.preprocessing}, loaded.task).data(patients[12:])
    assert torch.equal(predict(loaded, again).probabilities, whole.probabilities)


def test_a_run_is_known_by_the_content_of_its_files(tmp_path: Path) -> None:
    made = write_slides(tmp_path, {f"p{i}": 6 for i in range(8)})
    plate = Baseplate(Classification(["no", "yes"]), channels=4, width=8, heads=2, head_width=4)

    def train() -> None:
        read = cohort(tmp_path, 'pattern: "slides/{key}.h5"')
        block = LegoBlock(build_encoder("patch_mlp", {"in_features": 3, "hidden": 4}), plate, "slides")
        data = read.prepare(read.patients).data()
        fit(block, data, epochs=1, validation=None, progress=False, out=tmp_path / "run")

    train()
    write_h5(tmp_path / "slides" / "p3.h5", made["p3"])  # the same, written anew
    train()
    write_h5(tmp_path / "slides" / "p3.h5", made["p3"] + 1)
    with pytest.raises(InputError, match="holds another run"):
        train()


def test_nobody_of_the_wanted_has_slides(tmp_path: Path) -> None:
    write_slides(tmp_path, {"p0": 5})
    prepared = cohort(tmp_path, 'pattern: "slides/{key}.h5"').prepare(["p0"])
    (tmp_path / "rna.csv").write_text("id,tp53\nx,1\ny,2\n")
    (tmp_path / "other.yaml").write_text("key: id\nmodalities: {rna: {kind: table, file: rna.csv}}")
    other = Cohort.from_manifest(tmp_path / "other.yaml")
    data = Prepared(other, {**prepared.preprocessing, **other.prepare(["x", "y"]).preprocessing}).data()
    assert data.present["slides"].tolist() == [False, False]
    assert data.batch().inputs["slides"] is None


def test_what_is_saved(tmp_path: Path) -> None:
    write_slides(tmp_path, {"p0": 5})
    fitted = cohort(tmp_path, 'pattern: "slides/{key}.h5", sample: null').prepare(["p0"]).preprocessing["slides"]
    assert fitted == BagPreprocessor(3, None)
    config = json.loads(json.dumps(fitted.config()))
    assert config == {"name": "bag", "version": 1, "width": 3, "sample": None}
    assert preprocessing_from_config(config) == fitted
    with pytest.raises(CheckpointError, match="preprocessing of bags is damaged at width"):
        BagPreprocessor.from_config(config | {"width": 0})
    with pytest.raises(VersionError, match="preprocessing of bags of a newer format"):
        BagPreprocessor.from_config(config | {"version": 3})


def test_widths_that_differ(tmp_path: Path) -> None:
    write_slides(tmp_path, {"p0": 5, "p1": 4})
    write_h5(tmp_path / "slides" / "p2.h5", patches(5, width=4))
    read = cohort(tmp_path, 'pattern: "slides/{key}.h5"')
    with pytest.raises(
        ShapeError, match=r"modality 'slides': patch features of another width for 1 patient: .* got p2 4"
    ):
        read.prepare(["p0", "p2"])
    with pytest.raises(ShapeError, match="another width for 1 patient"):
        read.prepare(["p0", "p1"]).data(["p2"])
    write_h5(tmp_path / "slides" / "p0-second.h5", patches(5, width=4))
    with pytest.raises(InputError, match=r"slides of one patient differ in width: .* got p0-second.h5 4, p0.h5 3"):
        cohort(tmp_path, 'pattern: "slides/{key}*.h5", rows: concat')


def test_without_h5py(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_slides(tmp_path, {"p0": 5})
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(MissingExtraError, match=r"needs h5py.* pip install 'mmlego\[bags\]'"):
        cohort(tmp_path, 'pattern: "slides/{key}.h5"')
    assert BagSource(pattern="{key}.h5").kind == "bag"


BIG = """
import resource, sys, torch
import numpy as np
from mmlego import Baseplate, LegoBlock
from mmlego.data import Cohort
from mmlego.encoders import build_encoder
from mmlego.tasks import Classification
from mmlego.training.fit import fit

torch.set_num_threads(2)
cohort = Cohort.from_manifest(sys.argv[1])
prepared = cohort.prepare(cohort.patients)
_, arguments = prepared.preprocessing["slides"].encoder()
block = LegoBlock(build_encoder(sys.argv[2], arguments), Baseplate(Classification(["no", "yes"])), "slides")
data = prepared.data()
history = fit(block, data, epochs=1, batch_size=1, validation=None, progress=False)
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
print(f"{history['train_loss'][0]:.4f} {peak:.3f}")
"""


@pytest.mark.slow
@pytest.mark.parametrize("encoder", ["patch_mlp", "gated_attention_mil"])
def test_bags_of_a_hundred_thousand_patches_train_within_6_gib(encoder: str, tmp_path: Path) -> None:
    features = np.random.default_rng(0).standard_normal((100_000, 1024), dtype=np.float32)
    write_h5(tmp_path / "slides" / "p0.h5", features)
    write_h5(tmp_path / "slides" / "p1.h5", features, chunks=(1000, 1024))
    del features
    cohort(tmp_path, 'pattern: "slides/{key}.h5", sample: null')
    command = [sys.executable, "-c", BIG, str(tmp_path / "cohort.yaml"), encoder]
    run = subprocess.run(command, capture_output=True, text=True, timeout=280, check=False, env=dict(os.environ))
    assert run.returncode == 0, run.stderr
    loss, peak = map(float, run.stdout.split())
    print(f"peak memory {peak:.2f} GiB")
    assert np.isfinite(loss)
    assert peak < 6


def test_tensors_saved_again_under_another_name_are_the_same_bag(tmp_path: Path) -> None:
    features = torch.randn(300, 4, generator=torch.Generator().manual_seed(0))
    other = features.clone()
    other[0, 0] += 1
    for name, made in {"p0": features, "p17": {"features": features.clone()}, "p2": other, "p3": features[1:]}.items():
        torch.save(made, tmp_path / f"{name}.pt")
    prints = [BagFile.open(tmp_path / f"{name}.pt").fingerprint() for name in ("p0", "p17", "p2", "p3")]
    assert prints[0] == prints[1]
    assert len(set(prints)) == 3


def tiled(path: Path, values: np.ndarray, tiles: pd.DataFrame, *, obs: pd.DataFrame | None = None) -> Path:
    """Write a slide of LazySlide: features of tiles, and the tiles as boxes of 10 × 20 in a file of shapes."""
    lazy_slide(path, {"uni_tiles": values})
    anndata, zarr = pytest.importorskip("anndata"), pytest.importorskip("zarr")
    told = pd.DataFrame({"tile_id": np.arange(len(values))}) if obs is None else obs
    told = told.assign(library_id=pd.Categorical(["tiles"] * len(told))).set_axis(tiles.index.astype(str))
    whole = zarr.open_group(path, mode="r+")
    whole.create_group("shapes").create_group("tiles")
    group = whole["tables"]
    anndata.io.write_elem(group, "uni_tiles", anndata.AnnData(X=values, obs=told))
    group["uni_tiles"].attrs.update({"region": "tiles", "region_key": "library_id", "instance_key": "tile_id"})
    tiles.to_parquet(path / "shapes" / "tiles" / "shapes.parquet", index=False)
    return path


def box(x: float, y: float) -> bytes:
    """Return a box of 10 × 20 as well-known binary, as shapely writes it: from its lower right corner, closed."""
    corners = [(x + 10, y), (x + 10, y + 20), (x, y + 20), (x, y), (x + 10, y)]
    return struct.pack("<BIII", 1, 3, 1, 5) + b"".join(struct.pack("<2d", *corner) for corner in corners)


XY = pd.DataFrame({"tile_id": [0, 1, 2], "x": [0.0, 256, 512], "y": [0.0, 0, 1024]})
POLYGONS = pd.DataFrame({"tile_id": [0, 1, 2], "geometry": [box(0, 0), box(256, 0), box(512, 1024)]})


@pytest.mark.parametrize("tiles", [XY, POLYGONS, POLYGONS.iloc[[2, 0, 1]]], ids=["x and y", "boxes", "another order"])
def test_tiles_of_lazy_slide_lie_where_their_ids_do(tmp_path: Path, tiles: pd.DataFrame) -> None:
    obs = pd.DataFrame({"tile_id": [2, 0, 1]})
    bag = BagFile.open(tiled(tmp_path / "a.zarr", patches(3), tiles, obs=obs))
    assert bag.coords().tolist() == [[512, 1024], [0, 0], [256, 0]]


def test_places_of_spatial_data_in_the_table_itself(tmp_path: Path) -> None:
    anndata, zarr = pytest.importorskip("anndata"), pytest.importorskip("zarr")
    group = zarr.open_group(tmp_path / "a.zarr", mode="w", zarr_format=2).create_group("tables")
    where = places(5).astype(float) + 0.5
    anndata.io.write_elem(group, "spots", anndata.AnnData(X=patches(5), obsm={"spatial": where}))
    assert BagFile.open(tmp_path / "a.zarr").coords().tolist() == where.tolist()


def test_tiles_that_are_not_among_the_shapes_are_named(tmp_path: Path) -> None:
    bag = BagFile.open(tiled(tmp_path / "a.zarr", patches(3), XY, obs=pd.DataFrame({"tile_id": [0, 1, 7]})))
    with pytest.raises(InputError, match=r"tiles of table 'uni_tiles' in 'a\.zarr' are not among its shapes.* got 7"):
        bag.coords()
    twice = BagFile.open(tiled(tmp_path / "b.zarr", patches(3), XY.assign(tile_id=[0, 1, 1])))
    with pytest.raises(InputError, match=r"shapes 'tiles' in 'b\.zarr' have ids that are not their own: .* got 1"):
        twice.coords()
    lines = POLYGONS.assign(geometry=[struct.pack("<BII", 1, 2, 0)] * 3)
    with pytest.raises(InputError, match=r"shapes of a kind that is not read: expected points or polygons, got code 2"):
        BagFile.open(tiled(tmp_path / "c.zarr", patches(3), lines)).coords()


def test_shapes_that_lie_elsewhere_are_not_followed(tmp_path: Path) -> None:
    path = tiled(tmp_path / "a.zarr", patches(3), XY)
    file = path / "shapes" / "tiles" / "shapes.parquet"
    file.rename(tmp_path / "other.parquet")
    file.symlink_to(tmp_path / "other.parquet")
    with pytest.raises(InputError, match=r"'shapes/tiles' in 'a\.zarr' lies elsewhere"):
        BagFile.open(path).coords()
    file.unlink()
    assert BagFile.open(path).coords() is None
    group = pytest.importorskip("zarr").open_group(path, mode="r+")["tables/uni_tiles"]
    group.attrs.update({"region": "../.."})
    assert BagFile.open(path).coords() is None


def test_places_that_are_not_those_of_the_patches_are_doubted(tmp_path: Path) -> None:
    for i in range(8):
        write_vector(tmp_path / f"p{i}.h5", patches(5, 5, i), "features", places(4 if i == 2 else 5))
    write_vector(tmp_path / "p6.h5", patches(20, 5, 6).T, "features", places(20)[None])  # rows and columns exchanged
    write_vector(tmp_path / "p7.h5", patches(1, 20, 6), "features", places(5))  # a slide's, of five patches
    kept = cohort(tmp_path, 'pattern: "{key}.h5", on_error: skip')
    (said,) = [str(note) for note in kept.dropped if isinstance(note, Doubtful)]
    some = "(p2: 4 for 5, p6: 20 for 5)"
    assert said == (
        f"slides: 2 patients with another number of places than of patches {some}: is the file whole, and are its "
        "features a row a patch? (p2, p6)"
    )
