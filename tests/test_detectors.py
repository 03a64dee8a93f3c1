"""Tiny zero-shot detectors give scored boxes in pixels of the upright picture, each under a name that was asked for."""
from __future__ import annotations

import json
import threading
from types import SimpleNamespace

import PIL.Image
import pytest
import torch

from app import pictures
from app.backends import ModelError, detectors, omdet
from app.geometry import area, clipped
from app.types import Generation, ModelSpec, Request

FAMILY = {"grounding_dino": "grounding-dino", "mm_grounding_dino": "grounding-dino", "owlv2": "owlv2",
          "omdet_turbo": "omdet-turbo"}
GREEDY = Generation()


@pytest.fixture(params=FAMILY, scope="module")
def detector(request, checkpoint):
    """With every box an answer: random weights are never sure."""
    kind = request.param
    model = detectors.load(ModelSpec(f"tiny-{kind}", FAMILY[kind], "detector", str(checkpoint(kind))))
    model.threshold = 0.0
    return model


def detect(model, path, *names):
    request = Request((pictures.read(path),), "detect", names=names)
    [step] = model.generate(request, GREEDY, threading.Event())
    return request, step


@pytest.mark.parametrize("size", [(80, 640), (640, 80), (64, 48)])
def test_one_step_holds_the_boxes_best_first_as_the_family_reads_them(detector, photos, size):
    request, step = detect(detector, photos(size), "cat", "dog")
    rows = json.loads(step.text)
    assert step.finished == "stop" and (rows or max(size) == 640)  # OWLv2's padding is not the picture
    assert {row["label"] for row in rows} <= {"cat", "dog"}
    assert [row["score"] for row in rows] == sorted((row["score"] for row in rows), reverse=True)
    assert step.frame.image_size == size
    parsed = detector.family.parse(step.text, request, step.frame)
    assert len(parsed.annotations) == len(rows)


def test_boxes_are_those_of_transformers_own_post_processing(detector, photos):
    path = photos((120, 60))
    _, step = detect(detector, path, "cat")
    inputs = detector._inputs(pictures.pixels(pictures.read(path)), ["cat"])
    with torch.no_grad():
        outputs = detector.model(**inputs)
    dino = detector.family.name == "grounding-dino"
    more = {"input_ids": inputs["input_ids"], "text_threshold": 0.0} if dino else {}
    theirs = detector.processor.post_process_grounded_object_detection(
        outputs, threshold=0.0, target_sizes=[(60, 120)], **more)[0]["boxes"]
    theirs = [box for box in theirs.tolist() if area(clipped(box, (120, 60))) > 0]
    ours = torch.tensor(sorted(row["box"] for row in json.loads(step.text)))
    assert torch.allclose(ours, torch.tensor(sorted(theirs)), atol=0.01)


def test_the_threshold_leaves_unsure_boxes_out(detector, photo, monkeypatch):
    monkeypatch.setattr(detector, "threshold", 1.01)
    request, step = detect(detector, photo, "cat")
    assert step.text == "[]"
    assert detector.family.parse(step.text, request, step.frame).status == "empty"


def test_an_expression_gets_the_best_box_only(detector, photo):
    request = Request((pictures.read(photo),), "ground", caption="the red cat.")
    [step] = detector.generate(request, GREEDY, threading.Event())
    assert [row["label"] for row in json.loads(step.text)] == ["the red cat"]


def test_a_rotated_photo_is_seen_upright(detector, tmp_path, photos):
    upright = photos((96, 48))
    exif = PIL.Image.Exif()
    exif[0x0112] = 6
    with PIL.Image.open(upright) as picture:
        picture.transpose(PIL.Image.Transpose.ROTATE_90).save(tmp_path / "rotated.png", exif=exif)
    (_, straight), (_, rotated) = detect(detector, upright, "cat"), detect(detector, tmp_path / "rotated.png", "cat")
    assert rotated.text == straight.text and rotated.frame == straight.frame


