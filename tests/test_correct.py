"""What the Correct tab's functions do with what a browser sends: hostile saves, visitors, two people, examples."""
from __future__ import annotations

import pytest

from app import pictures
from app.store import NotFound
from app.store.reviewing import Wanted
from app.types import Annotation, Sample
from app.ui.correct import examples, opening, queue, saving
from app.workspace import Workspace
from tests.test_access import LOCAL, visitor

HERE, AWAY = visitor(*LOCAL), visitor("192.0.2.7", "192.0.2.1:7860")
CAT = Annotation("cat", (10.0, 10.0, 40.0, 30.0), id="a")


@pytest.fixture
def workspace(tmp_path, monkeypatch):
    monkeypatch.delenv("SPACE_ID", raising=False)
    workspace = Workspace(tmp_path / "home")
    yield workspace
    workspace.store.close()


@pytest.fixture
def sample(workspace, photo):
    """One sample of 64×48 with a cat."""
    store = workspace.store
    given = Sample("s", (pictures.read(photo),), "detect", "cat", (CAT,))
    return store.datasets.add(store.datasets.open("pets").id, [given]).ids[0]


def told(sample, objects=(), key="k1", **rest):
    return {"sample": sample, "parent": None, "client": "tab", "key": key, "objects": list(objects), "reviewed": True,
            "nothing": False, "task": "detect", "query": "cat"} | rest


def cat(**rest):
    return {"id": "a", "label": "cat", "box": [10, 10, 40, 30], "points": [], "score": None} | rest


def save(workspace, data, who=HERE, owner="me"):
    return saving.save(workspace, data, who, owner, {})["receipt"]


@pytest.mark.parametrize("objects, why", [
    ([cat(box=[float("nan"), 1, 2, 3])], "object 1 ('cat') was left out: its box (nan, 1, 2, 3) is no four numbers"),
    ([cat(box=[5, 5, 5, 5])], "has no area; draw it again, or delete the object"),
    ([cat(box=[100, 100, 200, 200])], "lies outside the picture of 64×48"),
    ([cat(label="x" * 4_000)], "its label has 4,000 characters; keep it under 2,000"),
    ([cat(box=10 ** 400)], "its box is"),
    ([cat()] * 10_001, "10,001 objects are more than the 10,000"),
    ("all of them", "the objects are 'all of them', not a list"),
])
def test_what_nobody_can_have_meant_is_not_saved_and_says_why(workspace, sample, objects, why):
    receipt = save(workspace, told(sample) | {"objects": objects})
    assert why in receipt["problem"] and receipt["key"] == "k1"
    assert workspace.store.corrections.now(sample).seq == 0, "the earlier state is not what it was"


def test_swapped_corners_and_what_goes_over_the_edge_are_repaired_and_said(workspace, sample):
    receipt = save(workspace, told(sample, [cat(box=[40, 30, -10, 10]), cat(id="b", label="<b>قطة</b>")]))
    assert "swapped" in receipt["words"] and "over the edge" in receipt["words"]
    one, other = workspace.store.corrections.now(sample).truth
    assert (one.box, other.label, other.id) == ((0.0, 10.0, 40.0, 30.0), "<b>قطة</b>", "b")


def test_ten_thousand_objects_are_saved(workspace, sample):
    receipt = save(workspace, told(sample, [cat(id=f"n{n}") for n in range(10_000)]))
    assert receipt["saved"] and len(workspace.store.corrections.now(sample).truth) == 10_000


def test_nobody_has_looked_and_nothing_is_there_stay_apart(workspace, photo):
    store = workspace.store
    given = Sample("s", (pictures.read(photo),), "detect", "cat")
    id, = store.datasets.add(store.datasets.open("pets").id, [given]).ids
    first = save(workspace, told(id, reviewed=False, note="later"))
    assert store.corrections.now(id).truth is None and store.queue.find(id).status == "unreviewed"
    save(workspace, told(id, key="k2", parent=first["saved"], nothing=True))
    assert store.corrections.now(id).truth == () and store.queue.find(id).status == "reviewed"


