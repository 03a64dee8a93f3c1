"""A small local server that speaks the Hub's API: datasets are created, looked at, committed, fetched; models are sent.

It counts the rows of all parquet files after every commit: `counts` is what must never fall.
"""
from __future__ import annotations

import base64
import hashlib
import io
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit


class HubDatasets:
    """`files` by repository and path. Its troubles: `pause` seconds before each answer; `swallow` that many answers
    to commits, which are made all the same; `refuse` so many commits with 503, or what `refusal` says."""

    def __init__(self):
        self.files: dict[str, dict[str, bytes]] = {}
        self.heads: dict[str, int] = {}
        self.counts: list[int] = []
        self.pause, self.swallow, self.refuse, self.private = 0.0, 0, 0, set()
        self.refusal = 503
        self.lock = threading.Lock()
        self.http = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self.http.daemon_threads = True
        threading.Thread(target=self.http.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.http.server_port}"

    def rows(self, repo: str) -> list[dict]:
        import pyarrow.parquet
        return [row for name, content in sorted(self.files[repo].items()) if name.endswith(".parquet")
                for row in pyarrow.parquet.read_table(io.BytesIO(content), columns=["query", "split"]).to_pylist()]

    def head(self, repo: str) -> str:
        return hashlib.sha1(f"{repo} {self.heads[repo]}".encode()).hexdigest()

    def close(self) -> None:
        self.http.shutdown()
        self.http.server_close()


def _handler(server: HubDatasets) -> type:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_):
            pass

        def do_POST(self):
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            time.sleep(server.pause)
            path = unquote(urlsplit(self.path).path)
            if path == "/api/repos/create":
                return self._create(json.loads(body))
            if path == "/api/validate-yaml":
                return self._json({"errors": [], "warnings": []})
            path = path.replace("/api/models/", "/api/datasets/", 1)
            repo, _, rest = path.removeprefix("/api/datasets/").partition("/preupload/")
            if rest:
                files = json.loads(body)["files"]
                return self._json({"files": [{"path": each["path"], "uploadMode": "regular", "shouldIgnore": False}
                                             for each in files]})
            repo, _, rest = path.removeprefix("/api/datasets/").partition("/commit/")
            return self._commit(repo, [json.loads(line) for line in body.splitlines()])

        def do_GET(self):
            time.sleep(server.pause)
            path = unquote(urlsplit(self.path).path)
            if path.startswith("/api/datasets/"):
                repo = path.removeprefix("/api/datasets/").partition("/revision/")[0]
                if repo not in server.files:
                    return self._error(404, "RepoNotFound")
                with server.lock:
                    return self._json({"id": repo, "sha": server.head(repo), "private": repo in server.private,
                                       "tags": [], "downloads": 0, "likes": 0,
                                       "siblings": [{"rfilename": name} for name in sorted(server.files[repo])]})
            repo, _, rest = path.removeprefix("/datasets/").partition("/resolve/")
            content = server.files.get(repo, {}).get(rest.partition("/")[2])
            if content is None:
                return self._error(404, "EntryNotFound")
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.send_header("ETag", f'"{hashlib.sha1(content).hexdigest()}"')
            self.send_header("X-Repo-Commit", server.head(repo))
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(content)

        do_HEAD = do_GET

        def _create(self, told: dict):
            repo = f"{told['organization']}/{told['name']}" if told.get("organization") else told["name"]
            with server.lock:
                if repo in server.files:
                    return self._json({"error": "You already created this dataset repo", "url": repo}, 409)
                server.files[repo], server.heads[repo] = {}, 0
                if told.get("private") or told.get("visibility") == "private":
                    server.private.add(repo)
            self._json({"url": f"{server.url}/datasets/{repo}"})

        def _commit(self, repo: str, lines: list[dict]):
            head = next(line["value"] for line in lines if line["key"] == "header")
            with server.lock:
                if server.refuse:
                    server.refuse -= 1
                    return self._error(server.refusal, "")
                if head.get("parentCommit") not in (None, server.head(repo)):
                    return self._json({"error": "A commit has happened since. Please refresh and try again."}, 412)
                for line in lines:
                    assert line["key"] in ("header", "file"), f"it wants to {line['key']}"
                    if line["key"] == "file":
                        server.files[repo][line["value"]["path"]] = base64.b64decode(line["value"]["content"])
                server.heads[repo] += 1
                server.counts.append(len(server.rows(repo)))
                swallowed = server.swallow > 0
                server.swallow -= swallowed
            if swallowed:  # it is done, and nobody hears of it
                self.close_connection = True
                return self.connection.shutdown(2)
            self._json({"commitUrl": f"{server.url}/datasets/{repo}/commit/{server.head(repo)}",
                        "commitOid": server.head(repo)})

        def _json(self, told, status: int = 200):
            text = json.dumps(told).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def _error(self, status: int, code: str):
            self.send_response(status)
            self.send_header("X-Error-Code", code)
            self.send_header("Content-Length", "0")
            self.end_headers()

    return Handler
