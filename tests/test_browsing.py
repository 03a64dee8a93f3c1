"""Looking through a dataset and renaming its classes, on SQLite and PostgreSQL alike."""
from __future__ import annotations

from dataclasses import replace

import pytest

from app import pictures
from app.store.browsing import Only
from app.types import Annotation, Sample
from tests.test_datasets import unlike
from tests.test_store import HOSTILE, opened, server, url  # noqa: F401 fixtures

CAT, DOG = Annotation("cat", (1.0, 2.0, 30.0, 40.0), id="c"), Annotation("dog", (5.0, 5.0, 20.0, 20.0), id="d")


@pytest.fixture
def filled(opened, url, tmp_path):  # noqa: F811
    """A store with a dataset: 0 cat, 1 dog, 2 both, 3 nothing there, 4 grounded, 5 cat in a large picture."""
    store = opened(url)

    def sample(number: int, truth, task="detect", query="cat; dog", size=(64, 48), source="a.json") -> Sample:
        path = unlike(tmp_path / f"{number}.png", number, size)
        image = replace(pictures.read(path), name=f"{number}.png", split="val" if number % 2 else "train")
        return Sample(f"s{number}", (image,), task, query, truth, source=source)

    dataset = store.datasets.create("pets")
    store.datasets.add(dataset.id, [
        sample(0, (CAT,)), sample(1, (DOG,)), sample(2, (CAT, DOG)), sample(3, ()),
        sample(4, (replace(CAT, label="the cat"),), "ground", "the cat"),
        sample(5, (CAT,), size=(1200, 900), source=HOSTILE)])
    return store, dataset.id


def names(samples) -> str:
    return "".join(sample.images[0].name[0] for sample in samples)


@pytest.mark.parametrize("only, expected", [
    (Only(), "012345"), (Only(label="cat"), "025"), (Only(label="dog", split="val"), "1"), (Only(task="ground"), "4"),
    (Only(split="train"), "024"), (Only(size="under 0.1 MP"), "01234"), (Only(size="0.5–2 MP"), "5"),
    (Only(source=HOSTILE), "5"), (Only(label="horse"), ""), (Only(label=HOSTILE), ""),
])
def test_a_dataset_is_narrowed(filled, only, expected):
    store, dataset = filled
    assert names(store.browsing.page(dataset, only)) == expected
    assert store.browsing.count(dataset, only) == len(expected)


def test_pages_follow_each_other_and_end(filled):
    store, dataset = filled
    assert [names(store.browsing.page(dataset, offset=n, limit=4)) for n in (0, 4, 8)] == ["0123", "45", ""]


def test_the_choices_are_counted(filled):
    store, dataset = filled
    found = store.browsing.choices(dataset)
    assert found.labels == (("cat", 3), ("dog", 2), ("the cat", 1)) and found.tasks == (("detect", 5), ("ground", 1))
    assert found.splits == (("train", 3), ("val", 3)) and dict(found.sources) == {"a.json": 5, HOSTILE: 1}
    assert found.sizes == (("under 0.1 MP", 5), ("0.5–2 MP", 1))


def test_what_is_removed_is_not_shown_and_a_removed_dataset_is_listed(filled):
    store, dataset = filled
    first = store.browsing.page(dataset)[0]
    store.corrections.remove(first.id, parent=None, author="me", key="1")
    assert names(store.browsing.page(dataset)) == "12345" and store.browsing.choices(dataset).labels[0] == ("cat", 2)
    assert store.browsing.removed() == []
    store.datasets.remove(dataset)
    assert [one.id for one in store.browsing.removed()] == [dataset]


def truths(store, dataset) -> list:
    return [(sample.task, sample.query, [each.label for each in sample.truth]) for sample in
            store.datasets.samples(dataset)]


def test_a_class_is_renamed_in_every_sample_and_that_is_undone(filled):
    store, dataset = filled
    before = truths(store, dataset)
    *_, told = store.relabelling.rename(dataset, "cat", "tom  cat", "ada")
    assert (told.done, told.total, told.left) == (3, 3, 0)
    assert truths(store, dataset) == [
        ("detect", "tom cat; dog", ["tom cat"]), ("detect", "cat; dog", ["dog"]),
        ("detect", "tom cat; dog", ["tom cat", "dog"]), ("detect", "cat; dog", []), ("ground", "the cat", ["the cat"]),
        ("detect", "tom cat; dog", ["tom cat"])]
    event = store.corrections.now(store.browsing.page(dataset)[0].id)
    assert (event.author, event.changes.relabelled, event.seq, event.reviewed) == ("ada", ("c",), 1, False)
    last = store.relabelling.last(dataset)
    assert (last.words, last.samples) == ("cat → tom cat", 3)
    *_, told = store.relabelling.undo(dataset, last.client, "ada")
    assert told.done == 3 and truths(store, dataset) == before and store.relabelling.last(dataset) is None


def test_classes_are_merged_and_the_older_renaming_can_still_be_undone_after(filled):
    store, dataset = filled
    before = truths(store, dataset)
    list(store.relabelling.rename(dataset, "cat", "dog"))
    assert store.browsing.choices(dataset).labels[0] == ("dog", 4)
    assert truths(store, dataset)[2] == ("detect", "dog", ["dog", "dog"])
    list(store.relabelling.undo(dataset, store.relabelling.last(dataset).client))
    assert truths(store, dataset) == before


def test_who_corrected_a_sample_since_keeps_it(filled):
    store, dataset = filled
    list(store.relabelling.rename(dataset, "cat", "lion"))
    sample = store.browsing.page(dataset)[0]
    now = store.corrections.now(sample.id)
    store.corrections.save(sample.id, parent=now.id, author="bob", key="mine", truth=(DOG,))
    *_, told = store.relabelling.undo(dataset, store.relabelling.last(dataset).client)
    assert told.done == 2 and [each.label for each in store.datasets.sample(sample.id).truth] == ["dog"]


def test_a_class_needs_another_name_without_semicolons(filled):
    store, dataset = filled
    for new in ("", "  ", "a; b", "cat"):
        with pytest.raises(ValueError, match="class"):
            list(store.relabelling.rename(dataset, "cat", new))
    *_, told = store.relabelling.rename(dataset, "horse", "pony")
    assert told.total == 0
