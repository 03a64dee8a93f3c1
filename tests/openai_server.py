"""A real HTTP server that speaks the OpenAI protocol, with a model of ours behind it; and one that misbehaves.

It answers as vLLM does: the picture comes as a data URL, the text goes as server-sent events with log-probabilities.
"""
from __future__ import annotations

import base64
import io
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from PIL import Image

from app import pictures
from app.types import Generation, Request

KEY = "sk-of-the-test"


class OpenAIServer:
    """`behave` is what it does next: a name of a method of `_Behaviour`, or "answer". `questions` are those it got."""

    def __init__(self, model, folder: Path, name: str = "demo") -> None:
        self.model, self.folder, self.name = model, folder, name
        self.behave, self.failures, self.key = "answer", 0, ""
        self.questions: list[dict] = []
        self.adapters: dict[str, object] = {}
        self.loadable: dict[str, object] = {}  # by path, as far as this server can see
        self.sizes: list[tuple[int, int]] = []
        self.gone = threading.Event()  # a client closed its connection
        self.http = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self.http.daemon_threads = True
        threading.Thread(target=self.http.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.http.server_port}/v1"

    def reset(self, behave: str = "answer", failures: int = 0, key: str = "") -> None:
        self.behave, self.failures, self.key = behave, failures, key
        self.questions.clear()
        self.sizes.clear()
        self.adapters.clear()
        self.gone.clear()

    def close(self) -> None:
        self.http.shutdown()
        self.http.server_close()


def _handler(server: OpenAIServer) -> type:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_):
            pass  # standard error belongs to the test

        def do_GET(self):
            if not self._is_let_in():
                return
            names = [server.name, *server.adapters]
            self._json(200, {"object": "list", "data": [{"id": name, "owned_by": "vllm"} for name in names]})

        def do_POST(self):
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            if not self._is_let_in():
                return
            what = self.path.rsplit("/", 1)[1]
            if what.endswith("lora_adapter"):
                return self._adapter(what, body)
            server.questions.append(body)
            if server.failures:
                server.failures -= 1
                return self._json(int(server.behave), {"error": {"message": "too much to do"}})
            getattr(self, f"_{server.behave}", self._answer)(body)

        def _is_let_in(self) -> bool:
            if server.key and self.headers.get("Authorization") != f"Bearer {server.key}":
                self._json(401, {"error": {"message": f"Incorrect API key {self.headers.get('Authorization')}"}})
                return False
            return True

        def _adapter(self, what: str, body: dict):
            if server.behave == "fixed":
                return self._json(404, {"detail": "Not Found"})
            if what.startswith("unload"):
                server.adapters.pop(body["lora_name"])
            elif body["lora_path"] not in server.loadable:
                return self._json(400, {"error": {"message": "LoRA rank 64 is greater than max_lora_rank 16."}})
            else:
                server.adapters[body["lora_name"]] = server.loadable[body["lora_path"]]
            return self._json(200, "Success")

        def _answer(self, body: dict):
            model = server.adapters.get(body["model"], server.model)
            parts = body["messages"][-1]["content"]
            [text] = [part["text"] for part in parts if part["type"] == "text"]
            images = []
            for number, part in enumerate(part for part in parts if part["type"] == "image_url"):
                sent = base64.b64decode(part["image_url"]["url"].partition("base64,")[2])
                server.sizes.append(Image.open(io.BytesIO(sent)).size)
                path = server.folder / f"{threading.get_ident()}-{number}.png"
                path.write_bytes(sent)
                images.append(pictures.read(path))
            request = Request(tuple(images), "ask", caption=text)
            self._begin()
            said = tokens = 0
            steps = model.generate(request, Generation(body["max_tokens"]), threading.Event())
            for step in steps:
                news = step.written[tokens:]
                logprobs = {"content": [{"token": step.text[t.start:t.end], "logprob": t.log_probability,
                                         "bytes": list(step.text[t.start:t.end].encode())} for t in news]}
                self._event({"choices": [{"delta": {"content": step.text[said:]}, "finish_reason": step.finished,
                                          "logprobs": logprobs if body.get("logprobs") else None}]})
                said, tokens = len(step.text), len(step.written)
            self._event({"choices": [], "usage": {"completion_tokens": step.tokens}})
            self._end()

        def _whole(self, body: dict):
            """One document, as a server answers that does not stream."""
            text = '[{"bbox_2d": [100, 100, 200, 200], "label": "star"}]'
            self._json(200, {"choices": [{"message": {"content": text}, "finish_reason": "stop"}]})

        def _picky(self, body: dict):
            """OpenAI's own way with what it does not know."""
            for name in ("skip_special_tokens", "spaces_between_special_tokens", "logprobs"):
                if name in body:
                    return self._json(400, {"error": {"message": f"Unrecognized request argument supplied: {name}"}})
            if "max_tokens" in body:
                return self._json(400, {"error": {"message": "Use 'max_completion_tokens' instead of max_tokens."}})
            return self._whole(body)

        def _killed(self, body: dict):
            """Half of an answer, then the process is gone: the connection ends without an end."""
            self._begin()
            self._event({"choices": [{"delta": {"content": '[{"bbox_2d": [1, '}}]})
            self.close_connection = True
            self.connection.shutdown(2)

        def _silent(self, body: dict):
            self._begin()
            self._event({"choices": [{"delta": {"content": "one "}}]})
            deadline = time.monotonic() + 20
            try:
                while time.monotonic() < deadline:
                    time.sleep(0.05)
                    self._chunk(b": still here\n\n")
            except OSError:
                server.gone.set()

        def _mute(self, body: dict):
            time.sleep(3)

        def _malformed(self, body: dict):
            self._begin()
            self._event_text("<html>502 Bad Gateway</html>")
            self._end()

        def _broken(self, body: dict):
            self._begin()
            self._event({"error": {"message": "EngineDeadError: CUDA out of memory", "code": 500}})
            self._end()

        def _endless(self, body: dict):
            """The stream ends in order, and the answer does not."""
            self._begin()
            self._event({"choices": [{"delta": {"content": "half"}}]})
            self._chunk(b"")

        def _elsewhere(self, body: dict):
            self.send_response(307)
            self.send_header("Location", "http://169.254.169.254/latest/meta-data")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def _json(self, status: int, said):
            text = json.dumps(said).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def _begin(self):
            self.send_response(200)
            self.send_header("Content-Type", "text/event-stream")
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()

        def _event(self, said: dict):
            self._event_text(json.dumps(said))

        def _event_text(self, text: str):
            self._chunk(f"data: {text}\n\n".encode())

        def _chunk(self, sent: bytes):
            self.wfile.write(b"%x\r\n%s\r\n" % (len(sent), sent))
            self.wfile.flush()

        def _end(self):
            self._event_text("[DONE]")
            self._chunk(b"")

    return Handler
