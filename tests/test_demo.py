"""The drawn world says what it draws, and many questions in one sequence are the same as one at a time."""
from __future__ import annotations

import numpy as np
import pytest
import torch

from app.geometry import iou
from app.types import Annotation, Frame, Parsed
from trainer.demo import batches, questions
from trainer.demo.build import answer, untrained
from trainer.demo.evaluate import Tally
from trainer.demo.scenes import HELD_OUT, SHAPES, scene


@pytest.fixture(scope="module", params=("tiny-paligemma", "tiny-qwen3-vl"))
def demo(request):
    built = untrained(request.param)
    built.model.eval()
    return built


def test_the_same_seed_draws_the_same_scene():
    one, two = scene(5, 3, held_out=True), scene(5, 3, held_out=True)
    assert one.things == two.things
    assert one.picture.tobytes() == two.picture.tobytes()
    assert scene(5, 4, held_out=True).things != one.things


def test_scenes_keep_their_promises():
    drawn = [scene(5, index, held_out=False) for index in range(60)]
    things = [thing for one in drawn for thing in one.things]
    assert {thing.shape for thing in things} == {*SHAPES, "person"}
    assert not {(thing.colour, thing.shape) for thing in things} & HELD_OUT
    for one in drawn:
        assert 1 <= len(one.things) <= 8
        width, height = one.size
        for thing in one.things:
            x1, y1, x2, y2 = thing.box
            assert 0 <= x1 < x2 <= width and 0 <= y1 < y2 <= height
            assert all(x1 - 1e-6 <= x <= x2 + 1e-6 and y1 - 1e-6 <= y <= y2 + 1e-6 for x, y in thing.joints)
            assert thing.shape == "person" or 0.03 * min(one.size) < thing.side < 0.41 * min(one.size)


def test_held_out_combinations_are_drawn_for_measuring():
    things = [thing for index in range(80) for thing in scene(2, index, held_out=True).things]
    assert {(thing.colour, thing.shape) for thing in things} >= HELD_OUT


@pytest.mark.parametrize("shape", SHAPES)
def test_a_shape_fills_its_box_and_nothing_else(shape):
    """Measured on the pixels: a flat picture, one shape, its coloured pixels' bounds are its box."""
    from PIL import Image, ImageDraw

    from trainer.demo.scenes import SCALE, Thing, draw_shape
    thing = Thing("blue", shape, (30.0, 40.0, 90.0, 110.0))
    big = Image.new("RGB", (160 * SCALE, 150 * SCALE), "white")
    draw_shape(ImageDraw.Draw(big), np.random.default_rng(0), thing)
    pixels = np.asarray(big.resize((160, 150), Image.Resampling.BOX)).astype(int)
    ys, xs = np.nonzero(np.abs(pixels - 255).sum(-1) > 60)
    assert iou((xs.min(), ys.min(), xs.max() + 1, ys.max() + 1), thing.box) > 0.95


def test_a_fifth_of_the_questions_has_the_answer_nothing():
    asked = {task: [] for task in questions.TASKS}
    for index in range(150):
        drawn, rng = scene(5, index, held_out=False), np.random.default_rng((5, index))
        for task in questions.TASKS:
            question = questions.ask(rng, drawn, task, held_out=False)
            if question:
                asked[task].append(not question.truth)
    for task in ("detect", "ground", "point", "keypoints", "count"):
        assert np.mean(asked[task]) > 0.18, task


def test_held_out_questions_are_never_asked_in_training():
    for index in range(150):
        drawn, rng = scene(6, index, held_out=False), np.random.default_rng((6, index))
        for task in ("detect", "ground", "count"):
            question = questions.ask(rng, drawn, task, held_out=False)
            assert question is None or not question.held_out


def test_an_expression_fits_what_it_is_said_of():
    """Checked apart from the code that asks: the leftmost star has no star further left."""
    checked = 0
    for index in range(300):
        drawn, rng = scene(8, index, held_out=True), np.random.default_rng((8, index))
        question = questions.ask(rng, drawn, "ground", held_out=True)
        words = question.request.caption.split() if question else []
        if words[:1] == ["leftmost"] and question.truth:
            names = [" ".join(filter(None, (t.colour, t.shape))) for t in drawn.things]
            same = [t for t, name in zip(drawn.things, names) if " ".join(words[1:]) in (t.shape, name)]
            assert question.truth[0].box == min(same, key=lambda t: t.centre[0]).box
            checked += 1
    assert checked >= 5


