"""A score is what the tokens of an object's place and label say and nothing else; where they say nothing it is None."""
from __future__ import annotations

import json
import math
import re
import threading
import time
from dataclasses import replace

import pytest

from app import families, pictures, rows
from app.confidence import Token, scored
from app.types import Annotation, Frame, Generation, Image, ModelSpec, Parsed, Request
from tests.conftest import ROOT

SIZE = (1000, 1000)
SURE = 0.0  # the log-probability of a token that the model had no doubt about
PIECE = re.compile(r"<[^<>\s]*>|\d|\s*[^\W\d]+|\s+|.", re.DOTALL)  # a number a digit, as most tokenizers write it


def tokens(text: str, doubts: dict[str, float]) -> list[Token]:
    """The text in tokens; each that touches a passage of `doubts` is as likely as that, all others are certain."""
    doubted = [(text.index(passage), text.index(passage) + len(passage), value) for passage, value in doubts.items()]
    found = []
    for piece in PIECE.finditer(text):
        start, end = piece.span()
        found.append(Token(start, end, next((v for a, b, v in doubted if start < b and a < end), SURE)))
    return found


def scores(family: str, text: str, doubts: dict[str, float], task="detect", names=("cat",)) -> list[float | None]:
    caption = "" if task in ("detect", "count") else "cat"
    request = Request((Image("x.png", SIZE),), task, names=names if task in ("detect", "count", "keypoints") else (),
                      caption="" if task == "keypoints" else caption)
    parsed = families.find(family).parse(text, request, Frame(SIZE, SIZE))
    assert parsed.annotations, parsed
    return [each.score for each in scored(parsed, text, tokens(text, doubts))]


def e(*values: float) -> float:
    return pytest.approx(math.exp(sum(values)), abs=1e-4)


PALI = "<loc0046><loc0538><loc0795><loc1022> cat ; <loc0110><loc0000><loc1022><loc0512> white cat"
QWEN = ('```json\n[\n\t{"bbox_2d": [74, 631, 465, 938], "label": "cat"},\n'
        '\t{"bbox_2d": [1, 2, 30, 40], "label": "dog"}\n]\n```')


def test_the_score_is_the_mean_of_the_place_times_the_mean_of_the_label():
    assert scores("paligemma", PALI, {"<loc0538>": -0.4, "<loc1022> cat": -0.8}) == [e(-(0.4 + 0.8) / 4, -0.8), 1.0]
    assert scores("paligemma", PALI, {" white": -1.0}) == [1.0, e(-1.0 / 2)]


def test_a_long_label_and_a_number_of_many_digits_are_no_less_sure():
    assert scores("qwen3-vl", QWEN, {"74, 631, 465, 938": -0.3, "1, 2, 30, 40": -0.3}) == [e(-0.3), e(-0.3)]
    assert scores("qwen3-vl", QWEN.replace("dog", "a dog of many words"), {"a dog of many words": -0.3})[1] == e(-0.3)


WRITTEN = {   # what counts of it, beside the label
    "paligemma": ("<loc0046><loc0538><loc0795><loc1022> cat", "<loc0046><loc0538><loc0795><loc1022>"),
    "qwen3-vl": ('```json\n[{"bbox_2d": [74, 631, 465, 938], "label": "cat"}]\n```', "74 631 465 938"),
    "qwen2-vl": ("<|object_ref_start|>cat<|object_ref_end|><|box_start|>(576,12),(592,42)<|box_end|>", "576 12 592 42"),
    "internvl": ("<ref>cat</ref><box>[[10, 20, 300, 400]]</box>", "10 20 300 400"),
    "florence-2": ("cat<loc_53><loc_333><loc_933><loc_774>", "<loc_53><loc_333><loc_933><loc_774>"),
    "kosmos-2": ("<phrase> cat</phrase><object><patch_index_0044><patch_index_0863></object>",
                 "<patch_index_0044><patch_index_0863>"),
    "lfm2-vl": ('[{"label":"cat","bbox":[0.37,0.00,0.80,0.99]}]', "0.37 0.00 0.80 0.99"),
    "gemma4": ('{"box_2d":[171,75,245,308],"label":"cat"}', "171 75 245 308"),
    "rex-omni": ("<|object_ref_start|>cat<|object_ref_end|><|box_start|><23><294><106><525><|box_end|>",
                 "<23> <294> <106> <525>"),
}


@pytest.mark.parametrize("family", WRITTEN)
def test_in_every_way_of_writing_it_the_place_and_the_label_count_and_nothing_else(family):
    """Brackets, quotes, keys and tags are as doubtful as can be; then one number is, then the label."""
    text, places = WRITTEN[family]
    counts = [at for part in places.split() for at in [text.index(part)] for at in range(at, at + len(part))]
    counts += range(text.index("cat"), text.index("cat") + 3)
    doubtful = [Token(at, at + 1, SURE if at in counts else -9.0) for at in range(len(text))]
    request = Request((Image("x.png", SIZE),), "detect", names=("cat",))
    parsed = families.find(family).parse(text, request, Frame(SIZE, SIZE))
    assert [each.score for each in scored(parsed, text, doubtful)] == [1.0]
    assert scores(family, text, {places.split()[0]: -0.5})[0] < 0.95
    assert scores(family, text, {"cat": -0.5}) == [e(-0.5)]


