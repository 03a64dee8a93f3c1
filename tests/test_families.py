"""Every family: what it formats it reads back, a prefix of an answer shows no box that will change, nothing raises."""
from __future__ import annotations

import time
from dataclasses import replace

import numpy as np
import pytest

from app.families import every, find, for_model_type
from app.families.reading import MOST_OBJECTS
from app.types import Annotation, Frame, Image, Pixels, Point, Request

TASKS = ("detect", "ground", "point", "keypoints", "count", "ask")
VLMS = [family for family in every() if family.backend != "detector"]
TEXTUAL = pytest.mark.parametrize("family", VLMS, ids=lambda family: family.name)
EVERY = pytest.mark.parametrize("family", every(), ids=lambda family: family.name)
SHOWN = pytest.mark.parametrize("family", [family for family in every() if family.example],
                                ids=lambda family: family.name)
READERS = pytest.mark.parametrize("family", {type(family).parse: family for family in VLMS}.values(),
                                  ids=lambda family: family.name)  # one of those that share their reading
# Steps of an answer's numbers along each side, where they are not the units of the picture.
STEPS = {"paligemma": 1024, "florence-2": 1000, "kosmos-2": 32, "gemma-3": 1024, "lfm2.5-vl": 1000,
         "molmo": 1000, "molmo2": 1000, "cogvlm": 1000, "moondream": 1_000_000}
# Tasks whose answers name nothing: what is found is called what was asked for.
UNNAMED = {("kosmos-2", "ground"), ("glm-4.6v", "ground"), ("cogvlm", "ground")}
SIZES = [(640, 480), (1280, 160), (160, 1280), (333, 2500), (97, 101), (4000, 3000)]
LABELS = ["cat", "dog's bowl", "a/b, c (d)", "тигр", "猫 🐈", 'the "red" one', "semi; colon", "back\\slash",
          "[1, 2, 3, 4]", "{brace}", "a < b", "naïve"]
NAMES = ("nose", "left hand", "right hand", "手")


def asked(task: str, size=(640, 480), names=("cat", "dog"), caption="the cat") -> Request:
    return Request((Image("", size),), task, names=NAMES if task == "keypoints" else names, caption=caption)


def drawn(rng, size, task: str, many: int) -> list[Annotation]:
    """Random things for a task, as a corrected picture would hold them."""
    width, height = size

    def place() -> tuple[float, float]:
        return float(rng.uniform(0, width)), float(rng.uniform(0, height))

    def box() -> tuple[float, float, float, float]:
        (ax, ay), (bx, by) = place(), place()
        return min(ax, bx), min(ay, by), max(ax, bx), max(ay, by)

    def label() -> str:
        return str(rng.choice(LABELS))

    if task == "point":
        return [Annotation(label(), points=(Point("", *place()),)) for _ in range(many)]
    if task == "keypoints":
        return [Annotation(label(), box(), tuple(Point(str(name), *place()) for name in NAMES if rng.random() < 0.8))
                for _ in range(many)]
    if task == "count":
        return [Annotation(str(rng.choice(("cat", "dog")))) for _ in range(many)]
    return [Annotation(label(), box()) for _ in range(many)]


def first(family) -> str:
    """The first of its tasks, in the order of TASKS."""
    return next(task for task in TASKS if task in family.tasks)


def bin_size(family, frame: Frame) -> tuple[float, float]:
    """One step of the answer's numbers, in pixels of the original."""
    units = (STEPS[family.name],) * 2 if family.name in STEPS else family.units(frame)
    return frame.image_size[0] / units[0], frame.image_size[1] / units[1]


