from __future__ import annotations

import pytest

from mmlego.data.kinds.series.physionet import DESCRIPTORS, VARIABLES, StayReader
from mmlego.data.kinds.series.stays import Stays
from mmlego.errors import InputError
from tests.stays import text_of

HEAD = b"Time,Parameter,Value\n00:00,RecordID,7\n"


def read(*contents: bytes, on_error: str = "raise") -> Stays:
    return StayReader("RecordID", on_error).read_all([(f"set/{i}.txt", c) for i, c in enumerate(contents)])


def test_one_stay() -> None:
    stays = read(text_of("132539", [("00:00", "Age", 54), ("00:07", "HR", 73), ("37:37", "Temp", 37.8)]))
    assert stays.patients == ("132539",)
    assert stays.names == ("Age", "HR", "Temp")
    assert stays.variable.tolist() == [0, 1, 2]
    assert stays.time.tolist() == pytest.approx([0.0, 7 / 60, 37 + 37 / 60])
    assert stays.value.tolist() == pytest.approx([54, 73, 37.8])
    assert stays.skipped == ()


def test_minus_one_is_not_known_of_descriptors_alone() -> None:
    rows = [("00:00", name, -1) for name in (*DESCRIPTORS, "Weight")] + [("00:00", "Temp", -1), ("01:00", "Weight", 80)]
    stays = read(text_of("7", rows))
    assert [(stays.names[v], x) for v, x in zip(stays.variable, stays.value, strict=True)] == [
        ("Temp", -1.0),
        ("Weight", 80.0),
    ]


def test_lines_in_any_order_line_ends_blank_lines_and_a_mark_at_the_start() -> None:
    text = "\ufeffTime,Parameter,Value\r\n10:00,HR,90\r\n\r\n00:00,RecordID,7\r\n02:30,HR,80\r\n02:30,HR,81\r\n"
    stays = read(text.encode())
    assert stays.time.tolist() == [2.5, 2.5, 10.0]
    assert stays.value.tolist() == [80.0, 81.0, 90.0]  # those of one time keep their order


def test_values_that_are_nothing_are_not_measured() -> None:
    assert read(HEAD + b"01:00,HR,nan\n02:00,HR,80\n").value.tolist() == [80.0]


def test_times_before_the_start() -> None:
    reader = StayReader("RecordID")
    reader.read("7.txt", b"Time,Parameter,Value\n00:00,RecordID,7\n00:30,HR,80\n-01:30,HR,70\n")
    assert reader.stays().time.tolist() == [-1.5, 0.5]


def test_stays_of_no_length() -> None:
    stays = read(HEAD, text_of("8", [("00:01", "HR", 80)]))
    assert stays.sizes == [0, 1]
    assert stays.frame()["stay"]["7"].value.tolist() == []


def test_variables_have_one_number_in_all_files() -> None:
    stays = read(text_of("1", [("00:01", "Temp", 37)]), text_of("2", [("00:01", "HR", 80), ("00:02", "Temp", 38)]))
    assert [stays.names[v] for v in stays.variable] == ["Temp", "HR", "Temp"]


def test_the_challenge_has_37_variables() -> None:
    assert len(set(VARIABLES)) == len(VARIABLES) == 37


BAD = {
    "empty": (b"", "it is empty"),
    "another header": (b"Time,Value\n00:00,1\n", "its first line is 'Time,Value', not 'Time,Parameter,Value'"),
    "not text": (b"\xff\xfe\x00", "codec can't decode"),
    "cut in a line": (HEAD + b"00:07,HR,73\n00:37,HR", r"line 4 has not three cells \('00:37,HR'\): .* truncated"),
    "too many cells": (HEAD + b"00:07,HR,73,1\n", "line 3 has not three cells"),
    "no patient": (b"Time,Parameter,Value\n00:07,HR,73\n", r"it names 0 patients \(RecordID\), not one"),
    "header alone": (b"Time,Parameter,Value\n", "it names 0 patients"),
    "two patients": (HEAD + b"00:00,RecordID,8\n", "it names 2 patients"),
    "blank patient": (b"Time,Parameter,Value\n00:00,RecordID, \n", "it names 0 patients"),
    "no time": (HEAD + b"soon,HR,73\n", "line 3: 'soon' is no time HH:MM"),
    "hours alone": (HEAD + b"7,HR,73\n", "line 3: '7' is no time HH:MM"),
    "61 minutes": (HEAD + b"00:07,HR,73\n00:61,HR,73\n", "line 4: '00:61' is no time HH:MM"),
    "a sign alone": (HEAD + b"-,HR,73\n", "line 3: '-' is no time HH:MM"),
    "word for a value": (HEAD + b"\n00:07,HR,high\n", "line 4: HR is 'high', not a number"),
    "no value": (HEAD + b"00:07,HR,\n", "line 3: HR is '', not a number"),
    "infinite value": (HEAD + b"00:07,HR,inf\n", "line 3: HR is 'inf', not a number"),
    "value too large": (HEAD + b"00:07,HR,1e39\n", "line 3: HR is '1e39', not a number"),
    "no parameter": (HEAD + b"00:07,,73\n", "line 3: a parameter without a name is '73'"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_files(name: str) -> None:
    content, message = BAD[name]
    with pytest.raises(InputError, match=rf"cannot read the stay 0\.txt: .*{message}.*on_error: skip"):
        read(content)
    stays = read(content, text_of("9", [("00:01", "HR", 80)]), on_error="skip")
    assert stays.patients == ("9",)
    assert len(stays.skipped) == 1
    assert stays.skipped[0].startswith("0.txt: ")