def test_every_answer_is_read_back_by_the_family_that_wrote_it(demo):
    for index in range(40):
        drawn, rng = scene(9, index, held_out=True), np.random.default_rng((9, index))
        for task in ("detect", "ground", "point", "keypoints", "count"):
            question = questions.ask(rng, drawn, task, held_out=True)
            if not question:
                continue
            frame = Frame(drawn.size, (192, 192))
            parsed = demo.family.parse(answer(demo.family, question, drawn.size), question.request, frame)
            assert [note.label for note in parsed.annotations] == [note.label for note in question.truth]
            for true, read in zip(question.truth, parsed.annotations):
                assert true.box is None or np.allclose(true.box, read.box, atol=0.51)


def test_the_tokenizer_writes_any_text_and_numbers_in_one_token(demo):
    tokenizer = demo.processor.tokenizer
    for text in ("Schäfchen, 苹果 & naïve 🦊 <b>x</b>", "thrombocyte ; WBC", "detect red star\n"):
        assert tokenizer.decode(tokenizer(text, add_special_tokens=False).input_ids) == text
    assert len(set(demo.numbers.tolist())) == len(demo.numbers)


def test_packed_questions_give_what_each_gives_alone(demo):
    """For a causal model exactly; PaliGemma's picture looks at the question, so there only its packed form is checked
    against itself: a question's logits do not depend on its neighbours."""
    rng = np.random.default_rng(1)
    scenes = batches.draw(rng, 1, 3, 0)
    inputs, _, _ = batches.packed(demo, rng, scenes, 3)
    with torch.no_grad():
        together = demo.model(**inputs).logits[0]
        segment = _segments(inputs["position_ids"])
        assert segment.max() == 3, "every question starts where the picture ends"
        for index in range(1, segment.max() + 1):
            keep = (segment == 0) | (segment == index)
            alone = dict(inputs, input_ids=inputs["input_ids"][:, keep], position_ids=inputs["position_ids"][..., keep],
                         attention_mask=inputs["attention_mask"][:, :, keep][..., keep])
            found = demo.model(**alone).logits[0]
            assert torch.allclose(found[(segment == index)[keep]], together[segment == index], atol=1e-4)


def test_one_question_is_packed_as_the_processor_asks_it(demo):
    """The training sequence starts with the very inputs of serving: tokens, positions, what may look at what."""
    rng = np.random.default_rng(2)
    drawn = batches.draw(rng, 1, 4, 0)[0]
    question = questions.ask(rng, drawn, "detect", held_out=False)
    head = batches._head(demo, int(np.prod(batches.grid(demo, batches.pixels(demo, [drawn])))))
    row = batches._row(demo, head, [question], drawn.size, alone=True)
    if demo.family.name == "paligemma":
        served = demo.processor(images=drawn.picture, text="<image>" + demo.family.prompt(question.request))
    else:
        messages = demo.family.messages(question.request)
        text = demo.processor.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
        served = demo.processor(images=[drawn.picture], text=[text])
    asked = served["input_ids"][0]
    assert row["tokens"][:len(asked)] == list(asked)
    assert row["targets"][len(asked) - 1] == row["tokens"][len(asked)]


def test_the_measurement_counts_right_wrong_and_missed():
    drawn = scene(2, 1, held_out=False)
    tally = Tally()
    truth = (Annotation("star", (0, 0, 10, 10)), Annotation("star", (20, 0, 30, 10)))
    detect = questions.Question(questions._request(drawn, "detect", names=("star",)), truth)
    tally.add(detect, Parsed(truth[:1] + (Annotation("ring", (20, 0, 30, 10)),), "ok"), 0.1, drawn.size)
    nothing = questions.Question(questions._request(drawn, "ground", caption="red ring"), ())
    tally.add(nothing, Parsed((), "empty"), 0.1, drawn.size)
    tally.add(nothing, Parsed((), "unreadable"), 0.1, drawn.size)  # saying nonsense is not saying "nothing"
    figures = tally.figures()["figures"]
    assert figures["detect_f1_50"] == 0.5
    assert figures["no_target_accuracy"] == 0.5


def _segments(positions: torch.Tensor) -> np.ndarray:
    """Which question a token belongs to, read off its position, which starts over with every question."""
    line = positions.reshape(-1, positions.shape[-1])[0].numpy()
    restarts = np.flatnonzero(np.diff(line) < 0) + 1
    first = restarts[0] if len(restarts) else len(line)
    begin = np.flatnonzero(line == line[first])[0] if len(restarts) else len(line)
    segment = np.zeros(len(line), int)
    for index, start in enumerate([begin, *restarts]):
        segment[start:] = index + 1
    return segment
