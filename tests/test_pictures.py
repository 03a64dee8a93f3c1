"""Pictures open upright, in RGB, or are refused in one sentence; a huge one before it is decoded."""
from __future__ import annotations

import hashlib
import json
import struct
import zlib

import PIL.Image
import pytest

from app import pictures
from app.pictures import PictureError

QUADRANTS = ((255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 0))  # upper left, upper right, lower left, lower right


def quadrants(size=(64, 32)) -> PIL.Image.Image:
    picture = PIL.Image.new("RGB", (2, 2))
    picture.putdata(QUADRANTS)
    return picture.resize(size, PIL.Image.Resampling.NEAREST)


def corners(picture: PIL.Image.Image) -> tuple:
    width, height = picture.size
    return tuple(picture.getpixel(at) for at in ((2, 2), (width - 3, 2), (2, height - 3), (width - 3, height - 3)))


TURNS = {1: None, 2: "FLIP_LEFT_RIGHT", 3: "ROTATE_180", 4: "FLIP_TOP_BOTTOM", 5: "TRANSPOSE", 6: "ROTATE_90",
         7: "TRANSVERSE", 8: "ROTATE_270"}  # how a camera in that position stored an upright picture


@pytest.mark.parametrize("suffix", ["png", "tiff", "webp"])
@pytest.mark.parametrize("orientation", TURNS)
def test_every_exif_orientation_comes_out_upright_with_its_size_told_by_the_header(tmp_path, orientation, suffix):
    stored = quadrants() if orientation == 1 else quadrants().transpose(
        PIL.Image.Transpose[TURNS[orientation]])
    exif = PIL.Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / f"turned.{suffix}"
    stored.save(path, exif=exif, **({"lossless": True} if suffix == "webp" else {}))
    image = pictures.read(path)
    upright = pictures.pixels(image)
    assert image.size == upright.size == (64, 32)
    assert corners(upright) == QUADRANTS


@pytest.mark.parametrize("mode", ["1", "L", "P", "CMYK", "LA", "RGBA", "I;16"])
def test_every_mode_becomes_rgb(tmp_path, mode):
    picture = PIL.Image.new("L", (8, 8), 200)
    picture = PIL.Image.new("I;16", (8, 8), 200 * 257) if mode == "I;16" else picture.convert(mode)
    path = tmp_path / ("p.tiff" if mode in ("CMYK", "I;16") else "p.png")
    picture.save(path)
    opened = pictures.pixels(pictures.read(path))
    assert opened.mode == "RGB"
    red, green, blue = opened.getpixel((4, 4))
    expected = 255 if mode == "1" else 200
    assert all(abs(value - expected) <= 3 for value in (red, green, blue))


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_transparency_lies_on_white(tmp_path, mode):
    path = tmp_path / "p.png"
    if mode == "P":
        picture = PIL.Image.new("P", (8, 8), 3)
        picture.putpalette([0, 0, 0] * 256)
        picture.save(path, transparency=3)
    else:
        PIL.Image.new(mode, (8, 8), 0).save(path)
    assert pictures.pixels(pictures.read(path)).getpixel((4, 4)) == (255, 255, 255)


def test_an_animation_is_its_first_frame(tmp_path):
    first, second = PIL.Image.new("RGB", (8, 8), "red"), PIL.Image.new("RGB", (8, 8), "blue")
    first.save(tmp_path / "a.gif", save_all=True, append_images=[second])
    assert pictures.pixels(pictures.read(tmp_path / "a.gif")).getpixel((4, 4)) == (255, 0, 0)


def test_a_heic_photo_opens(tmp_path):
    pillow_heif = pytest.importorskip("pillow_heif")
    pillow_heif.from_pillow(quadrants()).save(tmp_path / "p.heic")
    image = pictures.read(tmp_path / "p.heic")
    assert image.size == pictures.pixels(image).size == (64, 32)


def test_the_header_tells_the_hash_of_the_file(photo):
    assert pictures.read(photo).sha256 == hashlib.sha256(photo.read_bytes()).hexdigest()


def test_over_fifty_megapixels_is_refused_from_the_header_alone(tmp_path):
    header = struct.pack(">IIBBBBB", 10_000, 6_000, 8, 2, 0, 0, 0)
    chunk = struct.pack(">I", 13) + b"IHDR" + header + struct.pack(">I", zlib.crc32(b"IHDR" + header))
    no_pixels = struct.pack(">I", 100) + b"IDAT"
    (tmp_path / "huge.png").write_bytes(b"\x89PNG\r\n\x1a\n" + chunk + no_pixels)
    with pytest.raises(PictureError, match=r"huge\.png has 10000×6000 pixels, 60 megapixels; the limit is 50"):
        pictures.read(tmp_path / "huge.png")


def test_fifty_megapixels_are_accepted(tmp_path):
    PIL.Image.new("1", (10_000, 5_000)).save(tmp_path / "large.png")
    assert pictures.read(tmp_path / "large.png").size == (10_000, 5_000)


@pytest.mark.parametrize(("content", "sentence"), [
    (b"", "is empty"),
    (b"hello", "is not a picture"),
    (b"<svg xmlns='http://www.w3.org/2000/svg'><image href='file:///etc/passwd'/></svg>", "is an SVG drawing"),
    (b"<?xml version='1.0'?>\n<svg/>", "is an SVG drawing"),
    (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n", "is not a picture"),
    (b"%PDF-1.4", "is not a picture"),
])
def test_what_is_no_picture_is_refused_in_one_sentence(tmp_path, content, sentence):
    path = tmp_path / "upload.jpg"
    path.write_bytes(content)
    with pytest.raises(PictureError, match=sentence) as refusal:
        pictures.read(path)
    assert "\n" not in str(refusal.value)


def test_a_truncated_picture_is_refused_and_not_half_grey(tmp_path):
    path = tmp_path / "whole.jpg"
    PIL.Image.effect_noise((200, 200), 90).save(path)
    cut = tmp_path / "cut.jpg"
    cut.write_bytes(path.read_bytes()[:-2000])
    with pytest.raises(PictureError, match=r"cut\.jpg is damaged"):
        pictures.pixels(pictures.read(cut))


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(PictureError, match=r"there is no file .*gone\.png"):
        pictures.read(tmp_path / "gone.png")


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_hostile_files_open_with_the_size_of_their_header_or_are_refused(shared):
    opened = 0
    for path in sorted((shared / "hostile_images" / "files").iterdir()):
        try:
            image = pictures.read(path)
            upright = pictures.pixels(image)
        except PictureError as refusal:
            assert "\n" not in str(refusal)
        else:
            opened += 1
            assert upright.size == image.size and upright.mode == "RGB", path.name
    assert opened > 30


def test_real_photographs_have_the_size_that_their_annotations_say(shared):
    seen = 0
    for file in sorted((shared / "coco").rglob("*.json")):
        content = json.loads(file.read_text())
        if not isinstance(content, dict):
            continue
        for row in content.get("images", [])[:20]:
            [*found] = file.parent.rglob(row["file_name"])
            for path in found[:1]:
                image = pictures.read(path)
                assert image.size == (row["width"], row["height"]) == pictures.pixels(image).size, path
                seen += 1
    assert seen >= 20
