"""What is kept comes back as it was, to whom it belongs, from SQLite and from PostgreSQL alike."""
from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa

from app import pictures, tasks
from app.store import NotFound, Store, StoreError, moving, schema
from app.store.database import open_database
from app.types import Annotation, Comparison, Frame, Generation, Point, Prediction, Sample

# NUL, half a surrogate pair, the escape itself, SQL, a script, right-to-left and a picture character
HOSTILE = "\x00\ud800\x10\x100000'; drop table image; --<script>alert(1)</script>\u202e🐈\n\ufffe"


@pytest.fixture(scope="session")
def server():
    """The URL of a PostgreSQL that this test started, on a socket in a folder of its own."""
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    if not folders:
        pytest.skip("PostgreSQL is not installed (apt install postgresql)")
    pytest.importorskip("psycopg", reason="psycopg is not installed (requirements-dev.txt)")
    folder, user = Path(tempfile.mkdtemp(prefix="pg-", dir="/tmp")), None
    if os.geteuid() == 0:  # PostgreSQL refuses to run as root
        user = "nobody"
        shutil.chown(folder, user)

    def call(name: str, *arguments: str) -> None:
        subprocess.run([folders[-1] / name, "-D", folder / "data", *arguments], user=user, cwd=folder, check=True,
                       env={"LC_ALL": "C.UTF-8", "PATH": os.environ["PATH"]}, stdout=subprocess.DEVNULL, timeout=60)

    call("initdb", "-U", "boxloop", "--auth=trust", "--no-sync", "--encoding=UTF8")
    call("pg_ctl", "-w", "-l", str(folder / "log"), "-o", f"-c listen_addresses='' -k {folder} -F", "start")
    yield f"postgresql://boxloop@/postgres?host={folder}"
    call("pg_ctl", "-w", "-m", "immediate", "stop")
    shutil.rmtree(folder)


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request) -> str | None:
    """The address of an empty store; None is the file in the home."""
    if request.param == "sqlite":
        return None
    server = request.getfixturevalue("server")
    empty(server)
    return server


def empty(server: str) -> None:
    engine = sa.create_engine(server.replace("postgresql:", "postgresql+psycopg:"))
    with engine.begin() as connection:
        schema.metadata.drop_all(connection)
    engine.dispose()


@pytest.fixture
def opened(tmp_path):
    """opened(url) → a Store at home in tmp_path, closed after the test."""
    stores = []

    def open_store(url: str | None = None) -> Store:
        stores.append(Store(tmp_path / "home", url))
        return stores[-1]
    yield open_store
    for store in stores:
        store.close()


def sample(photo: Path, id: str = "s1", **named) -> Sample:
    image = replace(pictures.read(photo), name=named.pop("name", "photo.png"))
    return Sample(id, (image,), "detect", "cat; dog", **named)


def answer(sample: Sample, model: str = "m1", text: str = "two cats") -> Prediction:
    whiskers = (Point("left", 1.25, 1 / 3, "hidden"), Point("right", 0.0, 1e-9))
    return Prediction(model, None, tasks.request(sample.images, sample.task, sample.query, caption="a"), Generation(),
                      "detect cat", text, Frame((64, 48), (224, 224)),
                      (Annotation("cat", (0.1, 2.0, 30.7, 40.0), whiskers, 0.9), Annotation("dog", area=5.5)),
                      "ok", ("one box was cut",), 12, 0.5, None)


def begun(store: Store, photo: Path, owner: str = "mine") -> Comparison:
    return store.begin(owner, [sample(photo)], ["m1", "m2"])


def test_a_comparison_comes_back_as_it_was(opened, url, photo, photos):
    truth = (Annotation("cat", (1.0, 2.0, 3.0, 4.0)),)
    given = [sample(photo, "s1", truth=None), sample(photo, "s2", truth=()),
             sample(photos((30, 20)), "s0", truth=truth, answer="yes", source="pets.csv")]
    store = opened(url)
    comparison = store.begin("mine", given, ["m1", "m2"])
    kept = {(one.id, model): answer(one, model) for one in comparison.samples for model in comparison.models}
    for (id, _), prediction in kept.items():
        store.keep(comparison.id, id, prediction)
    again = opened(url).comparison(comparison.id, "mine")
    assert again == replace(comparison, answers=kept)
    assert [one.id for one in again.samples] == ["s1", "s2", "s0"] and again.models == ("m1", "m2")
    assert [one.truth for one in again.samples] == [None, (), truth]
    assert [replace(one, images=()) for one in again.samples] == [replace(one, images=()) for one in given]


