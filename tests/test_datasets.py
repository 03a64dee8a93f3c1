"""Samples come back from a dataset with what is true now; the same twice is there once; a snapshot never changes."""
from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import sqlalchemy as sa
from PIL import Image

from app import pictures
from app.store import Conflict, NotFound, snapshots
from app.types import Annotation, Sample
from tests.test_store import HOSTILE, answer, begun, empty, opened, server, url  # noqa: F401 fixtures

CAT = Annotation("cat", (1.0, 2.0, 30.0, 40.0), id="c")
DOG = Annotation("dog", (5.0, 5.0, 20.0, 20.0), id="d")


@pytest.fixture
def drawn(tmp_path):
    """drawn(n) → n samples, each on a picture that looks like no other."""
    def make(count: int, **named) -> list[Sample]:
        return [Sample(f"s{number}", (replace(pictures.read(unlike(tmp_path / f"{number}.png", number)),
                                              name=f"{number}.png"),), "detect", "cat; dog", **named)
                for number in range(count)]
    return make


def unlike(path: Path, seed: int, size: tuple[int, int] = (64, 48)) -> Path:
    """A picture of coarse random colours."""
    noise = np.random.default_rng(seed).integers(0, 255, (6, 8, 3), dtype=np.uint8)
    Image.fromarray(noise).resize(size, Image.Resampling.BICUBIC).save(path)
    return path


def test_samples_come_back_in_order_with_their_truth_and_a_split(opened, url, drawn):  # noqa: F811
    store = opened(url)
    given = [replace(one, truth=truth, answer=words, source="pets.csv") for one, truth, words in
             zip(drawn(3), (None, (), (CAT,)), (None, "yes", HOSTILE))]
    dataset = store.datasets.create("pets")
    added = store.datasets.add(dataset.id, given)
    found = list(store.datasets.samples(dataset.id))
    assert (added.new, added.already, added.split_conflicts, added.refused) == (3, 0, (), ())
    assert [one.id for one in found] == list(added.ids)
    assert [(one.truth, one.answer, one.source, one.query) for one in found] == [
        (one.truth, one.answer, one.source, one.query) for one in given]
    assert {image.split for one in found for image in one.images} <= {"train", "val"}
    assert [one.images[0].name for one in found] == ["0.png", "1.png", "2.png"]
    assert store.datasets.find("pets").samples == 3 == store.datasets.all()[0].samples
    assert store.datasets.sample(added.ids[2]) == found[2]


def test_the_same_sample_twice_is_there_once(opened, url, drawn):  # noqa: F811
    store = opened(url)
    dataset = store.datasets.open("pets")
    given = drawn(3, truth=(CAT,))
    first = store.datasets.add(dataset.id, given)
    again = store.datasets.add(dataset.id, [replace(one, id="other", source="elsewhere") for one in given])
    assert (again.new, again.already, again.ids) == (0, 3, first.ids)
    other = store.datasets.open("other")
    assert store.datasets.add(other.id, given).new == 3
    assert store.datasets.open("pets") == replace(dataset, samples=3)


def test_a_correction_is_the_truth_from_then_on(opened, url, drawn):  # noqa: F811
    store = opened(url)
    dataset = store.datasets.open("pets")
    id, = store.datasets.add(dataset.id, drawn(1, truth=(CAT, DOG))).ids
    assert (store.corrections.now(id).seq, store.corrections.now(id).id) == (0, "")
    moved = replace(CAT, box=(2.0, 2.0, 30.0, 40.0))
    saved = store.corrections.save(id, parent="", author="me", key="k1", truth=[moved, Annotation("cow", id="w")])
    assert saved == store.corrections.now(id) == opened(url).corrections.now(id)
    assert (saved.seq, saved.parent, saved.reviewed) == (1, None, True)
    assert (saved.changes.moved, saved.changes.added, saved.changes.deleted) == (("c",), ("w",), ("d",))
    assert store.datasets.sample(id).truth == saved.truth == next(store.datasets.samples(dataset.id)).truth


def test_whoever_comes_second_sees_the_first(opened, url, drawn):  # noqa: F811
    store = opened(url)
    id, = store.datasets.add(store.datasets.open("pets").id, drawn(1)).ids
    first = store.corrections.save(id, parent=None, author="ann", key="k1", truth=[CAT])
    with pytest.raises(Conflict, match="ann has changed") as conflict:
        store.corrections.save(id, parent=None, author="bob", key="k2", truth=[DOG])
    assert conflict.value.newest == first
    second = store.corrections.save(id, parent=first.id, author="bob", key="k2", truth=[DOG])
    again = store.corrections.save(id, parent=first.id, author="bob", key="k2", truth=[DOG])
    assert again == second and store.corrections.history(id) == [second, first]


def test_an_answer_becomes_a_sample_with_its_first_correction(opened, url, photo):  # noqa: F811
    store = opened(url)
    comparison = begun(store, photo)
    prediction = store.keep(comparison.id, "s1", answer(comparison.samples[0]))
    store.keep(comparison.id, "s1", answer(comparison.samples[0], "m2"))
    comparison = store.comparison(comparison.id, "mine")
    dataset = store.datasets.open("corrections")
    taken = store.datasets.take(comparison, "s1", "m1", dataset.id, author="me", key="once")
    assert (taken.seq, taken.prediction, taken.model, taken.prompt) == (1, prediction, "m1", "detect cat")
    assert [replace(each, id="") for each in taken.truth] == list(answer(comparison.samples[0]).annotations)
    assert not taken.reviewed and taken == store.datasets.take(comparison, "s1", "m1", dataset.id, key="twice")
    assert store.datasets.sample(taken.sample).truth == taken.truth
    other = store.datasets.take(comparison, "s1", "m2", dataset.id, author="me", key="thrice")
    assert (other.sample, other.parent, other.model) == (taken.sample, taken.id, "m2"), "nobody had worked on the first"
    worked = store.corrections.save(other.sample, parent=other.id, author="me", key="four", truth=[DOG])
    assert store.datasets.take(comparison, "s1", "m1", dataset.id, key="five") == worked, "a person's work was covered"
    with pytest.raises(NotFound, match="m9 has not answered"):
        store.datasets.take(comparison, "s1", "m9", dataset.id)


