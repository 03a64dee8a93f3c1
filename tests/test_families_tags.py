"""The ways in which answers in tags, in y-first JSON and in grids go astray, and the words each family asks with."""
from __future__ import annotations

import pytest

from app.families import every, find
from app.types import Annotation, Frame, Image, Point, Request

SIZE = (1000, 1000)  # thousandths are pixels here
FRAME = Frame(SIZE, SIZE)
BOX = (10.0, 20.0, 300.0, 400.0)


def read(family: str, text: str, task: str = "detect", names=("cat",), caption: str = "my cat", **more):
    return find(family).parse(text, Request((Image("", SIZE),), task, names=names, caption=caption, **more), FRAME)


def boxes(parsed) -> list:
    return [(a.label, a.box) for a in parsed.annotations]


@pytest.mark.parametrize("family, text", [
    ("qwen2-vl", "<|object_ref_start|>cat<|object_ref_end|><|box_start|>(10,20),(300,400)<|box_end|><|im_end|>"),
    ("qwen2-vl", "cat: (10,20),(300,400)"),  # a server that leaves special tokens out
    ("qwen2-vl", '[{"bbox_2d": [10, 20, 300, 400], "label": "cat"}]'),
    ("qwen-vl", "<ref>cat</ref><box>(10, 20), (300, 400)</box>"),
    ("internvl", "<ref>cat</ref><box>[[10, 20, 300, 400]]</box>"),
    ("internvl", "```\n<ref>cat</ref><box>[[10, 20, 300, 400]]</box>\n```"),
    ("internvl", "<think>a [[1, 2, 3, 4]]</think><answer>[10, 20, 300, 400]</answer>"),
    ("glm-4.6v", "The cat is at <|begin_of_box|>[[10,20,300,400]]<|end_of_box|>."),
    ("glm-4.6v", "<|begin_of_box|>[10, 20, 300, 400]<|end_of_box|>"),
    ("glm-4.6v", "<|begin_of_box|>(10,20,300,400)<|end_of_box|>"),
    ("glm-4.6v", "<|begin_of_box|><10,20,300,400><|end_of_box|>"),
    ("glm-4.6v", "<|begin_of_box|>10,20,300,400<|end_of_box|>"),
    ("glm-4.6v", '<|begin_of_box|>[{"bbox_2d": [10, 20, 300, 400], "label": "cat"}]<|end_of_box|>'),
    ("gemma-4", '[{"box_2d": [20, 10, 400, 300], "label": "cat"}]'),
    ("gemma-4", '{"label": "cat", "x_min": 10, "y_min": 20, "x_max": 300, "y_max": 400}'),
    ("gemini", '{"box_2d": "20, 10, 400, 300", "label": "cat"}'),
    ("gemini", '{"box_2d": [[20, 10], [400, 300]], "label": "cat"}'),
    ("lfm2.5-vl", '[{"label": "cat", "bbox": [0.01, 0.02, 0.3, 0.4]}]'),
    ("moondream", '{"objects": [{"x_min": 0.01, "y_min": 0.02, "x_max": 0.3, "y_max": 0.4}]}'),
])
def test_one_cat_is_one_cat_in_every_language(family, text):
    parsed = read(family, text)
    assert [label for label, _ in boxes(parsed)] in (["cat"], ["my cat"]) and parsed.status == "ok"
    assert parsed.annotations[0].box == pytest.approx(BOX)


def test_a_name_can_have_several_boxes_and_a_relation_has_none():
    text = "<ref>cats</ref><box>[[10, 20, 300, 400], [1, 2, 3, 4]]</box> <pred>near</pred><box>[[7, 7, 8, 8]]</box>"
    assert boxes(read("internvl", text)) == [("cats", BOX), ("cats", (1, 2, 3, 4))]
    text = "<ref>cats</ref><box>(10,20),(300,400)</box><box>(1,2),(3,4)</box>"
    assert boxes(read("qwen-vl", text)) == [("cats", BOX), ("cats", (1, 2, 3, 4))]


def test_coordinates_in_a_name_are_no_places():
    parsed = read("qwen2-vl", '[{"point_2d": [5, 6], "label": "(1,2),(3,4)"}]', task="point")
    assert [[(p.x, p.y) for p in a.points] for a in parsed.annotations] == [[(5, 6)]]
    assert boxes(read("internvl", "<ref>[[1, 2, 3, 4]]</ref><box>[[10, 20, 300, 400]]</box>")) == [
        ("[[1, 2, 3, 4]]", BOX)]


def test_a_tag_that_never_closes_loses_only_its_own_box():
    text = "<|ref|>a<|/ref|><|det|>[[220, <|ref|>b<|/ref|><|det|>[[0, 0, 999, 999]]<|/det|>"
    parsed = read("deepseek-vl2", text)
    assert boxes(parsed) == [("b", (0, 0, 1000, 1000))] and parsed.status == "ok"


