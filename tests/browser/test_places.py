"""Boxes lie where they belong: the picture's own pixels and the drawn box are compared on the screen."""
from __future__ import annotations

import io

import PIL.Image
from PIL import ImageDraw
from playwright.sync_api import expect

from app.types import Annotation, Point
from tests.browser.stage import Beat, Part

MARK = (0.30, 0.20, 0.55, 0.70)  # of width and height: not symmetric, so that no turn or flip goes unseen
RATIOS = [(1, 8), (1, 3), (3, 4), (1, 1), (16, 9), (5, 1), (8, 1)]
# What turns the upright picture into the stored one, by EXIF orientation: the inverse of what a reader does.
STORED = {2: "FLIP_LEFT_RIGHT", 3: "ROTATE_180", 4: "FLIP_TOP_BOTTOM", 5: "TRANSPOSE", 6: "ROTATE_90",
          7: "TRANSVERSE", 8: "ROTATE_270"}


def marked(width, height):
    """A grey picture with a magenta rectangle, and its box."""
    box = (round(MARK[0] * width), round(MARK[1] * height), round(MARK[2] * width), round(MARK[3] * height))
    picture = PIL.Image.new("RGB", (width, height), "#556677")
    ImageDraw.Draw(picture).rectangle((box[0], box[1], box[2] - 1, box[3] - 1), fill="#ff00ff")
    return picture, tuple(map(float, box))


def turned(picture, orientation, path):
    """Saved as a camera would that was held that way."""
    stored = picture.transpose(PIL.Image.Transpose[STORED[orientation]]) if orientation > 1 else picture
    exif = PIL.Image.Exif()
    exif[0x0112] = orientation
    stored.save(path, exif=exif, quality=95)


def shown(page, stage, path, box, size):
    """(where the drawn box is, where the magenta is), on the screen, after a run on that file."""
    stage.reset(first=Part((Beat("x", (Annotation("mark", box),)),)))
    tray = page.locator(".tray-card")
    page.set_input_files("#tray .tray-files", str(path))
    expect(tray.locator(".tray-name", has_text=path.name)).to_have_count(1)
    svg = page.locator("#panel-first .overlay-svg")
    expect(svg).to_have_attribute("viewBox", f"0 0 {size[0]} {size[1]}")
    page.click("#run" if tray.count() == 1 else "#run-one")
    drawn = page.locator("#panel-first .overlay-box")
    expect(drawn).to_have_count(1)
    x, y, right, bottom = drawn.evaluate(  # without the stroke, which a bounding box on the screen contains
        """rect => { const to = rect.getScreenCTM(), box = rect.getBBox();
        const at = (x, y) => new DOMPoint(x, y).matrixTransform(to), a = at(box.x, box.y);
        const b = at(box.x + box.width, box.y + box.height), origin = rect.ownerSVGElement.getBoundingClientRect();
        return [a.x - origin.x, a.y - origin.y, b.x - origin.x, b.y - origin.y]; }""")
    only = "(svg, seen) => [...svg.children].slice(-2).forEach(each => { each.style.visibility = seen; })"
    svg.evaluate(only, "hidden")  # only the picture is on the screen
    svg.evaluate("svg => svg.querySelector('image').decode?.()")
    page.wait_for_timeout(100)
    seen = magenta(svg.screenshot())
    svg.evaluate(only, "")
    return (x, y, right, bottom), seen


def magenta(png):
    pixels = PIL.Image.open(io.BytesIO(png)).convert("RGB")
    red, green, blue = pixels.split()
    mask = PIL.Image.eval(red, lambda v: 255 * (v > 190))
    mask.paste(0, mask=PIL.Image.eval(green, lambda v: 255 * (v > 90)))
    mask.paste(0, mask=PIL.Image.eval(blue, lambda v: 255 * (v < 190)))
    return mask.getbbox()


def assert_near(drawn, seen):
    assert seen, "the picture is not on the screen"
    assert all(abs(a - b) <= 2 for a, b in zip(drawn, seen, strict=True)), f"box {drawn}, picture {seen}"


def test_a_box_lies_on_its_object_at_any_aspect_ratio(visit, stage, tmp_path):
    page = visit()
    for width, height in RATIOS:
        scale = 960 / max(width, height)
        picture, box = marked(round(width * scale), round(height * scale))
        picture.save(tmp_path / f"{width} to {height}.png")
        assert_near(*shown(page, stage, tmp_path / f"{width} to {height}.png", box, picture.size))


def test_a_box_lies_on_its_object_however_the_camera_was_held(visit, stage, tmp_path):
    page = visit()
    for orientation in range(1, 9):
        picture, box = marked(600, 400)
        turned(picture, orientation, tmp_path / f"turned {orientation}.jpg")
        assert_near(*shown(page, stage, tmp_path / f"turned {orientation}.jpg", box, (600, 400)))


