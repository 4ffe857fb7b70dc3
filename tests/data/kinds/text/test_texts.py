"""Texts through the tokenizer of a local model, made on the spot; what is wrong with some."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import pandas as pd
import pytest
import torch

from mmlego import Baseplate, LegoBlock, MissingExtraError, fit, load, predict, save
from mmlego.data import Cohort, PatientData, Prepared, TextPreprocessor, duplicates, preprocessing_from_config
from mmlego.data.kinds.text.tokenizing import find_model
from mmlego.data.reading.places import Places
from mmlego.encoders import build_encoder
from mmlego.errors import CheckpointError, InputError, LegoWarning, VersionError
from mmlego.tasks import Classification

transformers = pytest.importorskip("transformers", reason="needs mmlego[text]")

WORDS = "no acute finding mass in the left right lung nodule of mm patient was seen stable benign malignant . ,".split()
NOTES = {"a": "No acute finding.", "b": "Malignant mass in the left lung", "c": "benign nodule of the right lung"}


def build_model(folder: Path) -> Path:
    """Write a tiny model and its tokenizer, as save_pretrained writes them."""
    import tokenizers
    from tokenizers import models, normalizers, pre_tokenizers, processors

    vocabulary = {word: i for i, word in enumerate(["[PAD]", "[UNK]", "[CLS]", "[SEP]", *WORDS])}
    tokenizer = tokenizers.Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    special = {"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
    transformers.PreTrainedTokenizerFast(tokenizer_object=tokenizer, **special).save_pretrained(folder)
    shape = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    config = transformers.AutoConfig.for_model("bert", vocab_size=len(vocabulary), max_position_embeddings=24, **shape)
    torch.manual_seed(0)
    transformers.AutoModel.from_config(config).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_model(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture
def folder(built: Path, tmp_path: Path) -> Path:
    shutil.copytree(built, tmp_path / "models" / "tiny")
    return tmp_path


def notes(
    folder: Path, more: str = "", rows: dict[str, str] = NOTES, model: str = "models/tiny", top: str = ""
) -> Cohort:
    pd.Series(rows, name="text").rename_axis("id").to_frame().to_csv(folder / "notes.csv")
    return manifest(folder, f"file: notes.csv, model: {model}{more}", top=top)


def manifest(folder: Path, section: str, outcome: bool = False, top: str = "") -> Cohort:
    known = "outcome: {task: classification, file: outcome.csv, label: died}\n" if outcome else ""
    (folder / "cohort.yaml").write_text(f"key: id\n{known}modalities:\n  note: {{kind: text, {section}}}\n{top}")
    return Cohort.from_manifest(folder / "cohort.yaml")


def test_ids_are_those_of_the_tokenizer(folder: Path) -> None:
    prepared = notes(folder).prepare(["a", "b"])
    bags = prepared.data().batch().inputs["note"]
    own = transformers.AutoTokenizer.from_pretrained(folder / "models" / "tiny")
    assert [bag.tolist() for bag in bags.unbind()] == [own(text)["input_ids"] for text in NOTES.values()]
    assert bags.values.dtype == torch.int64
    fitted = prepared.preprocessing["note"]
    assert fitted.length == 24  # as many as the model takes
    assert fitted.encoder() == ("text", {"model": str(folder / "models" / "tiny")})


def test_long_texts_are_cut_and_told(folder: Path) -> None:
    with pytest.warns(LegoWarning, match="1 training text of 2 longer than length=6: the end is cut"):
        prepared = notes(folder, ", length: 6").prepare(["a", "b"])
    assert prepared.data().batch().inputs["note"].sizes == [6, 6, 6]
    ends = [bag[-1].item() for bag in prepared.data().batch().inputs["note"].unbind()]
    assert ends == [3, 3, 3]


def test_a_trained_block_takes_raw_text_without_the_folder(folder: Path) -> None:
    rows = {f"p{i}": ("benign nodule" if i % 2 else "malignant mass") + " in the lung" * (i % 3) for i in range(12)}
    cohort = notes(folder, rows=rows)
    prepared = cohort.prepare(cohort.patients)
    name, arguments = prepared.preprocessing["note"].encoder()
    torch.manual_seed(0)
    plate = Baseplate(Classification(2), channels=4, width=8, heads=2, head_width=4)
    block = LegoBlock(build_encoder(name, arguments), plate, "note")
    weights = transformers.AutoModel.from_pretrained(arguments["model"]).state_dict()
    assert torch.equal(
        block.encoder.network.state_dict()["embeddings.word_embeddings.weight"],
        weights["embeddings.word_embeddings.weight"],
    )  # those of the folder, not random ones
    block.preprocessing = prepared.preprocessing["note"]
    data = prepared.data()
    target = torch.tensor([i % 2 for i in range(12)])
    labelled = PatientData({"note": data.batch().inputs["note"].unbind()}, target, plate.task, data.patients)
    fit(block, labelled, epochs=25, lr=1e-2, validation=None, progress=False)
    whole = predict(block, data).probabilities[:, 1]
    assert ((whole > 0.5) == target.bool()).all()
    place = save(block, folder / "block")
    shutil.rmtree(folder / "models")
    loaded = load(place)
    assert loaded.preprocessing == block.preprocessing
    assert loaded.preprocessing.encoder()[1]["model"]["hidden_size"] == 16
    assert str(folder) not in (place / "config.json").read_text()
    other = Cohort.from_frames(
        {"note": pd.DataFrame({"text": list(rows.values())}, index=list(rows))},
        kinds={"note": {"kind": "sequence", "column": "text"}},
    )
    again = Prepared(other, {"note": loaded.preprocessing}, plate.task).data()
    torch.testing.assert_close(predict(loaded, again).probabilities[:, 1], whole)


def test_files(folder: Path) -> None:
    (folder / "notes").mkdir()
    for name, text in (("a_1", "no mass"), ("a_2", "benign"), ("b_1", "  \n"), ("c_1", "stable")):
        (folder / "notes" / f"{name}.txt").write_text(text)
    (folder / "outcome.csv").write_text("id,died\na,1\nb,0\nc,1\n")
    section = 'pattern: "notes/{key}_*.txt", model: models/tiny'
    with pytest.raises(InputError, match=r"note: patient .: text 'b_1\.txt' is empty: .*on_error: skip"):
        manifest(folder, section, outcome=True)
    with pytest.raises(InputError, match=r"note: 1 patient with several files \(a\)"):
        manifest(folder, section + ", on_error: skip", outcome=True)
    read = manifest(folder, section + ", on_error: skip, rows: concat", outcome=True)
    assert read.frames["note"]["text"].to_dict() == {"a": "no mass\n\nbenign", "c": "stable"}
    first = manifest(folder, section + ", on_error: skip, rows: first", outcome=True)
    assert first.frames["note"]["text"]["a"] == "no mass"
    (folder / "notes" / "b_1.txt").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match=r"cannot read 'b_1\.txt' .*expected text in UTF-8"):
        manifest(folder, section, outcome=True)


def test_a_file_that_is_too_long(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "n_a.txt").write_text("stable " * 9)
    monkeypatch.setattr("mmlego.data.kinds.text.source.MOST_BYTES", 20)
    with pytest.raises(InputError, match=r"note: patient .: text 'n_a\.txt' is too long: expected at most 20 bytes"):
        manifest(folder, 'pattern: "n_{key}.txt", model: models/tiny')


def test_who_is_told_by_a_text(folder: Path) -> None:
    long = " ".join(f"word{i}" for i in range(25))
    rows = {f"p{i}": f"{long} {i}" for i in range(9)} | {"x": long, "y": long, "s": "stable", "t": "stable"}
    assert duplicates(notes(folder, rows=rows)) == {"note": [("x", "y")]}
    template = rows | {f"q{i}": long for i in range(2)}  # four have it: a template
    assert duplicates(notes(folder, rows=template)) == {}


def test_where_models_are_looked_for(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shelf = folder.parent / f"{folder.name}-shelf"
    shutil.copytree(folder / "models" / "tiny", shelf / "mini")
    for name in (f"../{shelf.name}/mini", str(shelf / "mini")):
        with pytest.raises(InputError, match=r"leaves the folder of the files.*MMLEGO_MODELS"):
            notes(folder, model=name)
    (folder / "link").symlink_to(shelf / "mini")
    with pytest.raises(InputError, match="model 'link' leaves the folder"):
        notes(folder, model="link")
    for more in ("links: true", f"roots: [{shelf}]"):
        assert notes(folder, model="link", top=more).prepare(["a"]).preprocessing["note"].length == 24
    assert notes(folder, model="mini", top=f"roots: [{shelf}]").prepare(["a"]).preprocessing["note"].length == 24
    shutil.copytree(folder / "models" / "tiny", folder / "mini")
    with pytest.raises(InputError, match="'mini' lies under two roots"):
        notes(folder, model="mini", top=f"roots: [{shelf}]")
    shutil.rmtree(folder / "mini")
    with pytest.raises(InputError, match="there is no model 'mini': expected a folder with config"):
        notes(folder, model="mini")
    monkeypatch.setenv("MMLEGO_MODELS", str(shelf))
    assert notes(folder, model="mini").prepare(["a"]).preprocessing["note"].length == 24
    frame = pd.DataFrame({"text": ["no mass"]}, index=["a"])
    kinds = {"note": {"kind": "text", "model": str(shelf / "mini")}}  # said in Python: anywhere
    assert Cohort.from_frames({"note": frame}, kinds=kinds).prepare(["a"]).data().batch().inputs["note"].sizes == [4]


def broken(folder: Path, what: str) -> None:
    model = folder / "models" / "tiny"
    if what == "no tokenizer":
        for name in ("tokenizer.json", "tokenizer_config.json"):
            (model / name).unlink()
    elif what == "no config":
        (model / "config.json").unlink()
    elif what == "damaged tokenizer":
        (model / "tokenizer.json").write_text("{")
    elif what == "a number that is none":
        config = json.loads((model / "config.json").read_text())
        (model / "config.json").write_text(json.dumps(config | {"max_position_embeddings": -0.5}))
    elif what == "no room for texts":
        told = json.loads((model / "tokenizer_config.json").read_text())
        (model / "tokenizer_config.json").write_text(json.dumps(told | {"model_max_length": -(2**63)}))
    elif what == "unknown model":
        config = json.loads((model / "config.json").read_text())
        (model / "config.json").write_text(json.dumps(config | {"model_type": "nonsense"}))
    else:
        config = json.loads((model / "config.json").read_text())
        (model / "config.json").write_text(json.dumps(config | {"vocab_size": 5}))


BROKEN = {
    "no tokenizer": "no tokenizer can be read in 'tiny'",
    "no config": "no tokenizer can be read in 'tiny'",
    "damaged tokenizer": "no tokenizer can be read in 'tiny'",
    "a number that is none": "no tokenizer can be read in 'tiny'",
    "unknown model": "no tokenizer can be read in 'tiny'|.*model in 'tiny' is of no known",
    "no room for texts": r"the model in 'tiny' takes texts that are too short: .* got -9223372036854775808",
    "vocabulary": "tokenizer and model in 'tiny' do not fit: expected 5 ids at most, got 24",
}


@pytest.mark.parametrize("what", BROKEN)
def test_models_that_cannot_be_used(what: str, folder: Path) -> None:
    broken(folder, what)
    with pytest.raises(InputError, match=f"modality 'note': (?:{BROKEN[what]})"):
        notes(folder).prepare(["a", "b"])


def test_weights_in_a_pickle_are_refused(folder: Path) -> None:
    model = folder / "models" / "tiny"
    torch.save({}, model / "pytorch_model.bin")
    (model / "model.safetensors").unlink()
    name, arguments = notes(folder).prepare(["a", "b"]).preprocessing["note"].encoder()
    with pytest.raises(InputError, match=r"TextEncoder cannot read the model .*weights as safetensors"):
        build_encoder(name, arguments)


SECTIONS = {
    "no such column": ("file: notes.csv, column: report, model: models/tiny", "note: no column 'report'"),
    "no model": ("file: notes.csv", "'note': text names no model: expected model: a folder"),
    "no file": ("model: models/tiny", "note names no file: expected file: .* or pattern:"),
    "concat of rows": ("file: notes.csv, rows: concat, model: models/tiny", "rows: concat is for files"),
    "too long": ("file: notes.csv, length: 99, model: models/tiny", "length is longer .*expected at most 24, got 99"),
    "nothing but empty texts": ("file: empty.csv, model: models/tiny", "no patient is left"),
}


@pytest.mark.parametrize("case", SECTIONS)
def test_sections_that_cannot_be_used(case: str, folder: Path) -> None:
    section, message = SECTIONS[case]
    notes(folder)
    (folder / "empty.csv").write_text('id,text\na,"  "\nb,\n')
    with pytest.raises(InputError, match=message):
        manifest(folder, section).prepare(["a", "b"])


def test_what_is_saved(folder: Path) -> None:
    fitted = notes(folder).prepare(["a", "b"]).preprocessing["note"]
    config = json.loads(json.dumps(fitted.config()))
    again = preprocessing_from_config(config)
    assert again == fitted
    frame = pd.DataFrame({"text": ["No acute finding."]}, index=["a"])
    assert again.transform(frame)[0].tolist() == fitted.transform(frame)[0].tolist() == [2, 4, 5, 6, 22, 3]
    with pytest.raises(VersionError, match="preprocessing of texts of a newer format"):
        TextPreprocessor.from_config(config | {"version": 2})
    with pytest.raises(CheckpointError, match="preprocessing of texts is damaged at length"):
        TextPreprocessor.from_config(config | {"length": 0})
    with pytest.raises(CheckpointError, match="the tokenizer is damaged"):
        TextPreprocessor.from_config(config | {"tokenizer": "{"}).transform(frame)


def test_without_the_package(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cohort = notes(folder)
    fitted = cohort.prepare(["a", "b"]).preprocessing["note"]
    again = TextPreprocessor.from_config(fitted.config())
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    with pytest.raises(MissingExtraError, match=r"needs tokenizers.* pip install 'mmlego\[text\]'"):
        Prepared(cohort, {"note": again}).data()
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(MissingExtraError, match=r"needs transformers.* pip install 'mmlego\[text\]'"):
        cohort.prepare(["a", "b"])


def test_a_report_that_says_none_is_a_report(folder: Path) -> None:
    read = notes(folder, rows={"a": "None", "b": "benign nodule", "c": "007"})
    assert list(read.frames["note"]["text"]) == ["None", "benign nodule", "007"]
    assert any("1 text taken as written, though it may mean missing (a: 'None')" in str(note) for note in read.dropped)


@pytest.mark.parametrize("name", ["a" * 5000, "a\0b"])
def test_a_model_that_the_system_refuses(name: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"the system refuses|there is no model"):
        find_model(name, Places((tmp_path,)), models=None)
