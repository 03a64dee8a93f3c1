"""What was acknowledged is there after kill -9, and while another process writes too."""
from __future__ import annotations

import itertools
import random
import signal
import sqlite3
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from app import pictures
from app.store import Store
from app.types import Sample

ROOT = Path(__file__).resolve().parent.parent

# Four threads; each says on standard output what was acknowledged to it, once it was.
PROGRAM = """
import os, sys, threading
from app import tasks
from app.store import Store
from app.types import Annotation, Generation, Prediction
home, id, name, count = *sys.argv[1:4], int(sys.argv[4])
store = Store(home)
sample, = store.comparison(id, "mine").samples
os.write(1, b"ready\\n")
sys.stdin.readline()
boxes = tuple(Annotation("cat", (1.0, 2.0, 3.0, 4.0)) for _ in range(10))

def client(number):
    for turn in range(count):
        text = f"{name}-{number}-{turn}"
        store.keep(id, "s1", Prediction(f"m{number}", None, tasks.request(sample.images, "detect", "cat"), Generation(),
                                        "detect cat", text, None, boxes, "ok", (), 1, 0.1, None))
        os.write(1, f"{text}\\n".encode())

threads = [threading.Thread(target=client, args=(number,), daemon=True) for number in range(4)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
store.close()
"""


@pytest.fixture
def comparison(tmp_path, photo) -> str:
    store = Store(tmp_path / "home")
    begun = store.begin("mine", [Sample("s1", (pictures.read(photo),), "detect", "cat")], ["m0", "m1", "m2", "m3"])
    store.close()
    return begun.id


def started(home: Path, comparison: str, name: str, count: int) -> subprocess.Popen:
    return subprocess.Popen([sys.executable, "-c", PROGRAM, str(home), comparison, name, str(count)], cwd=ROOT,
                            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def go(*processes: subprocess.Popen) -> None:
    """Once all have opened the store, they begin together."""
    for process in processes:
        assert process.stdout.readline() == b"ready\n", process.communicate()[1].decode()
    for process in processes:
        process.stdin.write(b"go\n")
        process.stdin.flush()


def kept(home: Path) -> Counter[str]:
    """The texts of all answers, read without the store; and the file is whole."""
    connection = sqlite3.connect(home / "boxloop.sqlite3")
    assert connection.execute("pragma integrity_check").fetchall() == [("ok",)]
    assert connection.execute("pragma foreign_key_check").fetchall() == []
    found = Counter(text for text, in connection.execute("select json_extract(answer, '$.text') from prediction"))
    connection.close()
    return found


@pytest.mark.parametrize("kills", [3, pytest.param(50, marks=[pytest.mark.slow, pytest.mark.timeout(900)])])
def test_a_comparison_survives_kill_9(tmp_path, comparison, kills):
    home, chance = tmp_path / "home", random.Random(1)
    acknowledged: list[str] = []
    for kill in range(kills):
        process = started(home, comparison, f"run{kill}", 1_000_000)
        go(process)
        acknowledged += [process.stdout.readline().decode().strip() for _ in range(chance.randint(1, 120))]
        process.send_signal(signal.SIGKILL)  # while four threads write
        rest, errors = process.communicate()
        assert not errors, errors.decode()
        acknowledged += [line.decode() for line in rest.splitlines(keepends=False)]
        missing = set(acknowledged) - kept(home).keys()
        assert not missing, f"{len(missing)} of {len(acknowledged)} acknowledged answers are lost"
    store = Store(home)
    shown = store.comparison(comparison, "mine").answers
    store.close()
    assert {model for _, model in shown} <= {"m0", "m1", "m2", "m3"} and len(acknowledged) >= kills


def test_two_processes_write_at_once_and_neither_waits_for_the_other_to_end(tmp_path, comparison):
    home, count = tmp_path / "home", 300  # a second or so: a busy machine lets one process run for a tenth of it
    both = [started(home, comparison, name, count) for name in ("page", "command")]
    go(*both)
    for process in both:
        _, errors = process.communicate(timeout=120)
        assert process.returncode == 0, errors.decode()
    assert kept(home) == Counter(f"{name}-{number}-{turn}" for name in ("page", "command") for number in range(4)
                                 for turn in range(count))
    connection = sqlite3.connect(home / "boxloop.sqlite3")
    order = [text.split("-")[0] for text, in connection.execute(
        "select json_extract(answer, '$.text') from prediction order by seq")]
    connection.close()
    turns = [len(list(run)) for _, run in itertools.groupby(order)]
    assert len(turns) > 30, f"one was held up: so many rows at a time came from either: {turns}"
