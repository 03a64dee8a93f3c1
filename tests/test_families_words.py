"""The words each family asks with, the answers it writes, byte for byte, and the thoughts it may have before."""
from __future__ import annotations

import pytest

from app.families import every, find
from app.types import Annotation, Frame, Image, Point, Request

SIZE = (1000, 1000)  # thousandths are pixels here
FRAME = Frame(SIZE, SIZE)
BOX = (10.0, 20.0, 300.0, 400.0)
TASKS = ("detect", "ground", "point", "keypoints", "count", "ask")
NAMES = ("head", "left hand", "right hand", "手")
THINKERS = [family for family in every() if family.thinks]


def asked(task: str, names=("cat", "dog"), caption="the cat") -> Request:
    return Request((Image("", (640, 480)),), task, names=NAMES if task == "keypoints" else names, caption=caption)


def test_the_prompts_are_the_documented_ones():
    """Training and asking share these words; changing one makes every tuned model worse."""
    one = dict(names=("a", "b"), caption="red cat")
    assert {name: [find(name).question(asked(task, **one)) for task in TASKS] for name in (
        "paligemma", "qwen2.5-vl")} == {
        "paligemma": ["detect a ; b", "detect red cat", "point red cat",
                      "keypoints head ; left hand ; right hand ; 手", "answer en how many a ; b?", "answer en red cat"],
        "qwen2.5-vl": ["Outline the position of each a, b and output all the coordinates in JSON format.",
                       "Locate the red cat, output its bbox coordinates using JSON format.",
                       "Point to the red cat, output its coordinates in JSON format.",
                       "Locate the head, left hand, right hand, 手 of each red cat, "
                       "output the keypoints in JSON format.",
                       "How many a, b are there? Answer in JSON format.", "red cat"]}
    assert find("qwen3-vl").question(asked("detect", **one)) == (
        "Locate every instance that belongs to the following categories: 'a, b'. "
        "Report bbox coordinates in JSON format.")
    assert find("grounding-dino").question(asked("detect", names=("Cat", "a dog."))) == "cat. a dog."


def test_the_makers_wordings_are_asked_word_for_word():
    """Models were trained on these; each family's page says where they stand."""
    request = dict(images=(), names=("cat", "dog"), caption="red bird")
    assert {f"{name} {task}": find(name).question(Request(task=task, **request)) for name, task in (
        ("qwen-vl", "ground"), ("internvl", "ground"), ("internvl", "detect"), ("florence-2", "detect"),
        ("florence-2", "ground"), ("kosmos-2", "ground"), ("kosmos-2", "ask"), ("glm-4.6v", "ground"),
        ("molmo", "point"), ("molmo2", "point"), ("molmo2", "count"), ("deepseek-vl2", "ground"),
        ("deepseek-vl2", "detect"), ("cogvlm", "ground"), ("rex-omni", "detect"), ("rex-omni", "point"),
        ("lfm2.5-vl", "ground"), ("gemma-3", "ask"), ("gemma-3", "detect"))} == {
        "qwen-vl ground": "框出图中red bird的位置",
        "internvl ground": "Please provide the bounding box coordinate of the region this sentence describes: "
                           "<ref>red bird</ref>",
        "internvl detect": "Please detect and label all cat, dog in the following image and mark their positions.",
        "florence-2 detect": "<OPEN_VOCABULARY_DETECTION>cat<and>dog",
        "florence-2 ground": "<CAPTION_TO_PHRASE_GROUNDING>red bird",
        "kosmos-2 ground": "<grounding><phrase> red bird</phrase>",
        "kosmos-2 ask": "<grounding> Question: red bird Answer:",
        "glm-4.6v ground": "Help me to locate red bird in the image and give me its bounding boxes.",
        "molmo point": 'Point to all occurrences of "red bird"', "molmo2 point": "Point to red bird",
        "molmo2 count": "How many cat, dog are there?",
        "deepseek-vl2 ground": "<|ref|>red bird<|/ref|>.",
        "deepseek-vl2 detect": "Find all the <|ref|>cat<|/ref|>, <|ref|>dog<|/ref|>",
        "cogvlm ground": "Where is red bird? answer in [[x0,y0,x1,y1]] format.",
        "rex-omni detect": "Detect cat, dog. Output the bounding box coordinates in [x0, y0, x1, y1] format.",
        "rex-omni point": "Point to red bird.",
        "lfm2.5-vl ground": "Inspect the image and detect the red bird. Provide result as a valid JSON: "
                            '[{"label": str, "bbox": [x1,y1,x2,y2]}, ...]. Coordinates must be normalized to 0-1.',
        "gemma-3 ask": "red bird", "gemma-3 detect": "detect cat ; dog"}