def test_rotation_noted_outside_a_jpeg_is_shown_as_the_models_see_it(visit, stage, tmp_path):
    page = visit()
    for name in ("turned.webp", "turned.png", "turned.tif"):
        picture, box = marked(600, 400)
        turned(picture, 6, tmp_path / name)
        assert_near(*shown(page, stage, tmp_path / name, box, (600, 400)))


def test_a_box_lies_on_its_object_on_a_phone(visit, stage, tmp_path):
    picture, box = marked(400, 900)
    picture.save(tmp_path / "marked.png")
    assert_near(*shown(visit(width=390, height=844), stage, tmp_path / "marked.png", box, picture.size))


def test_lines_and_words_keep_their_size_on_the_screen(visit, stage, tmp_path):
    heights = []
    for width in (200, 4000):
        picture, box = marked(width, width * 3 // 4)
        picture.save(tmp_path / "marked.png")
        stage.reset(first=Part((Beat("x", (Annotation("mark", box),)),)))
        page = visit()
        page.set_input_files("#tray .tray-files", str(tmp_path / "marked.png"))
        expect(page.locator(".tray-note")).to_contain_text(str(width))
        page.click("#run")
        expect(page.locator("#panel-first .overlay-tag")).to_have_count(1)
        heights.append(page.locator("#panel-first .overlay-tag rect").bounding_box()["height"])
    assert abs(heights[0] - heights[1]) < 1.5, heights


def test_tags_stay_inside_the_picture(visit, stage):
    corners = tuple(Annotation("a rather long label in a corner", box) for box in (
        (0.0, 0.0, 30.0, 20.0), (450.0, 0.0, 480.0, 20.0), (0.0, 340.0, 30.0, 360.0), (450.0, 340.0, 480.0, 360.0)))
    endless = Annotation("word " * 60, (100.0, 100.0, 300.0, 200.0))
    stage.reset(first=Part((Beat("x", (*corners, endless)),)))
    page = visit()
    page.click("#run")
    expect(page.locator("#panel-first .overlay-tag")).to_have_count(5)
    frame = page.locator("#panel-first .overlay-svg").bounding_box()
    for tag in page.locator("#panel-first .overlay-tag").all():
        at = tag.bounding_box()
        assert at["x"] >= frame["x"] - 1 and at["y"] >= frame["y"] - 1
        assert at["x"] + at["width"] <= frame["x"] + frame["width"] + 1
        assert at["y"] + at["height"] <= frame["y"] + frame["height"] + 1


def test_tags_that_find_no_room_wait_until_their_object_is_looked_at(visit, stage):
    heap = tuple(Annotation(f"label {n}", (200.0 + n, 150.0 + n, 260.0 + n, 200.0 + n)) for n in range(30))
    stage.reset(first=Part((Beat("x", heap),)))
    page = visit()
    page.click("#run")
    expect(page.locator("#panel-first .overlay-box")).to_have_count(30)
    seen = [tag.bounding_box() for tag in page.locator("#panel-first .overlay-tag:not(.crowded)").all()]
    assert seen and page.locator("#panel-first .overlay-tag.crowded").count() == 30 - len(seen) > 0
    for n, a in enumerate(seen):
        for b in seen[:n]:
            assert (a["x"] + a["width"] <= b["x"] + 2 or b["x"] + b["width"] <= a["x"] + 2
                    or a["y"] + a["height"] <= b["y"] + 2 or b["y"] + b["height"] <= a["y"] + 2)
    name = page.locator("#panel-first .overlay-tag.crowded").first.get_attribute("data-id")
    waiting = page.locator(f'#panel-first .overlay-tag[data-id="{name}"]')
    expect(waiting).to_be_hidden()
    page.locator(f'#panel-first .overlay-object[data-id="{name}"]').focus()
    expect(waiting).to_be_visible()


def test_points_are_drawn_where_they_are_and_absent_ones_are_not(visit, stage):
    points = (Point("head", 120, 90), Point("left hand", 240, 180, "hidden"), Point("tail", 0, 0, "absent"))
    stage.reset(first=Part((Beat("x", (Annotation("person", None, points),)),)))
    page = visit()
    page.click("#run")
    drawn = page.locator("#panel-first .overlay-point")
    expect(drawn).to_have_count(2)
    assert [dot.get_attribute("cx") for dot in drawn.all()] == ["120", "240"]
    expect(page.locator("#panel-first .overlay-point.unseen")).to_have_count(1)
    expect(page.locator("#panel-first .overlay-name")).to_have_text(["head", "left hand"])
