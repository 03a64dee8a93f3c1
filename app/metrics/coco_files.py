"""COCO's ground truth and result list, read into columns: every row is checked, and a bad one is named.

Boxes are [x, y, width, height]; keypoints [x, y, v, …] with v 0 absent, 1 hidden, 2 visible. Ids are whole numbers.
"""
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np
import orjson

from app.metrics.keypoints import SIGMAS

LONGEST_VALUE = 60  # characters of a bad value that an error repeats


@dataclass(frozen=True)
class Columns:
    """n rows: image and label are indices into the truth's ids; joints is [n, joints, 3], of none for boxes."""
    image: np.ndarray
    label: np.ndarray
    boxes: np.ndarray
    joints: np.ndarray


@dataclass(frozen=True)
class Truth(Columns):
    image_ids: np.ndarray  # ascending
    label_ids: np.ndarray  # ascending
    sizes: Sequence[tuple[int, int] | None]
    crowd: np.ndarray
    area: np.ndarray
    joint_names: tuple[str, ...]


@dataclass(frozen=True)
class Results(Columns):
    scores: np.ndarray


def read_truth(content: bytes, kind: str) -> Truth:
    """A COCO ground truth. Raises ValueError, naming the row."""
    document = _loaded(content, "the ground truth", dict)
    images, labels, rows = (_rows(document, name) for name in ("images", "categories", "annotations"))
    image_ids, label_ids = _unique_ids(images, "images"), _unique_ids(labels, "categories")
    if any("id" in row for row in rows):
        _unique_ids(rows, "annotations")
    boxes = _boxes(rows, "annotations", needed=kind == "bbox")
    order = np.argsort(image_ids)
    sizes = [_size(images[i]) for i in order]
    names = _joint_names(labels, rows) if kind == "keypoints" else ()
    area = [row["area"] if row.get("area") is not None else float(box[2] * box[3]) for row, box in zip(rows, boxes)]
    return Truth(_indices(rows, "annotations", "image_id", image_ids, "image"),
                 _indices(rows, "annotations", "category_id", label_ids, "category"), boxes,
                 _joints(rows, "annotations", len(names)), np.sort(image_ids), np.sort(label_ids), sizes,
                 np.array([bool(row.get("iscrowd")) for row in rows], bool),
                 _finite(area, "annotations", "area", ()), names)


def read_results(content: bytes, truth: Truth, kind: str) -> Results:
    """COCO's result list: every row about a picture and a category of the truth. Raises ValueError, naming the row."""
    rows = _loaded(content, "the predictions", list)
    _check_rows(rows, "predictions")
    boxes = _boxes(rows, "predictions", needed=kind == "bbox")
    return Results(_indices(rows, "predictions", "image_id", truth.image_ids, "image"),
                   _indices(rows, "predictions", "category_id", truth.label_ids, "category"), boxes,
                   _joints(rows, "predictions", len(truth.joint_names)), _column(rows, "predictions", "score"))


def _loaded(content: bytes, what: str, kind: type):
    try:
        document = orjson.loads(content)
    except orjson.JSONDecodeError as problem:
        hint = "; NaN and Infinity are no JSON numbers" if b"NaN" in content or b"Infinity" in content else ""
        raise ValueError(f"{what} is not JSON: {problem}{hint}") from problem
    if not isinstance(document, kind):
        shape = "an object with images, annotations and categories" if kind is dict else "a list of results"
        raise ValueError(f"{what} should be {shape}, and is a {type(document).__name__}")
    return document


def _rows(document: dict, name: str) -> list[dict]:
    rows = document.get(name)
    if not isinstance(rows, list):
        raise ValueError(f"the ground truth has no list {name!r}; it needs images, annotations and categories")
    _check_rows(rows, name)
    return rows


def _check_rows(rows: list, where: str) -> None:
    for i, row in enumerate(rows):
        if type(row) is not dict:
            raise ValueError(f"{where}[{i}] is {_shown(row)}, and should be an object")


def _unique_ids(rows: list[dict], where: str) -> np.ndarray:
    ids = _whole(rows, where, "id")
    values, times = np.unique(ids, return_counts=True)
    if (times > 1).any():
        twice = values[np.argmax(times > 1)]
        places = np.flatnonzero(ids == twice)[:2]
        raise ValueError(f"{where}[{places[0]}] and {where}[{places[1]}] have the same id {twice}; give each its own")
    return ids


