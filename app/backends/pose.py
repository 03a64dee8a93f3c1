"""Asks ViTPose: a zero-shot detector finds the persons, ViTPose the joints in each; one pass of each, no text."""
from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace

import torch
from transformers import AutoImageProcessor, VitPoseForPoseEstimation

from app import families, pictures
from app.backends import Step
from app.backends.checkpoint import LOADING, folder_of, revision_of, within_memory
from app.backends.detectors import Detector
from app.families.reading import Reading
from app.families.syntax_scored import read, write
from app.families.vitpose import DETECTOR, asked_joints, joint
from app.types import Annotation, Generation, ModelSpec, Point, Request

SURE = 0.3  # the heat of a joint from which it is drawn in transformers' documentation
MOST = 50  # persons, the best ones: each is a picture to look at
BODY = 0  # ViTPose++ has an expert for each of its data sets; the first one is COCO's


class Pose:
    """`needs["detector"]` of the spec names the Grounding DINO that finds the persons: a folder, or one on the Hub."""

    def __init__(self, spec: ModelSpec, device: str | None = None) -> None:
        folder = folder_of(spec.source, spec.revision)
        self.spec, self.family = spec, families.find(spec.family)
        self.detector = Detector(replace(spec, id=f"the detector of {spec.id}", family=DETECTOR[0], revision=None,
                                         source=str(spec.needs.get("detector") or DETECTOR[1])), device)
        self.device, self.revision = self.detector.device, revision_of(folder)
        with LOADING:
            self.processor = AutoImageProcessor.from_pretrained(folder, local_files_only=True)
            self.model = VitPoseForPoseEstimation.from_pretrained(
                folder, use_safetensors=True, local_files_only=True, dtype=torch.float32).to(self.device).eval()
        self.memory = self.detector.memory + self.model.get_memory_footprint()
        self.joints = {number: known for number, name in self.model.config.id2label.items()
                       if (known := joint(name)) is not None}

    def generate(self, request: Request, generation: Generation, stop: threading.Event) -> Iterator[Step]:
        """One Step: the figures, best first, each with those of the joints that were asked for and found."""
        began = time.monotonic()
        self.family.check(request)
        wanted = self.family.prompt(request)
        finding = replace(request, task="detect", names=(wanted,), caption="", prompt=None)
        [step] = self.detector.generate(finding, generation, stop)
        if step.finished != "cancelled":
            found = read(step.text, Reading(finding, step.frame, step.frame.image_size)).annotations[:MOST]
            step = replace(step, text=write(self._posed(request, found)), prompt=wanted,
                           seconds_to_first=time.monotonic() - began)
        yield step

    def _posed(self, request: Request, figures: Sequence[Annotation]) -> list[Annotation]:
        if not figures:
            return []
        boxes = [[[x1, y1, x2 - x1, y2 - y1] for x1, y1, x2, y2 in (figure.box for figure in figures)]]
        names = asked_joints(request)
        with within_memory(self.spec), torch.inference_mode():
            inputs = self.processor([pictures.pixels(request.images[0])], boxes=boxes, return_tensors="pt")
            experts = {"dataset_index": torch.full((len(figures),), BODY, device=self.device)
                       } if self.model.config.backbone_config.num_experts > 1 else {}
            outputs = self.model(inputs["pixel_values"].to(self.device), **experts)
        [poses] = self.processor.post_process_pose_estimation(outputs, boxes=boxes)
        return [replace(figure, points=tuple(
            Point(names[self.joints[number]], *place) for number, (place, heat) in enumerate(
                zip(pose["keypoints"].tolist(), pose["scores"].reshape(-1).tolist(), strict=True))
            if heat >= SURE and self.joints.get(number) in names)) for figure, pose in zip(figures, poses, strict=True)]
