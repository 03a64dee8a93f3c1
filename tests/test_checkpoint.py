"""A checkpoint comes from the Hub's cache or the Hub; each way in which it does not come has its own sentence.

The Hub's settings are read once, so each setting has a process of its own, and asks a real server on this machine.
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
for name in sys.argv[1:]:
    try:
        print(local.load(ModelSpec("q", "paligemma", "local", f"someone/{name}", "main")).revision)
    except ModelError as problem:
        print(problem)
"""
COMMIT = "0123456789abcdef0123456789abcdef01234567"
REFUSED = {  # what the Hub answers for a model, as it words it, and what we say
    "gated": (403, "GatedRepo", "accept its licence at https://huggingface.co/someone/gated, then set HF_TOKEN"),
    "absent": (404, "RepoNotFound", "the Hub has no model someone/absent"),
    "older": (404, "RevisionNotFound", "someone/older has no revision main"),
    "down": (500, "", "the Hub cannot be reached"),
}
NOWHERE = {"HF_ENDPOINT": "http://127.0.0.1:9"}  # nothing listens there


def load(home, *names: str, **environment) -> list[str]:
    """What loading each of the models says, one line each."""
    kept = {name: value for name, value in os.environ.items() if name not in ("HF_HUB_OFFLINE", "HF_TOKEN")}
    done = subprocess.run([sys.executable, "-c", LOAD, *names], cwd=ROOT, text=True, capture_output=True, timeout=120,
                          env=kept | {"HF_HOME": str(home)} | environment)
    assert done.returncode == 0, done.stderr
    said = done.stdout.splitlines()
    assert len(said) == len(names), done.stdout
    return said


@pytest.fixture
def hub():
    """The address of a server that refuses each model in its way."""
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            status, code, _ = next(told for name, told in REFUSED.items() if f"/someone/{name}/" in f"{self.path}/")
            self.send_response(status)
            self.send_header("X-Error-Code", code)
            self.send_header("Content-Length", "0")
            self.end_headers()

        do_HEAD = do_GET

        def log_message(self, *_):
            pass  # standard error belongs to the test

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_what_the_hub_refuses_is_one_sentence_with_what_to_do(tmp_path, hub):
    for said, (name, (_, _, sentence)) in zip(load(tmp_path, *REFUSED, HF_ENDPOINT=hub), REFUSED.items(), strict=True):
        assert sentence in said, name


def test_without_the_hub_a_whole_model_in_the_cache_loads_and_a_cut_download_does_not(tmp_path, checkpoint):
    for name in ("cached", "cut"):
        cached = tmp_path / "hub" / f"models--someone--{name}"
        shutil.copytree(checkpoint("paligemma"), cached / "snapshots" / COMMIT)
        (cached / "refs").mkdir()
        (cached / "refs" / "main").write_text(COMMIT)
    (cached / "snapshots" / COMMIT / "model.safetensors").unlink()
    absent, whole, cut = load(tmp_path, "absent", "cached", "cut", **NOWHERE)
    assert absent == ("someone/absent is not on this machine and the Hub cannot be reached; connect to the internet "
                      "once to download it, or choose a shipped model")
    assert whole == COMMIT
    assert "holds no weights" in cut or "the Hub cannot be reached" in cut


def test_offline_mode_is_a_hub_that_cannot_be_reached(tmp_path):
    [said] = load(tmp_path, "absent", HF_HUB_OFFLINE="1")
    assert "the Hub cannot be reached" in said


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
