"""OmDet-Turbo's processor without torchvision: transformers' own asks for it, and uses nothing of it but `nms`.

It gives the model the names one by one, beside a task that names them all, and takes back the boxes that others cover.
"""
from __future__ import annotations

import torch
from transformers import AutoImageProcessor, AutoTokenizer, BatchFeature

NMS_THRESHOLD = 0.5  # the default of transformers' post-processing
WORDS = dict(padding="max_length", truncation=True, max_length=77, return_tensors="pt")  # CLIP's places


class Processor:
    """Takes and gives what transformers' OmDetTurboProcessor does, one picture at a time."""

    def __init__(self, source: str, **where) -> None:
        self.image_processor = AutoImageProcessor.from_pretrained(source, **where)
        self.tokenizer = AutoTokenizer.from_pretrained(source, **where)

    def __call__(self, images: list, text: list[list[str]], **_) -> BatchFeature:
        [names] = text
        inputs = BatchFeature(self.image_processor(images, return_tensors="pt"))
        places = self.tokenizer.model_max_length  # tiny checkpoints have fewer
        words = WORDS | {"max_length": min(places, WORDS["max_length"])}
        for kind, written in (("tasks", [f"Detect {', '.join(names)}."]), ("classes", names)):
            encoded = self.tokenizer(written, **words)
            inputs |= {f"{kind}_input_ids": encoded["input_ids"], f"{kind}_attention_mask": encoded["attention_mask"]}
        inputs["classes_structure"] = torch.tensor([len(names)])
        return BatchFeature(inputs)

    def post_process_grounded_object_detection(self, outputs, threshold: float, target_sizes: list[tuple[int, int]],
                                               nms_threshold: float = NMS_THRESHOLD) -> list[dict]:
        """Scores, labels and boxes in pixels, as transformers' own gives them."""
        return [_read(*found, threshold, size, nms_threshold) for *found, size in zip(
            outputs.decoder_class_logits.sigmoid(), outputs.decoder_coord_logits, outputs.classes_structure.tolist(),
            target_sizes, strict=True)]


def _read(scores: torch.Tensor, boxes: torch.Tensor, names: int, threshold: float, size: tuple[int, int],
          nms_threshold: float) -> dict:
    """As many of the best (query, name) pairs as there are queries; of those over the threshold, what nms keeps."""
    best, which = scores.flatten().topk(len(scores))
    queries, labels = which // scores.shape[1], which % scores.shape[1]
    sure = (best > threshold) & (labels < names)
    best, queries, labels = best[sure], queries[sure], labels[sure]
    cx, cy, w, h = boxes[queries].unbind(-1)
    height, width = size
    corners = torch.stack([(cx - w / 2) * width, (cy - h / 2) * height,
                           (cx + w / 2) * width, (cy + h / 2) * height], dim=1)
    kept = _kept(corners, best, labels, nms_threshold)
    limits = torch.tensor([width, height, width, height], device=corners.device)
    return {"scores": best[kept], "labels": labels[kept], "boxes": corners[kept].clamp(min=0).minimum(limits)}


def _kept(boxes: torch.Tensor, scores: torch.Tensor, labels: torch.Tensor, threshold: float) -> torch.Tensor:
    """Non-maximum suppression among boxes of one label, best first: what overlaps a better one by more is left out."""
    areas = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    kept: list[int] = []
    for number in scores.argsort(descending=True).tolist():
        same = [other for other in kept if labels[other] == labels[number]]
        low = torch.maximum(boxes[number, :2], boxes[same, :2])
        high = torch.minimum(boxes[number, 2:], boxes[same, 2:])
        overlap = (high - low).clamp(min=0).prod(dim=1)
        if not same or float((overlap / (areas[number] + areas[same] - overlap)).max()) <= threshold:
            kept.append(number)
    return torch.tensor(kept, dtype=torch.long, device=boxes.device)
