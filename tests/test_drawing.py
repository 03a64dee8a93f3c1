"""Downloaded pictures: lines where the boxes are, in the colours of the page, upright, and nothing outside."""
from __future__ import annotations

import math

import PIL.Image
import PIL.ImageChops
import pytest

from app import drawing, pictures
from app.colours import colour, ink
from app.types import Annotation, Image, Point

GREY = (128, 128, 128)


@pytest.fixture
def plain(tmp_path):
    """plain(size) → a grey picture of that size, on which everything drawn stands out."""
    def plain(size: tuple[int, int], **options) -> Image:
        path = tmp_path / f"grey-{len(list(tmp_path.iterdir()))}.jpg"
        PIL.Image.new("RGB", size, GREY).save(path, **options)
        return pictures.read(path)
    return plain


def rgb(paint: str) -> tuple[int, int, int]:
    return tuple(int(paint[i:i + 2], 16) for i in (1, 3, 5))


def changed(picture: PIL.Image.Image) -> tuple[int, int, int, int] | None:
    """What is no longer grey."""
    return PIL.ImageChops.difference(picture, PIL.Image.new("RGB", picture.size, GREY)).getbbox()


@pytest.mark.parametrize("label", ["cat", "red cube", "кошка", "猫", ""])
def test_a_box_has_its_labels_colour_where_it_should_be(plain, label):
    picture = drawing.annotated(plain((600, 400)), [Annotation(label, (100, 150, 300, 350))])
    assert picture.size == (600, 400)
    for place in [(100, 250), (300, 250), (200, 350), (250, 150)]:
        assert picture.getpixel(place) == rgb(colour(label)), place
    assert picture.getpixel((200, 250)) == GREY and picture.getpixel((450, 250)) == GREY


def test_a_box_is_where_a_person_sees_it_in_a_picture_that_the_camera_held_sideways(plain):
    exif = PIL.Image.Exif()
    exif[0x0112] = 6
    image = plain((600, 400), exif=exif)
    picture = drawing.annotated(image, [Annotation("cat", (100, 300, 300, 550))])
    assert image.size == picture.size == (400, 600)
    assert picture.getpixel((100, 400)) == picture.getpixel((200, 550)) == rgb(colour("cat"))


def test_a_preview_has_its_boxes_in_the_same_places(plain):
    picture = drawing.annotated(plain((600, 400)), [Annotation("cat", (100, 150, 300, 350))], longest=300)
    assert picture.size == (300, 200)
    assert picture.getpixel((50, 125)) == rgb(colour("cat"))


def test_points_are_drawn_and_hidden_ones_are_hollow(plain):
    points = (Point("head", 100, 100), Point("hand", 300, 200, "hidden"), Point("foot", 500, 300, "absent"))
    corner = Annotation("", None, (Point("", 0, 0, "hidden"),))  # supervision takes (0, 0) for "no point"
    picture = drawing.annotated(plain((600, 400)), [Annotation("person", None, points), corner])
    assert picture.getpixel((100, 100)) == rgb(colour("person"))
    assert picture.getpixel((300, 200)) == (255, 255, 255)
    assert picture.getpixel((500, 300)) == GREY
    assert picture.getpixel((0, 0)) == (255, 255, 255)


def test_lines_and_letters_grow_with_the_picture(plain):
    def drawn(scale):
        picture = drawing.annotated(plain((600 * scale, 400 * scale)),
                                    [Annotation("cat", tuple(v * scale for v in (100, 150, 300, 350)))])
        return picture, changed(picture)
    small, large = drawn(1), drawn(4)
    assert large[0].getpixel((404, 1000)) == rgb(colour("cat"))  # the line is four times as wide
    assert small[1][1] == pytest.approx(large[1][1] / 4, abs=3)  # so is the label


@pytest.mark.parametrize("box", [(0, 0, 50, 50), (550, 350, 600, 400), (-900, -900, 9e12, 9e12), (590, 0, 600, 5)])
def test_labels_never_leave_the_picture(plain, box):
    image = plain((600, 400))
    without = drawing.annotated(image, [Annotation("", box)])
    labelled = drawing.annotated(image, [Annotation("a label of some length", box, score=0.5)])
    difference = PIL.ImageChops.difference(without, labelled).getbbox()
    assert difference and difference[3] - difference[1] >= 12 and difference[2] - difference[0] >= 100


@pytest.mark.parametrize("label", ["x" * 100_000, "a\nb\r\n\tc", "\u202eabc\u0000", "\ud800", "مرحبا", "🐈", " "])
@pytest.mark.parametrize("size", [(1, 1), (3, 900), (900, 3), (40, 30), (300, 200)])
def test_no_label_and_no_size_is_too_strange(plain, label, size):
    points = (Point(label, 0, 0), Point(label, *size))
    hostile = [Annotation(label, (0, 0, *size), points, score=0.1), Annotation(label, (math.nan, 0, 1, math.inf)),
               Annotation(label, None, (Point(label, math.inf, 0),)), Annotation(label)]
    assert drawing.annotated(plain(size), hostile).size == size


def test_nothing_to_draw_leaves_the_picture_as_it_is(plain):
    assert changed(drawing.annotated(plain((60, 40)), [Annotation("cat")])) is None


def test_an_answer_of_hundreds_of_boxes_is_drawn(plain):
    many = [Annotation(f"{n}", (n % 20 * 30, n // 20 * 20, n % 20 * 30 + 20, n // 20 * 20 + 15)) for n in range(400)]
    assert changed(drawing.annotated(plain((600, 400)), many))[2:] >= (600, 390)


def test_ink_is_black_or_white_whichever_can_be_read():
    assert [ink(paint) for paint in ("#ffffff", "#000000", "#f0e442", "#0072b2")] == [
        "#000000", "#ffffff", "#000000", "#ffffff"]


def test_a_label_is_cut_to_its_place_and_says_so():
    writing = drawing.font("abc", 20)
    assert drawing.fitted("abc", writing, 500) == "abc"
    cut = drawing.fitted("abc" * 50, writing, 200)
    assert cut.endswith("…") and writing.getlength(cut) <= 200 and len(cut) > 8
    assert drawing.fitted("abc", writing, 2) == ""


def test_every_hostile_picture_that_can_be_opened_can_be_drawn_on(shared):
    opened = 0
    for path in sorted((shared / "hostile_images/files").iterdir()):
        try:
            image = pictures.read(path)
            picture = drawing.annotated(image, [Annotation("cat", (0, 0, *image.size))], longest=200)
        except pictures.PictureError:
            continue
        opened += 1
        assert picture.mode == "RGB" and max(picture.size) == 200
    assert opened > 5
