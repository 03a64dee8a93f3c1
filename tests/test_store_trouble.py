"""A full disk, a damaged file, a lock, a bad row, another version: one sentence, and what was kept stays."""
from __future__ import annotations

import resource
import sqlite3
import threading
from collections.abc import Sequence

import filelock
import pytest
import sqlalchemy as sa

from app import pictures, tasks
from app.store import Store, StoreError, database, schema
from app.types import Comparison, Generation, Prediction, Sample

TODAY = 1 + len(schema.MIGRATIONS)  # the version of the tables


@pytest.fixture
def store(tmp_path):
    store = Store(tmp_path / "home")
    yield store
    store.close()


@pytest.fixture
def comparison(store, photo) -> Comparison:
    return store.begin("mine", [Sample("s1", (pictures.read(photo),), "detect", "cat")], ["m1"])


def answer(comparison: Comparison, text: str = "", model: str = "m1") -> Prediction:
    return Prediction(model, None, tasks.request(comparison.samples[0].images, "detect", "cat"), Generation(), "", text,
                      None, (), "empty", (), 0, 0.0, None)


def refused(call, *arguments) -> str:
    """The one sentence with which the store refuses."""
    with pytest.raises(StoreError) as problem:
        call(*arguments)
    assert "\n" not in str(problem.value) and "Traceback" not in str(problem.value)
    return str(problem.value)


def test_a_full_disk_is_said_and_what_was_kept_stays_and_it_goes_on_when_there_is_room(store, comparison):
    store.keep(comparison.id, "s1", answer(comparison, "before"))
    limit(store, 20)
    with pytest.raises(StoreError, match=r"disk of the store .* is full: what was kept before is safe"):
        for _ in range(200):
            store.keep(comparison.id, "s1", answer(comparison, "x" * 5000))
    assert "is full" in refused(store.keep, comparison.id, "s1", answer(comparison, "x" * 500_000))
    assert store.comparison(comparison.id, "mine").answers["s1", "m1"].text == "x" * 5000
    limit(store, 1 << 30)
    store.keep(comparison.id, "s1", answer(comparison, "after"))
    assert store.comparison(comparison.id, "mine").answers["s1", "m1"].text == "after"


def limit(store: Store, pages: int) -> None:
    """A disk that has room for so many pages more."""
    with store._database.writing() as connection:
        now = connection.exec_driver_sql("pragma page_count").scalar()
        connection.exec_driver_sql(f"pragma max_page_count={now + pages}")


def test_a_disk_that_refuses_to_write_is_said_and_the_store_goes_on(store, comparison, photos):
    store.keep(comparison.id, "s1", answer(comparison, "before"))
    big = pictures.read(photos((900, 900)))
    usual = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, usual[1]))  # every file, also the log that SQLite writes first
    try:
        sentences = [refused(store.keep, comparison.id, "s1", answer(comparison, "lost")),
                     refused(store.keep_picture, big), refused(store.share, comparison.id, "mine")]
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, usual)
    assert all("could not be read or written" in sentence for sentence in sentences), sentences
    assert store.comparison(comparison.id, "mine").answers["s1", "m1"].text == "before"
    assert store.keep_picture(big).size == (900, 900)
    store.keep(comparison.id, "s1", answer(comparison, "after"))
    assert store.comparison(comparison.id, "mine").answers["s1", "m1"].text == "after"


def test_a_bad_row_fails_alone_and_its_neighbours_are_kept(store, comparison):
    """Those that queued up behind a slow one are one batch; each still gets its own outcome."""
    going, go, outcomes = threading.Event(), threading.Event(), {}

    def slow(connection):
        going.set()
        go.wait(10)

    def row(model: str):
        def work(connection):
            connection.execute(schema.prediction.insert().values(
                id=model, comparison=comparison.id, sample="nowhere" if model == "bad" else "s1", model=model,
                answer={}, created=0.0))
            if model == "bug":
                raise KeyError("a bug of ours")
            return model
        return work

    def ask(model: str, work) -> None:
        try:
            outcomes[model] = store._writer.write(work)
        except Exception as problem:
            outcomes[model] = problem

    threads = [threading.Thread(target=ask, args=("slow", slow))]
    threads += [threading.Thread(target=ask, args=(model, row(model))) for model in ("a", "bad", "b", "bug", "c")]
    threads[0].start()
    going.wait(10)
    for thread in threads[1:]:
        thread.start()
    while store._writer._queue.qsize() < 5:
        threading.Event().wait(0.01)
    go.set()
    for thread in threads:
        thread.join(10)
    assert [outcomes[model] for model in ("a", "b", "c")] == ["a", "b", "c"]
    assert isinstance(outcomes["bug"], KeyError)
    assert isinstance(outcomes["bad"], StoreError) and "FOREIGN KEY" in str(outcomes["bad"])
    with store._database.reading() as connection:
        assert set(connection.scalars(sa.select(schema.prediction.c.model))) == {"a", "b", "c"}


def test_what_queued_up_is_committed_together(store, comparison, monkeypatch):
    commits, going, go = [], threading.Event(), threading.Event()
    sa.event.listen(store._database._writers, "commit", commits.append)
    slow = threading.Thread(target=store._writer.write, args=(lambda _: (going.set(), go.wait(10)),))
    slow.start()
    going.wait(10)
    clients = [threading.Thread(target=store.keep, args=(comparison.id, "s1", answer(comparison, model=f"m{number}")))
               for number in range(20)]
    for client in clients:
        client.start()
    while store._writer._queue.qsize() < 20:
        threading.Event().wait(0.01)
    go.set()
    for client in [slow, *clients]:
        client.join(10)
    assert len(store.comparison(comparison.id, "mine").answers) == 20
    assert len(commits) == 2


