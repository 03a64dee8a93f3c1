"""Corrections after kill -9, on a full disk, behind a lock, in a damaged file, and from three programs at once."""
from __future__ import annotations

import random
import signal
import sqlite3
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path

import filelock
import pytest

from app.store import Conflict, Store, StoreError, database
from app.types import Annotation
from tests.test_datasets import CAT, DOG, drawn  # noqa: F401 a fixture
from tests.test_store_kill import ROOT, go
from tests.test_store_trouble import limit, refused

# Four clients of one program, all on the same few samples; each says what was acknowledged to it, once it was.
PROGRAM = """
import os, random, sys, threading
from app.store import Conflict, Store
from app.types import Annotation
home, name, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
store = Store(home)
ids = [sample.id for sample in store.datasets.samples(store.datasets.find("pets").id)]
os.write(1, b"ready\\n")
sys.stdin.readline()

def client(number):
    chance, seen = random.Random(number), dict.fromkeys(ids, "")
    for turn in range(count):
        id, key = chance.choice(ids), f"{name}-{number}-{turn}"
        while True:
            try:
                saved = store.corrections.save(id, parent=seen[id], author=name, key=key, client=str(number),
                                               truth=[Annotation(key, (1.0, 2.0, 3.0, 4.0))] * 10)
            except Conflict as conflict:
                seen[id] = conflict.newest.id
                continue
            seen[id] = saved.id
            os.write(1, f"{key}\\n".encode())
            break

threads = [threading.Thread(target=client, args=(number,), daemon=True) for number in range(4)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
store.close()
"""


@pytest.fixture
def home(tmp_path, drawn) -> Path:  # noqa: F811
    """With five samples in the dataset "pets"."""
    store = Store(tmp_path / "home")
    store.datasets.add(store.datasets.create("pets").id, drawn(5))
    store.close()
    return tmp_path / "home"


