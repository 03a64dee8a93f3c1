"""Opens picture files: upright, in RGB, and only after their header has shown that they are worth decoding.

A header costs a few bytes, decoding 50 megapixels costs 150 MB: sizes are judged before pixels are read.
"""
from __future__ import annotations

import hashlib
import logging
import warnings
from functools import cache
from pathlib import Path

import PIL.Image
from PIL import ImageOps, UnidentifiedImageError

from app.geometry import MAX_MEGAPIXELS
from app.types import Image

# What cameras, browsers and annotation tools write. Not EPS, PSD, FLI and the like: rarely pictures of anything, and
# their decoders are where a hostile file gets hold of a machine.
FORMATS = ("PNG", "JPEG", "MPO", "WEBP", "GIF", "BMP", "TIFF", "HEIF", "AVIF", "JPEG2000", "PPM", "ICO", "TGA")
SIDEWAYS = {5, 6, 7, 8}  # EXIF orientations that swap width and height
ORIENTATION = 0x0112

log = logging.getLogger(__name__)

# Pillow mentions what it works around, once per tag of a damaged file; what cannot be worked around still raises.
warnings.filterwarnings("ignore", module=r"PIL\.")
warnings.filterwarnings("ignore", category=PIL.Image.DecompressionBombWarning)  # from 89 megapixels; ours is lower


class PictureError(ValueError):
    """A file that cannot be used as a picture. The text is one sentence: what is wrong with it, what would work."""


def read(path: str | Path) -> Image:
    """The header of a picture file: its upright size and the sha256 of the file. Nothing is decoded."""
    with _opened(path) as picture:
        return Image(path=str(path), size=_upright_size(picture), sha256=_sha256(path))


def pixels(image: Image) -> PIL.Image.Image:
    """The picture itself, upright, RGB, transparency on white; of an animation the first frame."""
    with _opened(image.path) as picture:
        try:
            picture.load()
            ImageOps.exif_transpose(picture, in_place=True)
            return _rgb(picture)
        except Exception as problem:  # a damaged file fails in as many ways as there are decoders
            raise PictureError(f"{_name(image.path)} is damaged and cannot be decoded ({_short(problem)}); "
                               "save it again as PNG or JPEG") from problem


def turned(image: Image) -> bool:
    """Whether the file holds the picture otherwise than upright, and only EXIF says so. Raises PictureError."""
    with _opened(image.path) as picture:
        try:
            return picture.format != "TIFF" and picture.getexif().get(ORIENTATION, 1) not in (0, 1)
        except Exception as problem:  # as for its size
            raise PictureError(f"{_name(image.path)} has a damaged EXIF header ({_short(problem)}); "
                               "save it again as PNG or JPEG") from problem


def _opened(path: str | Path) -> PIL.Image.Image:
    """The file with its header read and judged. Raises PictureError."""
    path = Path(path)
    if not path.is_file():
        raise PictureError(f"there is no file {path}")
    if path.stat().st_size == 0:
        raise PictureError(f"{path.name} is empty (0 bytes)")
    try:
        picture = PIL.Image.open(path, formats=_known_formats())
    except PIL.Image.DecompressionBombError as problem:
        raise PictureError(f"{path.name} is far over the limit of {MAX_MEGAPIXELS} megapixels; "
                           "make it smaller first") from problem
    except UnidentifiedImageError as problem:
        raise PictureError(_no_picture(path)) from problem
    except Exception as problem:  # a header can be broken in as many ways as there are formats
        raise PictureError(f"{path.name} is damaged and cannot be opened ({_short(problem)}); "
                           "save it again as PNG or JPEG") from problem
    width, height = picture.size
    if width * height > MAX_MEGAPIXELS * 1_000_000:
        picture.close()
        raise PictureError(f"{path.name} has {width}×{height} pixels, {width * height / 1e6:.0f} megapixels; "
                           f"the limit is {MAX_MEGAPIXELS}, so make it smaller first")
    return picture


def _no_picture(path: Path) -> str:
    with path.open("rb") as file:
        start = file.read(512).lstrip().lower()
    if start.startswith(b"<svg") or (start.startswith(b"<?xml") and b"<svg" in start):
        return f"{path.name} is an SVG drawing, which has no pixels of its own; export it as PNG"
    if b"ftyphei" in start or b"ftypmif1" in start:
        why = "it is damaged" if "HEIF" in _known_formats() else "pillow-heif is not installed"
        return f"{path.name} is a HEIC photo that cannot be read ({why}); save it as JPEG"
    return f"{path.name} is not a picture; use PNG, JPEG, WebP, GIF, BMP, TIFF or HEIC"


def _upright_size(picture: PIL.Image.Image) -> tuple[int, int]:
    width, height = picture.size
    if picture.format == "TIFF":  # the one format whose reader turns by itself, and gives the turned size
        return width, height
    try:
        turned = picture.getexif().get(ORIENTATION) in SIDEWAYS
    except Exception as problem:  # as `pixels` would fail on it, say so now
        raise PictureError(f"{_name(picture.filename)} has a damaged EXIF header ({_short(problem)}); "
                           "save it again as PNG or JPEG") from problem
    return (height, width) if turned else (width, height)


def _rgb(picture: PIL.Image.Image) -> PIL.Image.Image:
    if picture.mode.startswith("I") or picture.mode == "F":
        picture = _eight_bits(picture)
    if "transparency" in picture.info or picture.mode in ("RGBA", "LA", "PA", "La", "RGBa"):
        see_through = picture if picture.mode == "RGBA" else picture.convert("RGBA")
        white = PIL.Image.new("RGB", picture.size, "white")
        white.paste(see_through, mask=see_through)
        return white
    return picture if picture.mode == "RGB" else picture.convert("RGB")


def _eight_bits(picture: PIL.Image.Image) -> PIL.Image.Image:
    """16-bit and float greys to 8 bits: Pillow's own conversion clips everything over 255 to white."""
    low, high = picture.getextrema()
    if picture.mode == "F" and high <= 1.0 and low >= 0.0:
        return picture.point(lambda value: value * 255.0).convert("L")
    if high > 255:
        return picture.convert("F").point(lambda value: value * (255.0 / 65535.0 if high <= 65535 else 255.0 / high)
                                          ).convert("L")
    return picture.convert("L")


@cache
def _known_formats() -> tuple[str, ...]:
    """FORMATS as far as this machine reads them: HEIC, which phones take, where pillow_heif is installed."""
    try:
        import pillow_heif
        pillow_heif.register_heif_opener()
    except ImportError:
        log.info("pillow_heif is not installed: HEIC photos will be refused")
    PIL.Image.init()
    return tuple(name for name in FORMATS if name in PIL.Image.OPEN)


def _sha256(path: str | Path) -> str:
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _name(path: str | Path) -> str:
    return Path(path).name or "the picture"


def _short(problem: Exception) -> str:
    return (str(problem).splitlines() or [""])[0][:120] or type(problem).__name__
