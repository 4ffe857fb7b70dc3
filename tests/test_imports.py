"""The house: imports point one way, the core imports little, and one file alone transforms."""

from __future__ import annotations

import ast
import graphlib
import subprocess
import sys
from pathlib import Path

import pytest

import mmlego

ROOT = Path(mmlego.__file__).parent
FILES = sorted(ROOT.rglob("*.py"))

# From the bottom up. A unit (a file or package in mmlego) imports from layers below its own, and from itself.
LAYERS = (
    ("errors", "version"),
    ("extras", "scalars", "wording"),
    ("nn", "card", "files", "run_folder"),
    ("encoders", "tasks", "encoding"),
    ("baseplate",),
    ("block",),
    ("multimodal",),
    ("merge",),
    ("fuse", "interop", "settings"),
    ("data",),
    ("checkpoint", "datasets"),
    ("training",),
    ("job",),
    ("estimators", "baselines"),
    ("bench",),
    ("commands",),
    ("cli",),
    ("__main__",),
)
LAYER = {unit: level for level, units in enumerate(LAYERS) for unit in units}

# Heavy or optional; `import mmlego` must do without them.
ABSENT = (
    "lightning pytorch_lightning pandas matplotlib ray sksurv sklearn torchmetrics torchsurv tensorboard ot typer "
    "monai torch_geometric transformers timm rdkit anndata mudata h5py"
).split()


def name_of(path: Path) -> str:
    parts = path.relative_to(ROOT.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {name_of(path): path for path in FILES}


def imported(path: Path, *, for_types: bool = True) -> set[str]:
    """Return the modules of mmlego that a file imports, anywhere in it."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    if not for_types:
        tree.body = [
            node for node in tree.body if not (isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test))
        ]
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            for alias in node.names:
                deeper = f"{node.module}.{alias.name}"
                found.add(deeper if deeper in MODULES else node.module)
    return {name for name in found if name.split(".")[0] == "mmlego"}


def unit(name: str) -> str:
    return name.split(".")[1] if "." in name else ""


def test_every_unit_has_its_layer() -> None:
    units = {unit(name) for name in MODULES} - {""}
    assert units <= LAYER.keys(), f"say in LAYERS where these stand: {sorted(units - LAYER.keys())}"


@pytest.mark.parametrize("name", [name for name in MODULES if name != "mmlego"])
def test_imports_point_one_way(name: str) -> None:
    own = unit(name)
    for other in imported(MODULES[name]):
        target = unit(other)
        assert target, f"{name} imports from the package's top, which imports it"
        assert target == own or LAYER[target] < LAYER[own], f"{name} imports {other}, which stands above or beside it"


def test_no_module_imports_itself_in_a_circle() -> None:
    graph = {name: imported(path, for_types=False) - {name} for name, path in MODULES.items()}
    order = list(graphlib.TopologicalSorter(graph).static_order())  # a CycleError names the circle
    assert set(order) == set(graph)


def test_the_walk_sees_imports(tmp_path: Path) -> None:
    path = tmp_path / "probe.py"
    path.write_text(
        "from mmlego.nn import Ragged\n"
        "def f():\n    import mmlego.block\n"
        "if TYPE_CHECKING:\n    from mmlego import fuse\n"
    )
    assert imported(path) == {"mmlego.nn", "mmlego.block", "mmlego.fuse"}
    assert imported(path, for_types=False) == {"mmlego.nn", "mmlego.block"}


def test_the_core_imports_no_heavy_package() -> None:
    code = f"import sys, mmlego; print(sorted(set({ABSENT!r}) & set(sys.modules)))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False)
    assert run.returncode == 0, run.stderr
    assert run.stdout.strip() == "[]"


def test_only_one_file_transforms() -> None:
    users = {name for name, path in MODULES.items() if "torch.fft" in path.read_text(encoding="utf-8")}
    assert users == {"mmlego.nn.spectral"}


def test_the_top_is_a_table_of_contents() -> None:
    tree = ast.parse((ROOT / "__init__.py").read_text(encoding="utf-8"))
    defined = [node for node in tree.body if isinstance(node, ast.FunctionDef | ast.ClassDef)]
    assert defined == []
    for name in mmlego.__all__:
        assert hasattr(mmlego, name), name
    assert list(mmlego.__all__) == sorted(mmlego.__all__)
