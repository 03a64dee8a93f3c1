"""The picture as a model sees it, taken back out of the numbers that its processor made: what the self-test looks at.

A picture can be turned, cut, padded or squeezed on its way in, and the answer counts in what arrived. How each kind of
processor lays it out (transformers 5.23) stands here and nowhere else:

    one square          SigLIP (PaliGemma), CLIP (Florence-2, Kosmos-2)
    the whole, crops    Gemma 3: the whole comes first, crops only with pan and scan
    tiles, the whole    InternVL, Idefics3, SmolVLM: a small copy of the whole comes last, alone where nothing was cut
    patches in a grid   Qwen2-VL to Qwen3.5, GLM-4.1V to 4.6V: rows of `image_grid_thw`, in blocks of merge_size
    patches with places Gemma 4: `image_position_ids` says where each lies, -1 is filling
    rows of patches     LFM2-VL: `spatial_shapes` says how many, the whole behind its tiles, filling behind each
"""
from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from app import pictures
from app.backends.sizes import frame_used
from app.types import Box, Frame, Generation, Request

# Where the whole picture stands among several, by the beginning of the image processor's name.
WHOLE = {"Gemma3": 0, "GotOcr2": -1, "InternVL": -1, "Idefics3": -1, "SmolVLM": -1}


class Unseen(ValueError):
    """The numbers cannot be read as a picture. The text is a part of a sentence: why not."""


def look(model, request: Request, generation: Generation) -> tuple[np.ndarray, Frame]:
    """The request's first picture as `picture` gives it, and the frame that the model's backend reports for it.

    The road is the one of an answer up to the model itself, which is not asked. Raises Unseen.
    """
    if not hasattr(model, "checkpoint"):
        raise Unseen("a server does not show what it makes of a picture")
    images = [pictures.pixels(image) for image in request.images]
    inputs = model.inputs(request, images, generation)
    processor = model.checkpoint.processor
    return picture(inputs, processor.image_processor), frame_used(inputs, images[0].size, processor)


def picture(inputs: Mapping, images) -> np.ndarray:
    """(height, width, 3), black 0 and white 1: the whole picture that went in, out of an image processor's outputs.

    `images` is that processor; it knows its patches and how it normalised. Raises Unseen.
    """
    values = _numbers(inputs["pixel_values"])
    if "image_grid_thw" in inputs:
        planes = _from_grid(values, _numbers(inputs["image_grid_thw"])[0], images)
    elif "image_position_ids" in inputs:
        planes = _from_places(values[0], _numbers(inputs["image_position_ids"])[0], images)
    elif "spatial_shapes" in inputs:
        planes = _from_rows(values, _numbers(inputs["spatial_shapes"]), images)
    else:
        planes = _whole(values, images)
    return np.moveaxis(_plain(planes, images), 0, -1)


def find(plane: np.ndarray) -> Box | None:
    """The edges of the bright rectangle in a channel, in its pixels, to a part of one; None where there is none.

    An edge is where the brightness crosses one half: exactly there for every symmetric resize, blurred or not.
    """
    bright = plane > 0.5
    rows, columns = np.flatnonzero(bright.any(axis=1)), np.flatnonzero(bright.any(axis=0))
    if not len(rows):
        return None
    (top, bottom), (left, right) = (rows[0], rows[-1] + 1), (columns[0], columns[-1] + 1)
    if bright[top:bottom, left:right].mean() < 0.85:  # a blur takes the four corners, which leaves 45 of 7×7
        return None
    x1, x2 = _edges(_middle(plane, top, bottom).mean(axis=0))
    y1, y2 = _edges(_middle(plane.T, left, right).mean(axis=0))
    return x1, y1, x2, y2


def _middle(plane: np.ndarray, start: int, end: int) -> np.ndarray:
    margin = (end - start) // 4
    return plane[start + margin:end - margin]


def _edges(profile: np.ndarray) -> tuple[float, float]:
    bright = np.flatnonzero(profile > 0.5)
    return _edge(profile, bright[0]), len(profile) - _edge(profile[::-1], len(profile) - 1 - bright[-1])


def _edge(profile: np.ndarray, first: int) -> float:
    """Between the middles of the last dark and the first bright pixel; at the border, the border."""
    if first == 0:
        return 0.0
    dark, bright = profile[first - 1], profile[first]
    return float(first - 0.5 + (0.5 - dark) / (bright - dark))


def _numbers(values) -> np.ndarray:
    """A tensor of any device and type, or an array, as an array; bfloat16 is unknown to numpy."""
    return values.float().cpu().numpy() if hasattr(values, "cpu") else np.asarray(values)


def _from_grid(patches: np.ndarray, grid: np.ndarray, images) -> np.ndarray:
    """Blocks of merge × merge patches, row by row; a patch is (colour, moment, y, x), a still has equal moments."""
    _, rows, columns = (int(side) for side in grid)
    merge, side = images.merge_size, images.patch_size
    blocks = patches[:rows * columns].reshape(rows // merge, columns // merge, merge, merge, 3, -1, side, side)
    return blocks[:, :, :, :, :, 0].transpose(4, 0, 2, 5, 1, 3, 6).reshape(3, rows * side, columns * side)


def _from_places(patches: np.ndarray, places: np.ndarray, images) -> np.ndarray:
    """A patch is (y, x, colour) and its place (column, row)."""
    side = images.patch_size
    there = places[:, 0] >= 0
    columns, rows = (places[there].max(axis=0) + 1).astype(int)
    canvas = np.zeros((3, rows * side, columns * side))
    for patch, (column, row) in zip(patches[there], places[there].astype(int)):
        canvas[:, row * side:(row + 1) * side, column * side:(column + 1) * side] = np.moveaxis(
            patch.reshape(side, side, 3), -1, 0)
    return canvas


def _from_rows(tiles: np.ndarray, shapes: np.ndarray, images) -> np.ndarray:
    """A patch is (y, x, colour)."""
    if len(tiles) > 1 and not images.use_thumbnail:
        raise Unseen(f"its processor cuts a picture in {len(tiles)} and keeps no small copy of the whole")
    (rows, columns), side = shapes[-1].astype(int), images.encoder_patch_size
    patches = tiles[-1][:rows * columns].reshape(rows, columns, side, side, 3)
    return patches.transpose(4, 0, 2, 1, 3).reshape(3, rows * side, columns * side)


def _whole(values: np.ndarray, images) -> np.ndarray:
    while values.ndim == 5 and len(values) == 1:  # Idefics3: conversations, then tiles
        values = values[0]
    if values.ndim != 4 or values.shape[1] != 3:
        raise Unseen(f"its processor gives pixels of the shape {'×'.join(map(str, values.shape))}, "
                     "and app/backends/seen.py does not say how a picture lies in them")
    if len(values) == 1:
        return values[0]
    kind = type(images).__name__
    for beginning, where in WHOLE.items():
        if kind.startswith(beginning):
            return values[where]
    raise Unseen(f"{kind} cuts a picture in {len(values)}, and app/backends/seen.py does not say where the whole is")


def _plain(planes: np.ndarray, images) -> np.ndarray:
    """What the processor did to the colours, undone."""
    if images.do_normalize:
        mean, std = (np.reshape(each, (-1, 1, 1)) for each in (images.image_mean, images.image_std))
        planes = planes * std + mean
    return planes if images.do_rescale else planes / 255