@pytest.mark.parametrize("family, text", [
    ("qwen2-vl", "<|object_ref_start|>cat<|object_ref_end|><|box_start|>(10,20),(30"), ("qwen2-vl", "<|object_ref_st"),
    ("internvl", "<ref>cat</ref><box>[[10, 20, 30"), ("deepseek-vl2", "<|ref|>cat"), ("molmo", '<points x1="32.0" y1='),
    ("florence-2", "cat<loc_1><loc_2><loc_3"), ("kosmos-2", "<object><patch_index_0044><patch"),
    ("rex-omni", "<|object_ref_start|>cat<|object_ref_end|><|box_start|><23><294><106>"), ("cogvlm", "[[097,514"),
    ("glm-4.6v", "It is at <|begin_of_box|>[[10,20"), ("gemma-4", '[{"box_2d": [171, 75'), ("gemma-3", "<loc0001><lo")])
def test_half_a_box_is_none_in_every_language(family, text):
    parsed = read(family, text)
    assert (parsed.status, parsed.annotations) == ("truncated", ()) and parsed.problems


@pytest.mark.parametrize("family, text", [
    ("rex-omni", "<|object_ref_start|>cat<|object_ref_end|><|box_start|>None<|box_end|>"),
    ("molmo2", "There are none."),
    ("deepseek-vl2", "<|ref|>cat<|/ref|><|det|>[]<|/det|>"), ("florence-2", "</s><s></s><pad>"),
    ("kosmos-2", "<object></object>"), ("internvl", "<ref>cat</ref><box>[[]]</box>"), ("moondream", '{"objects": []}'),
    ("gemini", "[]"), ("glm-4.6v", "<|begin_of_box|>[]<|end_of_box|>")])
def test_nothing_there_is_empty_in_every_language(family, text):
    parsed = read(family, text)
    assert (parsed.status, parsed.annotations, parsed.problems) == ("empty", (), ())


def test_florence_cuts_nothing_to_whole_pixels_and_boxes_quads_and_outlines():
    parsed = read("florence-2", "cat<loc_0><loc_1><loc_2><loc_999><loc_9><loc_9><loc_10><loc_10>"
                                "dog<loc_3><loc_3><loc_4><loc_4></s>")
    assert boxes(parsed) == [("cat", (0.5, 1.5, 2.5, 999.5)), ("cat", (9.5, 9.5, 10.5, 10.5)),
                             ("dog", (3.5, 3.5, 4.5, 4.5))]
    quad = "STOP<loc_10><loc_5><loc_20><loc_4><loc_21><loc_9><loc_9><loc_8>"
    assert boxes(read("florence-2", quad, prompt="<OCR_WITH_REGION>")) == [("STOP", (9.5, 4.5, 21.5, 9.5))]
    outline = "<loc_10><loc_5><loc_20><loc_4><loc_21><loc_9>"
    assert boxes(read("florence-2", outline, prompt="<REFERRING_EXPRESSION_SEGMENTATION>a cat")
                 )[0][1] == (10.5, 4.5, 21.5, 9.5)
    begun = read("florence-2", "cat<loc_1><loc_1><loc_2><loc_2>do")
    assert boxes(begun) == [("cat", (1.5, 1.5, 2.5, 2.5))] and begun.status == "truncated"
    assert "2 <loc_> tokens" in read("florence-2", "cat<loc_1><loc_2>dog<loc_1><loc_2><loc_3><loc_4>").problems[0]


def test_kosmos_boxes_go_from_middle_to_middle_or_from_edge_to_edge():
    cell = 1000 / 32
    parsed = read("kosmos-2", "<phrase> a</phrase><object><patch_index_0000><patch_index_0033>"
                              "</delimiter_of_multi_objects/><patch_index_0032><patch_index_0034></object>")
    assert boxes(parsed) == [("a", (cell / 2, cell / 2, cell * 1.5, cell * 1.5)), ("a", (0, cell, cell * 3, cell * 2))]
    completed = read("kosmos-2", "<object><patch_index_0000><patch_index_0033></object> by<phrase> it</phrase><object>"
                                 "<patch_index_0000><patch_index_0033></object>", task="ground", names=())
    assert [a.label for a in completed.annotations] == ["my cat", "it"] and completed.problems == ()


def test_cogvlm_separates_boxes_by_semicolons():
    assert [box for _, box in boxes(read("cogvlm", "[[010,020,300,400;001,002,003,004]]", task="ground"))] == [
        BOX, (1, 2, 3, 4)]
    written = find("cogvlm").format([Annotation("", BOX), Annotation("", (0, 0, 1000, 7))],
                                    Request((Image("", SIZE),), "ground", caption="cats"), FRAME)
    assert written == "[[010,020,300,400;000,000,999,007]]"


