"""The house: imports point one way, the core imports little, and one file alone transforms."""

from __future__ import annotations

import ast
import functools
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
    ("printable",),
    ("errors", "lazy", "version", "wording"),
    (
        "anonymity",
        "closing",
        "extras",
        "files",
        "json_files",
        "plugins",
        "scalars",
        "sites",
        "steady",
        "turns",
        "yaml_knots",
    ),
    ("nn", "admitted", "bounds", "budget", "card", "overrides", "run_folder", "run_lock", "sections", "shaping"),
    ("checkpoint_schema",),
    ("checkpoint_config",),
    ("checkpoint_header", "encoders", "tasks", "encoding", "hub_card"),
    ("learners",),
    ("baseplate", "held_out"),
    ("readout",),
    ("brick",),
    ("bundle", "encoder_checks", "fitted"),
    ("crossfit", "renaming"),
    ("block",),
    ("multimodal",),
    ("across",),
    ("merge",),
    ("fuse", "interop", "settings"),
    ("data",),
    ("building", "disclosure", "hub", "kept_answers", "saved_bricks"),
    ("checkpoint", "datasets", "fingerprint"),
    ("cells", "training"),
    ("job",),
    ("recipes", "search"),
    ("explaining",),
    ("estimators", "baselines"),
    ("bench",),
    ("reporting",),
    ("commands",),
    ("cli",),
    ("__main__",),
)
LAYER = {unit: level for level, units in enumerate(LAYERS) for unit in units}

# Within mmlego.data, likewise: the files on disk and the patients in memory know no kind, a kind knows no cohort.
ROOMS = (("reading", "memory"), ("kinds",), ("splits",), ("cohort",))
ROOM = {room: level for level, rooms in enumerate(ROOMS) for room in rooms}

# Heavy or optional; `import mmlego` must do without them.
ABSENT = (
    "lightning pytorch_lightning pandas matplotlib ray sksurv sklearn torchmetrics torchsurv tensorboard ot typer "
    "monai torch_geometric transformers timm rdkit anndata mudata h5py lightgbm xgboost catboost skops"
).split()


def name_of(path: Path) -> str:
    parts = path.relative_to(ROOT.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {name_of(path): path for path in FILES}


@functools.cache
def imported(path: Path, *, for_types: bool = True) -> frozenset[str]:
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
    return frozenset(name for name in found if name.split(".")[0] == "mmlego")


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


def rooms_of(name: str) -> list[str]:
    """Return the folders and the file below mmlego.data that a module's name goes through."""
    return name.split(".")[2:] if name.startswith("mmlego.data.") else []


DATA = [name for name in MODULES if rooms_of(name)]


def test_every_room_of_data_has_its_layer() -> None:
    assert {rooms_of(name)[0] for name in DATA} == ROOM.keys()


@pytest.mark.parametrize("name", DATA)
def test_imports_of_data_point_one_way(name: str) -> None:
    own = rooms_of(name)[0]
    for other in imported(MODULES[name]) - {"mmlego.data"}:
        if rooms := rooms_of(other):
            assert rooms[0] == own or ROOM[rooms[0]] < ROOM[own], f"{name} imports {other}, which stands above"
    assert "mmlego.data" not in imported(MODULES[name]), f"{name} imports from the list of contents, which imports it"


def test_data_has_no_circle_not_even_of_types() -> None:
    graph = {name: imported(MODULES[name]) & set(DATA) - {name} for name in DATA}
    assert set(graphlib.TopologicalSorter(graph).static_order()) == set(DATA)


KINDS = sorted(path.parent for path in (ROOT / "data" / "kinds").glob("*/__init__.py"))
OWN = [folder.name for folder in KINDS if "register_kind" in (folder / "__init__.py").read_text(encoding="utf-8")]


def test_folders_of_kinds_are_known() -> None:
    """A folder that registers is a kind; what several kinds share and is more than a file has a folder, too."""
    assert {folder.name for folder in KINDS} - set(OWN) == {"tabular"}


@pytest.mark.parametrize("name", [name for name in DATA if name.startswith("mmlego.data.kinds.")])
def test_kinds_do_not_know_one_another(name: str) -> None:
    own = rooms_of(name)[1]
    for other in imported(MODULES[name]):
        rooms = rooms_of(other)
        if rooms[:1] == ["kinds"] and rooms != ["kinds"]:
            assert rooms[1] == own or rooms[1] not in OWN, f"{name} imports {other}: share it in kinds/"
        assert rooms != ["kinds"], f"{name} imports from the list of kinds, which imports it"


@pytest.mark.parametrize("kind", OWN)
def test_every_kind_reads_alike(kind: str) -> None:
    folder = ROOT / "data" / "kinds" / kind
    assert (folder / "source.py").is_file()
    assert (folder / "preprocess.py").is_file()
    tree = ast.parse((folder / "__init__.py").read_text(encoding="utf-8"))
    assert ast.get_docstring(tree)
    registered = 0
    for node in tree.body[1:]:
        if isinstance(node, ast.ImportFrom):
            continue
        calls = isinstance(node, ast.Expr) and isinstance(node.value, ast.Call)
        assert calls, f"{kind}/__init__.py does more than register: {ast.unparse(node)}"
        assert ast.unparse(node).startswith("register_kind("), ast.unparse(node)
        registered += 1
    assert registered
    tests = Path(__file__).parent / "data" / "kinds" / kind
    assert list(tests.glob("test_*.py")), f"the tests of kind {kind} lie in {tests}"


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


@pytest.mark.parametrize("verb", ["--help", "inspect"])
def test_help_needs_no_torch_and_inspect_nothing_but_torch(verb: str, tmp_path: Path) -> None:
    given = [verb]
    if verb == "inspect":
        plate = mmlego.Baseplate(mmlego.tasks.Classification(2), channels=4, width=8)
        for name in ("a", "b"):
            block = mmlego.LegoBlock(mmlego.encoders.SNN(3), plate, name)
            given.append(str(mmlego.save(block, tmp_path / name)))
    code = f"""
import sys
from mmlego.cli import app
app({given!r}, standalone_mode=False)
print("loaded:", sorted(set({(*ABSENT, "torch", "numpy")!r}) - {{"typer"}} & set(sys.modules)))
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False)
    assert run.returncode == 0, run.stderr
    # To compare arguments with signatures, classes are imported.
    assert run.stdout.splitlines()[-1] == f"loaded: {['numpy', 'torch'] if verb == 'inspect' else []}"
    assert ("they merge" if verb == "inspect" else "Start here") in run.stdout


def test_the_lazy_top_is_what_type_checkers_see() -> None:
    tree = ast.parse((ROOT / "__init__.py").read_text(encoding="utf-8"))
    (either,) = [node for node in tree.body if isinstance(node, ast.If)]
    (modules, *froms) = [node for node in either.body if isinstance(node, ast.ImportFrom)]
    (call,) = [node.value for node in either.orelse if isinstance(node, ast.Assign)]
    assert isinstance(call, ast.Call)
    names = ast.literal_eval(call.args[1])
    assert names == {str(node.module).removeprefix("mmlego."): [a.name for a in node.names] for node in froms}
    assert {alias.name for alias in modules.names} <= set(ast.unparse(call.args[2]).strip("'").split())
    assert set(mmlego.__all__) <= set(dir(mmlego))
    assert mmlego.LegoBlock is sys.modules["mmlego.block"].LegoBlock
    with pytest.raises(AttributeError, match="module 'mmlego' has no attribute 'LegoBlok'"):
        _ = mmlego.LegoBlok  # type: ignore[attr-defined]


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
