"""What there is to correct, in which order; what visitors suggest; what voters chose."""
from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from app.store import Conflict, NotFound, Store, reviewing, suggestions
from app.store.reviewing import Progress, Wanted
from app.store.votes import Wins
from app.types import Annotation, Sample
from tests.test_datasets import CAT, DOG, drawn  # noqa: F401 a fixture
from tests.test_store import HOSTILE, answer, empty, opened, sample, server, url  # noqa: F401 fixtures


@pytest.fixture
def store(opened, url) -> Store:  # noqa: F811
    return opened(url)


@pytest.fixture
def queued(store, drawn) -> Callable[..., list[str]]:  # noqa: F811
    """queued(n) → the ids of n samples of the dataset "pets"."""
    def fill(count: int, **named) -> list[str]:
        return list(store.datasets.add(store.datasets.open("pets").id, drawn(count, **named)).ids)
    return fill


def save(store: Store, id: str, **said):
    now = store.corrections.now(id)
    return store.corrections.save(id, parent=now.id, author="me", key=f"{id} {now.seq}", **said)


def ids(store: Store, limit: int = 50, after: str | None = None, before: str | None = None, **wanted) -> list[str]:
    return [one.id for one in store.queue.page(Wanted(**wanted), limit=limit, after=after, before=before)]


def test_what_models_disagree_about_most_comes_first_and_pages_go_on_where_they_ended(store, queued):
    given = queued(6)
    assert ids(store) == given
    store.queue.rank({given[4]: 0.9, given[2]: 0.25, given[0]: 0.25})
    order = [given[4], given[0], given[2], given[1], given[3], given[5]]
    assert ids(store) == order and store.queue.page()[0].disagreement == pytest.approx(0.9)
    assert [ids(store, 2), ids(store, 2, after=order[1]), ids(store, 9, after=order[3])] == [
        order[:2], order[2:4], order[4:]]
    assert [ids(store, 2, before=order[0]), ids(store, 2, before=order[3])] == [[], order[1:3]]
    save(store, order[1], truth=[CAT])
    assert ids(store, 1, after=order[1]) == [order[2]] and ids(store, 1, before=order[2]) == [order[0]]
    with pytest.raises(NotFound):
        ids(store, after="nobody")


def test_the_queue_is_narrowed_by_what_is_true_now(store, queued):
    a, b, c, d, e = queued(5, truth=(CAT,))
    save(store, a, truth=[DOG])
    save(store, b, truth=[], flagged=True)
    save(store, c, skipped=True)
    save(store, d, removed=True)
    assert ids(store) == [e] and ids(store, status="reviewed") == [a, b] and ids(store, status="skipped") == [c]
    assert ids(store, status=None) == [a, b, c, e] and ids(store, status=None, flagged=True) == [b]
    assert ids(store, status=None, label="cat") == [c, e] and ids(store, status=None, label="dog") == [a]
    assert ids(store, status=None, dataset="other") == [] and ids(store, removed=True) == [d]
    assert store.queue.count(Wanted(status=None, label="cat")) == 2
    assert store.queue.progress() == Progress(unreviewed=1, reviewed=2, skipped=1, flagged=1)
    assert store.queue.progress().total == 4 and store.queue.progress("other") == Progress()
    assert store.queue.labels() == [("cat", 2), ("dog", 1)]
    save(store, c, truth=[CAT, DOG])
    assert ids(store, status="reviewed") == [a, b, c], "who says what is there skips it no more"
    with pytest.raises(ValueError, match="no status 'done'; there are: unreviewed"):
        ids(store, status="done")


def test_the_labels_of_many_samples_are_counted_every_ten_seconds(store, queued, monkeypatch):
    monkeypatch.setattr(reviewing, "MANY", 2)
    a, b = queued(2, truth=(CAT,))
    assert store.queue.labels() == [("cat", 2)]
    save(store, a, truth=[DOG])
    assert store.queue.labels() == [("cat", 2)] and store.queue.labels(store.datasets.find("pets").id) == [
        ("cat", 1), ("dog", 1)]
    monkeypatch.setattr(reviewing, "OLD", -1.0)
    save(store, b, truth=[])
    assert store.queue.labels() == [("dog", 1)]


def test_one_sample_is_found_whether_it_is_wanted_or_not(store, queued):
    id = queued(1)[0]
    save(store, id, skipped=True)
    assert store.queue.find(id).status == "skipped" and ids(store) == []
    with pytest.raises(NotFound, match="no sample 'elsewhere'"):
        store.queue.find("elsewhere")


def test_a_list_shows_what_a_sample_is(store, queued):
    queued(1, truth=(CAT, DOG))
    shown, = store.queue.page()
    assert (shown.objects, shown.task, shown.query, shown.image.name, shown.image.size, shown.head) == (
        2, "detect", "cat; dog", "0.png", (64, 48), None)
    saved = save(store, shown.id, truth=[CAT])
    shown, = store.queue.page(Wanted(status=None))
    assert (shown.objects, shown.status, shown.head, shown.disagreement) == (1, "reviewed", saved.id, 0.0)


def test_a_taken_answer_is_ranked_by_how_much_the_models_disagreed(store, photo):
    comparison = store.begin("mine", [sample(photo)], ["m1", "m2", "m3"])
    asked, = comparison.samples
    for model, boxes in {"m1": [CAT, DOG], "m2": [CAT], "m3": []}.items():
        status = "ok" if boxes else "empty"
        store.keep(comparison.id, "s1", replace(answer(asked, model), annotations=tuple(boxes), status=status))
    comparison = store.comparison(comparison.id, "mine")
    taken = store.datasets.take(comparison, "s1", "m1", store.datasets.open("pets").id, author="me")
    shown, = store.queue.page()
    assert shown.id == taken.sample and shown.model == "m1" and store.queue.models() == ["m1"]
    assert shown.disagreement == pytest.approx(1 - (2 / 3 + 0 + 0) / 3)
    assert ids(store, model="m1") == [taken.sample] and ids(store, model="m2") == []
    with pytest.raises(ValueError, match="nothing to take"):
        store.keep(comparison.id, "s1", replace(answer(asked, "m2"), status="failed", annotations=()))
        store.datasets.take(store.comparison(comparison.id, "mine"), "s1", "m2", store.datasets.open("other").id)


