"""Texts that were spoilt on the way are refused or doubted; those that are right are not."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from mmlego.data import Cohort
from mmlego.data.kinds.text.doubts import doubts_of_texts
from mmlego.data.reading.remarks import Doubtful
from mmlego.errors import InputError


def read(folder: Path, content: bytes) -> tuple[str, list[str]]:
    """Return the text of a patient beside one of another, and what is doubtful."""
    for name, text in (("p.txt", content), ("q.txt", b"No finding in the left lung.")):
        (folder / name).write_bytes(text)
    modality = {"kind": "text", "pattern": "{key}.txt"}
    (folder / "c.yaml").write_text(yaml.safe_dump({"key": "id", "modalities": {"m": modality}}))
    cohort = Cohort.from_manifest(folder / "c.yaml")
    return cohort.frames["m"]["text"]["p"], [str(note) for note in cohort.dropped if isinstance(note, Doubtful)]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_encodings_that_say_what_they_are(encoding: str, tmp_path: Path) -> None:
    assert read(tmp_path, "Größe: 3 cm, „Übelkeit“".encode(encoding)) == ("Größe: 3 cm, „Übelkeit“", [])


@pytest.mark.parametrize(
    ("content", "what"),
    [
        ("Befund".encode("utf-16-le"), "zero bytes, as UTF-16 has"),
        (b"%PDF-1.4 1 0 obj", "a PDF"),
        (rb"{\rtf1\ansi Befund\par}", "RTF"),
    ],
)
def test_what_is_no_text_is_refused(content: bytes, what: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=f"'p.txt' is no plain text: expected text, got {what}"):
        read(tmp_path, content)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("Größe und Übelkeit".encode().decode("cp1252"), "1 text with signs of another encoding, as 'Ã¶' (p)"),
        ("Gr\ufffd\ufffde", "1 text with signs of another encoding, as '\ufffd' (p)"),
        ("<p>No finding</p>", "1 text with marks of HTML, as '</p>' (p)"),
        ("NA", "1 text taken as written, though it may mean missing (p: 'NA')"),
        ("x" * 32767, "1 text of 32767 characters (p)"),
    ],
)
def test_what_is_spoilt_is_doubted(text: str, told: str, tmp_path: Path) -> None:
    found, doubts = read(tmp_path, text.encode())
    assert found == text
    (doubt,) = doubts
    assert doubt.startswith(f"m: {told}")


def test_words_of_other_languages_are_no_signs_of_another_encoding(tmp_path: Path) -> None:
    for text in ("São João, à côté, Âge 5 < 7 ans", "CRP > 5 mg/l, T < 36 °C", "ÂNGELO ÃO"):
        assert read(tmp_path, text.encode())[1] == []


def test_texts_that_a_field_cut_off_are_doubted() -> None:
    texts = {who: (f"{who} nodule in the lung " * 20)[:255] for who in "abc"} | {"d": "no finding"}
    said = (
        "notes: 3 texts of 255 characters (a, b, c), and none is longer: the rest may be lost, as where a field holds"
    )
    assert [str(note).startswith(said) for note in doubts_of_texts(texts, "notes")] == [True]
    assert doubts_of_texts({**texts, "d": "no " * 90}, "notes") == []
    assert doubts_of_texts(dict.fromkeys("abc", "no " * 85), "notes") == []  # a form of one text


def test_marks_of_de_identification_are_noted() -> None:
    texts = {
        "a": "Seen by Dr. [**Last Name 7**].", "b": "___ year old", "c": "XXXX effusion", "d": "for <DATE>: (name)",
        "e": "_____ no finding; grade XXX, <b>, (see below)",
    }  # fmt: skip
    said = "notes: 4 of 5 texts with marks of de-identification, as '[**': words as others"
    assert said in [str(note) for note in doubts_of_texts(texts, "notes")]
    assert not doubts_of_texts({"e": texts["e"].replace("<b>", "")}, "notes")


def test_cells_that_are_no_text_are_refused_or_left_out(tmp_path: Path) -> None:
    rows = "".join(f"p{n},{text}\n" for n, text in enumerate([r"{\rtf1\ansi Befund\par}", "No finding.", "A nodule."]))
    (tmp_path / "r.csv").write_text(f"id,text\n{rows}")
    for rule in ("raise", "skip"):
        modality = {"kind": "text", "file": "r.csv", "on_error": rule}
        (tmp_path / f"{rule}.yaml").write_text(yaml.safe_dump({"key": "id", "modalities": {"m": modality}}))
    with pytest.raises(InputError, match=r"1 patient whose text cannot be used \(p0: RTF\).*on_error: skip"):
        Cohort.from_manifest(tmp_path / "raise.yaml")
    assert Cohort.from_manifest(tmp_path / "skip.yaml").patients == ("p1", "p2")


def test_paragraphs_of_a_form_are_noted() -> None:
    form = "This report was dictated and signed by the attending physician of the hospital."
    texts = {f"p{n}": f"Nodule of {n} mm in the left lung.\n\n{form if n < 8 else ''}" for n in range(12)}
    told = [str(note) for note in doubts_of_texts(texts, "m") if not isinstance(note, Doubtful)]
    start = "m: 1 paragraph that most texts have word for word, as 'This report was dictated and signed by"
    assert [note.startswith(start) and "in 8 of 12" in note for note in told] == [True]
    assert doubts_of_texts({name: text for name, text in texts.items() if name not in ("p0", "p1", "p2")}, "m") == []