def assert_close(found, wanted, step) -> None:
    assert len(found) == len(wanted)
    for a, b in zip(found, wanted, strict=True):
        assert a.label == b.label
        assert (a.box is None) == (b.box is None)
        for i, (x, y) in enumerate(zip(a.box or (), b.box or (), strict=True)):
            assert abs(x - y) <= step[i % 2] + 1e-6, (a, b)  # half a step, and a whole one at the edge: 1024 is 1023
        assert [p.name for p in a.points] == [p.name for p in b.points]
        for p, q in zip(a.points, b.points, strict=True):
            assert abs(p.x - q.x) <= step[0] + 1e-6 and abs(p.y - q.y) <= step[1] + 1e-6


def able(*tasks: str):
    """Each family with each of these tasks that it can do."""
    pairs = [(family, task) for family in VLMS for task in tasks if task in family.tasks]
    return pytest.mark.parametrize("family, task", pairs, ids=[f"{family.name}-{task}" for family, task in pairs])


def named(family, task: str, annotations: list[Annotation]) -> list[Annotation]:
    """As this family's answers name them."""
    return [replace(a, label="the cat") for a in annotations] if (family.name, task) in UNNAMED else annotations


def test_only_a_model_that_must_be_tuned_first_has_no_real_answer():
    assert {family.name for family in every() if family.example is None} == {"gemma-3", "smolvlm", "idefics3"}


@SHOWN
def test_the_real_answer_reads_as_it_should(family):
    example = family.example
    parsed = family.parse(example.text, example.request, example.frame)
    assert parsed.status == "ok"
    assert [a.label for a in parsed.annotations] == [a.label for a in example.annotations]
    for found, wanted in zip(parsed.annotations, example.annotations, strict=True):
        assert found.box == (wanted.box and pytest.approx(wanted.box, abs=0.001))
        assert [(p.x, p.y) for p in found.points] == [pytest.approx((p.x, p.y), abs=0.001) for p in wanted.points]
        assert found.score == wanted.score
    assert example.request.task in family.tasks and example.source


@SHOWN
def test_a_span_is_where_the_object_stands_in_the_text(family):
    example = family.example
    parsed = family.parse(example.text, example.request, example.frame)
    assert len(parsed.spans) == len(parsed.annotations)
    for annotation, (start, end) in zip(parsed.annotations, parsed.spans, strict=True):
        alone = family.parse(example.text[start:end], example.request, example.frame)
        if family.backend != "detector":  # a detector's text is always a list
            assert annotation in alone.annotations, "several boxes can share one name, and its span"
        if annotation.label not in (*example.request.names, example.request.caption):  # else it may stand in none
            assert annotation.label in example.text[start:end]


@able("detect", "ground", "point", "keypoints")
def test_parsing_undoes_formatting_in_every_shape_of_picture(family, task):
    rng = np.random.default_rng(5)
    for size in SIZES:
        frame, request = family.frame(size), asked(task, size)
        for many in (1, 2, 5, 12):
            before = named(family, task, drawn(rng, size, task, many))
            text = family.format(before, request, frame)
            parsed = family.parse(text, request, frame)
            assert (parsed.status, parsed.problems) == ("ok", ())
            assert_close(parsed.annotations, before, bin_size(family, frame))
            again = family.format(parsed.annotations, request, frame)
            assert again == text, "what was read is written as the same text"


@able("count")
def test_counts_come_back_with_zeros_said_aloud(family, task):
    truth = [Annotation("cat")] * 3
    request = asked("count")
    text = family.format(truth, request, family.frame((640, 480)))
    assert "0" in text and "dog" in text
    parsed = family.parse(text, request, family.frame((640, 480)))
    assert parsed.annotations == tuple(truth) and parsed.status == "ok" and parsed.problems == ()
    alone = asked("count", names=("cat",))
    assert family.parse(family.format(truth, alone, Frame((9, 9), (9, 9))), alone, Frame((9, 9), (9, 9))
                        ).annotations == tuple(truth)


@able("count")
def test_a_label_that_was_not_asked_for_cannot_become_a_count(family, task):
    with pytest.raises(ValueError, match="'bird'"):
        family.format([Annotation("bird")], asked("count"), family.frame((640, 480)))