def test_a_suggestion_waits_until_somebody_accepts_it(store, queued):
    id, = queued(1, truth=(CAT,))
    offered = store.suggestions.offer(id, parent=None, author="guest", key="k", truth=[DOG], note="a dog")
    assert store.suggestions.offer(id, parent=None, author="guest", key="k", truth=[DOG]).id == offered.id
    assert store.corrections.now(id).truth == (CAT,) and store.suggestions.waiting() == [offered]
    assert offered.correction.changes.deleted == ("c",) and offered.correction.note == "a dog"
    saved = store.suggestions.accept(offered.id, "operator")
    assert (saved.author, saved.truth, saved.note) == ("guest", (DOG,), "a dog") == (
        store.corrections.now(id).author, store.corrections.now(id).truth, store.corrections.now(id).note)
    assert store.suggestions.waiting() == [] and store.suggestions.accept(offered.id, "operator") == saved
    assert store.suggestions.find(offered.id).decided_by == "operator"


def test_a_suggestion_that_came_too_late_is_a_conflict_and_one_may_be_declined(store, queued):
    id, = queued(1)
    offered = store.suggestions.offer(id, parent=None, author="guest", key="k", truth=[DOG])
    newest = save(store, id, truth=[CAT])
    with pytest.raises(Conflict) as conflict:
        store.suggestions.accept(offered.id, "operator")
    assert conflict.value.newest == newest and store.suggestions.find(offered.id).correction.truth == (DOG,)
    store.suggestions.decline(offered.id, "operator")
    assert store.suggestions.waiting() == []
    with pytest.raises(ValueError, match="declined by operator already"):
        store.suggestions.accept(offered.id, "operator")


def test_a_suggestion_is_as_hostile_as_its_visitor(store, queued, monkeypatch):
    a, b = queued(2)
    offered = store.suggestions.offer(a, parent="", author=HOSTILE[:200], key=HOSTILE, note=HOSTILE)
    assert store.suggestions.find(offered.id).correction.note == HOSTILE
    with pytest.raises(ValueError, match="belongs to another sample"):
        store.suggestions.offer(b, parent="", author="guest", key=HOSTILE)
    with pytest.raises(ValueError, match="no four numbers"):
        store.suggestions.offer(b, parent="", author="guest", key="k", truth=[Annotation("", (0, 0, float("nan"), 1))])
    with pytest.raises(NotFound):
        store.suggestions.offer("nothing", parent="", author="guest", key="k")
    monkeypatch.setattr(suggestions, "MOST_WAITING", 1)
    with pytest.raises(ValueError, match="1 suggestions wait to be looked at"):
        store.suggestions.offer(b, parent="", author="guest", key="k2")


def test_a_sample_that_a_visitor_brought_is_nowhere_until_it_is_accepted(store, drawn):  # noqa: F811
    dataset = store.datasets.open("pets")
    id, = store.datasets.add(dataset.id, drawn(1), author="guest", suggested=True).ids
    assert store.suggestions.is_of(id, "guest") and not store.suggestions.is_of(id, "other")
    save(store, id, truth=[CAT])
    assert list(store.datasets.samples(dataset.id)) == [] == ids(store, status=None)
    assert store.datasets.snapshot(dataset.id).samples == 0 == store.datasets.find("pets").samples
    assert ids(store, status="suggested") == [id] and store.queue.progress().suggested == 1
    event = store.suggestions.accept_sample(id, "operator")
    assert event.author == "operator" and event.truth == (CAT,) and ids(store, status="reviewed") == [id]
    assert not store.suggestions.is_of(id, "guest")
    with pytest.raises(NotFound, match="does not wait"):
        store.suggestions.accept_sample(id, "operator")


def test_votes_count_once_for_each_voter_and_the_newest_counts(store, photo):
    given = [sample(photo), Sample("s2", sample(photo).images, "detect", "x")]
    comparison = store.begin("mine", given, ["a", "b", "c"])
    cast = store.votes.cast
    first = cast(comparison.id, "s1", ["a", "b"], "a", owner="ann", key="1")
    assert cast(comparison.id, "s1", ["a", "b"], "a", owner="ann", key="1") == first
    cast(comparison.id, "s1", ["a", "b"], "b", owner="ann", key="2")
    cast(comparison.id, "s1", ["a", "b", "c"], "b", owner="bob", key="3")
    cast(comparison.id, "s2", ["b", "a"], None, owner="bob", key="4")
    assert store.votes.wins() == {"a": Wins(0, 2, 1), "b": Wins(2, 0, 1), "c": Wins(0, 1, 0)}
    assert store.votes.of(comparison.id, "bob") == {"s1": "b", "s2": None}
    assert store.votes.of(comparison.id, "ann") == {"s1": "b"}
    for models, winner in ((["a"], "a"), (["a", "b"], "c"), ([], None)):
        with pytest.raises(ValueError, match="a vote chooses one of several"):
            cast(comparison.id, "s1", models, winner, owner="ann", key="5")
    with pytest.raises(NotFound):
        cast(comparison.id, "s9", ["a", "b"], "a", owner="ann", key="6")
