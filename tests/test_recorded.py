"""Answers that real models gave, against where their boxes really are: within a pixel, or a thousandth in units."""
from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from app.families import find
from app.types import Frame, Image, Request

SHARED = Path(__file__).resolve().parent.parent / ".." / "shared" / "data"
OURS = {"paligemma": "paligemma", "paligemma2": "paligemma", "qwen2_5_vl": "qwen2.5-vl", "qwen3_vl": "qwen3-vl",
        "qwen3-vl": "qwen3-vl", "qwen_vl": "qwen-vl", "qwen2_vl": "qwen2-vl", "qwen2-vl": "qwen2-vl",
        "internvl": "internvl", "florence2": "florence-2", "florence-2": "florence-2", "kosmos2": "kosmos-2",
        "kosmos-2": "kosmos-2", "glm46v": "glm-4.6v", "gemma4": "gemma-4", "gemini": "gemini", "gemini-3": "gemini",
        "lfm2_vl": "lfm2.5-vl", "molmo": "molmo", "molmo2": "molmo2", "deepseek_vl2": "deepseek-vl2",
        "rex_omni": "rex-omni", "cogvlm": "cogvlm", "moondream": "moondream"}
# What a library made of an answer: nobody's text, so no family reads it.
NO_ANSWERS = {"florence2-09": "post-processed", "florence2-11": "post-processed", "florence2-13": "post-processed"}
TASKS = {"detection": "detect", "ground_caption": "ground", "grounded caption": "ground", "pointing": "point",
         "tool call with a box": "ground", "region_proposal": "detect", "ocr_region": "detect", "<OD>": "detect",
         "<OPEN_VOCABULARY_DETECTION>": "detect"}
UNIT = (100_000, 100_000)  # a picture this large makes 0.001 in units 100 pixels


def load(name: str) -> list[dict]:
    if not (SHARED / name).is_file():
        pytest.skip(f"the recorded answers ({name}) are not on this machine; test_families reads one of each family")
    return json.loads((SHARED / name).read_text(encoding="utf-8"))


def recorded(name: str):
    """One test for each entry, so that a failing one says which; without the file, one that skips."""
    path = SHARED / name
    entries = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else [None]
    return pytest.mark.parametrize("entry", entries, ids=[
        f"{entry.get('id', i)}-{entry['family']}" if entry else "missing" for i, entry in enumerate(entries)])


def read(entry: dict, family: str, size: tuple[int, int]):
    task = TASKS.get(entry["task"], entry["task"])
    task = "detect" if task.startswith("training target") else task
    seen = (entry["input_width"], entry["input_height"]) if entry["input_width"] else size
    return find(family).parse(entry["output_text"], Request((Image("", size),), task, prompt=entry["prompt"]),
                              Frame(size, seen))


def assert_places(parsed, boxes, points, labels, within) -> None:
    if not boxes and not points:
        assert (parsed.status, parsed.annotations) == ("empty", ())
        return
    assert parsed.status == "ok"
    found = [a.box for a in parsed.annotations] if boxes else [(p.x, p.y) for a in parsed.annotations for p in a.points]
    wanted = boxes or points
    assert len(found) == len(wanted)
    for a, b in zip(found, wanted, strict=True):
        assert a == pytest.approx(b, abs=within)
    if labels is not None:  # some models name nothing
        # Qwen-VL wrote one label with quotes, which belong to nobody's class name but are what it said.
        assert [a.label for a in parsed.annotations] == [label or "object" for label in labels]


@recorded("recorded_outputs_docs.json")
def test_answers_in_documentation(entry):
    if entry is None or entry["family"] not in OURS:
        pytest.skip("the recorded answers are not on this machine" if entry is None else "no file for its family yet")
    if entry["id"] in NO_ANSWERS:
        assert entry["stage"] == "post_processed"
        return
    unit, family = entry["expected_unit"], OURS[entry["family"]]
    if entry["image_width"]:
        expected, size = entry["expected"], (entry["image_width"], entry["image_height"])
        parsed = read(entry, family, size)
        assert_places(parsed, expected.get("boxes"), expected.get("points"), expected.get("labels"), within=1)
    else:
        parsed = read(entry | {"input_width": None}, family, UNIT)
        boxes, points = ([[v * UNIT[0] for v in place] for place in unit.get(kind, [])] for kind in ("boxes", "points"))
        assert_places(parsed, boxes, points, unit.get("labels"), within=0.001 * UNIT[0])


@recorded("recorded_outputs_notebooks.json")
def test_answers_in_notebooks(entry):
    if entry is None or entry["family"] not in OURS:
        pytest.skip("the recorded answers are not on this machine" if entry is None else "no file for its family yet")
    family = OURS[entry["family"]]
    boxes, points = entry["expected_boxes_xyxy_original_pixels"], entry["expected_points_xy_original_pixels"]
    if boxes or points:
        parsed = read(entry, family, (entry["image_width"], entry["image_height"]))
        assert_places(parsed, boxes, points, entry["labels"], within=1)
    else:  # without the picture's size: where the boxes are relative to it stands in words
        numbers = re.findall(r"0\.\d+|1\.0", entry["notes"] + entry["certainty"])
        unit = list(zip(*[map(float, numbers)] * 4, strict=True))
        parsed = read(entry | {"input_width": None}, family, UNIT)
        assert_places(parsed, [[v * UNIT[0] for v in box] for box in unit], None, entry["labels"],
                      within=0.001 * UNIT[0])


def test_entries_that_no_model_wrote_are_named():
    """Five PaliGemma entries are lines of a dataset, not answers; they read all the same, as their notes say."""
    targets = [entry for entry in load("recorded_outputs_notebooks.json")
               if entry["task"].startswith("training target")]
    assert [(entry["family"], entry["model_id"]) for entry in targets] == [("paligemma", None)] * 5
