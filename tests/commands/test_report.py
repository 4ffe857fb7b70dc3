"""``mmlego report``: a page on a run, a model or an experiment, that needs nothing else."""

from __future__ import annotations

import html
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import pytest

from tests.cohorts import write_cohort
from tests.terminal import done, inside, refused

VOID = {"meta", "link", "br", "hr", "img", "input", "path", "use", "rect"}


class Read(HTMLParser):
    """What a page is made of: tags that close, headings in order, references, ids."""

    def __init__(self, page: Path) -> None:
        super().__init__()
        self.open: list[str] = []
        self.headings: list[int] = []
        self.links: list[str] = []
        self.ids: list[str] = []
        self.pictures: list[dict[str, str | None]] = []
        self.words: list[str] = []
        self.source = page.read_text(encoding="utf-8")
        self.feed(self.source)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if re.fullmatch(r"h[1-6]", tag):
            self.headings.append(int(tag[1]))
        if tag in ("img", "svg"):
            self.pictures.append(given)
        self.links += [value or "" for name, value in attrs if name in ("href", "src", "xlink:href", "data", "action")]
        self.ids += [value or "" for name, value in attrs if name == "id"]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if not self.open or self.open[-1] != "style":
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


def check(page: Path) -> Read:
    """Check what holds of every page, and return it."""
    read = Read(page)
    assert read.headings[0] == 1
    assert all(after <= before + 1 for before, after in zip(read.headings, read.headings[1:], strict=False))
    assert len(read.ids) == len(set(read.ids))
    assert all(link.startswith("#") and link[1:] in read.ids for link in read.links)
    assert "http" not in read.source.replace('http-equiv="', "")
    assert "<script" not in read.source
    for picture in read.pictures:
        told = picture.get("alt") or picture.get("aria-labelledby") or ""
        assert told
        assert all(one in read.ids for one in told.split())
    assert "nan" not in re.findall(r"[A-Za-z]+", read.text.casefold())
    return read