def test_the_targets_are_written_exactly_so():
    """Byte for byte, because demo models are trained on them."""
    people = [Annotation("person", (0, 0, 320, 240), (Point("head", 160, 60), Point("left hand", 0, 0, "absent")))]
    bare = [Annotation("person", None, people[0].points), Annotation("person", None, people[0].points)]
    frame = Frame((640, 480), (224, 224))
    pali, qwen = find("paligemma"), find("qwen3-vl")
    assert pali.format(people, asked("keypoints"), frame) == (
        "<loc0000><loc0000><loc0512><loc0512> person <loc0128><loc0256> head")
    assert pali.format(bare, asked("keypoints", caption=""), frame) == (
        "<loc0128><loc0256> head ; <loc0128><loc0256> head")
    assert pali.format([Annotation("cup", points=(Point("", 320, 120),))], asked("point"), frame) == (
        "<loc0256><loc0512> cup")
    assert pali.format([Annotation("cat")], asked("count"), frame) == "1 cat ; 0 dog"
    assert pali.format([Annotation("a")], asked("count", names=("a",)), frame) == "1"
    assert qwen.format(people, asked("keypoints"), frame) == (
        '```json\n[\n\t{"bbox_2d": [0, 0, 500, 500], "label": "person", "keypoints": {"head": [250, 125]}}\n]\n```')
    assert qwen.format([Annotation("猫", (0, 0, 320, 240))], asked("detect"), frame) == (
        '```json\n[\n\t{"bbox_2d": [0, 0, 500, 500], "label": "猫"}\n]\n```')
    assert qwen.format([], asked("detect"), frame) == "```json\n[]\n```"
    assert qwen.format([Annotation("cat")], asked("count"), frame) == '{"cat": 1, "dog": 0}'


def test_the_answer_is_described_by_a_schema_where_it_is_json():
    schema = find("qwen3-vl").schema(asked("detect"))
    assert schema["items"]["properties"]["label"]["enum"] == ["cat", "dog"]
    assert find("qwen3-vl").schema(asked("ask")) is None and find("paligemma").schema(asked("detect")) is None


@pytest.mark.parametrize("family", THINKERS, ids=lambda family: family.name)
@pytest.mark.parametrize("form", ["<think>hm [1, 2, 3, 4] <loc0001></think><answer>{}</answer>",
                                  "hm</think>\n<answer>\n{}\n</answer>", "<think>\nhm\n</think>\n{}", "<answer>{}",
                                  "<answer>{}</answer> as you see at [[1, 2, 3, 4]]"])
def test_the_answer_after_the_thoughts_is_the_answer(family, form):
    task = "ground" if "ground" in family.tasks else "point"
    request = Request((Image("", SIZE),), task, caption="my cat", think=True)
    text = family.format([Annotation("my cat", BOX)], request, FRAME)
    alone = family.parse(text, Request((Image("", SIZE),), task, caption="my cat"), FRAME)
    parsed = family.parse(form.format(text), request, FRAME)
    assert parsed.annotations == alone.annotations != () and parsed.status == "ok"
    start, end = parsed.spans[0]
    assert form.format(text)[start:end] == text[slice(*alone.spans[0])]


def test_gemmas_thoughts_have_a_channel_of_their_own():
    thoughts = '<|channel>thought\nperhaps [{"box_2d": [1, 2, 3, 4], "label": "no"}]'
    assert find("gemma-4").parse(thoughts, asked("detect"), FRAME).status == "truncated"
    answer = '<channel|>[{"box_2d": [20, 10, 400, 300], "label": "cat"}]<turn|>'
    assert find("gemma-4").parse(thoughts + answer, asked("detect"), FRAME).annotations == (Annotation("cat", BOX),)


@pytest.mark.parametrize("family", THINKERS, ids=lambda family: family.name)
def test_thoughts_without_an_end_are_no_answer_and_the_question_asks_for_them(family):
    task = "ground" if "ground" in family.tasks else "point"
    request = Request((Image("", SIZE),), task, caption="my cat", think=True)
    text = family.format([Annotation("my cat", BOX)], request, FRAME)
    assert family.parse("first " + text, request, FRAME).status == "truncated"
    assert family.parse("<think>" + text, request, FRAME).annotations == ()
    assert "<think> </think>" in family.prompt(request) and "<think>" not in family.question(request)


def test_a_model_that_completes_a_form_is_not_asked_to_think():
    assert {family.name for family in every() if not family.thinks} == {
        "florence-2", "kosmos-2", "moondream", "grounding-dino", "owlv2", "omdet-turbo", "vitpose"}
    with pytest.raises(ValueError, match="Florence-2 cannot think before it answers"):
        find("florence-2").prompt(Request((), "ground", caption="cat", think=True))