def test_the_same_save_twice_is_one_and_a_stale_one_gets_both_versions(workspace, sample):
    first = save(workspace, told(sample, [cat(label="lynx")]))
    assert save(workspace, told(sample, [cat(label="lynx")]))["saved"] == first["saved"]
    stale = save(workspace, told(sample, [cat(label="tiger")], key="k2"))["conflict"]
    assert (stale["id"], stale["objects"][0]["label"]) == (first["saved"], "lynx")
    assert stale["author"] == "you, in another window,"
    assert len(workspace.store.corrections.history(sample)) == 1
    over = save(workspace, told(sample, [cat(label="tiger")], key="k3", parent=first["saved"]))
    assert over["saved"] and [each["words"] for each in over["history"]] == ["1 relabelled", "1 relabelled"]


def test_a_save_for_a_sample_that_is_not_here_says_so(workspace):
    assert "there is no sample 'elsewhere' here" in save(workspace, told("elsewhere"))["problem"]


def test_a_visitor_suggests_and_changes_nothing(workspace, sample):
    store = workspace.store
    assert save(workspace, told(sample, [cat(label="lynx")]), AWAY)["words"].startswith("Thank you")
    assert store.corrections.now(sample).seq == 0
    [waiting] = store.suggestions.waiting()
    assert waiting.correction.truth[0].label == "lynx" and waiting.correction.author.startswith("visitor ")
    seen = opening.work(store, sample, {}, operator=True).history
    assert seen[0].words == "suggests: 1 relabelled"
    assert opening.work(store, sample, {}).history == (), "a visitor sees what another suggests"
    assert saving.older(store, sample, waiting.id, "operator", True) == waiting.correction
    assert saving.older(store, sample, waiting.id, "visitor x", False) is None


def test_what_a_visitor_brought_is_theirs_to_correct_and_hidden_from_other_visitors(workspace, photo):
    store = workspace.store
    given = Sample("s", (pictures.read(photo),), "detect", "cat", (CAT,))
    author = saving.author_of(workspace, AWAY, "me")
    id, = store.datasets.add(store.datasets.open("pets").id, [given], author=author, suggested=True).ids
    assert save(workspace, told(id, [cat(label="lynx")]), AWAY, "me")["saved"]
    assert "there is no sample" in save(workspace, told(id, [cat()], key="k2"), AWAY, "somebody else")["problem"]
    with pytest.raises(NotFound):
        saving.must_see(store, id, "visitor x", False)
    assert store.queue.find(id).status == "suggested"


@pytest.mark.parametrize("nonsense", [None, [], {"dataset": 3, "status": "gone", "flagged": "yes", "label": ["x"]}])
def test_filters_that_are_none_filter_nothing(nonsense):
    assert queue.wanted(nonsense) == Wanted(status=None)


def test_filters_come_back_as_they_went():
    wanted = Wanted("d", "skipped", "cat", "m", True, True)
    assert queue.wanted(queue.to_json(wanted)) == wanted


def test_the_window_shows_the_open_picture_though_it_does_not_match_any_more(workspace, photos):
    store = workspace.store
    given = [Sample(f"s{n}", (pictures.read(photos((40 + n, 30))),), "detect", "cat") for n in range(5)]
    ids = store.datasets.add(store.datasets.open("pets").id, given).ids
    save(workspace, told(ids[2], nothing=True))
    assert [each.id for each in queue.window(store, Wanted(), ids[2])] == list(ids)
    assert [each.id for each in queue.window(store, Wanted(), ids[1])] == [*ids[:2], *ids[3:]]


def test_the_example_has_mistakes_to_correct_and_is_there_once(workspace):
    store = workspace.store
    dataset = examples.add(store)
    assert examples.add(store) == dataset and store.datasets.find(dataset).samples >= 3
    for queued in store.queue.page(Wanted(dataset)):
        work = opening.work(store, queued.id, {})
        assert work.annotations and not work.reviewed and work.beneath == "it came"
        assert all(each.box is None or (each.box[2] <= work.size[0] and each.box[0] >= 0) for each in work.annotations)


def test_the_numbers_of_labels_begin_with_the_question(workspace, sample):
    work = opening.work(workspace.store, sample, {})
    assert work.labels == ("cat",)
    receipt = save(workspace, told(sample, [cat(label="zebra")], query="dog; cat"))
    assert receipt["saved"] and opening.work(workspace.store, sample, {}).labels == ("dog", "cat", "zebra")