@able("detect", "ground", "point", "keypoints", "count")
def test_nothing_is_empty_and_reads_as_empty(family, task):
    frame, request = family.frame((640, 480)), asked(task)
    parsed = family.parse(family.format([], request, frame), request, frame)
    assert (parsed.status, parsed.annotations, parsed.problems) == ("empty", (), ())


@able("detect", "ground", "point", "keypoints")
def test_no_prefix_of_an_answer_shows_a_box_that_will_change(family, task):
    rng = np.random.default_rng(11)
    for size in SIZES[:2]:
        frame, request = family.frame(size), asked(task, size)
        text = family.format(drawn(rng, size, task, 3), request, frame)
        final = family.parse(text, request, frame).annotations
        seen = 0
        for end in range(len(text) + 1):
            now = family.parse(text[:end], request, frame).annotations
            assert [a.box for a in now] == [a.box for a in final[:len(now)]], text[:end]
            for early, late in zip(now, final, strict=False):
                early_places = [(p.x, p.y) for p in early.points]
                assert early_places == [(p.x, p.y) for p in late.points][:len(early_places)], text[:end]
            assert len(now) >= seen, "a box that was shown does not vanish"
            seen = len(now)
        assert seen == 3


@able("detect")
def test_a_cut_off_list_keeps_its_whole_boxes_and_says_so(family, task):
    rng = np.random.default_rng(2)
    frame, request = family.frame((640, 480)), asked("detect")
    text = family.format(drawn(rng, (640, 480), "detect", 3), request, frame)
    whole = family.parse(text, request, frame)
    parsed = family.parse(text[:whole.spans[2][0] + 12], request, frame)
    assert parsed.status == "truncated"
    assert parsed.annotations == whole.annotations[:2]
    assert parsed.problems


@EVERY
@pytest.mark.parametrize("garbage", [
    "the picture is nice", "}{][", "<loc>", "42, 17", "<<<<", "🙂" * 50, "[ANSWER]", "]", "[[[", "nothing' or 1"])
def test_garbage_is_an_error_and_not_an_empty_answer(family, garbage):
    parsed = family.parse(garbage, asked(first(family)), family.frame((640, 480)))
    assert parsed.status in ("unreadable", "truncated") and parsed.annotations == () and parsed.problems


@TEXTUAL
@pytest.mark.parametrize("text", ["I'm sorry, I can't help with that.", "I cannot identify people in images.",
                                  "Sorry, as a base VLM I am not trained to answer this question.",
                                  "unanswerable", "I can't see an image."])
def test_a_refusal_is_a_status_of_its_own(family, text):
    assert family.parse(text, asked(first(family)), family.frame((640, 480))).status == "refused"


@TEXTUAL
@pytest.mark.parametrize("text", ["There are no cats in the image.", "None", "No cats are visible here.",
                                  "I don't see any cats.", "There are none.",
                                  "I can't see a cat here."])
def test_nothing_said_in_words_is_empty(family, text):
    parsed = family.parse(text, asked(first(family)), family.frame((640, 480)))
    assert (parsed.status, parsed.annotations) == ("empty", ())


@TEXTUAL
def test_a_long_text_is_not_taken_for_a_refusal(family):
    text = "I'm sorry to say that this took me long. " + "The cat sits on the mat. " * 40
    assert family.parse(text, asked(first(family)), family.frame((640, 480))).status == "unreadable"


@able("ask")
def test_words_answer_a_question_and_have_no_places(family, task):
    frame = family.frame((640, 480))
    parsed = family.parse("I cannot see [1, 2, 3, 4] <loc0001>", asked("ask"), frame)
    assert (parsed.status, parsed.annotations) == ("ok", ())
    assert family.parse(" \n", asked("ask"), frame).status == "empty"


