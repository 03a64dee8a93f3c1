"""A small local server that speaks the Hub's file API, with checkpoints that tests make and the Hub's troubles."""
from __future__ import annotations

import contextlib
import hashlib
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit

COMMIT = "0123456789abcdef0123456789abcdef01234567"


class HubServer:
    """`models` are folders by owner/name. What it does wrong is set on it and undone by `reset`."""

    def __init__(self, **models: Path) -> None:
        self.models: dict[str, Path] = dict(models)
        self.reset()
        self.http = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self.http.daemon_threads = True
        threading.Thread(target=self.http.serve_forever, daemon=True).start()

    def reset(self) -> None:
        self.gated: set[str] = set()
        self.damaged: set[str] = set()  # file names that come with a byte changed
        self.cut: dict[str, int] = {}  # file name → how many more times its connection ends in the middle
        self.busy = 0  # how many more files are answered with 503
        self.pause = 0.0  # seconds between two blocks of weights
        self.block = 1 << 16
        self.ranges: list[str] = []
        self.asked: list[str] = []
        self.tokens: set[str] = set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.http.server_port}"

    def close(self) -> None:
        self.http.shutdown()
        self.http.server_close()


def _handler(server: HubServer) -> type:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_):
            pass  # standard error belongs to the test

        def do_GET(self):
            path = unquote(urlsplit(self.path).path).strip("/")
            server.asked.append(path)
            if path.startswith("api/models/"):
                return self._listing(path.removeprefix("api/models/"))
            name, _, rest = path.partition("/resolve/")
            revision, _, file = rest.partition("/")
            if name not in server.models:
                return self._error(404, "RepoNotFound")
            token = self.headers.get("Authorization", "").removeprefix("Bearer ")
            if name in server.gated and token not in server.tokens:
                return self._error(403, "GatedRepo")
            if revision not in (COMMIT, "main"):
                return self._error(404, "RevisionNotFound")
            if not (server.models[name] / file).is_file():
                return self._error(404, "EntryNotFound")
            if server.busy:
                server.busy -= 1
                return self._error(503, "")
            return self._file(server.models[name] / file)

        do_HEAD = do_GET

        def _listing(self, path: str):
            name, _, revision = path.partition("/revision/")
            if name not in server.models:
                return self._error(404, "RepoNotFound")
            if revision not in ("", "main", COMMIT):
                return self._error(404, "RevisionNotFound")
            siblings = [_sibling(file) for file in sorted(server.models[name].iterdir()) if file.is_file()]
            self._json({"id": name, "modelId": name, "sha": COMMIT, "siblings": siblings, "tags": [],
                        "gated": "auto" if name in server.gated else False, "private": False, "downloads": 0,
                        "cardData": {"license": "apache-2.0"}})

        def _file(self, path: Path):
            content = path.read_bytes()
            if path.name in server.damaged:
                content = content[:-1] + bytes([content[-1] ^ 1])
            start = 0
            if asked := self.headers.get("Range"):
                server.ranges.append(f"{path.name} {asked}")
                start = int(asked.removeprefix("bytes=").split("-")[0])
            self.send_response(206 if start else 200)
            self.send_header("Content-Length", str(len(content) - start))
            self.send_header("ETag", f'"{_hash(path)}"')
            self.send_header("X-Repo-Commit", COMMIT)
            if start:
                self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
            self.end_headers()
            if self.command == "HEAD":
                return
            end = len(content)
            if server.cut.get(path.name):
                server.cut[path.name] -= 1
                end = start + (end - start) // 2
            slow = server.pause if path.suffix == ".safetensors" else 0
            for at in range(start, end, server.block):
                self.wfile.write(content[at:min(at + server.block, end)])
                if slow:
                    time.sleep(slow)
            if end < len(content):
                self.close_connection = True
                self.connection.shutdown(2)

        def _json(self, said):
            text = json.dumps(said).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def _error(self, status: int, code: str):
            self.send_response(status)
            self.send_header("X-Error-Code", code)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def handle(self):
            with contextlib.suppress(OSError):  # the client went away, as cancelled downloads do
                super().handle()

    return Handler


def _sibling(file: Path) -> dict:
    found = {"rfilename": file.name, "size": file.stat().st_size, "blobId": _git_hash(file)}
    if file.suffix == ".safetensors":
        found["lfs"] = {"size": file.stat().st_size, "sha256": _hash(file), "pointerSize": 134}
    return found


def _hash(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest() if file.suffix == ".safetensors" else _git_hash(file)


def _git_hash(file: Path) -> str:
    return hashlib.sha1(b"blob %d\0" % file.stat().st_size + file.read_bytes()).hexdigest()
