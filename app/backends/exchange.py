"""One question to an OpenAI-compatible server, over HTTP: tried again with pauses, streamed, ended at once when closed.

Whatever a server does ends as text pieces or as a ModelError with one sentence: what happened, what would help.
"""
from __future__ import annotations

import json
import math
import os
import queue
import random
import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass

import httpx2

from app.backends import ModelError
from app.types import ModelSpec

CONNECT = 10.0  # seconds
TRIES = 4
PAUSES = (0.5, 1.0, 2.0)  # seconds between them, a little more by chance, so that many clients do not come together
LONGEST_PAUSE = 30.0  # of those that a server asks for
AGAIN = (408, 429, 500, 502, 503, 504)
# What not every server takes: the one that is named in a refusal is left out, else all of them.
OPTIONAL = ("logprobs", "skip_special_tokens", "spaces_between_special_tokens", "stream_options", "seed")


@dataclass(frozen=True)
class Piece:
    """More of an answer. `counted` are all tokens so far, if the server says so; `finish` is set with the last one."""
    text: str = ""
    tokens: tuple[tuple[bytes, float], ...] = ()
    finish: str = ""
    counted: int = 0


class Post:
    """How one server is spoken to. It remembers which optional fields that server refused."""

    def __init__(self, spec: ModelSpec) -> None:
        self.spec, self.server, self.url = spec, spec.server, spec.source.rstrip("/")
        self.left_out: set[str] = set()
        timeout = httpx2.Timeout(self.server.timeout, connect=CONNECT)
        self.client = httpx2.Client(timeout=timeout, follow_redirects=False)

    def headers(self) -> dict[str, str]:
        if not self.server.key:
            return {}
        key = os.environ.get(self.server.key, "").strip()
        if not key:
            raise ModelError(f"{self.spec.id} needs a key: set the environment variable {self.server.key} to it and "
                             "start Boxloop again")
        return {"Authorization": f"Bearer {key}"}

    def adapter(self, what: str, **body) -> None:
        """vLLM's way to load and forget adapters while it runs. Raises ModelError."""
        try:
            response = self.client.post(f"{self.url}/{what}", json=body, headers=self.headers())
        except httpx2.HTTPError as problem:
            raise self.unreachable(problem) from problem
        said = self.message(response)
        if response.status_code in (404, 405, 501):
            raise ModelError(f"the server at {self.url} loads no adapters while it runs; start vLLM with --enable-lora "
                             "and VLLM_ALLOW_RUNTIME_LORA_UPDATING=True, or serve the adapter from its start")
        if response.status_code != 200 and "already" not in said:
            raise ModelError(f"the server did not take the adapter {self.spec.adapter}: {said or response.status_code} "
                             "(vLLM takes LoRA up to --max-lora-rank, 16 by default; no DoRA, no modules_to_save)")

    def refusal(self, response: httpx2.Response) -> ModelError:
        """A status that is no answer, in words."""
        status, said = response.status_code, self.message(response)
        quoted = f": {said}" if said else ""
        if status in (401, 403):
            held = f"the key in {self.server.key}" if self.server.key else "a question without a key"
            return ModelError(f"the server at {self.url} does not accept {held} ({status}){quoted}; name the "
                              "environment variable that holds the right one")
        if status == 404:
            return ModelError(f"the server at {self.url} knows no model {self.server.model}, or its address is "
                              f"another one (mostly it ends in /v1){quoted}")
        if status == 429:
            return ModelError(f"the server at {self.url} has too much to do (429){quoted}; wait, or ask fewer at a "
                              "time")
        if 300 <= status < 400:
            return ModelError(f"the server at {self.url} sends elsewhere ({status}), which is not followed; name the "
                              "address that it leads to, if you trust it")
        if status >= 500:
            return ModelError(f"the server at {self.url} failed ({status}){quoted}; its own log says why")
        return ModelError(f"the server at {self.url} refused the question ({status}){quoted}")

    def unreachable(self, problem: Exception) -> ModelError:
        if isinstance(problem, httpx2.ConnectError | httpx2.ConnectTimeout):
            return ModelError(f"there is no server at {self.url}; start it, or correct the address")
        if isinstance(problem, httpx2.TimeoutException):
            return ModelError(f"the server at {self.url} said nothing for {self.server.timeout:g} seconds; if it is "
                              "only slow, raise `timeout` in models.toml")
        return ModelError(f"the server at {self.url} broke off: {str(problem)[:200] or type(problem).__name__}")

    def message(self, response: httpx2.Response) -> str:
        """What a server says about its refusal: one line of plain text, without the key."""
        try:
            response.read()
            said = response.json()
        except (ValueError, httpx2.HTTPError):
            return ""
        for name in ("error", "detail", "message"):
            if isinstance(said, dict) and said.get(name):
                said = said[name]
        said = " ".join(said.split())[:300] if isinstance(said, str) else ""
        key = os.environ.get(self.server.key, "") if self.server.key else ""
        return said.replace(key, "…") if key else said


