"""A checkpoint comes from the Hub's cache or the Hub; each way in which it does not come has its own sentence.

The Hub's settings are read once, so each case has a process of its own, and asks a real server on this machine.
"""
from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from app.backends import ModelError
from app.backends.checkpoint import within_memory
from app.types import ModelSpec
from tests.conftest import ROOT

LOAD = """
import sys
from app.backends import ModelError, local
from app.types import ModelSpec
try:
    print(local.load(ModelSpec("q", "paligemma", "local", "someone/model", "main")).revision)
except ModelError as problem:
    print(problem)
"""


def load(tmp_path, **environment) -> str:
    kept = {name: value for name, value in os.environ.items() if name not in ("HF_HUB_OFFLINE", "HF_TOKEN")}
    done = subprocess.run([sys.executable, "-c", LOAD], cwd=ROOT, text=True, capture_output=True, timeout=120,
                          env=kept | {"HF_HOME": str(tmp_path)} | environment)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.fixture
def hub():
    """A server that answers everything with one error, as the Hub words it: hub(status, code) → its address."""
    servers = []

    def answering(status: int, code: str) -> str:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                self.send_response(status)
                self.send_header("X-Error-Code", code)
                self.send_header("Content-Length", "0")
                self.end_headers()

            do_HEAD = do_GET

            def log_message(self, *_):
                pass  # standard error belongs to the test

        servers.append(HTTPServer(("127.0.0.1", 0), Handler))
        threading.Thread(target=servers[-1].serve_forever, daemon=True).start()
        return f"http://127.0.0.1:{servers[-1].server_port}"

    yield answering
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize(("status", "code", "sentence"), [
    (403, "GatedRepo", "accept its licence at https://huggingface.co/someone/model, then set HF_TOKEN"),
    (404, "RepoNotFound", "the Hub has no model someone/model"),
    (404, "RevisionNotFound", "someone/model has no revision main"),
    (500, "", "the Hub cannot be reached"),
])
def test_what_the_hub_refuses_is_one_sentence_with_what_to_do(tmp_path, hub, status, code, sentence):
    said = load(tmp_path, HF_ENDPOINT=hub(status, code))
    assert sentence in said and len(said.splitlines()) == 1


def test_a_hub_that_cannot_be_reached_is_said_with_what_to_do(tmp_path):
    said = load(tmp_path, HF_ENDPOINT="http://127.0.0.1:9")  # nothing listens there
    assert said == ("someone/model is not on this machine and the Hub cannot be reached; connect to the internet once "
                    "to download it, or choose a shipped model")


def test_offline_mode_is_a_hub_that_cannot_be_reached(tmp_path):
    assert "the Hub cannot be reached" in load(tmp_path, HF_HUB_OFFLINE="1")


def test_a_model_in_the_cache_needs_no_hub_and_its_revision_is_the_commit(tmp_path, checkpoint):
    commit = "0123456789abcdef0123456789abcdef01234567"
    cached = tmp_path / "hub" / "models--someone--model"
    shutil.copytree(checkpoint("paligemma"), cached / "snapshots" / commit)
    (cached / "refs").mkdir()
    (cached / "refs" / "main").write_text(commit)
    assert load(tmp_path, HF_ENDPOINT="http://127.0.0.1:9") == commit


def test_a_cut_download_is_not_taken_for_the_model(tmp_path, checkpoint):
    commit = "0123456789abcdef0123456789abcdef01234567"
    cached = tmp_path / "hub" / "models--someone--model"
    shutil.copytree(checkpoint("paligemma"), cached / "snapshots" / commit)
    (cached / "snapshots" / commit / "model.safetensors").unlink()
    (cached / "refs").mkdir()
    (cached / "refs" / "main").write_text(commit)
    said = load(tmp_path, HF_ENDPOINT="http://127.0.0.1:9")
    assert "holds no weights" in said or "the Hub cannot be reached" in said


@pytest.mark.parametrize("problem", [
    MemoryError(),
    RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB"),
    RuntimeError("[enforce fail at alloc_cpu.cpp:127] DefaultCPUAllocator: can't allocate memory"),
])
def test_every_way_of_running_out_of_memory_names_the_setting_and_the_need(problem):
    spec = ModelSpec("big", "paligemma", "local", "x", needs={"gpu_gb": 8})
    with pytest.raises(ModelError, match=r"big ran out of memory \(it needs about 8 GB\); lower the pixel budget"), \
            within_memory(spec):
        raise problem


def test_other_faults_are_not_called_memory():
    with pytest.raises(RuntimeError, match="shapes"), within_memory(ModelSpec("m", "paligemma", "local", "x")):
        raise RuntimeError("shapes do not match")
