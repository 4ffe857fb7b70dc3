"""Aliases of YAML that nobody could walk are refused by every reader, at once."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from mmlego.data.cohort.manifest import load_manifest
from mmlego.errors import InputError
from mmlego.recipes import read_recipe
from mmlego.settings import read_settings
from mmlego.yaml_knots import refuse_knots

LOOP = "a: &x {b: *x}"
LAUGHS = "\n".join(
    ["a0: &a0 [1, 1, 1, 1, 1, 1, 1, 1, 1]", *(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 9))]
)


@pytest.mark.parametrize("text", [LOOP, LAUGHS], ids=["loop", "laughs"])
@pytest.mark.parametrize("read", [load_manifest, read_settings, read_recipe])
def test_every_reader_refuses_them(tmp_path: Path, read: object, text: str) -> None:
    path = tmp_path / "a.yaml"
    path.write_text(text)
    with pytest.raises(InputError, match=r"holds itself|unfolds to more than"):
        read(path)  # type: ignore[operator]


NO_DATA = {
    "impossible date": "key: 2020-02-30",
    "no month": "key: 2020-13-01",
    "many digits": f"key: {'9' * 6000}",
    "many digits of another base": f"fit: {{epochs: 0x{'f' * 6000}}}",
    "many sixties": f"fit: {{epochs: [1{':59' * 3000}]}}",
    "list as a key": "? [a, b]\n: c",
    "mapping as a key": "{{a: 1}: b}",
    "no number": "key: !!int x",
    "no truth": "key: !!bool maybe",
    "no bytes": "key: !!binary zzz",
    "a date with a tag": "key: !!timestamp x",
    "code": "key: !!python/object/apply:os.getcwd []",
    "deep lists": "[" * 5000,
    "deep sections": "{a: " * 5000,
    "deep dashes": "- " * 5000,
    "no letter": 'key: "\\UFFFFFFFF"',
}


@pytest.mark.parametrize("text", NO_DATA.values(), ids=NO_DATA)
@pytest.mark.parametrize("read", [load_manifest, read_settings, read_recipe])
def test_what_is_no_data_of_ours_is_an_error_of_ours(tmp_path: Path, read: object, text: str) -> None:
    path = tmp_path / "a.yaml"
    path.write_text(text)
    with pytest.raises(InputError, match=r"a\.yaml.*not YAML"):
        read(path)  # type: ignore[operator]


@pytest.mark.parametrize("text", NO_DATA.values(), ids=NO_DATA)
def test_an_override_that_is_no_data(text: str) -> None:
    with pytest.raises(InputError, match="override"):
        read_settings(overrides=[f"fit.epochs={text}"])


@pytest.mark.parametrize("text", ["", "a: &x {b: 1}\nc: *x\nd: {<<: *x, e: 2}", "- &x [1]\n- *x", "a: 1"])
def test_what_people_write_stays(text: str) -> None:
    tree = refuse_knots(text)
    assert (tree is None) == (yaml.safe_load(text) is None)
