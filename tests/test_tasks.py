"""What was typed becomes a request, or one clear sentence; an answer becomes a score."""
from __future__ import annotations

import pytest

from app.families import every
from app.tasks import TASKS, possible, request, score, typed
from app.types import Annotation, Image, Parsed, Point

PICTURE = (Image("", (300, 400)),)
CAT, DOG = Annotation("cat", (0, 0, 10, 10)), Annotation("dog", (20, 20, 40, 40))


def said(*annotations, status="ok") -> Parsed:
    return Parsed(annotations, status)


def test_names_are_split_stripped_and_said_once():
    made = request(PICTURE, "detect", " cat;dog ; cat;; traffic   light ")
    assert made.names == ("cat", "dog", "traffic light") and made.images == PICTURE and made.caption == ""


def test_an_expression_keeps_its_semicolons():
    assert request(PICTURE, "ground", " the cat; no, the other ").caption == "the cat; no, the other"


def test_joints_may_say_whose_they_are():
    made = request(PICTURE, "keypoints", "head; tail", caption="dog", think=True, prompt="x")
    assert (made.names, made.caption, made.think, made.prompt) == (("head", "tail"), "dog", True, "x")


def test_the_phrases_of_a_caption_are_names_to_detect():
    made = request(PICTURE, "phrases", " A man in a red shirt walks his dog ", prompt="x")
    assert (made.task, made.names, made.phrases) == ("detect", ("man", "red shirt", "his dog"), True)
    assert (made.caption, made.prompt) == ("A man in a red shirt walks his dog", "x")


@pytest.mark.parametrize("task", TASKS)
def test_a_request_tells_what_was_typed_for_it(task):
    made = request(PICTURE, task, f" {TASKS[task].placeholder} ")
    assert typed(made) == (task, TASKS[task].placeholder)
    assert request(PICTURE, *typed(made)) == made


def test_names_with_a_description_are_told_as_names():
    assert typed(request(PICTURE, "keypoints", "head;tail", caption="dog")) == ("keypoints", "head; tail")
    assert typed(request(PICTURE, "detect", "cat", caption="a cat")) == ("detect", "cat")


def test_a_family_that_detects_can_be_asked_for_phrases():
    assert possible({"detect", "ask"}) == ("ask", "detect", "phrases")
    assert possible({"ground", "ask"}) == ("ask", "ground") and possible(()) == ()
    for family in every():
        assert ("phrases" in possible(family.tasks)) == ("detect" in family.tasks)


@pytest.mark.parametrize("task, query, sentence", [
    ("phrases", "", "the question is empty; Caption needs words"), ("phrases", "cat; dog", "choose Detect"),
    ("phrases", "a cat " * 500, "3,000 characters"),
    ("juggle", "cat", "no task 'juggle'; there are: detect"), ("detect", "", "empty"), ("detect", " ; ;", "empty"),
    ("ask", " \n ", "empty"), ("ask", "x" * 5000, "5,000 characters; keep it under 2,000")])
def test_a_question_that_cannot_be_asked_is_one_sentence(task, query, sentence):
    with pytest.raises(ValueError, match=sentence) as error:
        request(PICTURE, task, query)
    assert "\n" not in str(error.value) and len(str(error.value)) < 200


def test_exactly_the_longest_question_is_asked():
    assert request(PICTURE, "ask", "x" * 2000).caption == "x" * 2000


def test_every_task_can_be_shown_asked_and_scored():
    for name, task in TASKS.items():
        assert task.name == name and task.title and task.help
        made = request(PICTURE, name, task.placeholder)
        scores = score(made, "red", "Red.") if name == "ask" else score(made, (), said(status="empty"))
        assert scores["score"] == 1 and task.measure in scores


@pytest.mark.parametrize("task", [name for name in TASKS if name != "ask"])
@pytest.mark.parametrize("status", ["unreadable", "refused", "failed", "truncated"])
def test_an_answer_that_was_not_read_is_a_miss_even_where_nothing_is_there(task, status):
    made = request(PICTURE, task, "the cat")
    truth = (Annotation("the cat", (0, 0, 10, 10), (Point("the cat", 5, 5),)),)
    assert score(made, truth, said(status=status))["score"] == 0
    assert score(made, (), said(status=status))["score"] == 0
    assert score(made, (), said(status="empty"))["score"] == 1


def test_an_empty_answer_where_something_is_there_is_a_miss():
    for task in ("detect", "ground", "phrases", "point", "count"):
        assert score(request(PICTURE, task, "the cat"), (CAT,), said(status="empty"))["score"] == 0


def test_detection_is_scored_by_f1():
    scores = score(request(PICTURE, "detect", "cat;dog"), (CAT, DOG), said(CAT))
    assert scores == {"precision": 1, "recall": 0.5, "f1": pytest.approx(2 / 3), "mean_iou": 1, "no_target": None,
                      "score": pytest.approx(2 / 3)}


def test_phrases_are_scored_as_detection_is():
    made = request(PICTURE, "phrases", "a cat chases the dog")
    assert score(made, (CAT, DOG), said(CAT)) == score(request(PICTURE, "detect", "cat;dog"), (CAT, DOG), said(CAT))


def test_grounding_is_scored_by_the_first_box():
    made = request(PICTURE, "ground", "the cat")
    near = Annotation("x", (0, 0, 10, 8))
    assert score(made, (CAT,), said(near, DOG)) == {"accuracy": 1, "iou": pytest.approx(0.8), "point_in_box": 1,
                                                    "no_target": None, "score": 1}
    assert score(made, (CAT,), said(DOG, near))["score"] == 0


def test_a_box_points_at_its_middle():
    made = request(PICTURE, "point", "the cat")
    assert score(made, (CAT,), said(CAT))["f1"] == 1
    assert score(made, (CAT,), said(Annotation("", points=(Point("", 50, 50),))))["f1"] == 0


def test_joints_within_five_percent_of_the_diagonal_are_right():
    """The diagonal of 300×400 is 500, so 25 pixels are near and 26 are not."""
    made = request(PICTURE, "keypoints", "head; tail; foot")
    truth = (Annotation("dog", points=(Point("head", 0, 0), Point("tail", 100, 0), Point("foot", 200, 0))),)
    scores = score(made, truth, said(Annotation("dog", points=(Point("head", 25, 0), Point("tail", 126, 0)))))
    assert scores["joints"] == pytest.approx(1 / 3) and scores["found"] == pytest.approx(2 / 3)
    assert scores["distance"] == pytest.approx((25 + 26) / 2 / 500)


def test_a_count_is_exact_or_off_by_so_many():
    made = request(PICTURE, "count", "cat")
    three = (Annotation("cat"),) * 3
    assert score(made, three, said(*three))["exact"] == 1
    assert score(made, three, said(*three[:1])) == {"exact": 0, "error": 2, "no_target": None, "score": 0}
    assert score(made, three, said(status="unreadable"))["error"] is None
