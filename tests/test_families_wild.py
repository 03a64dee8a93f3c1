"""The ways Qwen's answers and PaliGemma's go astray, each of them seen in a tracker or a recording."""
from __future__ import annotations

import pytest

from app.families import find
from app.types import Frame, Image, Request

SIZE = (1000, 1000)  # Qwen3-VL's thousandths are pixels here
FRAME = Frame(SIZE, SIZE)
CAT = (10.0, 20.0, 30.0, 40.0)
QWEN, PALI = find("qwen3-vl"), find("paligemma")


def detect(text: str, names=("cat",), family=QWEN, task="detect", **more):
    return family.parse(text, Request((Image("", SIZE),), task, names=names, **more), FRAME)


@pytest.mark.parametrize("text", [
    '{"bbox_2d": [10, 20, 30, 40], "label": "cat"}',
    'Here it is: [{"bbox_2d": [10, 20, 30, 40], "label": "cat"}] and that\'s it.',
    '```\n[{"bbox": [10, 20, 30, 40], "name": "cat"}]\n```',
    "[{'bbox_2d': [10, 20, 30, 40], 'label': 'cat'}]",
    "{bbox_2d: [10, 20, 30, 40], label: cat}",
    '{"objects": [{"box": [10, 20, 30, 40], "object": "cat"}]}',
    '{"name": "cat", "bboxes": [[10, 20, 30, 40]]}',
    '{"label": "cat", "bbox_2d": [[10, 20], [30, 40]]}',
    '{"label": "cat", "bbox_2d": {"x1": 10, "y1": 20, "x2": 30, "y2": 40}}',
    '{"label": "cat", "xmin": 10, "ymin": 20, "xmax": 30, "ymax": 40}',
    '{"label": "cat", "bbox_2d": ["10", "20", "30", "40"]}',
    '{"label": "cat", "bbox_2d": "[10, 20, 30, 40]"}',
    '{"cat": [10, 20, 30, 40]}',
    '{"names": {"zh": "猫", "en": "cat"}, "bbox_2d": [10, 20, 30, 40]}',
    '[{"bbox_2d": [10, 20, 30, 40], "label": "cat",}]',
    "<|object_ref_start|>cat<|object_ref_end|><|box_start|>(10,20),(30,40)<|box_end|><|im_end|>",
    "<ref>cat</ref><box>(10, 20), (30, 40)</box>",
    '<answer>[{"bbox_2d": [10, 20, 30, 40], "label": "cat"}]</answer>',
    '<think>a box [1, 2, 3, 4] {"bbox_2d": [1, 1, 2, 2], "label": "no"}</think>{"bbox_2d": [10, 20, 30, 40], '
    '"label": "cat"}',
])
def test_one_cat_is_one_cat_however_it_is_written(text):
    parsed = detect(text)
    assert [(a.label, a.box) for a in parsed.annotations] == [("cat", CAT)]
    assert (parsed.status, parsed.problems) == ("ok", ())


def test_json_lines_are_several_objects():
    lines = '{"bbox_2d": [10, 20, 30, 40], "label": "cat"}\n{"bbox_2d": [1, 2, 3, 4], "label": "dog"}'
    assert [a.label for a in detect(lines).annotations] == ["cat", "dog"]


@pytest.mark.parametrize("text", ['[{"bbox_2d": [10, 20, 30, 40]}]', "[10, 20, 30, 40]", "[[10, 20, 30, 40]]",
                                  "(10,20),(30,40)"])
def test_a_box_without_a_label_gets_the_asked_one_and_says_so(text):
    parsed = detect(text)
    assert [(a.label, a.box) for a in parsed.annotations] == [("cat", CAT)]
    assert "without a label is called 'cat'" in parsed.problems[0]
    assert detect(text, names=("cat", "dog")).annotations[0].label == "object"
    assert detect(text, names=(), task="ground", caption="my cat").annotations[0].label == "my cat"


def test_a_stray_brace_loses_no_box():
    text = '[{"bbox_2d": [1, 2, 3, 4], "label": "a"}, {{"bbox_2d": [10, 20, 30, 40], "label": "cat"}]'
    parsed = detect(text)
    assert [a.label for a in parsed.annotations] == ["a", "cat"]
    assert parsed.status == "ok" and any("broken" in problem for problem in parsed.problems)


