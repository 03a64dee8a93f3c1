"""Asks a zero-shot detector (Grounding DINO, OWLv2, OmDet-Turbo): one pass, all boxes at once, written as JSON text.

They are the baselines: small, quick, no language of their own. The text is what their families read, so that an answer
is kept, shown and measured like any other.
"""
from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator

import torch
from transformers import AutoModelForZeroShotObjectDetection

from app import families, geometry, pictures
from app.backends import ModelError, Step, omdet
from app.backends.checkpoint import LOADING, explained, folder_of, needs, revision_of, within_memory
from app.backends.processors import load_processor
from app.backends.typed import control_tokens, without_control_tokens
from app.families.syntax_scored import asked, write
from app.types import Annotation, Frame, Generation, ModelSpec, Request

__all__ = ["Detector", "load", "needs"]
# Scores from which a box is an answer, by the type of a checkpoint. Grounding DINO's is its makers' (BOX_TRESHOLD in
# their README; transformers' default is their text threshold, which is not used here), MM-Grounding-DINO's that of
# mmdetection's demo (--pred-score-thr), OWLv2's and OmDet-Turbo's are the defaults of transformers.
THRESHOLDS = {"grounding-dino": 0.35, "mm-grounding-dino": 0.3, "owlv2": 0.1, "omdet-turbo": 0.3}


def load(spec: ModelSpec, device: str | None = None):
    """The detector of a spec, or what finds joints in its boxes, on "cpu", "cuda:1" or the first GPU.

    Raises ModelError.
    """
    with explained(spec):
        if families.find(spec.family).name == "vitpose":
            from app.backends.pose import Pose
            return Pose(spec, device)
        return Detector(spec, device)


class Detector:
    def __init__(self, spec: ModelSpec, device: str | None = None) -> None:
        folder = folder_of(spec.source, spec.revision)
        self.spec = spec
        self.family = families.find(spec.family)
        self.device = device or ("cuda:0" if torch.cuda.is_available() else "cpu")
        self.revision = revision_of(folder)
        with LOADING:
            own = omdet.Processor if self.family.name == "omdet-turbo" else load_processor
            self.processor = own(str(folder), local_files_only=True)
            self.model = AutoModelForZeroShotObjectDetection.from_pretrained(
                folder, use_safetensors=True, trust_remote_code=False, local_files_only=True, dtype=torch.float32,
            ).to(self.device).eval()
        self.threshold = THRESHOLDS[self.model.config.model_type]
        self.control = control_tokens(self.processor.tokenizer)
        self.memory = self.model.get_memory_footprint()

    def generate(self, request: Request, generation: Generation, stop: threading.Event) -> Iterator[Step]:
        """One Step: the boxes over the threshold, best first; for an expression, the best one.

        One pass cannot be stopped, so `stop` is looked at before it.
        """
        began = time.monotonic()
        request = without_control_tokens(request, self.control)
        prompt = self.family.prompt(request)
        names = _names(request)
        image = pictures.pixels(request.images[0])
        with within_memory(self.spec), torch.inference_mode():
            inputs = self._inputs(image, names)
            height, width = inputs["pixel_values"].shape[-2:]
            step = Step("", 0, prompt, Frame(image.size, (width, height)), "cancelled")
            if stop.is_set():
                yield step
                return
            outputs = self.model(**inputs)
            read = self._read_grounding_dino if self.family.name == "grounding-dino" else self._read_by_processor
            scores, which, boxes = read(outputs, inputs, image.size, len(names))
        found = [Annotation(names[name], tuple(box), score=round(score, 4)) for score, name, box in
                 zip(scores.tolist(), which.tolist(), boxes.tolist())
                 if score >= self.threshold and geometry.area(geometry.clipped(box, image.size)) > 0]  # not in padding
        found.sort(key=lambda annotation: -annotation.score)
        if request.task == "ground":
            found = found[:1]
        yield Step(write(found), 0, prompt, step.frame, "stop", time.monotonic() - began)

    def _inputs(self, image, names: list[str]):
        inputs = self.processor(images=[image], text=[names], return_tensors="pt", truncation=True)
        return inputs.to(self.device)

    def _read_by_processor(self, outputs, inputs, size: tuple[int, int], count: int):
        """For each box its name. OWLv2's picture was padded to a square, which post-processing takes back."""
        width, height = size
        found = self.processor.post_process_grounded_object_detection(
            outputs, threshold=self.threshold, target_sizes=[(height, width)])[0]
        return found["scores"], found["labels"], found["boxes"]

    def _read_grounding_dino(self, outputs, inputs, size: tuple[int, int], count: int):
        """For each box its best name: that with the surest token of its own, where `a cat. a dog.` has two names.

        transformers gives the words over a threshold instead, which runs names together ("a cat a dog").
        """
        certain = outputs.logits[0].sigmoid()
        spans = self._spans(inputs["input_ids"][0].tolist())
        if len(spans) < count:
            raise ModelError(f"{self.spec.id} reads only so many words: {len(spans)} of the {count} names fit; "
                             "ask for fewer at a time")
        per_name = torch.stack([certain[:, start:end].amax(dim=1) for start, end in spans], dim=1)
        scores, which = per_name.max(dim=1)
        cx, cy, w, h = outputs.pred_boxes[0].unbind(-1)
        width, height = size
        boxes = torch.stack([(cx - w / 2) * width, (cy - h / 2) * height,
                             (cx + w / 2) * width, (cy + h / 2) * height], dim=1)
        return scores, which, boxes

    def _spans(self, ids: list[int]) -> list[tuple[int, int]]:
        """Where each name stands among the tokens: between the periods that close them."""
        period = self.processor.tokenizer.convert_tokens_to_ids(".")
        spans, start = [], 1  # after [CLS]
        for position, token in enumerate(ids):
            if token == period:
                spans.append((start, position))
                start = position + 1
        return spans


def _names(request: Request) -> list[str]:
    """What to look for, without the periods that would close a name; an edited prompt is split at them."""
    wanted = asked(request) if request.prompt is None else re.split(r"[.;]", request.prompt)
    names = [" ".join(re.sub(r"[.?]", " ", name).split()) for name in wanted]
    names = [name for name in names if name]
    if not names:
        raise ValueError("there is no name to look for; write one, such as “cat”")
    return names