def listed(post: Post) -> set[str]:
    """The models that a server says it has; empty where it says nothing about that. Raises ModelError."""
    try:
        response = post.client.get(f"{post.url}/models", headers=post.headers(), timeout=CONNECT)
        if response.status_code in (404, 405, 501):
            return set()
        if response.status_code != 200:
            raise post.refusal(response)
        return {str(each["id"]) for each in response.json()["data"]}
    except httpx2.HTTPError as problem:
        raise post.unreachable(problem) from problem
    except (ValueError, KeyError, TypeError) as problem:
        raise ModelError(f"what answers at {post.url} does not speak the OpenAI protocol: its list of models cannot be "
                         "read; mostly the address ends in /v1") from problem


class Exchange(threading.Thread):
    """Puts Pieces into `pieces`, the last one with `finish`, or the ModelError that ended it."""

    def __init__(self, post: Post, question: dict, pieces: queue.SimpleQueue) -> None:
        super().__init__(name=f"ask {post.spec.id}", daemon=True)
        self.post, self.question, self.pieces = post, question, pieces
        self._closed = threading.Event()
        self._response: httpx2.Response | None = None
        self._tries = 0

    def close(self) -> None:
        """Ends it now: the server sees the connection gone and stops writing."""
        self._closed.set()
        response = self._response
        if response is not None:
            with suppress(OSError, KeyError, AttributeError):  # it ended in this very moment
                response.extensions["network_stream"].get_extra_info("socket").shutdown(socket.SHUT_RDWR)

    def run(self) -> None:
        try:
            for tried in range(TRIES):
                if self._closed.is_set() or self._once(last=tried == TRIES - 1):
                    return
        except BaseException as problem:  # raised again by the thread that reads the pieces
            self.pieces.put(problem)

    def _once(self, last: bool) -> bool:
        """One try: whether it came to an end. Raises ModelError. Text that came is never asked for twice."""
        begun = False
        try:
            with self._asked() as response:
                self._response = response
                if self._closed.is_set():
                    return True
                if response.status_code in AGAIN and not last:
                    self._pause(response.headers.get("retry-after"))
                    return False
                if response.status_code != 200:
                    raise self.post.refusal(response)
                for piece in _pieces(response):
                    begun |= bool(piece.text)
                    self.pieces.put(piece)
                    if piece.finish:
                        return True
            raise ModelError(f"the server at {self.post.url} broke off in the middle of its answer; ask again")
        except httpx2.HTTPError as problem:
            if self._closed.is_set():
                return True
            if begun:
                raise ModelError(f"the server at {self.post.url} broke off in the middle of its answer "
                                 f"({type(problem).__name__}); ask again") from problem
            if last or isinstance(problem, httpx2.ReadTimeout):
                raise self.post.unreachable(problem) from problem
            self._pause(None)
            return False
        finally:
            self._response = None

    def _asked(self):
        """The response, streaming; asked once more without what this server does not know."""
        stream = self._sent()
        response = stream.__enter__()
        optional = set(OPTIONAL) & set(self.question) - self.post.left_out
        said = self.post.message(response) if response.status_code in (400, 422) else ""
        if "max_completion_tokens" in said and "max_tokens" in self.question:
            self.question["max_completion_tokens"] = self.question.pop("max_tokens")
        elif response.status_code in (400, 422) and optional:
            self.post.left_out |= {name for name in optional if name in said} or optional
        else:
            return _Entered(stream, response)
        stream.__exit__(None, None, None)
        return self._asked()

    def _sent(self):
        body = {name: value for name, value in self.question.items() if name not in self.post.left_out}
        return self.post.client.stream("POST", f"{self.post.url}/chat/completions", json=body,
                                       headers=self.post.headers())

    def _pause(self, wished: str | None) -> None:
        tried = min(len(PAUSES) - 1, self._tries)
        self._tries += 1
        try:
            seconds = min(LONGEST_PAUSE, max(0.0, float(wished)))
        except (TypeError, ValueError):
            seconds = PAUSES[tried] * random.uniform(1, 1.3)
        self._closed.wait(seconds if math.isfinite(seconds) else LONGEST_PAUSE)


