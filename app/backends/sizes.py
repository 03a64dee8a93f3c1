"""The size a model sees a picture in: as its image processor will choose it, and as it came out of it.

What each kind calls its size (transformers 5.23) stands here and nowhere else:

    one square      `size` has height and width: SigLIP and CLIP (PaliGemma, Florence-2, Kosmos-2), Gemma 3
    square tiles    InternVL and Molmo2: `size` is a tile's; Idefics3 and SmolVLM: `max_image_size` is. A small copy of
                    the whole picture, of a tile's size, is among them, and the answer counts in that one
    whole steps     `size` has shortest_edge and longest_edge, which count pixels: Qwen, and GLM, which counts a picture
                    as two frames of a video
    soft tokens     Gemma 4: `max_soft_tokens` steps of 3×3 patches; LFM2-VL: `max_image_tokens` steps of 2×2, beside
                    tiles that it has for large pictures
"""
from __future__ import annotations

import math

from app.types import Frame, Pixels

MAX_PATCHES = 1280  # about a megapixel. Qwen2.5-VL allows itself 12.8: 278 TFLOP for one photo of a phone
SOFT_TOKENS = (70, 140, 280, 560, 1120)  # what Gemma 4 was trained with, and its processor takes nothing else


def pixels(images, budget: int | None = None) -> Pixels:
    """How an image processor resizes, within a budget of pixels; `Family.frame` predicts the frame from it."""
    if hasattr(images, "max_image_size"):
        return Pixels(fixed=(images.max_image_size["longest_edge"],) * 2)
    if hasattr(images, "max_soft_tokens"):
        factor = images.patch_size * images.pooling_kernel_size
        return Pixels(factor=factor, min_pixels=factor**2, max_pixels=_soft_tokens(images, budget) * factor**2)
    if hasattr(images, "max_image_tokens"):
        factor = images.encoder_patch_size * images.downsample_factor
        return Pixels(factor=factor, min_pixels=images.min_image_tokens * factor**2,
                      max_pixels=images.max_image_tokens * factor**2)
    size = images.size
    if size.height:
        return Pixels(fixed=(size.width, size.height))
    factor, frames = images.patch_size * images.merge_size, _frames(images)
    most = max(factor**2 * frames, min(size.longest_edge, (budget or MAX_PATCHES * factor**2) * frames))
    return Pixels(factor=factor, min_pixels=min(size.shortest_edge, most), max_pixels=most)


def settings(images, budget: int | None = None) -> dict:
    """What to tell an image processor so that it resizes as `pixels` says. Tiles are fewer where there is a budget."""
    rule = pixels(images, budget)
    if hasattr(images, "max_soft_tokens"):
        return {"max_soft_tokens": rule.max_pixels // rule.factor**2}
    if not rule.fixed and not hasattr(images, "max_image_tokens"):
        return {"size": {"shortest_edge": rule.min_pixels, "longest_edge": rule.max_pixels}}
    if budget and hasattr(images, "max_image_size"):
        side = rule.fixed[0]
        return {"size": {"longest_edge": side * max(1, math.isqrt(budget) // side)}}
    if budget and hasattr(images, "crop_to_patches"):
        return {"max_patches": max(1, budget // math.prod(rule.fixed))}
    return {}


def frame_used(inputs, image_size: tuple[int, int], processor) -> Frame:
    """The frame of the first picture, read from what really goes into the model; `processor` made those inputs."""
    images = processor.image_processor
    if "image_grid_thw" in inputs:
        _, rows, columns = inputs["image_grid_thw"][0].tolist()
        patch = images.patch_size
    elif "image_position_ids" in inputs:  # Gemma 4 says where each patch lies; -1 is filling
        columns, rows = (inputs["image_position_ids"][0].amax(dim=0) + 1).tolist()
        patch = images.patch_size
    elif "spatial_shapes" in inputs:  # LFM2-VL: the whole comes behind the tiles
        rows, columns = inputs["spatial_shapes"][-1].tolist()
        patch = images.encoder_patch_size
    elif "image_grids" in inputs:  # Molmo2 hands over patches of its crops; all are of one size
        rows, columns, patch = images.size.height, images.size.width, 1
    else:
        rows, columns = inputs["pixel_values"].shape[-2:]
        patch = 1
    return Frame(image_size, (columns * patch, rows * patch))


def _frames(images) -> int:
    return images.temporal_patch_size if type(images).__name__.startswith("Glm") else 1


def _soft_tokens(images, budget: int | None) -> int:
    step = (images.patch_size * images.pooling_kernel_size)**2
    most = min(images.max_soft_tokens, (budget or MAX_PATCHES * step) // step)
    return max((tokens for tokens in SOFT_TOKENS if tokens <= most), default=SOFT_TOKENS[0])
