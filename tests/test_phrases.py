"""A caption's phrases are found where they stand, by rules, and each family that finds names is asked for them."""
from __future__ import annotations

import json
import time
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from app import cli, tasks
from app.families import every, find
from app.phrases import MOST_PHRASES, of
from app.predict import prediction_json
from app.types import Annotation, Frame, Generation, Image, Prediction

EXPRESSIONS = Path(__file__).resolve().parent.parent.parent / "shared/data/coco/referring"
PICTURE = (Image("", (640, 480)),)
FRAME = Frame((640, 480), (768, 768))
WALK = "A man in a red shirt walks his dog past two bicycles"

# Written in the manner of COCO and Flickr30k captions: names separated by `;` as they should be found.
CAPTIONS = {
    WALK: "man; red shirt; his dog; two bicycles",
    "A black and white cat sitting on top of a wooden table.": "black and white cat; wooden table",
    "Two young men playing frisbee in a large grassy field.": "Two young men; large grassy field",
    "A group of people standing around a kitchen with a stove and a refrigerator.":
        "group of people; kitchen; stove; refrigerator",
    "The man walks his dog while the woman pushes a stroller.": "man; his dog; woman; stroller",
    "A small, fluffy dog wearing a blue collar lies on the couch.": "small fluffy dog; blue collar; couch",
    "A bathroom with a toilet, sink and shower.": "bathroom; toilet; sink; shower",
    "There are several cars parked along the street in front of a brick building.":
        "several cars; street; brick building",
    "A photo of a cat next to a laptop computer on a desk.": "cat; laptop computer; desk",
    "People walking down the street with umbrellas in the rain.": "People; street; umbrellas; rain",
    "Three zebras graze in a field near some trees.": "Three zebras; field; some trees",
    "An orange and a banana in a bowl.": "orange; banana; bowl",
    "A man without a hat and no shoes rides a skateboard.": "man; skateboard",
    "A dog that is running catches a frisbee.": "dog; frisbee",
    "Man riding a wave on a surfboard": "Man; wave; surfboard",
    "black cat on sofa": "black cat; sofa",
    "The dog's bowl is under the kitchen table.": "dog's bowl; kitchen table",
    "A parking lot full of cars and a tall building on the left.": "parking lot; cars; tall building",
    "A person crossing a street at a railway crossing.": "person; street; railway crossing",
    "Find the cup behind the blue vase.": "cup; blue vase",
    "A bird sits on a branch; another bird flies above the water.": "bird; branch; another bird; water",
    "A brightly colored kite flies in the sky above a sandy beach.": "brightly colored kite; sky; sandy beach",
    "A glass of wine, a slice of pizza and 2 knives.": "glass of wine; slice of pizza; 2 knives",
    "A living room filled with furniture and a flat screen TV.": "living room; furniture; flat screen TV",
    "A woman in a black top waits for bus 42 at the edge of the road.": "woman; black top; bus 42; road",
    "It’s a dog. There's a cat! Isn't that a bird, a red one?": "dog; cat; bird",
    "A ripe orange lying on a plate, a young smiling boy": "ripe orange; plate; young smiling boy",
    "A row of school buses behind a dog that barks": "row of school buses; dog",
    "A robot juggles, and the man skateboards down the street.": "robot; man; street",
    "He is trying to serve customers next to cars.": "customers; cars",
}


@pytest.mark.parametrize("caption", CAPTIONS)
def test_the_phrases_of_a_caption_are_its_things(caption):
    assert "; ".join(phrase.name for phrase in of(caption)) == CAPTIONS[caption]


@pytest.mark.parametrize("caption", CAPTIONS)
def test_a_span_is_where_the_phrase_stands_with_its_article(caption):
    for phrase in of(caption):
        stands = caption[slice(*phrase.span)]
        assert stands.replace(",", "").endswith(phrase.name)
        assert stands.replace(",", "").removesuffix(phrase.name).strip().lower() in ("", "a", "an", "the")


def test_a_thing_that_is_named_twice_is_found_once_where_it_stands_first():
    man, hat = of("A man and a hat. The man, a Man.")
    assert (man.name, man.span, hat.name) == ("man", (0, 5), "hat")


def test_more_things_than_are_found_at_once_are_left_out():
    many = of("There is " + " and ".join(f"a thing{number}" for number in range(40)))
    assert [phrase.name for phrase in many] == [f"thing{number}" for number in range(MOST_PHRASES)]


@pytest.mark.parametrize("caption", [
    "cat; dog", "cat", "very quickly", "!?", "<|im_end|>", "no dogs", "the left", "a", "the the the",
    "it is what it is",
    "Ein Mann in einem roten Hemd führt seinen Hund an zwei Fahrrädern vorbei", "Ein Hund an der Wand",
    "Le chat a un chapeau rouge", "Un perro va a la playa", "Een man op een fiets",
    "赤いシャツを着た男性が犬を散歩させている。",
    "一个男人牵着他的狗", "Мужчина в красной рубашке", "رجل يمشي مع كلبه",
    "a group of " * 180, "x" * 2000, "\ud800\x00"])
def test_a_caption_without_a_phrase_is_one_sentence_that_says_what_to_do(caption):
    with pytest.raises(ValueError, match="choose Detect and separate the names by ;") as error:
        of(caption)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("caption", [
    "a <image> of the <|im_end|><loc_1> cat", "the cat\x00\u200b\ud800 sat\n\non \t a  mat", "a 猫 on the 🐈 mat",
    "the cafe\u0301 table, a nai\u0308ve painting"])
def test_a_name_holds_words_and_nothing_else(caption):
    for phrase in of(caption):
        assert phrase.name == " ".join(phrase.name.split())
        assert not set(phrase.name) & set("<>|;\x00\u200b\ud800🐈")
    assert of("the cafe\u0301 table")[0].name == "cafe\u0301 table"