class _Entered:
    """A stream that was entered already, as a context manager of its response."""

    def __init__(self, stream, response: httpx2.Response) -> None:
        self.stream, self.response = stream, response

    def __enter__(self) -> httpx2.Response:
        return self.response

    def __exit__(self, *problem) -> None:
        self.stream.__exit__(*problem)


def _pieces(response: httpx2.Response) -> Iterator[Piece]:
    """The answer's pieces, from server-sent events, or from one JSON document where the server does not stream."""
    if "json" in response.headers.get("content-type", ""):
        response.read()
        yield _piece(_read(response.text))
        yield Piece(finish="stop")
        return
    finish, counted = "", 0
    for line in response.iter_lines():
        name, _, data = line.partition(":")
        if name != "data":  # a comment that keeps the line open, or an event's name
            continue
        if data.strip() == "[DONE]":
            break
        piece = _piece(_read(data))
        finish, counted = piece.finish or finish, piece.counted or counted
        yield Piece(piece.text, piece.tokens, "", counted)
    else:
        if not finish:
            return  # the stream ended, and the answer did not
    yield Piece("", (), finish or "stop", counted)


def _read(text: str) -> dict:
    try:
        said = json.loads(text)
    except ValueError:
        said = None
    if not isinstance(said, dict):
        raise ModelError(f"the server's answer cannot be read; it says: {' '.join(text.split())[:120]!r}")
    problem = said.get("error") or (said.get("message") if said.get("object") == "error" else None)
    if problem:
        words = problem.get("message") if isinstance(problem, dict) else problem
        raise ModelError(f"the server broke its answer off: {' '.join(str(words).split())[:300]}")
    return said


def _piece(said: dict) -> Piece:
    try:
        counted = int((said.get("usage") or {}).get("completion_tokens") or 0)
        if not said.get("choices"):
            return Piece(counted=counted)
        choice = said["choices"][0]
        text = (choice.get("delta") or choice.get("message") or {}).get("content") or ""
        if isinstance(text, list):
            text = "".join(part.get("text", "") for part in text)
        return Piece(str(text), _tokens(choice.get("logprobs")), str(choice.get("finish_reason") or ""), counted)
    except (AttributeError, KeyError, TypeError, ValueError, IndexError) as problem:
        raise ModelError(f"the server's answer cannot be read: {str(said)[:120]}") from problem


def _tokens(logprobs: object) -> tuple[tuple[bytes, float], ...]:
    """(bytes, log-probability) of each token in a choice's `logprobs`; () for anything that does not look like it."""
    content = logprobs.get("content") if isinstance(logprobs, dict) else None
    if not isinstance(content, list):
        return ()
    found = []
    for each in content:
        try:
            spelt = each.get("bytes")
            bytes_ = bytes(spelt) if spelt is not None else str(each["token"]).encode()
            value = float(each["logprob"])
        except (AttributeError, KeyError, TypeError, ValueError):
            return ()
        found.append((bytes_, value if value <= 0 else math.nan))
    return tuple(found)
