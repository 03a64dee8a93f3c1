"""A file that a browser shows as we read it: the picture itself or a preview of it, and a thumbnail; each made once."""
from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
import threading
from functools import lru_cache
from pathlib import Path

import PIL.Image
from gradio import processing_utils, utils

from app import pictures
from app.types import Image

# What browsers show, under Pillow's names. A MPO is a JPEG with a second picture behind it.
AS_THEY_ARE = {"JPEG", "MPO", "PNG", "WEBP", "GIF", "BMP"}
PREVIEW_SIDE = 2048  # pixels; the overlay stretches it over the original's coordinates
THUMB_SIDE = 160  # pixels: twice what the tray shows, for dense screens; about 4 KB, so that 500 are a small page
ORIENTATION = 0x0112
ONE_AT_A_TIME = threading.Lock()  # 50 megapixels take over half a GB while they are decoded


@lru_cache(maxsize=256)
def displayable(image: Image) -> str:
    """The path of the picture's own bytes in Gradio's cache, or of a JPEG there. Raises PictureError for a damaged one.

    A preview is needed for what browsers do not decode (HEIC, TIFF), for what moves (the model sees the first frame)
    and for rotation noted outside a JPEG, where browsers and Pillow disagree. It is decoded in any case, once: a
    damaged picture is refused where it was chosen, and not by each model in turn.
    """
    upright = pictures.pixels(image)
    with PIL.Image.open(image.path) as header:
        still = getattr(header, "n_frames", 1) == 1 or header.format == "MPO"
        turned = header.getexif().get(ORIENTATION, 1) != 1 and header.format not in ("JPEG", "MPO")
        if header.format in AS_THEY_ARE and still and not turned:
            return _cached(image)
    upright.thumbnail((PREVIEW_SIDE, PREVIEW_SIDE))
    return processing_utils.save_pil_to_cache(upright, cache_dir=utils.get_upload_folder(),
                                              name=f"{Path(image.path).stem}-preview", format="jpeg")


def _cached(image: Image) -> str:
    """Gradio serves its cache and nothing else of this machine; a file already in it is not copied."""
    cache = Path(utils.get_upload_folder()).resolve()
    path = Path(image.path).resolve()
    if path.is_relative_to(cache):
        return image.path
    place = cache / "pictures" / f"{image.sha256}{path.suffix}"
    if not place.exists():
        place.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=place.parent, delete=False) as part:
            shutil.copyfile(path, part.name)
        os.replace(part.name, place)
    return str(place)


def thumbnail(image: Image, side: int = THUMB_SIDE) -> str:
    """The path of a small JPEG of the picture, upright, made once per content and side wherever the file lies.

    Raises PictureError if the picture cannot be decoded.
    """
    name = image.sha256 or hashlib.sha256(image.path.encode()).hexdigest()
    name = name if side == THUMB_SIDE else f"{name}-{side}"
    small = Path(utils.get_upload_folder()) / "thumbnails" / f"{name}.jpg"
    if not small.exists():
        with ONE_AT_A_TIME:
            upright = pictures.pixels(image)
            upright.thumbnail((side, side))
        small.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=small.parent, suffix=".jpg", delete=False) as file:
            upright.save(file, "JPEG", quality=85)
        os.replace(file.name, small)  # whole or not at all, for whoever asks for it at the same time
    return str(small)
