"""Corrections: nothing is lost, nothing forks, whoever comes second sees the first, and history stays."""
from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace

import pytest
import sqlalchemy as sa

from app.store import Conflict, NotFound, Store, StoreError
from app.store.dataset_tables import correction, dataset_sample
from app.store.remembered import Remembered
from app.types import Annotation, Changes, Correction, Point
from tests.test_datasets import CAT, DOG, drawn  # noqa: F401 a fixture
from tests.test_store import HOSTILE, answer, begun, empty, opened, server, url  # noqa: F401 fixtures

PERSON = Annotation("person", (1.0, 1.0, 60.0, 40.0), (Point("head", 5.0, 5.0), Point("hand", 9.0, 9.0)), id="p")


@pytest.fixture
def store(opened, url) -> Store:  # noqa: F811
    return opened(url)


@pytest.fixture
def samples(store, drawn) -> Callable[..., list[str]]:  # noqa: F811
    """samples(n) → the ids of n samples in a dataset."""
    return lambda count, **named: list(store.datasets.add(store.datasets.open("pets").id, drawn(count, **named)).ids)


def save(store: Store, id: str, **said) -> Correction:
    """On top of what is there now."""
    now = store.corrections.now(id)
    return store.corrections.save(id, parent=now.id, author="me", key=f"{id} {now.seq}", **said)


def test_a_whole_session_of_correcting_can_be_read_from_the_events(store, photo):
    """Take an answer, fix three boxes, add one, delete one, move two joints: the diff by id is right."""
    comparison = begun(store, photo)
    boxes = [Annotation("cat", (number, number, number + 9.0, number + 9.0)) for number in map(float, range(5))]
    given = replace(answer(comparison.samples[0]), annotations=(*boxes, replace(PERSON, id="")))
    store.keep(comparison.id, "s1", given)
    comparison = store.comparison(comparison.id, "mine")
    taken = store.datasets.take(comparison, "s1", "m1", store.datasets.open("pets").id, author="me")
    ids = [each.id for each in taken.truth]
    assert taken.changes == Changes(added=tuple(ids)) and len(set(ids)) == 6
    a, b, c, d, _, person = taken.truth
    fixed = [replace(a, box=(0.0, 0.0, 5.5, 5.25)), replace(b, label="dog"),
             replace(c, box=(3.0, 3.0, 4.0, 4.0), label="x"), d,
             replace(person, points=(Point("head", 6.0, 5.0), Point("hand", 9.0, 9.5, "hidden"))),
             Annotation("new", (20.0, 20.0, 30.0, 30.0), id="mine")]
    first = save(store, taken.sample, truth=fixed[:3] + list(taken.truth[3:]))
    second = save(store, taken.sample, truth=fixed)
    assert first.changes == Changes((ids[3], ids[4], ids[5]), (ids[0], ids[2]), (ids[1], ids[2]), (), ())
    assert second.changes == Changes((ids[0], ids[1], ids[2], ids[3]), (ids[5],), (), ("mine",), (ids[4],))
    assert store.corrections.since(taken.sample) == Changes((ids[3],), (ids[0], ids[2], ids[5]), (ids[1], ids[2]),
                                                           ("mine",), (ids[4],))
    assert second.truth == tuple(fixed) and (second.model, second.prompt) == ("m1", "detect cat")
    assert [one.seq for one in store.corrections.history(taken.sample)] == [3, 2, 1]


def test_what_is_not_named_stays_as_it_was(store, samples):
    id, = samples(1, truth=(CAT,), answer="yes")
    flagged = save(store, id, flagged=True, note="look again")
    assert (flagged.truth, flagged.answer, flagged.reviewed) == ((CAT,), "yes", False)
    asked = save(store, id, query="cat; dog; cow", task="count", answer=None)
    assert (asked.truth, asked.answer, asked.note) == ((CAT,), None, "look again") and asked.flagged and asked.reviewed
    sample = store.datasets.sample(id)
    assert (sample.query, sample.task, sample.answer, sample.truth) == ("cat; dog; cow", "count", None, (CAT,))
    assert save(store, id, truth=None).truth is None and save(store, id, truth=()).truth == ()
    assert store.datasets.sample(id).truth == ()


