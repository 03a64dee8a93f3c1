"""A run folder: what a worker writes there, and what others can read of it, whole or damaged."""
from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from app.jobs import run
from app.jobs.run import Damaged, Run
from app.types import Progress

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture
def folder(tmp_path) -> Path:
    path = tmp_path / "261126-120000-abc123"
    path.mkdir()
    (path / "spec.json").write_text('{"steps": 3}')
    return path


def test_a_worker_reads_its_spec_and_says_how_far_it_is(folder):
    with Run(folder) as worker:
        assert worker.spec == {"steps": 3} and run.progress(folder, 0.0) is None
        worker.progress(1, 4, "reading")
        first = run.state(folder)
        assert first["status"] == "running" and first["pid"] == os.getpid()
        assert run.progress(folder, first["updated"]) == Progress(1, 4, "reading", None)
        worker.progress(4, 4, "reading")
        assert run.progress(folder, first["updated"] + 100) == Progress(4, 4, "reading", 0.0)
        worker.finish({"kept": 4})
    assert run.state(folder)["status"] == "done" and run.result(folder) == {"kept": 4}


def test_the_time_left_is_that_of_the_pace_so_far(folder, monkeypatch):
    clock = [1000.0]
    monkeypatch.setattr(run.time, "time", lambda: clock[0])
    worker = Run(folder)
    worker.progress(500, 1000, "reading")  # a resumed job begins in the middle: that is no pace
    clock[0] += 10
    worker.progress(600, 1000, "reading")
    assert run.progress(folder, clock[0]).left == 40.0
    assert run.progress(folder, clock[0] + 15).left == 25.0
    worker.progress(5, 20, "writing")  # another count, another pace
    assert run.progress(folder, clock[0]).left is None
    worker.progress(7, None, "looking")
    assert run.progress(folder, clock[0]) == Progress(7, None, "looking", None)


@pytest.mark.parametrize("problem, said", [
    (ValueError("row 3 has no box"), "row 3 has no box"),
    (KeyError("width"), "a fault in Boxloop (KeyError: 'width'); the log has the details"),
    (MemoryError(), "the memory of this machine was not enough"),
    (FileNotFoundError(2, "No such file or directory", "/a/b"), "No such file or directory: /a/b"),
])
def test_a_failure_is_a_sentence_in_the_state_and_its_trace_is_in_the_log(folder, problem, said, capsys):
    with pytest.raises(SystemExit) as ended, Run(folder):
        raise problem
    assert ended.value.code == 1
    told = run.state(folder)
    assert told["status"] == "failed" and said in told["problem"]
    assert ("Traceback" in capsys.readouterr().err) == (not isinstance(problem, ValueError))


def test_an_end_without_a_result_is_a_failure(folder):
    with pytest.raises(SystemExit), Run(folder):
        pass
    assert run.state(folder)["problem"] == "it ended without a result"


def test_the_request_to_end_is_heard(folder):
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(SystemExit) as ended, Run(folder) as worker:
        os.kill(os.getpid(), signal.SIGTERM)
        assert worker.cancelled
    assert ended.value.code == 143 and run.state(folder)["status"] == "cancelled"
    assert signal.getsignal(signal.SIGTERM) == before


def test_two_workers_never_share_a_run(folder):
    with Run(folder) as worker:
        done = subprocess.run([sys.executable, "-m", "tests.workers", folder], cwd=ROOT, capture_output=True, text=True)
        assert done.returncode == 1 and "another process works on the run" in done.stderr
        worker.finish()


def test_half_a_line_of_events_swallows_no_other(folder):
    worker = Run(folder)
    worker.event("step", loss=0.5)
    with (folder / "events.jsonl").open("a") as file:
        file.write('{"t": 1, "name": "st')
    worker.event("step", loss=0.25)
    worker.event("end")
    assert [told["loss"] for told in run.events(folder, "step")] == [0.5, 0.25]
    assert [told["name"] for told in run.events(folder)] == ["step", "step", "end"]


@pytest.mark.parametrize("content", [
    b"", b"{", b"[1]", b'"x"', b"\xff\xfe", b'{"done": 1}',
    b'{"done": "x", "left": "y", "total": 2, "words": "", "updated": 0}'])
def test_a_damaged_state_is_said(folder, content):
    (folder / "state.json").write_bytes(content)
    with pytest.raises(Damaged, match=r"state\.json"):
        run.progress(folder, 0.0)


def test_a_removed_folder_is_said(tmp_path):
    gone = tmp_path / "gone"
    for read in (run.spec, run.state, run.result):
        with pytest.raises(Damaged, match="the folder of the run gone was removed"):
            read(gone)
    assert run.tail(gone) == [] and list(run.events(gone)) == []


def test_the_log_is_read_from_its_end_and_without_what_terminals_do(folder):
    bar = "\r".join(f"{part}%" for part in range(0, 101, 10))
    (folder / "log.txt").write_bytes(b"x" * 200_000 + f"\n\x1b[31mred\x1b[0m\x00\n{bar}\n\xff\n\n".encode("latin-1"))
    assert run.tail(folder, 3) == ["red", "100%", "\ufffd"]


def test_the_state_can_be_read_at_any_moment(folder):
    worker = Run(folder)
    for done in range(300):
        worker.progress(done, 300, f"row {done}")
        assert json.loads((folder / "state.json").read_bytes())["done"] == done


def test_a_worker_starts_without_the_store_and_heavy_packages():
    program = ("import sys, app.jobs.run; heavy = {'sqlalchemy', 'torch', 'gradio', 'numpy', 'app.store'} & "
               "set(sys.modules); assert not heavy, heavy")
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