@pytest.mark.parametrize("place, named", [
    ("[1, 2, 3]", "3 numbers"), ("[1, 2, 3, 4, 5]", "5 numbers"), ("[1, 2, NaN, 4]", "infinite or undefined"),
    ("[1, 2, 1e999, 4]", "infinite or undefined"), ("[1, 2, null, 4]", "no number"), ('["a", 2, 3, 4]', "no number"),
    ("[2000, 2000, 3000, 3000]", "wholly outside"), ("true", "left out"), ("7", "left out")])
def test_a_place_that_cannot_be_is_left_out_and_named_and_the_others_stay(place, named):
    parsed = detect(f'[{{"bbox_2d": {place}, "label": "bad"}}, {{"bbox_2d": [10, 20, 30, 40], "label": "cat"}}]')
    assert [a.label for a in parsed.annotations] == ["cat"] and parsed.status == "ok"
    assert any(named in problem for problem in parsed.problems)
    alone = detect(f'[{{"bbox_2d": {place}, "label": "bad"}}]')
    assert alone.status == "unreadable", "a box that cannot be is not the answer that nothing is there"


def test_swapped_corners_are_put_in_order_and_named():
    parsed = detect('{"bbox_2d": [30, 40, 10, 20], "label": "cat"}')
    assert parsed.annotations[0].box == CAT and "swapped" in parsed.problems[0]


def test_a_box_that_leaves_the_picture_is_clipped_and_named():
    parsed = detect('{"bbox_2d": [-5, 20, 1300, 40], "label": "cat"}')
    assert parsed.annotations[0].box == (0, 20, 1000, 40) and "clipped" in parsed.problems[0]


@pytest.mark.parametrize("text", ["[]", "{}", "```json\n[]\n```", '{"objects": []}',
                                  '{"bbox_2d": null, "label": "cat"}',
                                  '[{"bbox_2d": [], "label": "cat"}]', "<think>hm</think><answer>[]</answer>"])
def test_an_empty_list_or_a_null_box_says_nothing_is_there(text):
    assert (detect(text).status, detect(text).annotations) == ("empty", ())


@pytest.mark.parametrize("text", ['[{"bbox_2d": [10, 20, 30, 4', '[{"bbox_2d": [10, 20, 30, 40], "label": "c', "```js",
                                  '{"bbox_2d": [10, 20, 30, 40]', "<think>first [10, 20, 30, 40]"])
def test_half_a_box_is_none(text):
    assert (detect(text).status, detect(text).annotations) == ("truncated", ())


def test_thoughts_that_never_end_are_no_answer():
    """The opening tag is in the prompt when thinking is asked for, so it is not in the text."""
    assert detect('maybe {"bbox_2d": [1, 2, 3, 4], "label": "cat"}', think=True).status == "truncated"
    assert detect('no.</think>{"bbox_2d": [10, 20, 30, 40], "label": "cat"}', think=True).annotations[0].box == CAT


def test_points_as_tags_are_paired_by_their_number():
    parsed = detect('<points x1="1" y1="2" x2="3" y3="9" alt="cat">cat</points>', names=(), task="point", caption="cat")
    assert [(p.x, p.y) for a in parsed.annotations for p in a.points] == [(1, 2)]
    assert parsed.annotations[0].label == "cat" and parsed.problems


def test_joints_written_as_objects_of_their_own_are_one_figure():
    text = '[{"point_2d": [1, 2], "label": "head"}, {"point_2d": [3, 4], "label": "hand"}, ' \
           '{"point_2d": [5, 6], "label": "head"}]'
    parsed = detect(text, names=("head", "hand"), task="keypoints")
    assert [[p.name for p in a.points] for a in parsed.annotations] == [["head", "hand"], ["head"]]
    assert {a.label for a in parsed.annotations} == {"person"}


@pytest.mark.parametrize("joints", ['{"head": [1, 2], "hand": null}',
                                    '{"head": {"x": 1, "y": 2}}', '{"head": [1, 2, 2]}',
                                    '[{"name": "head", "x": 1, "y": 2}]', '[{"label": "head", "point_2d": [1, 2]}]'])
