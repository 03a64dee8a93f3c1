"""A file that a browser shows as we read it: mostly the picture itself, else a preview, made once."""
from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import PIL.Image
from gradio import processing_utils, utils

from app import pictures
from app.types import Image

# What browsers show, under Pillow's names. A MPO is a JPEG with a second picture behind it.
AS_THEY_ARE = {"JPEG", "MPO", "PNG", "WEBP", "GIF", "BMP"}
PREVIEW_SIDE = 2048  # pixels; the overlay stretches it over the original's coordinates
ORIENTATION = 0x0112


@lru_cache(maxsize=256)
def displayable(image: Image) -> str:
    """The picture's own path, or that of a JPEG in Gradio's cache. Raises PictureError if it cannot be decoded.

    A preview is needed for what browsers do not decode (HEIC, TIFF), for what moves (the model sees the first frame)
    and for rotation noted outside a JPEG, where browsers and Pillow disagree. It is decoded in any case, once: a
    damaged picture is refused where it was chosen, and not by each model in turn.
    """
    upright = pictures.pixels(image)
    with PIL.Image.open(image.path) as header:
        still = getattr(header, "n_frames", 1) == 1 or header.format == "MPO"
        turned = header.getexif().get(ORIENTATION, 1) != 1 and header.format not in ("JPEG", "MPO")
        if header.format in AS_THEY_ARE and still and not turned:
            return image.path
    upright.thumbnail((PREVIEW_SIDE, PREVIEW_SIDE))
    return processing_utils.save_pil_to_cache(upright, cache_dir=utils.get_upload_folder(),
                                              name=f"{Path(image.path).stem}-preview", format="jpeg")