def test_restoring_is_a_new_event_and_history_stays(store, samples):
    id, = samples(1, truth=(CAT,))
    first, second = save(store, id, truth=[DOG], note="a dog"), save(store, id, truth=())
    third = store.corrections.restore(id, first.id, parent=second.id, author="bob", key="r")
    assert (third.truth, third.note, third.restores, third.seq) == ((DOG,), "a dog", first.id, 3)
    fourth = store.corrections.restore(id, None, parent=third.id, author="bob", key="r2")
    assert (fourth.truth, fourth.note, fourth.restores, fourth.reviewed) == ((CAT,), "", None, False)
    assert store.corrections.history(id) == [fourth, third, second, first]
    assert store.corrections.find(second.id) == second and store.corrections.history(id, limit=1) == [fourth]


def test_a_removed_sample_is_out_of_its_dataset_until_it_is_restored(store, samples):
    kept, id = samples(2)
    dataset = store.datasets.find("pets")
    before = save(store, id, truth=[CAT])
    gone = store.corrections.remove(id, parent=before.id, author="me", key="gone")
    assert [one.id for one in store.datasets.samples(dataset.id)] == [kept]
    assert gone.removed and store.datasets.find("pets").samples == 1 and store.datasets.sample(id).truth == (CAT,)
    back = store.corrections.restore(id, before.id, parent=gone.id, author="me", key="back")
    assert not back.removed and [one.id for one in store.datasets.samples(dataset.id)] == [kept, id]


def test_taking_an_answer_to_a_removed_sample_brings_it_back(store, photo):
    comparison = begun(store, photo)
    store.keep(comparison.id, "s1", answer(comparison.samples[0]))
    comparison, dataset = store.comparison(comparison.id, "mine"), store.datasets.open("pets")
    taken = store.datasets.take(comparison, "s1", "m1", dataset.id, author="me", key="k")
    store.corrections.remove(taken.sample, parent=taken.id, author="me", key="gone")
    again = store.datasets.take(comparison, "s1", "m1", dataset.id, author="me", key="k2")
    assert again.sample == taken.sample and again.truth == taken.truth and not again.removed and again.seq == 3


def test_two_tabs_and_400_edits_lose_nothing_and_fork_nowhere(store, samples, monkeypatch):
    """Each edit is sent until it is acknowledged, some twice as if the answer had been lost on its way."""
    ids, chance = samples(10), random.Random(6)
    acknowledged: list[str] = []
    conflicts: list[Correction] = []

    def tab(name: str) -> None:
        seen = dict.fromkeys(ids, "")
        for number in range(200):
            id, key = chance.choice(ids), f"{name}-{number}"
            while True:
                mine = dict(parent=seen[id], author=name, key=key, truth=[replace(CAT, label=key)])
                try:
                    saved = store.corrections.save(id, **mine)
                except Conflict as conflict:
                    conflicts.append(conflict.newest)
                    seen[id] = conflict.newest.id
                    continue
                seen[id] = saved.id
                acknowledged.append(key)
                if chance.random() < 0.2:
                    assert store.corrections.save(id, **mine) == saved
                break

    both = [threading.Thread(target=tab, args=(name,)) for name in ("ann", "bob")]
    [one.start() for one in both], [one.join() for one in both]
    events = [event for id in ids for event in store.corrections.history(id, limit=1000)]
    assert Counter(event.key for event in events) == Counter(acknowledged) and len(acknowledged) == 400
    assert conflicts, "the tabs got in each other's way"
    for id in ids:
        chain = store.corrections.history(id, limit=1000)[::-1]
        assert [event.seq for event in chain] == list(range(1, len(chain) + 1))
        assert [event.parent for event in chain] == [None, *(event.id for event in chain[:-1])][:len(chain)]
        assert not chain or store.datasets.sample(id).truth == chain[-1].truth == (replace(CAT, label=chain[-1].key),)