def test_a_snapshot_stays_as_it_was(opened, url, drawn):  # noqa: F811
    store = opened(url)
    dataset = store.datasets.open("pets")
    ids = store.datasets.add(dataset.id, drawn(3, truth=(CAT,))).ids
    first = store.datasets.snapshot(dataset.id)
    before = list(store.datasets.samples(dataset.id, snapshot=first.id))
    assert store.datasets.snapshot(dataset.id).digest == first.digest == store.snapshots.digest(first.id)
    store.corrections.save(ids[0], parent=None, author="me", key="k", truth=[DOG])
    store.corrections.remove(ids[1], parent=None, author="me", key="k2")
    assert store.datasets.snapshot(dataset.id).digest != first.digest
    assert list(store.datasets.samples(dataset.id, snapshot=first.id)) == before
    assert len(list(store.datasets.samples(dataset.id))) == 2 and first.samples == 3


def test_a_snapshot_that_was_not_finished_is_nobodys_and_goes(opened, url, drawn, monkeypatch):  # noqa: F811
    store = opened(url)
    dataset = store.datasets.open("pets")
    store.datasets.add(dataset.id, drawn(5))
    monkeypatch.setattr(snapshots, "PIECE", 2)
    with monkeypatch.context() as patch:
        patch.setattr(snapshots, "_digest", lambda contents: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            store.datasets.snapshot(dataset.id)
    assert store.snapshots.of(dataset.id) == []
    monkeypatch.setattr(snapshots, "STALE", -1)
    whole = store.datasets.snapshot(dataset.id)
    assert store.snapshots.of(dataset.id) == [whole] and whole.samples == 5 and whole.purged is None
    assert len(list(store.datasets.samples(dataset.id, snapshot=whole.id))) == 5
    with store._database.reading() as connection:
        assert connection.scalar(sa.select(sa.func.count()).select_from(snapshots.snapshot_sample)) == 5


def test_a_dataset_has_a_name_of_its_own_and_comes_back(opened, url, drawn):  # noqa: F811
    store = opened(url)
    dataset = store.datasets.create("  street   cats ")
    store.datasets.add(dataset.id, drawn(2))
    assert dataset.name == "street cats"
    with pytest.raises(ValueError, match="there is a dataset 'street cats' already"):
        store.datasets.create("street cats")
    other = store.datasets.create(HOSTILE)
    with pytest.raises(ValueError, match="already; choose another"):
        store.datasets.rename(other.id, "street cats")
    store.datasets.remove(dataset.id)
    for gone in (lambda: store.datasets.find("street cats"), lambda: store.datasets.add(dataset.id, drawn(1)),
                 lambda: next(store.datasets.samples(dataset.id)), lambda: store.datasets.remove("nothing")):
        with pytest.raises(NotFound):
            gone()
    store.datasets.rename(other.id, "street cats")
    with pytest.raises(ValueError, match="another dataset is named 'street cats' now"):
        store.datasets.restore(dataset.id)
    store.datasets.rename(other.id, "dogs")
    assert store.datasets.restore(dataset.id) == replace(dataset, samples=2)
    assert [one.name for one in store.datasets.all()] == ["dogs", "street cats"]
    for bad in ("", " ", "x" * 201):
        with pytest.raises(ValueError, match="a name of 1 to 200 characters"):
            store.datasets.create(bad)


def test_a_bad_sample_is_refused_alone_and_a_crooked_one_is_repaired(opened, drawn, tmp_path):  # noqa: F811
    store = opened()
    dataset = store.datasets.open("pets")
    good, crooked, nan, lost, bare = drawn(5)
    (tmp_path / "3.png").write_bytes(b"no picture")
    added = store.datasets.add(dataset.id, [
        good, replace(crooked, truth=(Annotation("cat", (30.0, 40.0, 1.0, 2.0)),)),
        replace(nan, truth=(Annotation("cat", (float("nan"), 0, 1, 1)),)), lost, replace(bare, images=())])
    assert added.new == 2 and [id for id, _ in added.refused] == ["s2", "s3", "s4"]
    assert [words for words in ("no four numbers", "not a picture", "has no picture")
            if any(words in why for _, why in added.refused)] == ["no four numbers", "not a picture", "has no picture"]
    (who, how), = added.repaired
    assert who == "s1" and "were swapped" in how
    assert store.datasets.sample(added.ids[1]).truth == (Annotation("cat", (1.0, 2.0, 30.0, 40.0), id="a1"),)


def test_what_was_corrected_and_exported_is_not_new_when_it_comes_back(opened, drawn):  # noqa: F811
    store = opened()
    dataset = store.datasets.open("pets")
    id, = store.datasets.add(dataset.id, drawn(1, truth=(CAT,))).ids
    store.corrections.save(id, parent=None, author="me", key="k", truth=[DOG])
    corrected = drawn(1, truth=(replace(DOG, id=""),))
    assert store.datasets.add(dataset.id, corrected).ids == (id,)
    assert store.datasets.add(dataset.id, drawn(1, truth=(CAT,))).ids == (id,), "nor is what it was"
    assert store.datasets.add(dataset.id, drawn(1, truth=())).new == 1