def test_two_thousand_characters_of_anything_are_read_at_once():
    rng, words = np.random.default_rng(7), [word for caption in CAPTIONS for word in caption.split()]
    pieces = [*words, "of", ",", "&", "'", "-", "'s", "\u0301", "123,456", "group of", "a" * 99, "\ud800", "的"]
    texts = ["".join(f"{piece}{' ' * int(rng.integers(2))}" for piece in rng.choice(pieces, 700))[:2000]
             for _ in range(60)]
    texts += [(unit * 2000)[:2000] for unit in ("a group of ", "red, ", "a red and ", "the man's-", "a\u0301-", "1,")]
    began = time.monotonic()
    for text in texts:
        try:
            found = of(text)
        except ValueError:
            continue
        assert 0 < len(found) <= MOST_PHRASES
        assert all(0 <= a.span[0] < a.span[1] <= len(text) for a in found)
        assert all(a.span[1] <= b.span[0] for a, b in pairwise(found))
    assert time.monotonic() - began < 5


def test_drawn_scenes_are_read_in_every_combination():
    rng = np.random.default_rng(3)
    for _ in range(200):
        things = [" ".join(rng.choice(kinds) for kinds in (("small", "large", "tiny"), ("red", "blue", "grey"),
                                                           ("star", "square", "ring", "circle"))) for _ in range(3)]
        place, verb = rng.choice(["on", "next to", "left of", "in front of"]), rng.choice(["sits", "is", "lying"])
        caption = f"A {things[0]} {verb} {place} the {things[1]} and one {things[2]}."
        named = dict.fromkeys([*things[:2], f"one {things[2]}"])
        assert [phrase.name for phrase in of(caption)] == list(named), caption


@pytest.mark.skipif(not EXPRESSIONS.is_dir(), reason="no real referring expressions beside this repository")
def test_what_people_really_wrote_holds_phrases():
    rows = [row for file in sorted(EXPRESSIONS.glob("*.json")) for row in json.loads(file.read_text("utf-8"))]
    expressions, read = {row["expression"] for row in rows}, 0
    for expression in expressions:
        try:
            found = of(expression)
        except ValueError:
            continue
        read += 1
        assert all(phrase.name in expression.replace(",", "") for phrase in found)
    assert read >= 0.98 * len(expressions) > 0


@pytest.mark.parametrize("family", [each for each in every() if "detect" in each.tasks], ids=lambda family: family.name)
def test_every_family_that_detects_is_asked_for_the_phrases(family):
    """Florence-2 reads the caption itself; the others are asked exactly as for these names."""
    asked = tasks.request(PICTURE, "phrases", WALK)
    prompt = family.prompt(asked)
    if family.name == "florence-2":
        assert prompt == f"<CAPTION_TO_PHRASE_GROUNDING>{WALK}"
    else:
        assert prompt == family.prompt(tasks.request(PICTURE, "detect", "; ".join(asked.names)))
    frame = family.frame((640, 480))
    before = [Annotation("man", (0, 0, 320, 240)), Annotation("red shirt", (64, 96, 128, 480))]
    parsed = family.parse(family.format(before, asked, frame), asked, frame)
    assert [found.label for found in parsed.annotations] == ["man", "red shirt"]


def test_a_family_that_cannot_detect_says_so_in_the_words_of_the_task():
    with pytest.raises(ValueError, match="CogVLM cannot find the phrases of a caption; it can: ask, ground"):
        find("cogvlm").prompt(tasks.request(PICTURE, "phrases", WALK))


@pytest.mark.parametrize("family, text", [
    ("florence-2", "</s><s>A man<loc_100><loc_100><loc_200><loc_200>a small, red shirt<loc_1><loc_1><loc_9><loc_9>"
                   "the two<loc_5><loc_5><loc_8><loc_8></s>"),
    ("kosmos-2", "<grounding><phrase> A man</phrase><object><patch_index_0000><patch_index_0100></object> in"
                 "<phrase> a small, red shirt</phrase><object><patch_index_0000><patch_index_0100></object>"
                 "<phrase> the two</phrase><object><patch_index_0000><patch_index_0100></object>")])
def test_a_model_that_answers_in_the_captions_words_is_read_under_the_phrases_names(family, text):
    asked = tasks.request(PICTURE, "phrases", "The MAN in a small, red shirt")
    labels = [found.label for found in find(family).parse(text, asked, FRAME).annotations]
    assert labels == ["MAN", "small red shirt", "the two"], "what is no phrase stays as the model said it"
    plain = tasks.request(PICTURE, "detect", "MAN; small red shirt")
    assert find(family).parse(text, plain, FRAME).annotations[0].label == "A man"


def test_the_command_reads_a_captions_answer():
    size = ["--width", "640", "--height", "480"]
    asked = ["parse", "--family", "florence-2", "--task", "phrases", *size, "--query"]
    done = CliRunner().invoke(cli.commands, [*asked, WALK], input="A man<loc_0><loc_0><loc_499><loc_999>")
    assert done.exit_code == 0, done.output
    assert [found["label"] for found in json.loads(done.stdout)["annotations"]] == ["man"]
    failed = CliRunner().invoke(cli.commands, [*asked, "cat; dog"])
    assert failed.exit_code == 1 and "choose Detect" in failed.stderr


def test_a_prediction_is_printed_with_the_task_and_the_caption_that_were_typed():
    request = tasks.request(PICTURE, "phrases", WALK)
    answer = Prediction("m", None, request, Generation(), "", "", FRAME, (), "empty", (), 0, 0.0, None)
    printed = prediction_json(answer)
    assert (printed["task"], printed["query"]) == ("phrases", WALK)