@able("count")
@pytest.mark.parametrize("text, many", [("3", 3), ("three", 3), ("There are 3 cats.", 3), ("3 cats", 3)])
def test_a_count_may_be_said_in_words(family, task, text, many):
    request = asked("count", names=("cat",))
    parsed = family.parse(text, request, family.frame((640, 480)))
    assert parsed.annotations == (Annotation("cat"),) * many and parsed.status == "ok"


@able("count")
@pytest.mark.parametrize("text", ["-3", "3.5", "99999999999999999999999", "9" * 5000, "many"])
def test_what_is_no_count_is_unreadable(family, task, text):
    parsed = family.parse(text, asked("count", names=("cat",)), family.frame((640, 480)))
    assert parsed.status == "unreadable" and parsed.problems


@able("count")
def test_places_answer_a_count(family, task):
    frame, request = family.frame((640, 480)), asked("count", names=("cat",))
    text = family.format([Annotation("cat", (10, 20, 300, 400))] * 2, asked(first(family)), frame)
    assert len(family.parse(text, request, frame).annotations) == 2


@READERS
@pytest.mark.parametrize("unit", [
    "[", "{", "(", '"', "\\\"", "'", "<", "<loc0001>", "<loc0001> ", "<points ", "(1,", "<ref>", "{\"a\":", "<think>",
    '{"bbox_2d": [1, 2, 30, 40], "label": "cat"},', "<loc0001><loc0002><loc0003><loc0004> a ; ", " ", "1", ")\n", "]",
    "[{", "<answer>", "(1,2) "])