def test_molmo_pairs_points_by_their_number_and_molmo2_knows_the_picture():
    parsed = read("molmo", '<points x1="1" y1="2" x2="3" y3="9" alt="cat">cat</points>', task="point")
    assert [(p.x, p.y) for a in parsed.annotations for p in a.points] == [(10, 20)] and parsed.problems
    parsed = read("molmo2", '<points coords="1 1 010 020;2 1 030 040 2 050 060">cat</points>', task="point")
    assert [(a.image, a.points[0].x, a.points[0].y) for a in parsed.annotations] == [(0, 10, 20), (1, 30, 40),
                                                                                    (1, 50, 60)]
    odd = read("molmo2", '<points coords="1 1 010 020 2 030">cat</points>', task="point")
    assert len(odd.annotations) == 1 and "1 numbers instead of 2" in odd.problems[0]
    counted = read("molmo2", 'Counting the <points coords="1 1 990 800">cat</points> shows a total of 1.', task="count")
    assert [a.label for a in counted.annotations] == ["cat"]


def test_molmo2_writes_three_digits_because_its_makers_read_no_fewer():
    request = Request((Image("", SIZE),), "point", caption="cat")
    assert find("molmo2").format([Annotation("cat", (0, 0, 14, 8))], request, FRAME) == (
        '<points coords="1 1 007 004">cat</points>')
    assert find("molmo").format([Annotation("cat", (0, 0, 14, 8))], request, FRAME) == (
        '<point x="0.7" y="0.4" alt="cat">cat</point>')


def test_rex_names_each_class_that_is_not_there_and_each_joint_that_is_not_seen():
    rex, request = find("rex-omni"), Request((Image("", SIZE),), "detect", names=("cat", "dog"))
    assert rex.format([Annotation("cat", (0, 0, 1000, 500)), Annotation("cat", (0, 0, 1, 1))], request, FRAME) == (
        "<|object_ref_start|>cat<|object_ref_end|><|box_start|><0><0><999><500>,<0><0><1><1><|box_end|>, "
        "<|object_ref_start|>dog<|object_ref_end|><|box_start|>None<|box_end|>")
    figure = '{"person1": {"bbox": " <0> <0> <999> <999> ", "keypoints": {"nose": " <0> <999> ", "ear": "unvisible"}}}'
    parsed = read("rex-omni", f"```json\n{figure}\n```", task="keypoints", names=("nose", "ear"), caption="")
    assert parsed.annotations == (Annotation("person", (0, 0, 1000, 1000), (Point("nose", 0, 1000),)),)
    assert (parsed.status, parsed.problems) == ("ok", ())


def test_y_stands_before_x_in_gemmas_points_and_joints():
    point = read("gemma-4", '[{"point": [20, 10], "label": "cat"}]', task="point")
    assert [(p.x, p.y) for p in point.annotations[0].points] == [(10, 20)]
    for joints in ('{"head": [20, 10]}', '{"head": {"x": 10, "y": 20}}', '{"head": [20, 10, 2]}'):
        figure = read("gemini", f'{{"label": "person", "keypoints": {joints}}}', task="keypoints", names=("head",))
        assert [(p.x, p.y) for p in figure.annotations[0].points] == [(10, 20)]
    request = Request((Image("", SIZE),), "detect", names=("cat",))
    assert find("gemini").format([Annotation("cat", BOX)], request, FRAME) == (
        '```json\n[\n  {"box_2d": [20, 10, 400, 300], "label": "cat"}\n]\n```')
    assert set(find("gemini").schema(request)["items"]["properties"]) == {"box_2d", "label"}
    assert find("lfm2.5-vl").format([Annotation("cat", BOX)], request, FRAME) == (
        '[{"label": "cat", "bbox": [0.01, 0.02, 0.3, 0.4]}]')
    assert find("lfm2.5-vl").schema(request)["items"]["properties"]["bbox"]["items"]["type"] == "number"


def test_the_frames_are_those_of_the_processors():
    """Checked against transformers 5.23 over 20,000 sizes; these are some of them."""
    assert find("gemma-4").frame((640, 480)).input_size == (912, 672)
    assert find("gemma-4").frame((3000, 10)).input_size == (13440, 48)
    assert find("glm-4.6v").frame((4000, 3000)).input_size == (2800, 2100)
    assert find("lfm2.5-vl").frame((4000, 3000)).input_size == (576, 416)
    assert find("gemini").frame((640, 480)).input_size == (640, 480)


def test_code_of_its_own_is_never_found_by_a_checkpoint():
    """Such weights run their maker's program, so nothing may load them because a folder says what they are."""
    apart = {family.name: family for family in every() if family.backend in ("own code", "remote")}
    assert set(apart) == {"qwen-vl", "molmo", "deepseek-vl2", "cogvlm", "moondream", "gemini"}
    assert not any(family.model_types for family in apart.values())