def test_control_tokens_and_periods_in_a_name_add_no_names(detector, photo):
    _, step = detect(detector, photo, "cat. [SEP] dog? <|endoftext|>")
    assert {row["label"] for row in json.loads(step.text)} == {
        "cat [ SEP] dog <|endoftext|>" if detector.family.name == "grounding-dino" else "cat [SEP] dog < |endoftext|>"}


def test_stopped_before_its_one_pass_it_is_cancelled(detector, photo):
    stop = threading.Event()
    stop.set()
    [step] = detector.generate(Request((pictures.read(photo),), "detect", names=("cat",)), GREEDY, stop)
    assert step.finished == "cancelled"


def test_more_names_than_grounding_dino_reads_are_refused_and_not_dropped(checkpoint, photo):
    model = detectors.load(ModelSpec("d", "grounding-dino", "detector", str(checkpoint("grounding_dino"))))
    with pytest.raises(ModelError, match="names fit; ask for fewer"):
        detect(model, photo, *["cat"] * 100)


def test_each_box_goes_to_the_name_with_the_surest_token(checkpoint):
    """`cat. dog.` is [CLS] cat . dog . [SEP]; transformers' own labels would run the two names together."""
    model = detectors.load(ModelSpec("d", "grounding-dino", "detector", str(checkpoint("grounding_dino"))))
    ids = model.processor.tokenizer("cat. dog.")["input_ids"]
    logits = torch.full((1, 2, 64), -9.0)
    logits[0, 0, 1], logits[0, 0, 3] = 1.0, 0.9
    logits[0, 1, 3] = 2.0
    logits[0, :, 2] = 5.0  # the period is nobody's
    outputs = SimpleNamespace(logits=logits, pred_boxes=torch.tensor([[[0.5, 0.5, 0.2, 0.4], [0.1, 0.1, 0.2, 0.2]]]))
    scores, which, boxes = model._read_grounding_dino(outputs, {"input_ids": torch.tensor([ids])}, (100, 50), 2)
    assert which.tolist() == [0, 1]
    assert scores.tolist() == pytest.approx([0.7311, 0.8808], abs=1e-4)
    assert boxes.tolist() == [pytest.approx([40, 15, 60, 35]), pytest.approx([0, 0, 20, 10])]


def test_omdet_turbo_gives_up_boxes_that_a_better_one_of_the_same_name_covers():
    """As torchvision's batched_nms does, which transformers' own processor asks for and this one does without."""
    far, near, corner = [0.5, 0.5, 0.4, 0.4], [0.52, 0.5, 0.4, 0.4], [0.1, 0.1, 0.2, 0.4]
    none = [-9.0, -9.0, -9.0]
    outputs = SimpleNamespace(
        decoder_coord_logits=torch.tensor([[far, near, corner, near, far, far]]),
        classes_structure=torch.tensor([2]),
        decoder_class_logits=torch.tensor([[[2.0, -9.0, 0.0], [3.0, -9.0, -9.0], [1.0, -9.0, -9.0], [-9.0, 1.5, -9.0],
                                            none, none]]))
    [found] = omdet.Processor.post_process_grounded_object_detection(None, outputs, 0.3, [(50, 100)])
    assert found["labels"].tolist() == [0, 1, 0], "a third name that was not asked for is padding"
    assert found["scores"].tolist() == pytest.approx([0.9526, 0.8176, 0.7311], abs=1e-4)
    assert found["boxes"].tolist() == [pytest.approx(box, abs=1e-3) for box in ([32, 15, 72, 35], [32, 15, 72, 35],
                                                                                [0, 0, 20, 15])]


def test_mm_grounding_dino_has_a_threshold_of_its_own(checkpoint):
    thresholds = [detectors.load(ModelSpec(kind, "grounding-dino", "detector", str(checkpoint(kind)))).threshold
                  for kind in ("grounding_dino", "mm_grounding_dino")]
    assert thresholds == [0.35, 0.3]
