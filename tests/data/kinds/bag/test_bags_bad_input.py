"""Files of slides as they should not be: each refused by name, nothing executed, no other file read."""

from __future__ import annotations

import os
import pickle
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch

from mmlego.data import Cohort
from mmlego.data.kinds.bag.files import BagFile
from mmlego.errors import InputError
from tests.data.kinds.bag.slides import patches, write_h5, write_pt, write_slides

HEADER = "id,died\np0,no\np1,yes\n"


class Payload:
    """Unpickled, it would write a file."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> object:
        return Path.write_text, (self.mark, "executed")


def external_link(path: Path) -> Path:
    write_h5(path.with_name("other.h5"), patches(4))
    with h5py.File(path, "w") as file:
        file["features"] = h5py.ExternalLink("other.h5", "features")
    return path


def soft_link(path: Path) -> Path:
    with h5py.File(path, "w") as file:
        file["there"] = patches(4)
        file["features"] = h5py.SoftLink("/there")
    return path


def external_storage(path: Path) -> Path:
    path.with_name("secret.bin").write_bytes(b"s" * 48)
    with h5py.File(path, "w") as file:
        where = [(str(path.with_name("secret.bin")), 0, 48)]
        file.create_dataset("features", shape=(4, 3), dtype="f4", external=where)
    return path


def virtual(path: Path) -> Path:
    write_h5(path.with_name("other.h5"), patches(4))
    layout = h5py.VirtualLayout(shape=(4, 3), dtype="f4")
    layout[:] = h5py.VirtualSource(str(path.with_name("other.h5")), "features", shape=(4, 3))
    with h5py.File(path, "w") as file:
        file.create_virtual_dataset("features", layout)
    return path


def bomb(path: Path) -> Path:
    with h5py.File(path, "w") as file:
        file.create_dataset("features", shape=(10**8, 1024), dtype="f4", chunks=(1000, 1024), compression="gzip")
    return path


def never_written(path: Path) -> Path:
    with h5py.File(path, "w") as file:
        file.create_dataset("features", shape=(10**8, 1024), dtype="f4")
    return path


def truncated(path: Path, keep: float = 0.5) -> Path:
    content = path.read_bytes()
    path.write_bytes(content[: int(keep * len(content))])
    return path


def group(path: Path) -> Path:
    with h5py.File(path, "w") as file:
        file.create_group("features")
    return path


def dataset(path: Path, value: object) -> Path:
    with h5py.File(path, "w") as file:
        file["features"] = value
    return path


def add(path: Path, name: str, value: object) -> Path:
    with h5py.File(path, "a") as file:
        file[name] = value
    return path


def text(path: Path, content: bytes = b"no slide") -> Path:
    path.write_bytes(content)
    return path


def compressed(path: Path) -> Path:
    write_pt(path, torch.zeros(4, 3))
    with zipfile.ZipFile(path) as archive:
        members = {member.filename: archive.read(member) for member in archive.infolist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def plain_pickle(path: Path) -> Path:
    path.write_bytes(pickle.dumps(Payload(path.with_name("mark"))))
    return path


Make = Callable[[Path], Path]
BAD: dict[str, tuple[str, Make, str]] = {
    "text as HDF5": ("p0.h5", text, "cannot read 'p0.h5'.*expected a whole HDF5 file"),
    "an empty HDF5 file": ("p0.h5", lambda p: text(p, b""), "cannot read 'p0.h5'"),
    "a truncated HDF5 file": ("p0.h5", lambda p: truncated(write_h5(p, patches(900))), "cannot read 'p0.h5'"),
    "truncated chunks": ("p0.h5", lambda p: truncated(write_h5(p, patches(900), chunks=(9, 3)), 0.9), "cannot read"),
    "no features": ("p0.h5", lambda p: write_h5(p, patches(4), "x"), "holds no features: expected features, feats"),
    "a group": ("p0.h5", group, "holds no features: expected features, feats, .*, got nothing"),
    "an empty bag": ("p0.h5", lambda p: write_h5(p, patches(0)), "'features' in 'p0.h5' is an empty bag.*at least one"),
    "one axis without end": ("p0.h5", lambda p: dataset(p, np.ones(0)), r"is an empty bag: .*got shape \(0,\)"),
    "three axes": (
        "p0.h5",
        lambda p: dataset(p, np.ones((2, 5, 3))),
        r"is no bag: expected features \(n, f\) of at least one patch, or \(f,\) of a slide, got shape \(2, 5, 3\)",
    ),
    "features twice": (
        "p0.h5",
        lambda p: add(write_h5(p, patches(4)), "feats", patches(4, seed=1)),
        "'p0.h5' holds features twice: .* got features, feats",
    ),
    "no width": ("p0.h5", lambda p: dataset(p, np.ones((5, 0))), "is no bag"),
    "text for features": ("p0.h5", lambda p: dataset(p, [["a", "b"]]), "is no matrix: expected an array of numbers"),
    "complex features": ("p0.h5", lambda p: dataset(p, np.ones((5, 2), complex)), "is no matrix"),
    "a scalar": ("p0.h5", lambda p: dataset(p, 3.0), "is no bag"),
    "a link to another file": ("p0.h5", external_link, "holds no features"),
    "a link within the file": ("p0.h5", soft_link, "holds no features: .* got there"),
    "bytes of another file": ("p0.h5", external_storage, "'features' in 'p0.h5' lies in another file"),
    "a view of another file": ("p0.h5", virtual, "lies in another file"),
    "a bomb": ("p0.h5", bomb, "'p0.h5' grows too large when unpacked"),
    "nothing behind the header": ("p0.h5", never_written, "'p0.h5' grows too large when unpacked"),
    "text as tensors": ("p0.pt", text, "cannot read 'p0.pt'|something else than tensors"),
    "an empty file of tensors": ("p0.pt", lambda p: text(p, b""), "cannot read 'p0.pt'"),
    "truncated tensors": ("p0.pt", lambda p: truncated(write_pt(p, torch.ones(900, 3))), "'p0.pt'"),
    "a payload": (
        "p0.pt",
        lambda p: write_pt(p, Payload(p.with_name("mark"))),
        "else than tensors, and nothing",
    ),
    "a payload beside tensors": (
        "p0.pt",
        lambda p: write_pt(p, {"features": torch.ones(4, 3), "x": Payload(p.with_name("mark"))}),
        "something else than tensors, and nothing of it was executed",
    ),
    "a plain pickle": ("p0.pt", plain_pickle, "something else than tensors, and nothing of it was executed"),
    "a module": ("p0.pt", lambda p: write_pt(p, torch.nn.Linear(2, 2)), "something else than tensors, and nothing"),
    "an array": ("p0.pt", lambda p: write_pt(p, patches(4)), "something else than tensors"),
    "a number": ("p0.pt", lambda p: write_pt(p, 3.0), "expected a tensor, or a dict of tensors, got float"),
    "numbers beside tensors": ("p0.pt", lambda p: write_pt(p, {"features": torch.ones(4, 3), "n": 3}), "got int"),
    "tensors of other names": ("p0.pt", lambda p: write_pt(p, OrderedDict(x=torch.ones(4, 3))), "holds no features"),
    "an empty tensor": ("p0.pt", lambda p: write_pt(p, torch.ones(0, 3)), "is an empty bag"),
    "a sparse tensor": ("p0.pt", lambda p: write_pt(p, torch.eye(3).to_sparse()), "no plain array"),
    "a complex tensor": ("p0.pt", lambda p: write_pt(p, torch.ones(4, 3, dtype=torch.complex64)), "no plain array"),
    "one number as many": ("p0.pt", lambda p: write_pt(p, torch.ones(1, 1).expand(10**9, 10**3)), "no plain array"),
    "compressed tensors": ("p0.pt", compressed, "'p0.pt' is compressed"),
    "another kind of file": (
        "p0.npz",
        text,
        r"is not read: expected \.h5, \.hdf5, \.pt, \.pth, \.npy, \.zarr, got \.npz",
    ),
}


def write_manifest(folder: Path, section: str) -> Path:
    (folder / "outcome.csv").write_text(HEADER)
    outcome = "outcome: {task: classification, file: outcome.csv, label: died}"
    path = folder / "cohort.yaml"
    path.write_text(f"key: id\n{outcome}\nmodalities:\n  slides: {{kind: bag, {section}}}\n")
    return path


@pytest.mark.parametrize("case", BAD)
def test_files_that_cannot_be_used(case: str, tmp_path: Path) -> None:
    name, make, message = BAD[case]
    folder = tmp_path / "slides"
    write_slides(tmp_path, {"p1": 4})
    make(folder / name)
    section = 'pattern: "slides/{key}.*"'
    with pytest.raises(InputError, match=f"slides: .*(?:{message}).*on_error: skip"):
        Cohort.from_manifest(write_manifest(tmp_path, section))
    cohort = Cohort.from_manifest(write_manifest(tmp_path, section + ", on_error: skip"))
    assert cohort.patients == ("p1",)
    assert any(f"slides: 1 file left out: {name!r}"[:20] in str(note) and name in str(note) for note in cohort.dropped)
    assert not (folder / "mark").exists()


def test_all_files_are_broken(tmp_path: Path) -> None:
    (tmp_path / "slides").mkdir()
    text(tmp_path / "slides" / "p0.h5")
    with pytest.raises(InputError, match=r"slides: no file can be read: .* got patient p0: cannot read 'p0\.h5'"):
        Cohort.from_manifest(write_manifest(tmp_path, 'pattern: "slides/{key}.h5", on_error: skip'))


NAMED = "id,path\n"
PLACES: dict[str, tuple[str, str, str]] = {
    "up and out": ("file: s.csv", NAMED + "p0,../secret.h5\np1,slides/p1.h5", "'../secret.h5' leaves the manifest's"),
    "from the root": ("file: s.csv", NAMED + "p0,/etc/passwd\np1,slides/p1.h5", "'/etc/passwd' leaves"),
    "by a link": ("file: s.csv", NAMED + "p0,slides/link.h5\np1,slides/p1.h5", "'slides/link.h5' leaves"),
    "by a link and a pattern": ('pattern: "slides/l{key}.h5"', "id,path\n", "belongs to a patient|leaves"),
    "by a column": ('file: s.csv, pattern: "slides/{path}.h5"', NAMED + "p0,../../secret\np1,p1", "leaves"),
    "a pattern up": ('pattern: "../{key}.h5"', NAMED, "leaves the manifest's folder"),
    "not there": (
        "file: s.csv",
        NAMED + "p0,slides/p7.h5\np1,slides/p1.h5",
        "no file or folder 'slides/p7.h5' beside the man",
    ),
    "no such column": ("file: s.csv, column: slide", NAMED + "p0,x", "no column 'slide' names files"),
    "no such column in a pattern": ('file: s.csv, pattern: "{slide}.h5"', NAMED + "p0,x", "no column 'slide' names"),
    "nothing of that name": ('pattern: "scans/{key}.h5"', NAMED, "no file is named as 'scans/{key}.h5'"),
    "nobody's": (
        'pattern: "slides/{key}1.h5"',
        NAMED,
        "no file named as .* belongs to a patient: .* as p0, p1",
    ),
    "neither file nor pattern": ("sample: 3", NAMED, "name the files, by file: .* or by pattern:"),
    "an unknown key": ("file: s.csv, smaple: 3", NAMED, "unknown key 'smaple'. Did you mean 'sample'?"),
    "an unknown rule": ("file: s.csv, rows: mean", NAMED, "'rows' is wrong"),
    "a sample of none": ("file: s.csv, sample: 0", NAMED, "'sample' is wrong"),
    "several slides": ("file: s.csv", NAMED + "p1,slides/p1.h5\np1,slides/p2.h5", "1 patient with several files .p1."),
}


@pytest.mark.parametrize("case", PLACES)
def test_places_that_cannot_be_used(case: str, tmp_path: Path) -> None:
    section, table, message = PLACES[case]
    folder = tmp_path / "cohort"
    write_slides(folder, {"p1": 4, "p2": 4})
    write_h5(tmp_path / "secret.h5", patches(4))
    (folder / "slides" / "link.h5").symlink_to(tmp_path / "secret.h5")
    (folder / "slides" / "lp0.h5").symlink_to(tmp_path / "secret.h5")
    (folder / "s.csv").write_text(table)
    for more in ("", ", on_error: skip"):
        if more and case == "not there":
            cohort = Cohort.from_manifest(write_manifest(folder, section + more))
            assert "slides: 1 file not there: slides/p7.h5" in map(str, cohort.dropped)
            continue
        with pytest.raises(InputError, match=message):
            Cohort.from_manifest(write_manifest(folder, section + more))


def test_files_outside_if_that_is_allowed(tmp_path: Path) -> None:
    write_slides(tmp_path / "cohort", {"p1": 4})
    write_h5(tmp_path / "p0.h5", patches(4))
    (tmp_path / "cohort" / "s.csv").write_text(NAMED + "p0,../p0.h5\np1,slides/p1.h5")
    manifest = write_manifest(tmp_path / "cohort", "file: s.csv")
    assert Cohort.from_manifest(manifest, allow_outside=True).patients == ("p0", "p1")


def test_a_column_of_the_outcome_names_no_files(tmp_path: Path) -> None:
    path = write_manifest(tmp_path, "file: outcome.csv, column: died")
    with pytest.raises(InputError, match="leakage: slides names its files by 'died', a column of the outcome"):
        Cohort.from_manifest(path)


def test_files_that_change_or_break_later(tmp_path: Path) -> None:
    path = write_h5(tmp_path / "a.h5", patches(400), chunks=(7, 3), compression="gzip")
    file = BagFile.open(path)
    write_h5(path, patches(5))
    with pytest.raises(InputError, match=r"file 'a\.h5' has changed since the cohort was read"):
        file.features()
    os.remove(path)
    with pytest.raises(InputError, match=r"cannot read 'a\.h5'"):
        file.features()
    with pytest.raises(InputError, match=r"cannot read 'a\.h5'"):
        file.fingerprint()
    broken = patches(5)
    broken[3, 1] = np.nan
    with pytest.raises(InputError, match=r"'b\.h5' holds NaN or infinite features"):
        BagFile.open(write_h5(tmp_path / "b.h5", broken)).features()
    huge = np.full((5, 3), 3e38, dtype=np.float32)  # the sum overflows, the numbers are fine
    assert BagFile.open(write_h5(tmp_path / "c.h5", huge)).features().max() == huge[0, 0]


def test_coordinates_that_do_not_fit(tmp_path: Path) -> None:
    write_pt(tmp_path / "a.pt", {"features": torch.ones(4, 3), "coords": torch.ones(3, 2)})
    with pytest.raises(InputError, match=r"the coordinates in 'a\.pt' do not fit: expected \(4, 2\), got \(3, 2\)"):
        BagFile.open(tmp_path / "a.pt").coords()
    write_pt(tmp_path / "b.pt", {"features": torch.ones(4, 3), "coords": torch.ones(1, 4, 2)})
    assert BagFile.open(tmp_path / "b.pt").coords().shape == (4, 2)


def test_a_userblock_is_not_mapped(tmp_path: Path) -> None:
    path = tmp_path / "a.h5"
    with h5py.File(path, "w", userblock_size=512) as file:
        file["features"] = patches(9)
    np.testing.assert_array_equal(BagFile.open(path).features(), patches(9))
