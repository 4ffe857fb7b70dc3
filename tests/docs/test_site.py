"""The site: it builds without a warning, names all that is public, and fetches nothing."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.test_readme import MODULES, ROOT, public

pytest.importorskip("mkdocs")
FETCHED = re.compile(r"<(?:script|img|iframe|link)\b[^>]*?(?:src|href)=\"?(?:https?:)?//[^\" >]+", re.IGNORECASE)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(folder)]
    offline = {"http_proxy": "http://127.0.0.1:9", "https_proxy": "http://127.0.0.1:9", "NO_MKDOCS_2_WARNING": "1"}
    built = subprocess.run(command, cwd=ROOT, env=os.environ | offline, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stdout + built.stderr
    return folder


@pytest.mark.slow
def test_every_public_name_has_its_place(site: Path) -> None:
    pages = [page.read_text(encoding="utf-8") for page in site.glob("reference/*.html")]
    anchors = {name for page in pages for name in re.findall(r'id="(mmlego[\w.]+)"', page)}
    modules = {f"mmlego{name}" for name in MODULES}
    listed = (site / "api.html").read_text(encoding="utf-8")
    for module in modules:
        for name in public(module):
            if f"{module}.{name}" in modules or name.startswith("_"):
                continue
            assert re.search(rf'href="reference/[\w.]+#mmlego[\w.]*\.{name}"', listed), f"{module}.{name}"
            assert any(anchor.endswith(f".{name}") for anchor in anchors), f"{module}.{name}"
    assert len(anchors) > 200


@pytest.mark.slow
def test_pages_fetch_nothing(site: Path) -> None:
    pages = sorted(site.rglob("*.html"))
    assert len(pages) > 40
    for page in pages:
        assert not FETCHED.findall(page.read_text(encoding="utf-8")), page.name
    for sheet in site.rglob("*.css"):
        assert not re.search(r"(?:@import|url\()\s*[\"']?(?:https?:)?//", sheet.read_text(encoding="utf-8")), sheet.name


@pytest.mark.slow
def test_no_role_or_fence_is_left_as_text(site: Path) -> None:
    for page in site.rglob("*.html"):
        text = re.sub(r"<pre>.*?</pre>", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
        assert not re.search(r":(?:class|func|meth|mod|attr):<code>|```", text), page.name
        # A list needs an empty line before it here, though not on other sites.
        for paragraph in re.findall(r"<p>(.*?)</p>", text, re.DOTALL):
            assert not re.search(r"^(?:- |\d\. )", paragraph, re.MULTILINE), (page.name, paragraph)


def test_settings_fetch_nothing() -> None:
    settings = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    assert "font: false" in settings
    assert not re.search(r"https?://", settings)
