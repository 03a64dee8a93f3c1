"""What a person wants deleted is gone: from the tables, from the folder, from the bytes of the file."""
from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa
from PIL import Image as Pillow

from app import pictures
from app.store import NotFound, Store, moving, purging, schema
from app.store.database import open_database
from app.store.dataset_tables import split_group
from app.types import Sample
from tests.test_datasets import CAT, DOG, unlike
from tests.test_store import answer, empty, opened, server, url  # noqa: F401 fixtures

SECRET = "a caption that nobody else wrote"


def given(path: Path, query: str = SECRET, **named) -> Sample:
    return Sample(path.stem, (replace(pictures.read(path), name=path.name),), "detect", query, **named)


@pytest.fixture
def filled(opened, url, tmp_path) -> tuple[Store, Path, Path]:  # noqa: F811
    """A store with two pictures, each in a comparison with an answer, in a dataset, corrected, in a snapshot."""
    store = opened(url)
    return store, *fill(store, tmp_path)


def fill(store: Store, tmp_path: Path) -> tuple[Path, Path]:
    private, other = (unlike(tmp_path / f"{name}.png", len(name), (240, 180)) for name in ("private", "other"))
    comparison = store.begin("mine", [given(private), given(other, "other")], ["m1"])
    for sample in comparison.samples:
        store.keep(comparison.id, sample.id, answer(sample))
        store.answers.keep(f"key {sample.id}", answer(sample))
        store.votes.cast(comparison.id, sample.id, ["a", "b"], "a", owner="me", key=f"v {sample.id}")
    store.share(comparison.id, "mine")
    comparison = store.comparison(comparison.id, "mine")
    dataset = store.datasets.open("pets")
    for sample in comparison.samples:
        taken = store.datasets.take(comparison, sample.id, "m1", dataset.id, author="me")
        store.corrections.save(taken.sample, parent=taken.id, author="me", key=f"k {sample.id}", truth=[CAT, DOG],
                               note=sample.query)
        store.suggestions.offer(taken.sample, parent=taken.id, author="guest", key=f"s {sample.id}", truth=[CAT])
    store.datasets.snapshot(dataset.id)
    return private, other


def test_a_purged_picture_is_nowhere_and_the_others_stay(filled, tmp_path):
    store, private, _ = filled
    dataset = store.datasets.find("pets")
    snapshot, = store.snapshots.of(dataset.id)
    _, kept = list(store.datasets.samples(dataset.id))
    assert snapshot.purged is None
    sha256, comparison = pictures.read(private).sha256, store.comparisons("mine")[0]
    purged = store.purge(sha256, author="operator", reason="asked by mail")
    assert (purged.pictures, purged.samples, purged.answers, purged.snapshots) == ((sha256,), 1, 2, (snapshot.id,))
    assert list(store.datasets.samples(dataset.id)) == [kept] == list(
        store.datasets.samples(dataset.id, snapshot=snapshot.id))
    assert [one.id for one in store.comparison(comparison.id, "mine").samples] == ["other"]
    assert not list((tmp_path / "home/images").rglob(f"{sha256}*"))
    marked = store.snapshots.find(snapshot.id)
    assert marked.purged and marked.digest == snapshot.digest == store.snapshots.digest(snapshot.id)
    assert marked.samples == 2 and len(store.suggestions.waiting()) == 1
    with store._database.reading() as connection:
        assert connection.scalar(sa.select(sa.func.count()).select_from(split_group)) == 1
    with pytest.raises(NotFound, match="no picture"):
        store.purge(sha256, author="operator")


def test_a_purged_text_is_in_no_row_and_in_no_file(filled, tmp_path):
    store, private, _ = filled
    assert any(SECRET.encode() in content for content in contents(store, tmp_path / "home"))
    store.purge(pictures.read(private).sha256, author="operator")
    assert not any(SECRET.encode() in content or private.read_bytes() in content
                   for content in contents(store, tmp_path / "home"))


def contents(store: Store, home: Path) -> Iterable[bytes]:
    """All rows as text, and all files: the database too, where it is one."""
    with store._database.reading() as connection:
        for table in schema.metadata.sorted_tables:
            yield from (repr(row).encode() for row in connection.execute(sa.select(table)))
    yield from (path.read_bytes() for path in home.rglob("*") if path.is_file())