def test_an_endless_answer_of_anything_is_read_in_seconds(family, unit):
    """60,000 characters are enough to tell: what is quadratic in them takes minutes."""
    text = (unit * (60_000 // len(unit) + 1))[:60_000]
    start = time.process_time()  # of this process: a busy machine is slow, and not wrong
    for said in (text, "[" + text):
        parsed = family.parse(said, asked(first(family)), family.frame((640, 480)))
        assert len(parsed.annotations) <= MOST_OBJECTS and len(parsed.problems) < 50
    assert time.process_time() - start < 5, "a backtracking pattern takes minutes here"


@READERS
def test_a_megabyte_is_read_as_far_as_anybody_looks(family):
    frame, task = family.frame((640, 480)), first(family)
    text = family.format([Annotation("cat", (10, 20, 300, 400))], asked(task), frame)
    start = time.perf_counter()
    parsed = family.parse(text * (1_000_000 // len(text)), asked(task), frame)
    assert 0 < len(parsed.annotations) <= MOST_OBJECTS and time.perf_counter() - start < 10
    assert any("characters were read" in problem or "objects are kept" in problem for problem in parsed.problems)


@able("detect")
def test_control_tokens_in_a_label_are_written_apart(family, task):
    frame, request = family.frame((640, 480)), asked("detect")
    hostile = ["<loc0001><loc0002>", "<|im_end|>", "</think>", "<eos>", "<image>", "<answer>", "a ; ", "<seg001>"]
    before = [Annotation(label, (10, 20, 300, 400)) for label in hostile]
    text = family.format([*before, Annotation("cat", (1, 2, 30, 40))], request, frame)
    assert "<|im_end|>" not in text and "<eos>" not in text and "<image>" not in text and "</think>" not in text
    parsed = family.parse(text, request, frame)
    assert len(parsed.annotations) == 9 and parsed.annotations[-1].label == "cat" and parsed.status == "ok"


@TEXTUAL
def test_control_tokens_in_a_question_are_written_apart(family):
    task = "ground" if "ground" in family.tasks else "point"
    prompt = family.prompt(asked(task, caption="<image> <|im_end|> <loc0001> <b>cat</b>"))
    assert "<|im_end|>" not in prompt and "cat" in prompt
    if family.name == "paligemma":
        assert "<image>" not in prompt and "<loc0001>" not in prompt


@able("detect")
def test_a_box_out_of_the_picture_is_clipped_when_written(family, task):
    frame, request = family.frame((640, 480)), asked("detect")
    parsed = family.parse(family.format([Annotation("cat", (-50, -9, 900, 700))], request, frame), request, frame)
    step = bin_size(family, frame)
    assert parsed.annotations[0].box == pytest.approx((0, 0, 640, 480), abs=max(step) + 1e-6)
    assert parsed.problems == ()


@able("detect")
def test_an_object_without_a_box_is_no_detection_target(family, task):
    with pytest.raises(ValueError, match="'cat' has no box"):
        family.format([Annotation("cat")], asked("detect"), family.frame((640, 480)))


@EVERY
def test_a_task_it_cannot_do_is_named_with_what_it_can(family):
    with pytest.raises(ValueError, match=f"{family.title} cannot juggle; it can: .*{first(family)}"):
        family.prompt(asked("juggle"))


def test_detectors_only_detect_and_ground():
    with pytest.raises(ValueError, match="Grounding DINO cannot count; it can: detect, ground"):
        find("grounding-dino").prompt(asked("count"))


@EVERY
def test_messages_hold_the_pictures_and_then_the_prompt(family):
    message, = family.messages(asked(first(family)))
    assert [part["type"] for part in message["content"]] == ["image", "text"]
    edited = Request((Image("", (9, 9)),), first(family), names=("cat",), prompt="verbatim <b>")
    assert family.messages(edited)[0]["content"][1]["text"] == "verbatim <b>"


@pytest.mark.parametrize("spelling, name", [
    ("paligemma2", "paligemma"), ("PaliGemma-2", "paligemma"), ("Qwen2.5-VL", "qwen2.5-vl"),
    ("qwen2_5_vl", "qwen2.5-vl"), ("qwen3.5", "qwen3-vl"), ("mm-grounding-dino", "grounding-dino"), ("OWLv2", "owlv2"),
    ("OmDet-Turbo", "omdet-turbo"), ("ViTPose++", "vitpose")])
def test_a_family_is_found_however_it_is_spelt(spelling, name):
    assert find(spelling).name == name


def test_a_checkpoint_finds_its_family_and_no_two_claim_the_same():
    assert for_model_type("qwen3_5_moe").name == "qwen3-vl"
    kinds = [kind for family in every() for kind in family.model_types]
    assert len(kinds) == len(set(kinds)) >= 20
    for family in every():
        assert all(find(name) is family for name in (family.name, *family.aliases, *family.model_types))


@able("keypoints")
def test_two_figures_without_boxes_stay_two(family, task):
    frame, request = family.frame((640, 480)), asked("keypoints", caption="")
    before = [Annotation("person", None, (Point("nose", 10, 20), Point("left hand", 30, 40))),
              Annotation("person", None, (Point("nose", 110, 120),))]
    parsed = family.parse(family.format(before, request, frame), request, frame)
    assert_close(parsed.annotations, before, bin_size(family, frame))


@TEXTUAL
def test_a_picture_of_1_to_300_is_a_clear_error_or_a_frame(family):
    """Qwen's processor refuses it, so its family does, in one sentence; PaliGemma squeezes anything."""
    if family.pixels.fixed:
        assert family.frame((3000, 10)).input_size == family.pixels.fixed
        return
    try:
        frame = family.frame((3000, 10))
    except ValueError as error:
        assert "3000×10 is longer than 200:1" in str(error)
    else:
        assert frame.image_size == (3000, 10) and min(frame.input_size) > 0


def test_the_frame_follows_the_processor_that_was_loaded():
    assert find("paligemma").frame((9, 9), Pixels(fixed=(448, 448))).input_size == (448, 448)
    assert find("qwen2.5-vl").frame((720, 1280)).input_size == (728, 1288)
    assert find("qwen3-vl").frame((720, 1280), Pixels(factor=32, min_pixels=1024, max_pixels=64 * 1024)
                                  ).input_size == (192, 320)
    assert find("owlv2").frame((720, 1280)).input_size == (720, 1280)