def test_readers_do_not_wait_for_the_writer(store, comparison):
    with store._database.writing() as connection:
        connection.execute(schema.comparison.update().values(removed=1.0))
        assert store.comparison(comparison.id, "mine") == comparison


@pytest.mark.parametrize("who", ["another Boxloop", "another program"])
def test_a_lock_that_is_not_given_back_is_said(tmp_path, photo, monkeypatch, who):
    monkeypatch.setattr(database, "PATIENCE", 0.2)
    store = Store(tmp_path / "home")
    if who == "another Boxloop":
        lock = filelock.FileLock(tmp_path / "home" / f"{database.FILE}.lock")
        lock.acquire()
        free = lock.release
    else:
        other = sqlite3.connect(tmp_path / "home" / database.FILE, isolation_level=None)
        other.execute("begin immediate")
        free = other.close
    assert "has been locked by another program" in refused(store.keep_picture, pictures.read(photo))
    free()
    assert store.keep_picture(pictures.read(photo)).sha256
    store.close()


@pytest.mark.parametrize("content", [b"garbage " * 1000, b"SQLite format 3\x00" + b"\xff" * 5000])
def test_a_file_that_is_no_database_is_said_and_left_as_it_is(tmp_path, content):
    (tmp_path / database.FILE).write_bytes(content)
    assert "is damaged, or no database" in refused(Store, tmp_path)
    assert (tmp_path / database.FILE).read_bytes() == content


def test_a_store_damaged_in_its_middle_is_said_when_it_is_read(tmp_path, photo):
    store = Store(tmp_path)
    comparison = store.begin("mine", [Sample("s1", (pictures.read(photo),), "detect", "cat")], ["m1"])
    for number in range(30):
        store.keep(comparison.id, "s1", answer(comparison, "x" * 3000, f"m{number}"))
    store.close()
    content = (tmp_path / database.FILE).read_bytes()
    (tmp_path / database.FILE).write_bytes(content[:4096] + b"\xa5" * (len(content) - 4096))
    with pytest.raises(StoreError, match="is damaged, or no database"):
        Store(tmp_path).comparison(comparison.id, "mine")


def test_a_database_of_another_program_is_left_alone(tmp_path):
    other = sqlite3.connect(tmp_path / database.FILE)
    other.execute("create table cookies (host text)")
    other.close()
    assert "database of another program (its tables: cookies)" in refused(Store, tmp_path)


def test_a_home_that_is_a_file_is_said(tmp_path):
    (tmp_path / "home").write_text("not a folder")
    assert "the store in" in refused(Store, tmp_path / "home")


def test_an_older_store_becomes_a_newer_one_and_a_newer_one_is_refused(tmp_path, photo):
    store = Store(tmp_path)
    comparison = store.begin("mine", [Sample("s1", (pictures.read(photo),), "detect", "cat")], ["m1"])
    with store._database.writing() as connection:
        schema.bring_up(connection, "the store", (*schema.MIGRATIONS, add_note, fill_note))
    with store._database.reading() as connection:
        assert connection.exec_driver_sql("select note from comparison").all() == [("old",)]
        assert connection.scalar(sa.select(schema.version.c.version)) == TODAY + 2
    with store._database.writing() as connection:
        schema.bring_up(connection, "the store", (*schema.MIGRATIONS, add_note, fill_note))  # once is enough
    assert store.comparison(comparison.id, "mine") == comparison
    store.close()
    sentence = refused(Store, tmp_path)
    assert f"written by a newer Boxloop (version {TODAY + 2} of its tables, this one knows {TODAY})" in sentence


def test_a_migration_that_fails_leaves_the_store_as_it_was(store, comparison):
    def broken(connection):
        add_note(connection)
        raise StoreError("no")
    with pytest.raises(StoreError), store._database.writing() as connection:
        schema.bring_up(connection, "the store", (*schema.MIGRATIONS, broken))
    with store._database.reading() as connection:
        assert "note" not in {column["name"] for column in sa.inspect(connection).get_columns("comparison")}
        assert connection.scalar(sa.select(schema.version.c.version)) == TODAY


def add_note(connection) -> None:
    connection.exec_driver_sql("alter table comparison add column note text")


def fill_note(connection) -> None:
    connection.exec_driver_sql("update comparison set note = 'old'")


def test_a_closed_store_says_so(tmp_path, photo):
    store = Store(tmp_path)
    store.close()
    store.close()
    assert "is closed" in refused(store._writer.write, lambda connection: None)


@pytest.mark.parametrize(("url", "words"), [
    ("postgresql://boxloop:secret@127.0.0.1:1/nothing", ["cannot be reached", "127.0.0.1"]),
    ("mysql://boxloop:secret@localhost/x", ["not mysql"]),
    ("sqlite://", ["sqlite:////folder"]),
    ("secret", ["BOXLOOP_STORE"]),
])
def test_a_database_that_cannot_be_had_is_one_sentence_without_the_password(tmp_path, url: str, words: Sequence[str]):
    with pytest.raises(StoreError) as refused:
        Store(tmp_path, url)
    assert all(word in str(refused.value) for word in words), refused.value
    assert "secret" not in str(refused.value) and "\n" not in str(refused.value)


def test_the_environment_names_the_store(tmp_path, monkeypatch):
    monkeypatch.setenv("BOXLOOP_STORE", f"sqlite:///{tmp_path}/other.sqlite3")
    Store(tmp_path / "home").close()
    assert (tmp_path / "other.sqlite3").is_file() and not (tmp_path / "home/boxloop.sqlite3").exists()
