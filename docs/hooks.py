"""What mkdocs asks: files beside ``docs`` as pages, links that lead to them, a page a module of the reference."""

from __future__ import annotations

import base64
import functools
import json
import posixpath
import re
from collections.abc import Callable
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
NAMES = {"README.md": "index.md", "CONTRIBUTING.md": "contributing.md", "CHANGELOG.md": "changelog.md"}
LINK = re.compile(r"(\]\()([^)\s#]+)((?:#[^)\s]*)?(?:\s+\"[^\"]*\")?\))")
SECTION = re.compile(r"^## (mmlego[.\w]*)$\n(.*?)(?=^## |\Z)", re.MULTILINE | re.DOTALL)
ENTRY = re.compile(r"^- ((?:`[^`]+`, )*`[^`]+`)", re.MULTILINE)
MODULES = {"tasks", "encoders", "learners", "data", "datasets", "estimators", "interop"}


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Put notebooks into the menu, behind the how-tos, if there are any."""
    pages = sorted(page.relative_to(DOCS).with_suffix(".md").as_posix() for page in DOCS.glob("notebooks/*.ipynb"))
    menu = config.nav
    if pages and menu is not None:
        place = next(number for number, entry in enumerate(menu) if "How to" in entry)
        menu.insert(place + 1, {"Notebooks": pages})
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add README, the examples, and the pages of the reference."""
    for name, uri in NAMES.items():
        files.append(File.generated(config, uri, abs_src_path=str(ROOT / name)))
    for page in sorted(ROOT.glob("examples/**/README.md")):
        files.append(File.generated(config, page.relative_to(ROOT).as_posix(), abs_src_path=str(page)))
    for notebook in sorted(DOCS.glob("notebooks/*.ipynb")):
        text, pictures = converted(notebook)
        files.append(File.generated(config, f"notebooks/{notebook.stem}.md", content=text))
        for name, picture in pictures.items():
            files.append(File.generated(config, f"notebooks/{name}", content=picture))
    for module, names in listed().items():
        files.append(File.generated(config, f"reference/{module}.md", content=reference(module, names)))
    return files


def converted(notebook: Path) -> tuple[str, dict[str, bytes]]:
    """Return a notebook as Markdown, and its pictures by name."""
    parts: list[str] = []
    pictures: dict[str, bytes] = {}
    for cell in json.loads(notebook.read_text(encoding="utf-8"))["cells"]:
        source = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            parts.append(source)
            continue
        parts.append(f"```python\n{source}\n```")
        for output in cell["outputs"]:
            data = output.get("data", {"text/plain": output.get("text", [])})
            if "image/png" in data:
                name = f"{notebook.stem}_{len(pictures) + 1}.png"
                pictures[name] = base64.b64decode(data["image/png"])
                parts.append(f"![Picture of the cell above]({name})")
            elif "text/html" in data:
                table = re.sub(r"<style.*?</style>", "", "".join(data["text/html"]), flags=re.DOTALL)
                table = re.sub(r"<(table|tr)\b[^>]*>", r"<\1>", table)
                parts.append(re.sub(r"\s*\n\s*", "", table).replace("<div>", '<div class="output">'))
            else:
                parts.append(f"```text\n{''.join(data['text/plain']).rstrip()}\n```")
    title, *others = parts
    said = f"[This page as a notebook]({notebook.name}), to run and change."
    return "\n\n".join([title, said, *others]) + "\n", pictures


@functools.cache
def listed() -> dict[str, list[str]]:
    """Return the names that each section of ``api.md`` lists, a name in two of them under the first."""
    seen: set[str] = set()
    found: dict[str, list[str]] = {}
    for module, text in SECTION.findall((DOCS / "api.md").read_text(encoding="utf-8")):
        names = [name for entry in ENTRY.findall(text) for name in re.findall(r"`(\w+)[^`]*`", entry)]
        found[module] = [n for n in names if n not in seen and n not in MODULES and not n.startswith("_")]
        seen |= {*names}
    return found


def reference(module: str, names: list[str]) -> str:
    """Return the page of a module."""
    parts = [f"# {module}", f"[All names in short](../api.md#{module.replace('.', '')})"]
    return "\n\n".join([*parts, *(f"::: {module}.{name}" for name in names)]) + "\n"


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Turn links of the repository into links of the site, and names in ``api.md`` into links."""
    uri = page.file.src_uri
    if uri.startswith("reference/"):
        return markdown
    if uri == "api.md":
        return SECTION.sub(linked, markdown)
    source = DOCS / uri if uri.startswith("notebooks/") else Path(str(page.file.abs_src_path))
    if uri.startswith("examples/"):
        for manifest in sorted(source.parent.glob("*.yaml")):
            markdown += f"\n## {manifest.name}\n\n```yaml\n{manifest.read_text(encoding='utf-8')}```\n"
    return outside_code(markdown, lambda text: LINK.sub(lambda match: moved(match, source, uri), text))


def on_page_content(html: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Turn the roles of docstrings, as ``:class:`~mmlego.LegoBlock```, into links, where the site has such a name."""

    def reference(match: re.Match[str]) -> str:
        name = match[2].rpartition(".")[2] if match[1] else match[2]
        return f'<autoref optional identifier="{match[2]}"><code>{name}</code></autoref>'

    return re.sub(r":(?:\w+):<code>(~?)([\w.]+)</code>", reference, html)


def linked(section: re.Match[str]) -> str:
    """Return a section of ``api.md`` whose names lead to their pages."""
    module = section[1]

    def entry(match: re.Match[str]) -> str:
        return re.sub(r"`(\w+)([^`]*)`", lambda name: link(module, name), match[0])

    text = ENTRY.sub(entry, section[2])
    return f"## {module}\n{text}"


def link(module: str, name: re.Match[str]) -> str:
    """Return a name that leads to its docstring, or to the section of the module that it names."""
    if name[1] in MODULES and module == "mmlego":
        return f"[{name[0]}](#mmlego{name[1]})"
    if name[1].startswith("_"):
        return name[0]
    return f"[{name[0]}][{next(place for place, names in listed().items() if name[1] in names)}.{name[1]}]"


def outside_code(markdown: str, change: Callable[[str], str]) -> str:
    """Change a text, but for what stands in fences and between backquotes."""
    parts = re.split(r"(^```.*?^```|`[^`\n]+`)", markdown, flags=re.MULTILINE | re.DOTALL)
    return "".join(part if odd % 2 else change(part) for odd, part in enumerate(parts))


def moved(match: re.Match[str], source: Path, uri: str) -> str:
    """Return a link as the site has it: what it names may be a page that stands elsewhere in the repository."""
    if ":" in match[2]:
        return match[0]
    target = (source.parent / match[2]).resolve()
    if target.is_relative_to(DOCS):
        place = target.relative_to(DOCS).as_posix()
    elif target.is_relative_to(ROOT):
        place = NAMES.get(target.relative_to(ROOT).as_posix(), target.relative_to(ROOT).as_posix())
    else:
        return match[0]  # mkdocs says that it leads nowhere
    if place.endswith(".ipynb") and target.stem != source.stem:
        place = place.removesuffix(".ipynb") + ".md"
    return match[1] + posixpath.relpath(place, posixpath.dirname(uri)) + match[3]
