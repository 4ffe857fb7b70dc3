"""Optional packages: what is said when one is missing, and what is not."""

from __future__ import annotations

import sys
import warnings
from pathlib import Path

import pytest

from mmlego import MissingExtraError
from mmlego.encoders import GraphEncoder, MonaiEncoder, TextEncoder, TimmEncoder, VisionTransformerEncoder
from mmlego.extras import import_extra


@pytest.mark.parametrize(
    ("package", "make", "install"),
    [
        ("torch_geometric.nn", lambda: GraphEncoder(3), r"'mmlego\[graphs\]'"),
        ("monai.networks.nets", lambda: MonaiEncoder("UNet", {}), r"'mmlego\[images\]'"),
        ("transformers", lambda: TextEncoder({"model_type": "bert"}), r"'mmlego\[text\]'"),
        ("transformers", lambda: VisionTransformerEncoder({"model_type": "vit"}), r"'mmlego\[text\]'"),
        ("timm", lambda: TimmEncoder("resnet18"), "timm torchvision"),
    ],
)
def test_a_missing_package_is_named_with_what_installs_it(
    package: str, make: object, install: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, package, None)  # as if it were not installed
    with pytest.raises(MissingExtraError, match=f"needs {package.split('.')[0]}.*pip install {install}"):
        make()  # type: ignore[operator]


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the file of a package that can be imported, once it is written."""
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "a_package_of_tests", raising=False)
    return tmp_path / "a_package_of_tests.py"


def test_a_package_that_breaks_on_import_is_as_good_as_missing(package: Path) -> None:
    package.write_text("raise RuntimeError('operator torchvision::nms does not exist')")
    with pytest.raises(MissingExtraError, match=r"cannot be imported \(operator torchvision::nms does not exist\)"):
        import_extra("a_package_of_tests", "a test", "it")


def test_what_a_package_says_about_its_future_is_kept_from_the_user(package: Path) -> None:
    package.write_text("import warnings\nwarnings.warn('old', DeprecationWarning)\nvalue = 3")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert import_extra("a_package_of_tests", "a test", "it").value == 3
