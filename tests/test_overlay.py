"""The overlay's Python half: colours, what travels to the browser, and what may come back from it."""
from __future__ import annotations

import itertools
import json

import numpy as np
import pytest
from pydantic import ValidationError

from app.colours import PALETTE, colour
from app.types import Annotation, Point
from app.ui.component import head, parts
from app.ui.overlay import LONGEST_LABEL, Overlay, OverlayData, View, drawn
from app.ui.tray import TrayData
from tests.conftest import ROOT

# Machado, Oliveira and Fernandes (2009), severity 1: linear RGB as people with each kind of colour blindness see it.
BLINDNESS = {
    "none": np.eye(3),
    "protanopia": np.array([[.152286, 1.052583, -.204868],
                            [.114503, .786281, .099216], [-.003882, -.048116, 1.051998]]),
    "deuteranopia": np.array([[.367322, .860646, -.227968], [.280085, .672501, .047413], [-.011820, .042940, .968881]]),
    "tritanopia": np.array([[1.255528, -.076749, -.178779], [-.078411, .930809, .147602], [.004733, .691367, .303900]]),
}


def lab(paint, matrix):
    """CIE L*a*b* of a #rrggbb colour as seen through a matrix."""
    rgb = np.array([int(paint[i:i + 2], 16) / 255 for i in (1, 3, 5)])
    linear = matrix @ np.where(rgb <= .04045, rgb / 12.92, ((rgb + .055) / 1.055) ** 2.4)
    to_xyz = np.array([[.4124, .3576, .1805], [.2126, .7152, .0722], [.0193, .1192, .9505]])
    x, y, z = np.cbrt(to_xyz @ linear.clip(0, 1) / (.9505, 1, 1.089))
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


@pytest.mark.parametrize("kind", BLINDNESS)
def test_the_palette_can_be_told_apart_with_every_kind_of_colour_vision(kind):
    nearest = min(np.linalg.norm(lab(a, BLINDNESS[kind]) - lab(b, BLINDNESS[kind]))
                  for a, b in itertools.combinations(PALETTE, 2))
    assert nearest > 11, f"two colours are {nearest:.1f} apart; 2.3 is just noticeable side by side"


def test_a_label_keeps_its_colour():
    # Written down, so that another hash or palette is noticed: labels would change colour under people's eyes.
    assert [colour(label) for label in ("cat", "ring", "person")] == ["#0072b2", "#d55e00", "#009e73"]
    assert colour("Red Star") == colour("red star")
    assert colour("e\u0301te\u0301") == colour("été")


def test_common_labels_use_the_whole_palette():
    assert {colour(f"class {n}") for n in range(60)} == set(PALETTE)


def test_an_update_is_json_with_stable_ids():
    annotations = (Annotation("cat", (1.0, 2.0, 3.0, 4.0)), Annotation("dog", points=(Point("nose", 5, 6),), id="mine"))
    sent = [drawn(each, n) for n, each in enumerate(annotations)]
    assert [each["id"] for each in sent] == ["a0", "mine"]
    assert json.loads(json.dumps(sent))[1]["points"] == [{"name": "nose", "x": 5, "y": 6, "visibility": "visible"}]


def test_labels_that_cannot_be_sent_or_never_end_are_made_to_fit():
    sent = drawn(Annotation("half \ud800 pair" + "x" * 10_000), 0)
    assert sent["label"].startswith("half ? pair") and len(sent["label"]) == LONGEST_LABEL


def test_the_picture_goes_by_its_path_and_size(tmp_path):
    data = Overlay(render=False).postprocess(View(str(tmp_path / "a.png"), (30, 20), (Annotation("cat"),)))
    assert (data.image.path, data.width, data.height) == (str(tmp_path / "a.png"), 30, 20)
    assert Overlay(render=False).postprocess(None) is None


def test_the_truth_travels_beside_the_answers_with_ids_of_its_own():
    cat = Annotation("cat", (1.0, 2.0, 3.0, 4.0), id="a0")
    data = Overlay(render=False).postprocess(View("a.png", (30, 20), (cat,), truth=(cat, cat)))
    assert [each["id"] for each in (*data.annotations, *data.truth)] == ["a0", "truth 0", "truth 1"]
    assert [each["box"] for each in data.truth] == [[1.0, 2.0, 3.0, 4.0]] * 2


def test_scripts_and_styles_travel_once_however_often_a_component_is_there(tmp_path):
    files = {"a.html": "<p></p>", "a.css": ".a { color: red; }", "a.js": "start(); trigger('moved');",
             "b.js": "function start() {}"}
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    first, second = (parts(tmp_path, "a", [tmp_path / "b.js"], elem_classes="wide", elem_id=name) for name in "xy")
    assert first | {"elem_id": "y"} == second
    assert first["elem_classes"][1:] == ["wide"]
    assert "start" not in first["js_on_load"] and "'moved'" in first["js_on_load"] and "css_template" not in first
    assert head().count("function start() {}\nstart();") == 1 and head().count(".a { color: red; }") == 1


def test_nothing_that_travels_in_the_head_ends_it():
    files = [path for end in ("css", "js") for path in (ROOT / "app" / "ui").rglob(f"*.{end}")]
    assert len(files) > 50 and not [path.name for path in files if "</" in path.read_text("utf-8")]


@pytest.mark.parametrize("model, value", [
    (OverlayData, {"image": {"path": "/etc/passwd"}, "width": 1, "height": 1}),
    (TrayData, {"sent": [{"path": "/etc/passwd"}]}),
])
def test_a_browser_cannot_name_a_file_that_it_did_not_upload(model, value):
    with pytest.raises(ValidationError, match="meta"):  # with the mark, Gradio checks the path; without, it is refused
        model.model_validate(value, context={"validate_meta": True})