def test_hostile_text_comes_back_exactly(opened, url, photo):
    store = opened(url)
    comparison = store.begin(HOSTILE, [sample(photo, HOSTILE, name=HOSTILE, source=HOSTILE)], [HOSTILE])
    asked, = comparison.samples
    given = replace(answer(asked, HOSTILE, HOSTILE), annotations=(Annotation(HOSTILE),))
    store.keep(comparison.id, HOSTILE, given)
    assert store.comparison(comparison.id, HOSTILE).answers == {(HOSTILE, HOSTILE): given}
    assert asked.id == asked.images[0].name == asked.source == HOSTILE


def test_the_newest_answer_of_a_model_is_shown_and_the_older_stay(opened, url, photo):
    store = opened(url)
    comparison = begun(store, photo)
    asked, = comparison.samples
    ids = [store.keep(comparison.id, "s1", answer(asked, "m1", text)) for text in ("first", "second", "third")]
    assert len(set(ids)) == 3
    assert store.comparison(comparison.id, "mine").answers["s1", "m1"].text == "third"
    with store._database.reading() as connection:
        assert connection.scalar(sa.select(sa.func.count()).select_from(schema.prediction)) == 3


def test_an_answer_needs_its_sample_and_its_picture(opened, url, photo, photos):
    store = opened(url)
    comparison = begun(store, photo)
    asked, = comparison.samples
    for comparison_id, sample_id in [("nowhere", "s1"), (comparison.id, "s9"), (HOSTILE, HOSTILE)]:
        with pytest.raises(NotFound, match="no sample"):
            store.keep(comparison_id, sample_id, answer(asked))
    with pytest.raises(ValueError, match="another picture"):
        store.keep(comparison.id, "s1", answer(sample(photos((8, 8)))))
    with pytest.raises(ValueError, match=r"annotations\[0\].box\[2\] is nan"):
        store.keep(comparison.id, "s1", replace(answer(asked), annotations=(Annotation("", (0, 0, float("nan"), 1)),)))
    assert store.comparison(comparison.id, "mine").answers == {}


def test_samples_need_a_picture_and_an_id_of_their_own(opened, photo):
    store = opened()
    for samples in ([], [sample(photo), sample(photo)], [replace(sample(photo), images=())]):
        with pytest.raises(ValueError, match="a picture and an id"):
            store.begin("mine", samples, ["m1"])
    assert store.comparisons("mine") == []


def test_what_is_anothers_is_as_if_it_were_not_there(opened, url, photo):
    store = opened(url)
    comparison = begun(store, photo)
    for use in (store.comparison, store.remove, store.restore, store.share, store.revoke):
        sentences = [refusal(use, comparison.id, "other"), refusal(use, "0" * 32, "mine")]
        assert sentences[0].replace(comparison.id, "X") == sentences[1].replace("0" * 32, "X")
        assert "NotFound" in refusal(use, HOSTILE, HOSTILE)
    assert store.comparisons("other") == []
    assert store.comparison(comparison.id, "mine") == comparison


def refusal(use: Callable, *arguments) -> str:
    with pytest.raises(NotFound) as refused:
        use(*arguments)
    return repr(refused.value)


def test_the_list_shows_the_newest_first_and_without_answers(opened, url, photo):
    store = opened(url)
    given = [begun(store, photo) for _ in range(4)]
    store.keep(given[3].id, "s1", answer(given[3].samples[0]))
    begun(store, photo, "other")
    assert store.comparisons("mine") == given[::-1]
    assert store.comparisons("mine", limit=2) == given[:1:-1]


def test_what_is_removed_is_not_shown_until_it_is_restored(opened, url, photo):
    store = opened(url)
    comparison = begun(store, photo)
    store.keep(comparison.id, "s1", answer(comparison.samples[0]))
    whole, token = store.comparison(comparison.id, "mine"), store.share(comparison.id, "mine")
    store.remove(comparison.id, "mine")
    assert store.comparisons("mine") == []
    for use, arguments in [(store.comparison, (comparison.id, "mine")), (store.shared, (token,)),
                           (store.share, (comparison.id, "mine"))]:
        refusal(use, *arguments)
    store.restore(comparison.id, "mine")
    assert store.comparison(comparison.id, "mine") == replace(whole, shared=True) == store.shared(token)