def test_a_purged_picture_is_not_taken_again(filled):
    store, private, _ = filled
    store.purge(pictures.read(private).sha256, author="operator")
    for take in (lambda: store.keep_picture(replace(pictures.read(private), name="holiday.png")),
                 lambda: store.begin("mine", [replace(given(private), images=(
                     replace(pictures.read(private), name="holiday.png"),))], ["m1"])):
        with pytest.raises(NotFound, match=r"holiday\.png was deleted for good on \d{4}-\d\d-\d\d"):
            take()
    added = store.datasets.add(store.datasets.find("pets").id, [given(private)])
    assert added.new == 0 and "deleted for good" in added.refused[0][1]


def test_equal_pictures_in_other_files_go_too_and_those_that_look_alike_are_told(filled, tmp_path):
    store, private, _ = filled
    picture = Pillow.open(private)
    picture.save(tmp_path / "same.bmp")
    picture.resize((120, 90)).save(tmp_path / "small.png")
    added = store.datasets.add(store.datasets.find("pets").id, [given(tmp_path / "same.bmp", "1"),
                                                                given(tmp_path / "small.png", "2")])
    purged = store.purge(pictures.read(private).sha256, author="operator")
    assert set(purged.pictures) == {pictures.read(path).sha256 for path in (private, tmp_path / "same.bmp")}
    assert purged.alike == (pictures.read(tmp_path / "small.png").sha256,) and purged.samples == 2
    assert store.datasets.sample(added.ids[1]).query == "2"


def test_a_purge_that_was_killed_before_it_came_to_the_files_is_finished_at_the_next_start(filled, url, opened,  # noqa: F811
                                                                                           tmp_path):
    store, private, _ = filled
    sha256 = pictures.read(private).sha256
    store._writer.write(lambda connection: purging.purge(connection, sha256, "operator", ""))
    assert list((tmp_path / "home/images").rglob(f"{sha256}*"))
    opened(url)
    assert not list((tmp_path / "home/images").rglob(f"{sha256}*"))


def test_a_correction_of_one_picture_of_a_purged_pair_stays(opened, url, tmp_path):  # noqa: F811
    store = opened(url)
    private, other = (unlike(tmp_path / f"{seed}.png", seed) for seed in (1, 2))
    pair = Sample("pair", (pictures.read(other), pictures.read(private)), "detect", "both")
    comparison = store.begin("mine", [pair], ["m1"])
    prediction = store.keep(comparison.id, "pair", answer(comparison.samples[0]))
    id, = store.datasets.add(store.datasets.open("pets").id, [given(other)]).ids
    saved = store.corrections.save(id, parent=None, author="me", key="k", truth=[CAT], prediction=prediction)
    store.purge(pictures.read(private).sha256, author="operator")
    assert store.corrections.now(id) == replace(saved, prediction=None)
    assert store.comparisons("mine") == []
    with store._database.reading() as connection:
        assert connection.scalar(sa.select(sa.func.count()).select_from(schema.prediction)) == 0


def test_all_that_a_store_holds_moves_to_postgresql_and_goes_on(opened, server, tmp_path):  # noqa: F811
    """Here, because nowhere else a store has a row in so many tables."""
    empty(server)
    store = opened()
    private, *_ = fill(store, tmp_path)
    store.purge(pictures.read(private).sha256, author="operator")
    source, target = open_database(tmp_path / "home"), open_database(tmp_path / "home", server)
    with source.reading() as connection:
        rows = {table.name: connection.scalar(sa.select(sa.func.count()).select_from(table))
                for table in moving.CONTENT}
    assert [name for name, number in rows.items() if number == 0] == ["job"]
    assert moving.move(source, target) == sum(rows.values()) and moving.digest(source) == moving.digest(target)
    source.close(), target.close()
    moved, dataset = opened(server), store.datasets.find("pets")
    assert list(moved.datasets.samples(dataset.id)) == list(store.datasets.samples(dataset.id))
    sample = next(moved.datasets.samples(dataset.id))
    history = moved.corrections.history(sample.id)
    assert history == store.corrections.history(sample.id) and moved.votes.wins() == store.votes.wins()
    assert moved.snapshots.of(dataset.id) == store.snapshots.of(dataset.id)
    assert moved.snapshots.digest(moved.snapshots.of(dataset.id)[0].id) == moved.snapshots.of(dataset.id)[0].digest
    newer = moved.corrections.save(sample.id, parent=history[0].id, author="me", key="newer", truth=())
    assert newer.seq == history[0].seq + 1
    assert moved.datasets.add(dataset.id, [given(unlike(tmp_path / "new.png", 9))]).new == 1
