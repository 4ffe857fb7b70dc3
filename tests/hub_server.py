"""A small server on this machine that speaks as much of the Hub's API as sending and fetching of models needs."""

from __future__ import annotations

import base64
import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
import yaml

from mmlego.hub_card import LICENCES


@dataclass
class Hub:
    """Repositories by name: by commit their files; what was asked."""

    url: str = ""
    repos: dict[str, dict[str, dict[str, bytes]]] = field(default_factory=dict)
    branches: dict[tuple[str, str], str] = field(default_factory=dict)
    private: dict[str, bool] = field(default_factory=dict)
    tokens: set[str] = field(default_factory=set)
    asked: list[str] = field(default_factory=list)
    breaking: int = 0  # so many commits break off


class Handler(BaseHTTPRequestHandler):
    """Answers for the hub that the server holds."""

    protocol_version = "HTTP/1.1"
    hub: Hub

    def log_message(self, *args: object) -> None:
        """Say nothing."""

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        self.hub.asked.append(f"{self.command} {self.path}")
        parts = unquote(self.path.split("?")[0]).strip("/").split("/")
        if parts[:2] == ["api", "models"]:
            self._described("/".join(parts[2:4]), parts[5] if len(parts) > 5 else "main", tree="tree" in parts[4:5])
        else:
            self._file("/".join(parts[:2]), parts[3], "/".join(parts[4:]))

    def do_POST(self) -> None:
        self.hub.asked.append(f"{self.command} {self.path}")
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        parts = unquote(self.path.split("?")[0]).strip("/").split("/")
        if parts[-1] == "validate-yaml":
            self._validate(json.loads(body)["content"])
        elif not self._known():
            self._answer({"error": "Invalid username or password."}, 401)
        elif parts == ["api", "repos", "create"]:
            self._create(json.loads(body))
        elif parts[4] == "preupload":
            modes = {"uploadMode": "regular", "shouldIgnore": False, "oid": None}
            self._answer({"files": [{"path": file["path"], **modes} for file in json.loads(body)["files"]]})
        else:
            self._commit("/".join(parts[2:4]), parts[5], body.decode().splitlines())

    def _described(self, repo: str, revision: str, *, tree: bool) -> None:
        if repo not in self.hub.repos or (self.hub.private.get(repo) and not self._known()):
            return self._lacking("RepoNotFound", 401)
        commit = self._found(repo, revision)
        if commit is None:
            return self._lacking("RevisionNotFound")
        files = self.hub.repos[repo][commit]
        if tree:
            return self._answer(
                [{"type": "file", "path": name, "size": len(one), "oid": _oid(one)} for name, one in files.items()]
            )
        siblings = [{"rfilename": name, "size": len(one)} for name, one in files.items()]
        told = {"id": repo, "modelId": repo, "sha": commit, "siblings": siblings, "tags": []}
        return self._answer(told | {"private": self.hub.private.get(repo, False)})

    def _file(self, repo: str, revision: str, name: str) -> None:
        commit = self._found(repo, revision)
        if self.hub.private.get(repo) and not self._known():
            return self._lacking("RepoNotFound", 401)
        if commit is None or name not in self.hub.repos[repo][commit]:
            return self._lacking("EntryNotFound")
        body = self.hub.repos[repo][commit][name]
        return self._answer(body, 200, {"ETag": f'"{_oid(body)}"', "X-Repo-Commit": commit})

    def _validate(self, card: str) -> None:
        """Check what the Hub checks of a header: that a licence is one it knows, and the form of a model-index."""
        told = yaml.safe_load(card.split("---\n")[1])
        wrong = [] if told.get("license") in (*LICENCES, "other", None) else [{"message": '"license" must be one of …'}]
        for entry in told.get("model-index", []):
            results = [result for result in entry["results"] if not {"task", "dataset", "metrics"} <= result.keys()]
            parts = [part for result in entry["results"] for part in (result["task"], result["dataset"])]
            if not entry["name"] or results or not all(part.get("type") for part in parts):
                wrong.append({"message": '"model-index" is not of that form'})
        self._answer({"errors": wrong, "warnings": []}, 400 if wrong else 200)

    def _create(self, asked: dict[str, Any]) -> None:
        repo = f"{asked['organization']}/{asked['name']}" if asked.get("organization") else asked["name"]
        if repo in self.hub.repos:
            return self._answer({"error": "exists", "url": f"{self.hub.url}/{repo}"}, 409)
        self.hub.private[repo] = bool(asked.get("private")) or asked.get("visibility") == "private"
        self.hub.repos[repo], self.hub.branches[repo, "main"] = {"0" * 40: {}}, "0" * 40
        return self._answer({"url": f"{self.hub.url}/{repo}", "name": repo, "id": repo})

    def _commit(self, repo: str, branch: str, lines: list[str]) -> None:
        if self.hub.breaking:
            self.hub.breaking -= 1
            return self._answer({"error": "try again later"}, 500)
        if (repo, branch) not in self.hub.branches:
            return self._lacking("RevisionNotFound")
        files = dict(self.hub.repos[repo][self.hub.branches[repo, branch]])
        for step in map(json.loads, lines):
            if step["key"] == "file":
                files[step["value"]["path"]] = base64.b64decode(step["value"]["content"])
        commit = hashlib.sha1(json.dumps({name: _oid(one) for name, one in files.items()}).encode()).hexdigest()
        self.hub.repos[repo][commit], self.hub.branches[repo, branch] = files, commit
        url = f"{self.hub.url}/{repo}/commit/{commit}"
        return self._answer({"success": True, "commitOid": commit, "commitUrl": url})

    def _found(self, repo: str, revision: str) -> str | None:
        found = self.hub.branches.get((repo, revision), revision)
        return found if found in self.hub.repos.get(repo, {}) else None

    def _known(self) -> bool:
        return (self.headers.get("Authorization") or "").removeprefix("Bearer ") in self.hub.tokens

    def _lacking(self, code: str, status: int = 404) -> None:
        self._answer({"error": code}, status, {"X-Error-Code": code, "X-Error-Message": code})

    def _answer(self, content: object = None, status: int = 200, headers: dict[str, str] | None = None) -> None:
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


def _oid(body: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(body) + body).hexdigest()


@contextmanager
def serving(*tokens: str) -> Iterator[Hub]:
    """Serve an empty hub that takes what is sent with one of these tokens."""
    hub = Hub(tokens=set(tokens))
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("HandlerOfHub", (Handler,), {"hub": hub}))
    hub.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def take_for_hub(hub: Hub, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the Hub's library take a server for the Hub, with a cache of its own."""
    constants = pytest.importorskip("huggingface_hub.constants", reason="needs mmlego[hub]")
    monkeypatch.setattr(constants, "ENDPOINT", hub.url)
    template = hub.url + "/{repo_id}/resolve/{revision}/{filename}"
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
    for name in ("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"):
        monkeypatch.setattr(constants, name, str(cache), raising=False)
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_PROGRESS_BARS", True)
