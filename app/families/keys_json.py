"""The keys under which models put boxes, points, joints and labels, and how a label or numbers are taken from them.

Each was seen in an answer; an answer with a new one is read by adding it here.
"""
from __future__ import annotations

import re

from app.families.syntax_json import Node
from app.families.syntax_tags import as_number

BOX_KEYS = ("bbox_2d", "bbox", "box", "box_2d", "bboxes", "boxes", "bounding_box", "bounding_boxes", "bboxes_2d")
POINT_KEYS = ("point_2d", "point", "points", "points_2d", "center")
PLACE_KEYS = ("coordinates", "coords", "location", "position")  # a box or a point, by its length
JOINT_KEYS = ("keypoints", "keypoints_2d", "joints")
LABEL_KEYS = ("label", "name_en", "label_en", "names", "labels", "name", "object", "object_name", "class", "class_name",
              "category", "text", "text_content", "description", "caption", "title", "type")
OTHER_KEYS = ("score", "confidence", "img_idx", "id", "color", "size")
CORNERS = (("x1", "y1", "x2", "y2"), ("xmin", "ymin", "xmax", "ymax"), ("x_min", "y_min", "x_max", "y_max"),
           ("left", "top", "right", "bottom"))
NUMBER = re.compile(r"[-+]?\d{1,9}(?:\.\d{1,9})?")


def label_of(pairs: dict) -> str:
    """The first key that can be a label; of several languages the English one."""
    for key in LABEL_KEYS:
        value = pairs.get(key)
        if isinstance(value, Node):
            inner = value.pairs
            value = inner.get("en") or next((text for text in inner.values() if isinstance(text, str)), None)
        if value is not None and not isinstance(value, (bool, Node)):
            text = f"{value:g}" if isinstance(value, float) else str(value)
            if text.strip():
                return text.strip()
    return ""


def numbers_of(node: Node) -> list[float | None] | None:
    """The numbers of a flat list (null where it is null), or None if it holds anything else. "12" is a number."""
    if node.kind != "[" or not node.entries:
        return None
    values = [as_number(value) for value in node.values]
    flat = all(number is not None or value is None for value, number in zip(node.values, values, strict=True))
    return values if flat else None


def numbers_within(text: str) -> list[float]:
    """The numbers in a string such as "1, 2, 3, 4" or " <540> <351> "."""
    return [float(found) for found in NUMBER.findall(text[:200])]