def test_joints_in_any_shape(joints):
    text = f'{{"bbox_2d": [10, 20, 30, 40], "label": "person", "keypoints": {joints}}}'
    figure, = detect(text, names=("head", "hand"), task="keypoints").annotations
    assert figure.box == CAT and [(p.name, p.x, p.y) for p in figure.points] == [("head", 1, 2)]


@pytest.mark.parametrize("text", ['{"cat": 2, "dog": 0}',
                                  '[{"label": "cat", "count": 2}, {"label": "dog", "count": 0}]',
                                  '```json\n{"cat": "2", "dog": 0}\n```', 'So: {"dog": 0, "cat": 2}'])
def test_counts_in_any_shape(text):
    parsed = detect(text, names=("cat", "dog"), task="count")
    assert [a.label for a in parsed.annotations] == ["cat", "cat"] and parsed.status == "ok" and not parsed.problems


def test_a_count_that_cannot_be_is_named():
    parsed = detect('{"cat": 1e18, "dog": 2.5}', names=("cat", "dog"), task="count")
    assert parsed.status == "unreadable" and len(parsed.problems) >= 2
    assert detect('{"cat": 1e999, "dog": NaN}', names=("cat", "dog"), task="count").status == "unreadable"


def test_a_count_under_another_spelling_is_the_asked_one_and_other_numbers_are_none():
    assert [a.label for a in detect('{"cats": 2}', task="count").annotations] == ["cat", "cat"]
    assert [a.label for a in detect('{"Cat": 1, "DOG": 0}', names=("cat", "dog"), task="count").annotations] == ["cat"]
    assert [a.label for a in detect("1 Cat ; 0 dog", names=("cat", "dog"), family=PALI, task="count").annotations
            ] == ["cat"]
    assert detect('{"id": 7, "size": 3}', names=("cat", "dog"), task="count").status == "unreadable"


def test_a_count_that_leaves_a_name_out_says_so():
    for family, text in ((QWEN, '{"cat": 1}'), (PALI, "1 cat")):
        parsed = detect(text, names=("cat", "dog"), family=family, task="count")
        assert len(parsed.annotations) == 1 and "'dog'" in parsed.problems[0]


@pytest.mark.parametrize("text, boxes, labels", [
    ("<loc0100><loc0200><loc0300><loc0400>cat;<loc0100><loc0200><loc0300><loc0400>dog", 2, ["cat", "dog"]),
    ("<loc0100><loc0200><loc0300><loc0400><seg001><seg127> cat ; "
     "<loc0100><loc0200><loc0300><loc0400> dog's, a/b (c)", 2, ["cat", "dog's, a/b (c)"]),
    ("<loc0100><loc0200><loc0300><loc0400> cat<eos><pad>", 1, ["cat"]),
    ("<loc0100><loc0200><loc0300><loc0400> cat ;", 1, ["cat"]),
    (" \n<loc0100> <loc0200> <loc0300> <loc0400> cat\n", 1, ["cat"]),
    ("<loc0100><loc0200><loc0300><loc0400>", 1, ["cat"]),
    ("<loc0100><loc0200><loc0300><loc0400> a ; b ; <loc0100><loc0200><loc0300><loc0400> c;", 2, ["a ; b", "c;"])])
def test_loc_answers_keep_their_labels(text, boxes, labels):
    parsed = detect(text, family=PALI)
    assert [a.label for a in parsed.annotations] == labels and parsed.status == "ok" and len(labels) == boxes
    x1, y1, x2, y2 = (v / 1024 * 1000 for v in (200, 100, 400, 300))
    assert all(a.box == (x1, y1, x2, y2) for a in parsed.annotations)


def test_three_locs_are_no_box_and_are_named():
    parsed = detect("<loc0001><loc0002><loc0003> dog ; <loc0100><loc0200><loc0300><loc0400> cat", family=PALI)
    assert [a.label for a in parsed.annotations] == ["cat"] and "3 <loc> tokens" in parsed.problems[0]


def test_a_detector_keeps_its_scores_and_refuses_what_it_did_not_write():
    dino = find("grounding-dino")
    parsed = detect('[{"label": "c{a}t", "box": [10, 20, 30, 40], "score": 0.5}, 7]', family=dino)
    assert parsed.annotations[0].score == 0.5 and parsed.annotations[0].box == CAT and parsed.problems
    assert detect("[]", family=dino).status == "empty"
    assert detect('[{"label": "cat"', family=dino).status == "unreadable"