def test_a_conflict_shows_both_versions_and_saves_neither_twice(store, samples):
    id, = samples(1)
    ann = save(store, id, truth=[CAT])
    bob = save(store, id, truth=[DOG])
    for stale in (None, "", ann.id):
        with pytest.raises(Conflict) as conflict:
            store.corrections.save(id, parent=stale, author="eve", key=f"eve {stale}", truth=())
        assert conflict.value.newest == bob and isinstance(conflict.value, ValueError)
    assert store.corrections.history(id) == [bob, ann]


def test_a_key_is_one_events_and_cannot_reach_anothers(store, samples):
    a, b = samples(2)
    first = store.corrections.save(a, parent=None, author="me", key=HOSTILE, truth=[CAT])
    assert store.corrections.save(a, parent=None, author="me", key=HOSTILE, truth=[DOG]) == first
    with pytest.raises(ValueError, match="belongs to another sample's"):
        store.corrections.save(b, parent=None, author="me", key=HOSTILE, truth=[DOG])
    assert store.corrections.now(b).seq == 0
    for bad in ("", "x" * 201):
        with pytest.raises(ValueError, match="key"):
            store.corrections.save(b, parent=None, author="me", key=bad, truth=[DOG])


@pytest.mark.parametrize(("said", "words"), [
    (dict(truth=[CAT, Annotation("dog", (float("nan"), 0, 1, 1))]), r"nothing was saved: object 2 \('dog'\) .* four"),
    (dict(truth=[Annotation("dog", (5, 5, 5, 5))]), "has no area"),
    (dict(truth=[Annotation("dog", (500, 500, 600, 600))]), "outside the picture of 64×48"),
    (dict(truth=[Annotation("x" * 4000, (1, 1, 2, 2))]), "its label has 4,000 characters"),
    (dict(truth=[CAT] * 10_001), "10,001 objects are more than"),
    (dict(note="x" * 10_001), "note has 10,001 characters"), (dict(query="x" * 2_001), "query has 2,001"),
    (dict(answer="x" * 20_001), "answer has 20,001"), (dict(prediction="forged"), "no answer 'forged' about"),
])
def test_what_cannot_be_kept_is_refused_and_the_earlier_state_stays(store, samples, said, words):
    id, = samples(1)
    before = save(store, id, truth=[CAT])
    with pytest.raises(ValueError, match=words):
        store.corrections.save(id, parent=before.id, author="me", key="bad", **said)
    assert store.corrections.history(id) == [before]


def test_what_can_have_been_meant_is_repaired(store, samples):
    id, = samples(1)
    swapped = Annotation("cat", (30.0, 40.0, 1.0, 2.0), id="c")
    saved = save(store, id, truth=[swapped, Annotation("dog", (50.0, 5.0, 90.0, 20.0), id="d")])
    assert [each.box for each in saved.truth] == [(1.0, 2.0, 30.0, 40.0), (50.0, 5.0, 64.0, 20.0)]


def test_hostile_words_come_back_exactly(store, samples):
    id, = samples(1)
    label = HOSTILE.replace("\x00", "").replace("\n", "")
    saved = store.corrections.save(id, parent="", author=HOSTILE, client=HOSTILE, key=HOSTILE, note=HOSTILE,
                                   answer=HOSTILE, truth=[Annotation(label, (1.0, 1.0, 2.0, 2.0), id=HOSTILE)])
    store.corrections.forget()
    assert store.corrections.now(id) == saved and saved.truth[0].label == label and saved.note == HOSTILE


def test_ten_thousand_objects_are_saved_and_come_back(store, samples):
    id, = samples(1)
    many = [Annotation(f"n{number % 50}", (1.0, 1.0, 2.0, 3.0), id=str(number)) for number in range(10_000)]
    saved = save(store, id, truth=many)
    store.corrections.forget()
    assert store.datasets.sample(id).truth == tuple(many) == store.corrections.now(id).truth
    assert len(saved.changes.added) == 10_000 and len(store.queue.labels()) == 50


