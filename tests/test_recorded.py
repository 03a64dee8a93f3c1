"""Answers that real models gave, against where their boxes really are: within a pixel, or a thousandth in units."""
from __future__ import annotations

import json
from pathlib import Path

import pytest

from app.families import find
from app.types import Frame, Image, Request

SHARED = Path(__file__).resolve().parent.parent / ".." / "shared" / "data"
OURS = {"paligemma": "paligemma", "paligemma2": "paligemma", "qwen2_5_vl": "qwen2.5-vl", "qwen3_vl": "qwen3-vl",
        "qwen3-vl": "qwen3-vl"}
# The same syntaxes in thousandths, by elder siblings that have no file yet: read with Qwen3-VL's.
SIBLINGS = {"qwen_vl": "qwen3-vl", "qwen2_vl": "qwen3-vl", "qwen2-vl": "qwen3-vl"}
UNIT = (100_000, 100_000)  # a picture this large makes 0.001 in units 100 pixels


@pytest.fixture(scope="module")
def docs() -> list[dict]:
    return load("recorded_outputs_docs.json")


@pytest.fixture(scope="module")
def notebooks() -> list[dict]:
    return load("recorded_outputs_notebooks.json")


def load(name: str) -> list[dict]:
    if not (SHARED / name).is_file():
        pytest.skip(f"the recorded answers ({name}) are not on this machine; test_families reads one of each family")
    return json.loads((SHARED / name).read_text(encoding="utf-8"))


def read(entry: dict, family: str, size: tuple[int, int]):
    task = {"detection": "detect", "ground_caption": "ground", "tool call with a box": "ground"}.get(
        entry["task"], entry["task"])
    task = "detect" if task.startswith("training target") else task
    seen = (entry["input_width"], entry["input_height"]) if entry["input_width"] else size
    return find(family).parse(entry["output_text"], Request((Image("", size),), task), Frame(size, seen))


def assert_places(parsed, boxes, points, labels, within) -> None:
    assert parsed.status == "ok"
    found = [a.box for a in parsed.annotations] if boxes else [(p.x, p.y) for a in parsed.annotations for p in a.points]
    wanted = boxes or points
    assert len(found) == len(wanted) > 0
    for a, b in zip(found, wanted, strict=True):
        assert a == pytest.approx(b, abs=within)
    # Qwen-VL wrote one label with quotes, which belong to nobody's class name but are what it said.
    assert [a.label for a in parsed.annotations] == labels


@pytest.mark.parametrize("families, sized, unsized", [(OURS, 7, 2), (SIBLINGS, 1, 4)], ids=["ours", "siblings"])
def test_answers_in_documentation(docs, families, sized, unsized):
    checked = {"sized": 0, "unsized": 0}
    for entry in docs:
        if entry["family"] not in families:
            continue
        unit = entry["expected_unit"]
        if entry["image_width"]:
            expected, size = entry["expected"], (entry["image_width"], entry["image_height"])
            parsed = read(entry, families[entry["family"]], size)
            assert_places(parsed, expected.get("boxes"), expected.get("points"), expected["labels"], within=1)
            checked["sized"] += 1
        else:
            parsed = read(entry | {"input_width": None}, families[entry["family"]], UNIT)
            boxes, points = ([[v * UNIT[0] for v in place] for place in unit.get(kind, [])]
                             for kind in ("boxes", "points"))
            assert_places(parsed, boxes, points, unit["labels"], within=0.001 * UNIT[0])
            checked["unsized"] += 1
    assert checked == {"sized": sized, "unsized": unsized}


@pytest.mark.parametrize("families, count", [(OURS, 3), (SIBLINGS, 1)], ids=["ours", "siblings"])
def test_answers_in_notebooks(notebooks, families, count):
    checked = 0
    for entry in notebooks:
        if entry["family"] in families and entry["expected_boxes_xyxy_original_pixels"]:
            parsed = read(entry, families[entry["family"]], (entry["image_width"], entry["image_height"]))
            assert_places(parsed, entry["expected_boxes_xyxy_original_pixels"], None, entry["labels"], within=1)
            checked += 1
    assert checked == count


def test_entries_that_no_model_wrote_are_training_targets_and_read_all_the_same(notebooks):
    """Five PaliGemma entries are lines of a dataset, not answers; their boxes stand in the notes, in units."""
    targets = [entry for entry in notebooks if entry["task"].startswith("training target")]
    assert [entry["family"] for entry in targets] == ["paligemma"] * 5
    assert not [entry for entry in notebooks if entry["family"] in OURS and entry not in targets
                and not entry["expected_boxes_xyxy_original_pixels"]]
    for entry in targets:
        unit = json.loads(entry["notes"].partition(": ")[2])
        parsed = read(entry | {"input_width": None}, "paligemma", UNIT)
        boxes = [[v * UNIT[0] for v in box] for box in unit]
        assert_places(parsed, boxes, None, entry["labels"], within=0.001 * UNIT[0])