def test_objects_of_one_name_have_a_score_each():
    text = "wheel<loc_1><loc_2><loc_30><loc_40><loc_50><loc_60><loc_70><loc_80>"
    assert scores("florence-2", text, {"<loc_60>": -0.8}, names=("wheel",)) == [1.0, e(-0.2)]
    text = "<ref>cat</ref><box>[[10, 20, 300, 400], [500, 600, 700, 800]]</box>"
    first, second = scores("internvl", text, {"10, 20, 300, 400": -0.6})
    assert first == e(-0.6) and second == 1.0
    text = "<loc0001><loc0002><loc0300><loc0400><loc0500><loc0600><loc0700><loc0800> cat"
    assert scores("paligemma", text, {"<loc0600>": -0.8}) == [1.0, e(-0.2)]


def test_a_number_in_a_label_is_no_coordinate_and_a_coordinate_is_no_label():
    text = '[{"bbox_2d": [7, 20, 70, 40], "label": "7"}]'
    assert scores("qwen3-vl", text, {'"7"': -0.7}, names=("7",)) == [e(-0.7)]
    assert scores("qwen3-vl", text, {"[7,": -0.7}, names=("7",)) == [e(-0.7 / 7)]
    text = '[{"bbox_2d": [10, 20, 70, 40], "label": "7up 2 l", "img_idx": 0}]'
    assert scores("qwen3-vl", text, {"7up 2 l": -0.5}, names=("x",))[0] < math.exp(-0.3)
    assert scores("qwen3-vl", text, {'"img_idx": 0': -5.0}, names=("x",)) == [1.0]


def test_a_label_that_is_named_like_a_key_or_written_with_escapes_is_found():
    text = '[{"label": "label", "bbox_2d": [10, 20, 70, 40]}]'
    assert scores("qwen3-vl", text, {' "label",': -0.5}, names=("label",)) == [e(-0.5)]
    text = '[{"bbox_2d": [10, 20, 70, 40], "label": "k\\u00f6nig"}]'
    assert scores("qwen3-vl", text, {"k\\u00f6nig": -0.5}, names=("x",))[0] < 0.95


def test_points_and_figures_have_a_score_too():
    assert scores("qwen3-vl", '[{"point_2d": [10, 20], "label": "cat"}]', {"20": -0.4}, task="point") == [e(-0.2)]
    text = '[{"bbox_2d": [1, 2, 3, 4], "label": "person", "keypoints": {"joint 1": [5, 6]}}]'
    assert scores("qwen3-vl", text, {"joint 1": -3.0}, task="keypoints", names=("joint 1",)) == [1.0]
    assert scores("qwen3-vl", text, {"[5": -0.6}, task="keypoints", names=("joint 1",)) == [e(-0.1)]


def test_a_label_that_nobody_wrote_takes_nothing_from_the_place():
    assert scores("qwen3-vl", '[{"bbox_2d": [1, 2, 3, 4]}]', {"1, 2, 3, 4": -0.2}) == [e(-0.2)]


@pytest.mark.parametrize("log_probability", [math.nan, -math.inf])
def test_a_token_that_nobody_can_judge_is_no_score_and_not_a_full_one(log_probability):
    assert scores("paligemma", PALI, {"<loc0538>": log_probability}) == [None, 1.0]


def test_three_counted_cats_have_no_score():
    assert scores("paligemma", "3", {"3": -0.1}, task="count") == [None] * 3


def test_without_tokens_or_a_span_there_is_no_score():
    box = Annotation("cat", (1.0, 2.0, 3.0, 4.0))
    assert scored(Parsed((box,), "ok", spans=((0, 3),)), "cat", ()) == (box,)
    assert scored(Parsed((box,), "ok"), "<loc0001> cat", tokens("<loc0001> cat", {})) == (box,)
    assert scored(Parsed((box,), "ok", spans=((0, 3),)), "cat 1 2 3 4", tokens("cat 1 2 3 4", {})) == (box,)


def test_a_detector_keeps_its_own_score_and_the_source_is_told():
    text = '[{"label": "cat", "box": [1, 2, 3, 4], "score": 0.25}]'
    request = Request((Image("x.png", SIZE),), "detect", names=("cat",))
    parsed = families.find("owlv2").parse(text, request, Frame(SIZE, SIZE))
    for written in ((), tokens(text, {"1": -1.0})):
        found, = scored(parsed, text, written)
        assert (found.score, found.score_source) == (0.25, "model")
    found, _ = scored(families.find("paligemma").parse(PALI, request, Frame(SIZE, SIZE)), PALI, tokens(PALI, {}))
    assert found.score_source == "tokens"
    person = replace(found, score=1.0, score_source="person")
    assert scored(Parsed((person,), "ok", spans=((0, 40),)), PALI, tokens(PALI, {})) == (person,)


