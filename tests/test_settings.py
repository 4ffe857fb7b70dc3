"""Settings: one YAML file, dotted overrides, and errors that name the known keys."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from mmlego import Baseplate, InputError, UnknownNameError
from mmlego.settings import EncoderSettings, PlateSettings, Settings, as_settings, read_settings, write_settings
from mmlego.tasks import Classification

SECTIONS = "plate, encoder, encoders, fit, merge, fuse, seed"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "settings.yaml"
    path.write_text("fit: {epochs: 7, lr: 1e-4}\nfuse: {mode: weave}\nseed: 3\n")
    return path


def test_without_a_file_there_are_the_defaults() -> None:
    assert read_settings() == Settings()


def test_the_file_overrides_defaults_and_overrides_the_file(file: Path) -> None:
    found = read_settings(file, ["fit.epochs=9", "encoders.rna.name=snn", "encoders.rna.options.hidden=[5]"])
    assert (found.fit.epochs, found.fit.lr, found.fuse.mode, found.seed) == (9, 1e-4, "weave", 3)
    assert found.fit.batch_size == Settings().fit.batch_size
    assert found.encoders["rna"].options["hidden"] == [5]
    assert list(found.encoders) == ["rna"]


def test_an_empty_file_is_the_defaults(tmp_path: Path) -> None:
    (tmp_path / "empty.yaml").write_text("# nothing\n")
    assert read_settings(tmp_path / "empty.yaml") == Settings()


def test_an_empty_section_can_be_overridden(tmp_path: Path) -> None:
    (tmp_path / "settings.yaml").write_text("fit:\n")
    assert read_settings(tmp_path / "settings.yaml", ["fit.epochs=2"]).fit.epochs == 2


def test_all_settings_are_written_and_read_back(tmp_path: Path, file: Path) -> None:
    found = read_settings(file, ["merge.weights={rna: 0.3, clinical: 0.7}", "fit.patience=null"])
    text = write_settings(found)
    (tmp_path / "again.yaml").write_text(text)
    assert read_settings(tmp_path / "again.yaml") == found
    assert set(yaml.safe_load(text)) == set(SECTIONS.split(", "))
    assert yaml.safe_load(text)["plate"] == PlateSettings().model_dump()


def test_plate_settings_are_the_fields_of_a_baseplate() -> None:
    config = Baseplate(Classification(2), **PlateSettings().model_dump()).config()
    assert config.keys() - {"task"} == PlateSettings.model_fields.keys()


@pytest.mark.parametrize("text", ["1e-3", "1E-3", "0.001", "1.e-3", "+1e-3", ".1e-2"])
def test_numbers_are_numbers_however_they_are_written(text: str) -> None:
    found = read_settings(overrides=[f"encoder.options.dropout={text}"]).encoder.options["dropout"]
    assert found == pytest.approx(1e-3)
    assert isinstance(found, float)


def test_one_option_of_an_encoder_leaves_the_others_at_their_defaults() -> None:
    usual = EncoderSettings(name="snn").options
    assert set(usual) == {"hidden", "dropout", "input_dropout"}
    assert read_settings(overrides=["encoder.options.dropout=0"]).encoder.options == usual | {"dropout": 0}
    assert (Settings().encoder.name, Settings().encoder.options) == ("auto", {})
    assert read_settings(overrides=["encoder.options.dropout=0"]).encoder.name == "snn"  # whose options they are
    assert read_settings(overrides=["encoders.rna.options.members=[coxnet]"]).encoders["rna"].name == "auto"
    with pytest.raises(InputError, match="name the encoder"):
        read_settings(overrides=["encoder.name=neural", "encoder.options.dropout=0"])
    other = read_settings(overrides=["encoder.name=patch_mlp", "encoder.options.hidden=4"]).encoder.options
    assert other == {"hidden": 4}


def test_one_setting_of_the_tuning_leaves_the_others_at_their_defaults() -> None:
    # A fit of its own would be 60 epochs with early stopping: no short tuning.
    tuned = read_settings(overrides=["fuse.fit.lr=1e-4"]).fuse.fit
    assert (tuned.epochs, tuned.patience, tuned.lr) == (5, None, 1e-4)
    assert read_settings(overrides=["fuse.fit.epochs=2"]).fuse.fit.lr == Settings().fuse.fit.lr


def test_weights_are_a_word_or_numbers() -> None:
    assert read_settings(overrides=["merge.weights=evidence"]).merge.weights == "evidence"
    assert read_settings(overrides=["merge.weights.rna=1"]).merge.weights == {"rna": 1.0}


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("foo=1", f"unknown setting 'foo': expected one of {SECTIONS}"),
        ("fit.epoch=3", "unknown setting 'fit.epoch': expected one of epochs, batch_size, lr, weight_decay"),
        ("fuse.fit.epoch=3", "unknown setting 'fuse.fit.epoch': expected one of epochs"),
        ("encoders.rna.nam=snn", "unknown setting 'encoders.rna.nam': expected one of name, options"),
        ("fit.epochs=many", "setting 'fit.epochs': Input should be a valid integer"),
        ("fit.epochs=0", "setting 'fit.epochs': Input should be greater than or equal to 1: got 0"),
        ("fit.lr=0", "setting 'fit.lr': Input should be greater than 0: got 0"),
        ("plate.dropout=1", "setting 'plate.dropout': Input should be less than 1: got 1"),
        ("seed=-1", "setting 'seed': Input should be greater than or equal to 0: got -1"),
        ("fit.privacy.epsilon=3", "setting 'fit.privacy' lacks 'delta': got {'epsilon': 3}"),
        ("fit=3", "setting 'fit': Input should be a valid dictionary"),
        ("encoders.rna=3", "setting 'encoders.rna': Input should be a valid dictionary"),
        ("fuse.mode=pile", "setting 'fuse.mode': Input should be 'stack', 'weave' or 'parallel': got 'pile'"),
        ("fuse.order=[rna, 1]", "setting 'fuse.order': Input should be a valid string: got 1"),
        (
            "fit.class_weights=3",
            "setting 'fit.class_weights': Input should be 'balanced'; or: Input should be a valid list: got 3",
        ),
        (
            "merge.weights=some",
            "setting 'merge.weights': Input should be 'auto', 'uniform', 'evidence' or 'stacked'; or: Input",
        ),
        (
            "merge.weights.rna=much",
            "setting 'merge.weights': Input should be 'auto', 'uniform', 'evidence' or 'stacked'; or: Input ",
        ),
        (
            "encoder={name: auto, options: {members: [cox]}}",
            "setting 'encoder': Value error, members of 'auto' are a list of different ones of neural, ",
        ),
        (
            "encoder={name: auto, options: {members: 3}}",
            "setting 'encoder': Value error, members of 'auto' are a list of different ones of neural, ",
        ),
        (
            "encoder={name: auto, options: {members: [ridge, ridge]}}",
            "setting 'encoder': Value error, members of 'auto' are a list of different ones",
        ),
        (
            "encoder={name: auto, options: {depth: 1}}",
            "setting 'encoder': Value error, 'auto' has no option 'depth', only: members",
        ),
        ("fit", r"an override: expected section\.key=value, got 'fit'"),
        ("fit..lr=1", r"an override: expected section\.key=value"),
        ("fit.lr.x=1", "setting 'fit.lr': Input should be a valid number"),
        ("seed.x=1", "setting 'seed': Input should be a valid integer"),
        ("fit.lr=[", r"the override 'fit.lr=\[': expected a YAML value, got \["),
    ],
)
def test_wrong_settings_are_refused_by_name(override: str, message: str) -> None:
    with pytest.raises(InputError, match=f"^{message}"):
        read_settings(overrides=[override])


def test_a_value_is_no_section(file: Path) -> None:
    with pytest.raises(InputError, match="expected 'seed' to be a section, got a value"):
        read_settings(file, ["seed.x=1"])


@pytest.mark.parametrize(
    ("override", "known"),
    [
        ("encoder.name=mlp", "unknown encoder: expected one of .*snn.*, got 'mlp'"),
        ("encoders.rna.name=mlp", "unknown encoder"),
        ("merge.rule=median", "unknown merge rule: expected one of harmonic, mean"),
        ("merge.heads=median", "unknown rule for heads: expected one of common, linear, ot, slerp"),
    ],
)
def test_unknown_names_are_refused_before_anything_is_trained(override: str, known: str) -> None:
    with pytest.raises(UnknownNameError, match=known):
        read_settings(overrides=[override])


def test_files_that_are_no_settings(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"cannot read the settings .*No such file"):
        read_settings(tmp_path / "none.yaml")
    for content, told in {b"fit: [": "are not YAML", b"\xff\xfe\x00": "is no text"}.items():
        (tmp_path / "broken.yaml").write_bytes(content)
        with pytest.raises(InputError, match=rf"broken\.yaml {told}"):
            read_settings(tmp_path / "broken.yaml")
    (tmp_path / "list.yaml").write_text("- fit\n- plate\n")
    with pytest.raises(InputError, match=r"list\.yaml: expected sections with keys, got list"):
        read_settings(tmp_path / "list.yaml")


@pytest.mark.parametrize(
    ("encoder", "told"),
    [
        ({"name": "survival_boosting", "options": {"rounds": -1}}, "option 'rounds' of learner 'survival_boosting'"),
        ({"name": "logistic", "options": {"penalties": "many"}}, "expected a value like its default, 12, got 'many'"),
        ({"name": "boosting", "options": {"columns": 30}}, "should be less than or equal to 1"),
        ({"name": "coxnet", "options": {"criterion": "aic"}}, "should be 'likelihood' or 'c_index'"),
    ],
)
def test_options_of_learners_that_cannot_be_are_refused_before_anything_is_read(encoder: object, told: str) -> None:
    with pytest.raises(InputError, match=r"setting 'encoders\.labs'") as error:
        as_settings({"encoders": {"labs": encoder}})
    assert told in str(error.value)


@pytest.mark.parametrize("other", ["merge.rule=mean", "merge.heads=slerp"])
def test_stacked_weights_of_what_does_not_add_are_refused_before_anything_is_trained(other: str) -> None:
    assert read_settings(None, ["merge.weights=stacked"]).merge.weights == "stacked"
    with pytest.raises(InputError, match="weights 'stacked' need rule residual and heads common"):
        read_settings(None, ["merge.weights=stacked", other])