@pytest.fixture(scope="session")
def reported(finished: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    page = tmp_path_factory.mktemp("reports") / "report.html"
    done("report", finished, "-o", page, "--features", 0)
    return page


def test_a_run_knows_its_cohort_and_is_told_on_one_page(reported: Path) -> None:
    read = check(reported)
    for heading in ("Summary", "Who was in", "What was trained on what", "How well", "Was merging worth it?"):
        assert heading in read.text
    assert "LegoFuse predicts the time to the event (status = dead)" in read.text
    assert "it was made from 48 patients of trial and tried on 12 others" in read.text


def test_pictures_lie_beside_the_page(reported: Path) -> None:
    folder = reported.with_name("report_figures")
    names = {file.name for file in folder.iterdir()}
    assert {f"scores{ending}" for ending in (".png", ".svg", ".pdf")} <= names
    assert len(names) == 3 * len(check(reported).pictures)
    from PIL import Image

    with Image.open(folder / "scores.png") as image:
        assert [round(one) for one in image.info["dpi"]] == [300, 300]
    assert b"/FontFile2" in (folder / "scores.pdf").read_bytes()
    assert b"<text" not in (folder / "scores.svg").read_bytes()


def test_nothing_is_replaced_unasked(finished: Path, reported: Path, tmp_path: Path) -> None:
    page = Path(shutil.copy(reported, tmp_path / "report.html"))
    before = page.read_bytes()
    assert "Choose another place with --out, or pass --overwrite." in refused("report", finished, "-o", page)
    assert page.read_bytes() == before
    done("report", finished, "-o", page, "--overwrite", "--features", 0)
    assert page.read_bytes() == before  # the same run makes the same page
    (tmp_path / "report_figures" / "mine.txt").write_text("mine")
    assert "other files than pictures" in refused("report", finished, "-o", page, "--overwrite")
    assert refused("report", finished, "-o", tmp_path / "page.pdf").startswith(f"{tmp_path / 'page.pdf'} is no page")


def test_a_model_is_told_by_itself(finished: Path, site: Path, tmp_path: Path) -> None:
    done("report", finished / "merge", "-d", site / "cohort.yaml", "-o", tmp_path / "merge.html", "--features", 0)
    read = check(tmp_path / "merge.html")
    assert "LegoMerge predicts" in read.text
    assert "LegoFuse" not in read.text
    done("report", finished / "blocks" / "rna", "-o", tmp_path / "rna.html", "--features", 0)
    assert "From rna, rna predicts" in check(tmp_path / "rna.html").text


def test_a_merge_that_was_sent_there_is_not_told_as_the_run_s(reported: Path, run: Path, tmp_path: Path) -> None:
    for place in (run / "merge", run / "fuse"):
        shutil.rmtree(place)
    sent = [Path(shutil.copytree(run / "blocks" / "rna", tmp_path / place / "rna")) for place in "ab"]
    done("merge", *sent, "-o", tmp_path / "merge")
    shutil.copytree(tmp_path / "merge", run / "merge")
    done("report", run, "-o", tmp_path / "run.html", "--features", 0)
    text = check(tmp_path / "run.html").text
    assert re.search(r"From rna, LegoMerge predicts .*; it was made elsewhere, at least in part, and tried on ", text)
    assert "; nobody knows whether these had a part in it." in text
    assert "no other model, no choice and no early stopping has seen them. Of LegoMerge nobody knows that: " in text
    row = re.compile(r"logit ensemble 12 8 [\d.]+ \([^)]*\)")  # of the blocks, whatever the merge is made of
    assert len(row.findall(text)) == 1
    assert row.findall(text) == row.findall(check(reported).text)


def test_performance_is_on_patients_held_out_alone(finished: Path, site: Path, tmp_path: Path) -> None:
    elsewhere = Path(shutil.copytree(finished / "merge", tmp_path / "merge"))
    said = refused("report", elsewhere, "-d", site / "cohort.yaml", "-o", tmp_path / "a.html")
    assert "nobody knows whom it was trained on" in said
    assert "--data MANIFEST" in refused("report", elsewhere, "-o", tmp_path / "a.html")
    other = write_cohort(tmp_path / "other", ("rna", "clinical", "labs"), n=50, first=500, seed=3, name="elsewhere")
    assert "--part all" in refused("report", finished, "-d", other, "-o", tmp_path / "b.html")
    done("report", elsewhere, "-d", other, "-o", tmp_path / "a.html", "--part", "all", "--features", 0)
    read = check(tmp_path / "a.html")
    assert "it was tried on 50 patients of elsewhere" in read.text
    assert "is the word of who made this page" in read.text


def test_nobody_held_out_no_performance(site: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    options = ("-c", site / "quick.yaml", "--no-progress", "--test", "0", "-m", "rna")
    done("train", "-d", site / "cohort.yaml", "-o", run, *options)
    done("report", run, "-o", tmp_path / "report.html", "--features", 0)
    read = check(tmp_path / "report.html")
    assert "Nobody was held out" in read.text
    assert "95 % interval" not in read.text


def test_scores_by_a_column_of_any_table(finished: Path, site: Path, tmp_path: Path) -> None:
    done("report", finished, "-o", tmp_path / "sex.html", "--by", "sex", "--features", 0)
    assert "By sex" in check(tmp_path / "sex.html").text
    done(
        "report", finished, "-o", tmp_path / "grade.html", "--by", "grade", "--features", 0
    )  # which only the table of outcomes has
    assert re.search(r"By grade .*high .*low .*middle", check(tmp_path / "grade.html").text)
    said = refused("report", finished, "-o", tmp_path / "no.html", "--by", "sx")
    assert said == "no table of the cohort has a column 'sx'. Did you mean 'sex'?"


def test_a_run_may_be_moved_with_its_cohort_and_not_without(site: Path, train: object, tmp_path: Path) -> None:
    data = write_cohort(tmp_path / "one" / "data")
    run = train(tmp_path / "one" / "run", "-m", "rna", data=data)  # type: ignore[operator]
    (tmp_path / "one").rename(tmp_path / "two")
    run = tmp_path / "two" / "run"
    with inside(tmp_path):
        done("report", run, "-o", "moved.html", "--features", 0)
    assert str(tmp_path) not in (run / "private/trained_on.json").read_text()
    (tmp_path / "two" / "data").rename(tmp_path / "gone")
    assert "Pass --data MANIFEST." in refused("report", run, "-o", tmp_path / "again.html")


def test_no_patient_is_named(reported: Path, site: Path) -> None:
    words = set(re.findall(r"(?<![\d.])\d{3}(?![\d.])", check(reported).text))
    numbers = {"100"}  # of percent
    assert not {f"{place:03d}" for place in range(60)} & words - numbers


def test_what_is_nothing_to_report_on(site: Path, tmp_path: Path) -> None:
    assert "nothing to report on" in refused("report", site, "-o", tmp_path / "a.html")
    assert "not found" in refused("report", tmp_path / "nowhere", "-o", tmp_path / "a.html")


@pytest.mark.parametrize(
    ("outcome", "heading"),
    [
        ({"task": "classification", "label": "relapse"}, "relapse = yes"),
        ({"task": "classification", "label": "grade"}, "Telling patients apart"),
        ({"task": "regression", "target": "il6"}, "Predicted and observed"),
        ({"task": "multilabel", "labels": ["tox_liver", "tox_skin"]}, "Telling patients apart"),
    ],
    ids=["two", "classes", "numbers", "labels"],
)
def test_every_task_has_its_page(train: object, tmp_path: Path, outcome: dict[str, object], heading: str) -> None:
    data = write_cohort(tmp_path / "data", ("rna", "clinical"), n=120, outcome=outcome)
    run = train(tmp_path / "run", data=data)  # type: ignore[operator]
    done("merge", run)
    done("report", run, "-o", tmp_path / "report.html", "--features", 0)
    read = check(tmp_path / "report.html")
    assert heading in read.text
    assert len(read.pictures) >= 4


CHROMIUM = next(
    (found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), None
)
LOOKED = """<iframe id="f{width}" style="width:{width}px;height:900px;border:0" srcdoc="{page}"></iframe>"""
ASKED = """<script>addEventListener("load", () => {
document.title = [...document.querySelectorAll("iframe")].map(f =>
  f.contentWindow.innerWidth + " " + f.contentDocument.documentElement.scrollWidth + " " +
  [...f.contentDocument.querySelectorAll("svg")].filter(s => s.getBoundingClientRect().width < 100).length).join(",");
})</script>"""


@pytest.mark.skipif(CHROMIUM is None, reason="no chromium is installed to open the page in")
def test_the_page_fits_wide_and_narrow_screens_and_prints(reported: Path, tmp_path: Path) -> None:
    page = html.escape(reported.read_text(encoding="utf-8"))
    frames = "".join(LOOKED.format(width=width, page=page) for width in (1280, 400))
    (tmp_path / "both.html").write_text(f"<body>{frames}{ASKED}", encoding="utf-8")

    def run(*options: str) -> str:
        command = [str(CHROMIUM), "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path / 'user'}"]
        done = subprocess.run([*command, *options], capture_output=True, text=True, timeout=240, check=True)
        return done.stdout

    titles = re.search("<title>(.*?)</title>", run("--dump-dom", (tmp_path / "both.html").as_uri()))
    assert titles is not None
    for told, width in zip(titles.group(1).split(","), (1280, 400), strict=True):
        inner, scrolled, thin = map(int, told.split())
        assert inner == width
        assert scrolled <= inner
        assert thin == 0
    run(f"--print-to-pdf={tmp_path / 'report.pdf'}", reported.as_uri())
    assert (tmp_path / "report.pdf").read_bytes().startswith(b"%PDF")


def test_patients_who_are_asked_for_are_told_of_and_nobody_else(finished: Path, tmp_path: Path) -> None:
    options = ("--patients", "003,050", "--features", 2)
    done("report", finished / "blocks" / "clinical", "-o", tmp_path / "report.html", *options)
    read = check(tmp_path / "report.html")
    for patient in ("003", "050"):
        assert f"Patient {patient}" in read.text
    assert "The chance to be free of the event is predicted as" in read.text
    assert "What moved this prediction" in read.text
    assert "Features that moved clinical most, 2 patients held out, drawn at random" in read.text
    named = set(re.findall(r"Patient (\d{3})", read.text))
    assert named == {"003", "050"}
    said = refused("report", finished, "-o", tmp_path / "no.html", "--patients", "3")
    assert said.startswith("no patient '3' in trial")
    cuts = re.findall(r"(thirds|median) of the risks", read.text)
    assert len(cuts) > 1
    assert len(set(cuts)) == 1  # the groups of the page are those of its patients


def test_what_tripod_asks_for_stands_or_is_said_to_be_missing(reported: Path) -> None:
    read = check(reported)
    assert "What TRIPOD+AI asks for" in read.text
    rows = re.findall(r'<th scope="row">(\d{1,2}[a-g]?)</th>', read.source)
    assert len(rows) == len(set(rows)) == 52
    assert "to be written by the author" in read.text


def test_what_moved_predictions_is_told_of_patients_held_out(reported: Path) -> None:
    text = check(reported).text
    assert "What moved predictions" in text
    assert "What each modality moved in LegoFuse, patients held out" in text