def started(home: Path, name: str, count: int) -> subprocess.Popen:
    return subprocess.Popen([sys.executable, "-c", PROGRAM, str(home), name, str(count)], cwd=ROOT,
                            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def kept(home: Path) -> Counter[str]:
    """The keys of all corrections, read without the store; and the file is whole, and no history forks or has a gap."""
    connection = sqlite3.connect(home / "boxloop.sqlite3")
    assert connection.execute("pragma integrity_check").fetchall() == [("ok",)]
    assert connection.execute("pragma foreign_key_check").fetchall() == []
    forks = "select sample, parent from correction group by 1, 2 having count(*) > 1"
    gaps = "select sample from correction group by 1 having max(seq) != count(*)"
    behind = ("select id from dataset_sample as s where head is not "
              "(select id from correction as c where c.sample = s.id order by seq desc limit 1)")
    assert [connection.execute(wrong).fetchall() for wrong in (forks, gaps, behind)] == [[], [], []]
    found = Counter(key for key, in connection.execute("select key from correction"))
    connection.close()
    return found


@pytest.mark.parametrize("kills", [2, pytest.param(50, marks=[pytest.mark.slow, pytest.mark.timeout(1200)])])
def test_no_acknowledged_correction_is_lost_by_kill_9_under_four_writers(home, kills):
    chance, acknowledged = random.Random(6), []
    for kill in range(kills):
        process = started(home, f"run{kill}", 1_000_000)
        go(process)
        acknowledged += [process.stdout.readline().decode().strip() for _ in range(chance.randint(1, 100))]
        process.send_signal(signal.SIGKILL)
        rest, errors = process.communicate()
        assert not errors, errors.decode()
        acknowledged += [line.decode() for line in rest.splitlines()]
        found = kept(home)
        assert not set(acknowledged) - found.keys(), "an acknowledged correction is lost"
        assert set(found.values()) == {1}
    assert len(acknowledged) >= kills
    store = Store(home)
    sample = next(store.datasets.samples(store.datasets.find("pets").id))
    now = store.corrections.now(sample.id)
    assert store.corrections.save(sample.id, parent=now.id, author="me", key="after", truth=[CAT]).seq == now.seq + 1
    store.close()


@pytest.mark.parametrize("count", [8, pytest.param(150, marks=pytest.mark.slow)])
def test_a_page_a_command_and_a_worker_write_at_once(home, count):
    names = ("page", "command", "worker")
    programs = [started(home, name, count) for name in names]
    go(*programs)
    for program in programs:
        said, errors = program.communicate(timeout=240)
        assert program.returncode == 0, errors.decode()
        assert len(said.splitlines()) == 4 * count
    assert kept(home) == Counter(f"{name}-{number}-{turn}" for name in names for number in range(4)
                                 for turn in range(count))


@pytest.fixture
def opened_home(home):
    store = Store(home)
    yield store
    store.close()


def save(store: Store, key: str, truth: list[Annotation]):
    id = next(store.datasets.samples(store.datasets.find("pets").id)).id
    return store.corrections.save(id, parent=store.corrections.now(id).id, author="me", key=key, truth=truth)


def test_a_full_disk_costs_one_correction_and_the_same_one_is_saved_when_there_is_room(opened_home):
    store = opened_home
    before = save(store, "before", [CAT])
    limit(store, 3)
    many = [Annotation("x" * 100, (1.0, 2.0, 3.0, 4.0)) for _ in range(2_000)]
    assert "is full: what was kept before is safe, but this was not kept" in refused(save, store, "big", many)
    assert store.corrections.now(before.sample) == before and store.corrections.history(before.sample) == [before]
    limit(store, 1 << 20)
    after = save(store, "big", many)
    assert (after.parent, after.seq, len(after.truth)) == (before.id, 2, 2_000)


def test_a_full_disk_stops_an_import_and_the_same_one_goes_on_from_there(opened_home, drawn, monkeypatch):  # noqa: F811
    store = opened_home
    monkeypatch.setattr("app.store.adding.BATCH", 4)
    dataset = store.datasets.create("more")
    given = [replace(one, query=f"{number} {'x' * 1500}") for number in range(30)
             for one in drawn(1, truth=(CAT,) * 20)]
    limit(store, 40)
    assert "is full" in refused(store.datasets.add, dataset.id, given)
    there = store.datasets.find("more").samples
    assert 0 < there < 30 and there % 4 == 0
    limit(store, 1 << 20)
    added = store.datasets.add(dataset.id, given)
    assert (added.already, added.new) == (there, 30 - there)


def test_a_locked_store_says_so_and_keeps_what_was_there(home, monkeypatch):
    monkeypatch.setattr(database, "PATIENCE", 0.2)
    store = Store(home)
    before = save(store, "before", [CAT])
    with filelock.FileLock(f"{home / database.FILE}.lock"):
        assert "has been locked by another program" in refused(save, store, "late", [DOG])
    assert store.corrections.now(before.sample) == before
    assert save(store, "late", [DOG]).parent == before.id
    store.close()


def test_a_damaged_store_says_so_and_is_left_as_it_is(home):
    store = Store(home)
    for number in range(40):
        save(store, str(number), [Annotation("x" * 500, (1.0, 2.0, 3.0, 4.0))] * 3)
    store.close()
    path = home / database.FILE
    content = path.read_bytes()
    path.write_bytes(content[:4096] + b"\xa5" * (len(content) - 4096))
    damaged = path.read_bytes()
    with pytest.raises(StoreError, match="is damaged, or no database"):
        store = Store(home)
        save(store, "late", [CAT])
    assert path.read_bytes()[4096:] == damaged[4096:]


def test_a_kill_between_the_two_steps_of_taking_an_answer_is_made_good_by_taking_it_again(opened_home, tmp_path, photo,
                                                                                          monkeypatch):
    from tests.test_store import answer, begun
    store = opened_home
    comparison = begun(store, photo)
    store.keep(comparison.id, "s1", answer(comparison.samples[0]))
    comparison, dataset = store.comparison(comparison.id, "mine"), store.datasets.open("taken")
    with monkeypatch.context() as patch:
        patch.setattr(store.corrections, "save", lambda *_, **__: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            store.datasets.take(comparison, "s1", "m1", dataset.id, author="me", key="k")
    assert store.datasets.find("taken").samples == 1
    taken = store.datasets.take(comparison, "s1", "m1", dataset.id, author="me", key="k")
    assert taken.seq == 1 and store.datasets.find("taken").samples == 1
    assert store.datasets.take(comparison, "s1", "m1", dataset.id, author="me", key="k") == taken


def test_nothing_waits_for_a_reader_that_went_away(opened_home):
    """A page that was closed in the middle of a list leaves nothing open."""
    store = opened_home
    listed = store.datasets.samples(store.datasets.find("pets").id)
    next(listed)
    save(store, "meanwhile", [CAT])
    with pytest.raises(Conflict):
        id = next(listed).id
        store.corrections.save(id, parent=None, author="a", key="1", truth=[CAT])
        store.corrections.save(id, parent=None, author="b", key="2", truth=[DOG])