def _indices(rows: list[dict], where: str, name: str, known: np.ndarray, what: str) -> np.ndarray:
    """Each row's place among the ascending ids that are known."""
    ids, known = _whole(rows, where, name), np.sort(known)
    places = np.searchsorted(known, ids)
    strange = ids != known[np.minimum(places, len(known) - 1)] if len(known) else np.ones(len(ids), bool)
    if strange.any():
        i = int(np.argmax(strange))
        raise ValueError(f"{where}[{i}] is about {what} {ids[i]}, which the ground truth does not have "
                         f"(it is so with {int(strange.sum()):,} of {len(ids):,} rows)")
    return places


def _whole(rows: list[dict], where: str, name: str) -> np.ndarray:
    values = [row.get(name) for row in rows]
    array = _array(values, ())
    if array is not None and array.dtype.kind == "i":
        return array.astype(np.int64)
    for i, value in enumerate(values):
        whole = type(value) is int or (type(value) is float and value.is_integer())
        if not whole or abs(value) >= 2 ** 63:
            raise ValueError(f"{where}[{i}] has the {name} {_shown(value)}, and should have a whole number")
    return np.array(values, np.int64)


def _column(rows: list[dict], where: str, name: str) -> np.ndarray:
    return _finite([row.get(name) for row in rows], where, name, ())


def _boxes(rows: list[dict], where: str, needed: bool) -> np.ndarray:
    """Without a box, keypoints still have a place: the row is all zeros, which is no box."""
    none = None if needed else [0.0, 0.0, 0.0, 0.0]
    boxes = _finite([row.get("bbox", none) for row in rows], where, "bbox", (4,))
    if (boxes[:, 2:] < 0).any():
        i = int(np.argmax((boxes[:, 2:] < 0).any(axis=1)))
        raise ValueError(f"{where}[{i}] has the bbox {boxes[i].tolist()} with a negative size; "
                         "COCO's boxes are [x, y, width, height]")
    return boxes


def _joint_names(labels: list[dict], rows: list[dict]) -> tuple[str, ...]:
    """As many as the first annotation has joints: the categories' own, COCO's for 17, else their numbers."""
    given = rows[0].get("keypoints") if rows else None
    joints = len(given) // 3 if isinstance(given, list) and given else len(SIGMAS)
    for label in labels:
        named = label.get("keypoints")
        if isinstance(named, list) and len(named) == joints and all(type(name) is str for name in named):
            return tuple(named)
    return tuple(SIGMAS) if joints == len(SIGMAS) else tuple(str(i + 1) for i in range(joints))


def _joints(rows: list[dict], where: str, joints: int) -> np.ndarray:
    if not joints:
        return np.zeros((len(rows), 0, 3))
    return _finite([row.get("keypoints") for row in rows], where, "keypoints", (3 * joints,)).reshape(-1, joints, 3)


def _finite(values: list, where: str, name: str, shape: tuple[int, ...]) -> np.ndarray:
    """The values as an array of finite numbers; the first one that is none is named."""
    array = _array(values, shape)
    if array is not None and array.dtype.kind in "iuf" and np.isfinite(array).all():
        return array.astype(np.float64)
    for i, value in enumerate(values):
        if not _numbers(value, shape):
            wanted = f"{shape[0]} numbers" if shape else "a number"
            raise ValueError(f"{where}[{i}] has the {name} {_shown(value)}, and should have {wanted}")
    return np.array(values, np.float64).reshape(len(values), *shape)


def _array(values: list, shape: tuple[int, ...]) -> np.ndarray | None:
    """[n, *shape] of whatever kind NumPy takes the values for; None where they are of several shapes."""
    try:
        if not shape:
            array = np.array(values)
            return array if array.ndim == 1 else None
        if set(map(len, values)) - {shape[0]}:
            return None
        return np.array(list(chain.from_iterable(values))).reshape(len(values), *shape)
    except (ValueError, TypeError, OverflowError):
        return None


def _numbers(value, shape: tuple[int, ...]) -> bool:
    if shape:
        return isinstance(value, list) and len(value) == shape[0] and all(_numbers(one, ()) for one in value)
    return type(value) in (int, float) and abs(value) < 1e300


def _size(image: dict) -> tuple[int, int] | None:
    width, height = image.get("width"), image.get("height")
    return (width, height) if all(type(v) in (int, float) and v > 0 for v in (width, height)) else None


def _shown(value) -> str:
    if value is None:
        return "(missing)"
    text = repr(value)
    return text if len(text) <= LONGEST_VALUE else f"{text[:LONGEST_VALUE]}…"
