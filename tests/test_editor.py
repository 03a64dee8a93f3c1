"""The editor's Python half: what a picture brings, what may come back from a browser, and the figures with joints."""
from __future__ import annotations

import json

import pytest
from pydantic import ValidationError

from app import tasks
from app.skeletons import SKELETONS
from app.types import Annotation
from app.ui.editor import About, Editor, EditorData, Work, receipt, theirs, told

SAVE = {"sample": "s", "parent": None, "client": "c", "key": "k", "objects": [], "reviewed": True, "nothing": True,
        "task": "detect", "query": "cat"}


@pytest.mark.parametrize("change, why", [
    ({"objects": "all"}, "the objects are 'all', not a list"),
    ({"sample": ""}, "this save has no sample"),
    ({"sample": ["s"]}, "the sample is \"['s']\", not a text"),
    ({"key": None}, "this save has no key"),
    ({"task": "fly"}, "there is no task 'fly'; there are: detect"),
    ({"note": "x" * 2_001}, "the note has 2,001 characters; keep it under 2,000"),
    ({"query": "x" * 4_000}, "the query has 4,000 characters; keep it under 2,000"),
])
def test_a_save_that_cannot_be_read_says_why(change, why):
    with pytest.raises(ValueError) as refused:
        told.read(SAVE | change)
    assert why in str(refused.value)


@pytest.mark.parametrize("nonsense", [None, 3, "save", [], [SAVE]])
def test_nonsense_is_refused_and_still_has_a_key_to_answer(nonsense):
    with pytest.raises(ValueError, match="nothing that can be read"):
        told.read(nonsense)
    assert told.key_of(nonsense) == ""


def test_a_save_is_read_with_nothing_taken_on_trust():
    read = told.read(SAVE | {"flagged": 1, "reviewed": "yes", "image": {"path": "/etc/passwd"}, "answer": ""})
    assert (read.flagged, read.reviewed, read.answer, read.parent) == (False, False, "", None)
    assert not hasattr(read, "image"), "a picture is named by the store alone"


def test_a_picture_travels_by_its_address_and_its_objects_say_who_has_seen_them(tmp_path):
    seen = Annotation("cat", (1.0, 2.0, 3.0, 4.0), id="a", score_source="person")
    new = Annotation("<b>" + "x" * 4_000, (1.0, 2.0, 3.0, 4.0), score=0.5, score_source="tokens", crowd=True)
    work = Work("s", str(tmp_path / "p.png"), (30, 20), About("keypoints", "nose; tail;nose"), (seen, new), (new,))
    data = Editor(render=False).postprocess(work)
    assert [each["checked"] for each in data.annotations] == [True, False]
    assert [each["id"] for each in data.annotations] == ["a", "a1"] and data.annotations[1]["crowd"]
    assert len(data.annotations[1]["label"]) == 300
    assert data.template["names"] == ["nose", "tail"] and not data.nothing
    assert json.loads(data.model_dump_json())["image"]["path"] == str(tmp_path / "p.png")


def test_nobody_has_looked_and_nothing_is_there_stay_apart():
    def nothing(annotations, reviewed):
        work = Work("s", "p.png", (3, 2), About("detect", "cat"), annotations, reviewed=reviewed)
        return Editor(render=False).postprocess(work).nothing
    assert (nothing(None, False), nothing((), True), nothing((), False)) == (False, True, False)


def test_what_the_component_sends_back_as_its_value_reaches_no_handler():
    assert Editor(render=False).preprocess(EditorData(image={"path": "/etc/passwd"}, stamp="", sample="s", width=1,
                                                      height=1)) is None
    with pytest.raises(ValidationError, match="meta"):
        EditorData.model_validate({"image": {"path": "/etc/passwd"}, "stamp": "", "sample": "s", "width": 1,
                                   "height": 1}, context={"validate_meta": True})


def test_a_receipt_is_saved_a_problem_or_two_versions():
    assert receipt("k", saved="e1")["receipt"] == {"key": "k", "saved": "e1", "words": ""}
    assert receipt("k", problem="half \ud800")["receipt"] == {"key": "k", "problem": "half ?"}
    two = theirs("e2", "14:03", "Ada", "1 moved", (), True, About("detect", "cat"))
    assert receipt("k", conflict=two)["receipt"]["conflict"]["nothing"] is True


@pytest.mark.parametrize("figure", SKELETONS, ids=lambda figure: figure.title)
def test_a_figure_has_a_place_inside_its_box_for_every_joint_and_lines_between_joints(figure):
    assert len(set(figure.names)) == len(figure.names) == len(figure.layout)
    assert all(0 <= x <= 1 and 0 <= y <= 1 for x, y in figure.layout)
    assert {name for line in figure.lines for name in line} == set(figure.names), "a joint hangs in the air"


def test_the_person_is_that_of_coco(shared):
    [category] = json.loads((shared / "coco/keypoints/person_keypoints.json").read_text())["categories"]
    person = SKELETONS[0]
    assert list(person.names) == category["keypoints"]
    assert {frozenset(line) for line in person.lines} == {
        frozenset(category["keypoints"][n - 1] for n in line) for line in category["skeleton"]}


def test_every_task_can_be_chosen():
    assert [name for _, name in Editor(render=False).props["tasks"]] == list(tasks.TASKS)
