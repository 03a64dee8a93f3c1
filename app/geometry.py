"""Boxes, points and pictures in pixels: IoU, clipping, scaling between frames, upright sizes, resize rules. Pure.

Upright: a camera stores a rotated picture as it fell on the sensor and notes the rotation in EXIF. Everything in
Boxloop speaks pixels of the picture as a person sees it, so sizes are read through the orientation tag.
"""
from __future__ import annotations

import math

from app.types import Box, Frame

MAX_MEGAPIXELS = 50


def area(box: Box) -> float:
    """Area in square pixels; a box turned inside out has none."""
    return max(0.0, box[2] - box[0]) * max(0.0, box[3] - box[1])


def iou(a: Box, b: Box) -> float:
    """Intersection over union of two xyxy boxes, 0 where both are empty."""
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    overlap = max(0.0, width) * max(0.0, height)
    union = area(a) + area(b) - overlap
    return overlap / union if union > 0 else 0.0


def ordered(box: Box) -> Box:
    """The same box with its corners in order: models sometimes swap them."""
    x1, y1, x2, y2 = box
    return min(x1, x2), min(y1, y2), max(x1, x2), max(y1, y2)


def clipped(box: Box, size: tuple[int, int]) -> Box:
    """The part of a box inside a picture of (width, height)."""
    width, height = size
    x1, y1, x2, y2 = box
    return clamp(x1, width), clamp(y1, height), clamp(x2, width), clamp(y2, height)


def clamp(value: float, limit: float) -> float:
    return min(max(value, 0.0), float(limit))


def scaled(values: tuple[float, ...], scale: tuple[float, float]) -> tuple[float, ...]:
    """x and y values in turn (x, y, x, y, …), each multiplied by its axis' scale."""
    return tuple(v * scale[i % 2] for i, v in enumerate(values))


def to_image(frame: Frame) -> tuple[float, float]:
    """Scale (x, y) from the model's input to the upright original. Per axis: Qwen's resize does not keep the ratio."""
    return frame.image_size[0] / frame.input_size[0], frame.image_size[1] / frame.input_size[1]


def to_input(frame: Frame) -> tuple[float, float]:
    """Scale (x, y) from the upright original to the model's input."""
    return frame.input_size[0] / frame.image_size[0], frame.input_size[1] / frame.image_size[1]


def smart_resize(size: tuple[int, int], factor: int, min_pixels: int, max_pixels: int) -> tuple[int, int]:
    """Qwen's resize rule: (width, height) → multiples of `factor` with the area between the two budgets.

    The same arithmetic as transformers' `smart_resize` (Qwen2-VL image processor), including its rounding, because
    an answer in pixels of the resized input is read with it. A test compares both over many sizes.
    Raises ValueError where one side is over 200 times the other, as the original does.
    """
    width, height = size
    if max(width, height) / max(1, min(width, height)) > 200:
        raise ValueError(f"{width}×{height} is longer than 200:1; crop the picture first")
    new_w, new_h = round(width / factor) * factor, round(height / factor) * factor
    if new_w * new_h > max_pixels:
        beta = math.sqrt(width * height / max_pixels)
        new_w = max(factor, math.floor(width / beta / factor) * factor)
        new_h = max(factor, math.floor(height / beta / factor) * factor)
    elif new_w * new_h < min_pixels:
        beta = math.sqrt(min_pixels / (width * height))
        new_w = math.ceil(width * beta / factor) * factor
        new_h = math.ceil(height * beta / factor) * factor
    return new_w, new_h
