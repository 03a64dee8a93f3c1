"""ViTPose on a detector's persons: joints by the names that were asked for, in pixels of the upright picture."""
from __future__ import annotations

import json
import threading
from types import SimpleNamespace

import PIL.Image
import pytest
import torch

from app import families, pictures, predict
from app.backends import ModelError, Step, detectors
from app.backends.loaded import LoadedModels
from app.families.syntax_scored import write
from app.families.vitpose import JOINTS, asked_joints, joint
from app.types import Annotation, Frame, Generation, ModelSpec, Request

ASKED = ("nose", "L_Wrist", "right ankle")
FAMILY = families.find("vitpose")


def spec(checkpoint, kind: str = "vitpose") -> ModelSpec:
    return ModelSpec(f"tiny-{kind}", "vitpose", "detector", str(checkpoint(kind)),
                     needs={"detector": str(checkpoint("grounding_dino"))})


@pytest.fixture(scope="module", params=["vitpose", "vitpose_plus"])
def pose(request, checkpoint):
    """With every box a person and every joint there: random weights are never sure."""
    model = detectors.load(spec(checkpoint, request.param))
    model.detector.threshold = 0.0
    model.model.register_forward_hook(hot)
    return model


def hot(model, inputs, output) -> None:
    output.heatmaps.add_(1.0)


def asked(path, *names: str, caption: str = "") -> Request:
    return Request((pictures.read(path),), "keypoints", names=names, caption=caption)


def posed(model, request: Request):
    [step] = model.generate(request, Generation(), threading.Event())
    return step, model.family.parse(step.text, request, step.frame)


def test_each_person_has_the_joints_that_were_asked_for_under_the_names_they_were_asked_by(pose, photos):
    step, parsed = posed(pose, asked(photos((96, 64)), *ASKED))
    assert (step.finished, parsed.status) == ("stop", "ok") and len(parsed.annotations) == 5
    assert {tuple(point.name for point in found.points) for found in parsed.annotations} == {ASKED}
    assert {found.label for found in parsed.annotations} == {"person"} and not parsed.problems
    assert all(found.box and found.score is not None for found in parsed.annotations)


def test_a_joint_stands_where_its_heat_is(pose, photos, monkeypatch):
    """The hottest cell of a map, back through the crop that was made around the person."""
    person = (20.0, 10.0, 50.0, 58.0)
    heat = torch.zeros(1, 17, 16, 12)
    heat[0, 0, 4, 3] = heat[0, 10, 12, 9] = 1.0
    seen = Step(write([Annotation("person", person, score=0.9)]), 0, "person", Frame((96, 64), (96, 64)), "stop")
    monkeypatch.setattr(pose.detector, "generate", lambda *_: iter([seen]))
    monkeypatch.setattr(pose, "model", Hot(heat, pose.model.config))
    _, parsed = posed(pose, asked(photos((96, 64)), "nose", "right wrist", "left ankle"))
    [found] = parsed.annotations
    width, height = 48 * 0.75 * 1.25, 48 * 1.25  # of the crop: 4:3 around the middle of the person, a quarter wider
    places = {point.name: (point.x, point.y) for point in found.points}
    assert set(places) == {"nose", "right wrist"}, "a joint without heat is not there"
    for name, (column, row) in {"nose": (3, 4), "right wrist": (9, 12)}.items():
        assert places[name] == pytest.approx((35 - width / 2 + column / 11 * width,
                                              34 - height / 2 + row / 15 * height), abs=0.2)


def test_nobody_in_the_picture_is_an_empty_answer(checkpoint, photo):
    model = detectors.load(spec(checkpoint))
    model.detector.threshold = 1.01
    step, parsed = posed(model, asked(photo, "nose"))
    assert (step.text, parsed.status) == ("[]", "empty")


def test_a_rotated_photo_is_seen_upright(pose, tmp_path, photos):
    upright = photos((96, 48))
    exif = PIL.Image.Exif()
    exif[0x0112] = 6
    with PIL.Image.open(upright) as picture:
        picture.transpose(PIL.Image.Transpose.ROTATE_90).save(tmp_path / "rotated.png", exif=exif)
    straight, rotated = (posed(pose, asked(path, *ASKED))[0] for path in (upright, tmp_path / "rotated.png"))
    assert rotated.text == straight.text and rotated.frame == straight.frame


def test_stopped_before_its_passes_it_is_cancelled(pose, photo):
    stop = threading.Event()
    stop.set()
    [step] = pose.generate(asked(photo, "nose"), Generation(), stop)
    assert step.finished == "cancelled"


def test_another_figure_is_looked_for_by_its_name(pose, photo):
    step, _ = posed(pose, asked(photo, "nose", caption="dog"))
    assert step.prompt == "dog" and {row["label"] for row in json.loads(step.text)} == {"dog"}


def test_it_is_asked_like_any_other_model(checkpoint, photo):
    *_, last = (update for update in predict.compare(LoadedModels(), [
        predict.Ask(spec(checkpoint), asked(photo, "nose", "left elbow"))]) if update)
    assert last.prediction.status in ("ok", "empty") and last.prediction.revision


def test_who_finds_the_persons_must_be_there_too(checkpoint, tmp_path):
    alone = ModelSpec("alone", "vitpose", "detector", str(checkpoint("vitpose")),
                      needs={"detector": str(tmp_path / "x")})
    with pytest.raises(ModelError, match="there is no folder"):
        detectors.load(alone)


@pytest.mark.parametrize("written", ["L_Eye", "left eye", "left_eye", "Left-Eye", "l eye"])
def test_a_joint_is_known_however_it_is_spelt(written):
    assert joint(written) == "left eye"


def test_the_names_are_those_of_coco_in_its_order(checkpoint):
    assert len(JOINTS) == 17 and JOINTS[:3] == ("nose", "left eye", "right eye") and JOINTS[-1] == "right ankle"
    assert tuple(detectors.load(spec(checkpoint)).joints.values()) == JOINTS


def test_a_joint_it_does_not_know_is_said_and_the_others_are_placed(photo):
    request = asked(photo, "nose", "tail")
    parsed = FAMILY.parse('[{"label": "person", "box": [1, 2, 30, 40], "score": 0.5, "keypoints": {"nose": [3, 4]}}]',
                          request, FAMILY.frame((64, 48)))
    assert parsed.status == "ok" and "'tail'" in parsed.problems[0] and "left ankle" in parsed.problems[0]
    assert asked_joints(request) == {"nose": "nose"}


def test_only_unknown_joints_are_refused_before_anything_is_loaded(photo):
    with pytest.raises(ValueError, match="cannot place tail; hoof; it can: nose; left eye"):
        FAMILY.check(asked(photo, "tail", "hoof"))


class Hot:
    """A model whose joints are where the test wants them."""

    def __init__(self, heat: torch.Tensor, config) -> None:
        self.heat, self.config = heat, config

    def __call__(self, pixels, **experts):
        return SimpleNamespace(heatmaps=self.heat)