def test_a_link_shows_one_comparison_until_it_is_taken_back(opened, url, photo):
    store = opened(url)
    comparison, hidden = begun(store, photo), begun(store, photo)
    first = store.share(comparison.id, "mine")
    assert len(first) >= 32 and store.shared(first) == replace(comparison, shared=True)
    second = store.share(comparison.id, "mine")
    assert store.shared(second).id == comparison.id
    for token in (first, "", comparison.id, hidden.id, second[:-1], HOSTILE):
        assert "shows nothing" in refusal(store.shared, token)
    store.revoke(comparison.id, "mine")
    refusal(store.shared, second)
    assert not store.comparison(comparison.id, "mine").shared


def test_secrets_are_not_in_the_database(opened, photo, tmp_path):
    store = opened()
    comparison = begun(store, photo, "the visitor's secret")
    token = store.share(comparison.id, "the visitor's secret")
    store.close()
    content = b"".join(path.read_bytes() for path in (tmp_path / "home").iterdir() if path.is_file())
    assert comparison.id.encode() in content
    assert b"the visitor's secret" not in content and token.encode() not in content


def test_a_home_can_be_moved(opened, photo, tmp_path):
    store = opened()
    comparison = begun(store, photo)
    store.keep(comparison.id, "s1", answer(comparison.samples[0]))
    store.close()
    shutil.move(tmp_path / "home", tmp_path / "elsewhere")
    moved = Store(tmp_path / "elsewhere")
    found = moved.comparison(comparison.id, "mine")
    moved.close()
    image, = found.samples[0].images
    assert Path(image.path).is_relative_to(tmp_path / "elsewhere") and pictures.pixels(image).size == image.size
    assert found.answers["s1", "m1"].request.images == (image,)


def test_many_threads_write_at_once(opened, url, photo):
    store = opened(url)
    comparison = begun(store, photo)
    asked, = comparison.samples
    ids: list[str] = []
    threads = [threading.Thread(target=lambda number=number: ids.extend(
        store.keep(comparison.id, "s1", answer(asked, f"m{number}", str(turn))) for turn in range(5)))
        for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(ids)) == 40
    assert {key: one.text for key, one in store.comparison(comparison.id, "mine").answers.items()} == {
        ("s1", f"m{number}"): "4" for number in range(8)}


def test_several_may_open_an_empty_store_at_once(opened, url):
    problems: list[Exception] = []

    def open_it() -> None:
        try:
            opened(url)
        except Exception as problem:
            problems.append(problem)
    threads = [threading.Thread(target=open_it) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert problems == []


def test_a_store_moves_to_postgresql_and_goes_on(opened, server, photo, tmp_path):
    empty(server)
    store = opened()
    comparison = store.begin(HOSTILE, [sample(photo, HOSTILE, truth=()), sample(photo, "s2")], [HOSTILE])
    for text in ("first", HOSTILE):
        store.keep(comparison.id, "s2", replace(answer(comparison.samples[1], HOSTILE, text), seconds=1e22))
    token = store.share(comparison.id, HOSTILE)
    source, target = open_database(tmp_path / "home"), open_database(tmp_path / "home", server)
    assert moving.move(source, target) == 1 + 2 + 2 + 1 + 2 + 2 + 1
    assert moving.digest(source) == moving.digest(target)
    with pytest.raises(StoreError, match="holds rows already"):
        moving.move(source, target)
    source.close(), target.close()
    moved = opened(server)
    assert moved.shared(token) == store.shared(token)
    moved.keep(comparison.id, "s2", answer(comparison.samples[1], HOSTILE, "newer"))
    assert moved.comparison(comparison.id, HOSTILE).answers["s2", HOSTILE].text == "newer"


def test_a_move_that_differs_is_undone(opened, photo, tmp_path, monkeypatch):
    begun(opened(), photo)
    source, target = open_database(tmp_path / "home"), open_database(tmp_path, f"sqlite:///{tmp_path}/other.sqlite3")
    before = moving.digest(target)
    with monkeypatch.context() as patch:
        patch.setattr(moving, "_whole", lambda value: os.urandom(8).hex())
        with pytest.raises(StoreError, match="nothing was moved"):
            moving.move(source, target)
    assert moving.digest(target) == before
    assert moving.move(source, target) == 5 and moving.digest(target) == moving.digest(source) != before
    source.close(), target.close()


def test_the_digest_sees_a_change(opened, photo, tmp_path):
    store = opened()
    before = moving.digest(store._database)
    comparison = begun(store, photo)
    between = moving.digest(store._database)
    store.remove(comparison.id, "mine")
    assert len({before, between, moving.digest(store._database)}) == 3