def test_no_score_is_told_apart_from_a_full_one_everywhere():
    bare, full = Annotation("cat", (1.0, 2.0, 3.0, 4.0)), Annotation("cat", (1.0, 2.0, 3.0, 4.0), score=1.0)
    assert bare != full and bare.to_json()["score"] is None and full.to_json()["score"] == 1.0
    for each in (bare, full, replace(full, score_source="tokens")):
        assert rows.read(Annotation, json.loads(json.dumps(rows.write(each)))) == each


def test_an_answer_from_before_there_were_sources_can_still_be_read():
    row = rows.write(Annotation("cat", (1.0, 2.0, 3.0, 4.0), score=0.5))
    del row["score_source"]
    assert rows.read(Annotation, row) == Annotation("cat", (1.0, 2.0, 3.0, 4.0), score=0.5)


def test_the_annotation_of_the_commands_stays_as_it_is():
    found = Annotation("cat", (1.0, 2.0, 3.0, 4.0), score=0.5, score_source="tokens")
    assert set(found.to_json()) == {"label", "box", "points", "score"}


def test_a_thousand_objects_are_scored_at_once():
    text = " ; ".join(["<loc0001><loc0002><loc0300><loc0400> black cat 7"] * 1000)
    request = Request((Image("x.png", SIZE),), "detect", names=("cat",))
    parsed = families.find("paligemma").parse(text, request, Frame(SIZE, SIZE))
    one_name = "cat" + "<loc_1><loc_2><loc_30><loc_40>" * 1000
    shared = families.find("florence-2").parse(one_name, request, Frame(SIZE, SIZE))
    began = time.process_time()
    assert len(scored(parsed, text, tokens(text, {}))) == len(scored(shared, one_name, tokens(one_name, {}))) == 1000
    assert time.process_time() - began < 2.0


@pytest.mark.parametrize(("name", "family", "types"), [("tiny-paligemma", "paligemma", {"token_type_ids": 1}),
                                                       ("tiny-qwen3-vl", "qwen3-vl", {"mm_token_type_ids": 0})])
def test_a_shipped_models_scores_are_those_of_one_pass_over_the_whole_answer(tmp_path, name, family, types):
    """Token by token with a cache, and again all at once with the answer given: the same probabilities."""
    import torch

    from app.backends import local
    from trainer.demo.scenes import scene
    model = local.load(ModelSpec(name, family, "local", str(ROOT / "assets/models" / name)))
    for seed in range(20):   # until it sees something
        seen = scene(seed, 3, held_out=False)
        seen.picture.save(tmp_path / "scene.png")
        request = Request((pictures.read(tmp_path / "scene.png"),), "detect", names=(seen.things[0].shape,))
        *_, last = model.generate(request, Generation(max_tokens=120), threading.Event())
        if found := scored(model.family.parse(last.text, request, last.frame), last.text, last.written):
            break

    inputs = model.inputs(request, [pictures.pixels(request.images[0])], Generation())
    with torch.inference_mode():
        ids = model.checkpoint.model.generate(**inputs, max_new_tokens=120, do_sample=False)
        asked, told = inputs["input_ids"].shape[1], ids.shape[1] - inputs["input_ids"].shape[1]
        whole = inputs | {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
        for key, kind in types.items():
            if key in inputs:
                whole[key] = torch.cat([inputs[key], torch.full((1, told), kind)], dim=1)
        logits = model.checkpoint.model(**whole).logits[0, asked - 1:-1].float()
    right = logits.log_softmax(-1).gather(1, ids[0, asked:, None])[:, 0].tolist()
    assert [token.log_probability for token in last.written] == pytest.approx(right[:len(last.written)], abs=1e-4)
    again = [token._replace(log_probability=value) for token, value in zip(last.written, right, strict=False)]
    assert "".join(last.text[token.start:token.end] for token in last.written) == last.text
    expected = scored(model.family.parse(last.text, request, last.frame), last.text, again)
    assert found and [each.score for each in found] == pytest.approx([each.score for each in expected], abs=1e-4)
    assert all(0 < each.score <= 1 and each.score_source == "tokens" for each in found)


def test_a_character_of_several_tokens_has_one_place_and_a_changed_end_has_none():
    from app.backends.writing import Writing
    from tests.tiny import byte_tokenizer
    tokenizer = byte_tokenizer([])
    writing = Writing(tokenizer, frozenset({tokenizer.eos_token_id}))
    for token in [*tokenizer("a猫")["input_ids"], tokenizer.eos_token_id]:
        writing.take(token, -0.5)
    assert writing.written_in(writing.whole()) == (Token(0, 1, -0.5), *[Token(1, 2, -0.5)] * 3)
    assert writing.written_in("b猫") == ()