def test_a_forged_id_is_nobodys(store, samples):
    a, b = samples(2)
    other = save(store, b, truth=[CAT])
    for call in (lambda: store.corrections.now("../../etc/passwd"), lambda: store.corrections.find(HOSTILE),
                 lambda: store.corrections.save("x", parent="", author="me", key="k", truth=[]),
                 lambda: store.corrections.save(a, parent=other.id, author="me", key="k", truth=[]),
                 lambda: store.corrections.save(a, parent="x", author="me", key="k", truth=[]),
                 lambda: store.corrections.restore(a, other.id, parent="", author="me", key="k"),
                 lambda: store.datasets.sample(HOSTILE), lambda: store.datasets.find(HOSTILE)):
        with pytest.raises(NotFound):
            call()
    assert store.corrections.now(a).seq == 0


def test_an_answer_about_another_picture_is_no_origin(store, samples, photo):
    id, = samples(1)
    comparison = begun(store, photo)
    other = store.keep(comparison.id, "s1", answer(comparison.samples[0]))
    with pytest.raises(NotFound, match="about this picture"):
        save(store, id, truth=[CAT], prediction=other)


def test_the_list_and_the_newest_event_say_the_same(store, samples):
    """What stands beside a sample repeats its newest event, whatever was said in whatever order."""
    ids, chance = samples(5), random.Random(7)
    for number in range(60):
        said = chance.choice([dict(truth=chance.choice([None, (), [CAT], [CAT, DOG]])),
                              dict(flagged=chance.random() < 0.5), dict(skipped=chance.random() < 0.5),
                              dict(removed=chance.random() < 0.5), dict(query=f"q{number}"), dict(answer=f"a{number}")])
        save(store, chance.choice(ids), **said)
    with store._database.reading() as connection:
        for row in connection.execute(sa.select(dataset_sample)):
            now = store.corrections.now(row.id)
            status = "skipped" if now.skipped else "reviewed" if now.reviewed else "unreviewed"
            assert (row.head, row.status, row.flagged, row.removed, row.objects) == (
                now.id, status, now.flagged, now.removed, None if now.truth is None else len(now.truth))
            assert row.content == connection.scalar(sa.select(correction.c.content).where(correction.c.id == now.id))
    labels = Counter(label for id in ids if not (now := store.corrections.now(id)).removed
                     for label in {each.label for each in now.truth or ()})
    assert dict(store.queue.labels()) == dict(labels)


def test_a_correction_of_what_was_purged_meanwhile_is_said(store, samples):
    id, = samples(1)
    now = save(store, id, truth=[CAT])
    store.purge(store.datasets.sample(id).images[0].sha256, author="operator")
    with pytest.raises(NotFound, match="no sample"):
        store.corrections.save(id, parent=now.id, author="me", key="late", truth=[DOG])


def test_another_process_that_remembers_a_purged_sample_is_told(store, samples, opened, url):  # noqa: F811
    id, = samples(1)
    now, elsewhere = save(store, id, truth=[CAT]), opened(url)
    assert elsewhere.corrections.find(now.id) == now and elsewhere.corrections.given(id)
    store.purge(store.datasets.sample(id).images[0].sha256, author="operator")
    with pytest.raises(StoreError, match="may have been deleted meanwhile, so nothing was saved"):
        elsewhere.corrections.save(id, parent=now.id, author="me", key="late", truth=[DOG])


def test_what_is_remembered_is_bounded_and_the_oldest_goes():
    known = Remembered(most=100)
    for number in range(30):
        known.put(number, str(number), 10)
        known.get(0)
    assert known.get(0) == "0" and known.get(1) is None and known.get(29) == "29"
    known.put("big", "x", 1000)
    assert known.get("big") is None is known.get(29)


def test_a_clock_that_goes_back_changes_nothing(store, samples, monkeypatch):
    id, = samples(1)
    first = save(store, id, truth=[CAT])
    monkeypatch.setattr(time, "time", lambda: 5.0)
    second = save(store, id, truth=[DOG])
    assert second.created < first.created and store.corrections.now(id) == second
