"""Formats: what is written is read back as far as it carries, real data imports whole, what is lost is named."""
from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from app import formats
from app.formats import Options, Refused, Repaired, judging
from app.skeletons import PERSON
from app.types import Annotation, Image, Point, Sample
from tests import drawn_samples as drawn

# Which samples each format carries without a loss, and how far a coordinate may move on the way, in pixels.
WHOLE = {
    "coco": ((drawn.detect,), 0.01), "yolo": ((drawn.detect,), 0.01), "voc": ((drawn.detect,), 0.01),
    "refcoco": ((drawn.ground,), 0.01), "vision-cot": ((drawn.ground, drawn.asked), 0.01),
    "jsonl": ((drawn.ground, drawn.pointed, drawn.counted, drawn.asked, drawn.several), 0.01),
    "swift": ((drawn.ground, drawn.pointed, drawn.asked, drawn.several), 0.01),
    "instructions": ((drawn.ground, drawn.counted, drawn.asked), 0.2),
    "captions": ((drawn.detect, drawn.ground, drawn.pointed, drawn.figures, drawn.counted, drawn.asked, drawn.several),
                 0.01),
    "datasets": ((drawn.detect, drawn.ground, drawn.pointed, drawn.figures, drawn.counted, drawn.asked, drawn.several),
                 0),
}
LOSSLESS_BUT_SPLIT = {"per-class": drawn.detect, "jsonl": drawn.detect, "swift": drawn.detect,
                      "instructions": lambda folder: plain(drawn.detect(folder))}
NO_PLACE = {"jsonl", "swift", "instructions", "per-class", "prompts", "csv"}  # for a split


def plain(samples: list[Sample]) -> list[Sample]:
    """Without the label that holds signs which some languages use themselves."""
    return [replace(s, query="cat; traffic light", truth=tuple(a for a in s.truth if "<" not in a.label))
            for s in samples]


def samples_of(rows) -> list[Sample]:
    rows = list(rows)
    refused = [row for row in rows if isinstance(row, Refused)]
    assert not refused, refused
    return [row for row in rows if isinstance(row, Sample)]


def same(before: Sample, after: Sample, near: float, splits: bool = True) -> None:
    assert [image.sha256 for image in after.images] == [image.sha256 for image in before.images]
    assert (after.task, after.query, after.answer) == (before.task, before.query, before.answer)
    if splits:
        assert [image.split for image in after.images] == [image.split for image in before.images]
    assert (after.truth is None) == (before.truth is None)
    wanted, found = (sorted(each.truth or (), key=lambda a: (a.label, a.box or ())) for each in (before, after))
    for a, b in zip(wanted, found, strict=True):
        assert (b.label, b.image, b.crowd, b.score, b.area) == (a.label, a.image, a.crowd, a.score, a.area)
        assert (b.box is None) == (a.box is None)
        assert max((abs(x - y) for x, y in zip(a.box or (), b.box or ())), default=0) <= near, (a.box, b.box)
        for p, q in zip(a.points, b.points, strict=True):
            assert (q.name, q.visibility) == (p.name, p.visibility)
            assert max(abs(q.x - p.x), abs(q.y - p.y)) <= near


def test_every_format_has_a_name_of_its_own_a_hint_and_something_to_do():
    every = formats.every()
    names = [name for each in every for name in (each.name, *each.aliases)]
    assert len(set(names)) == len(names)
    assert all(each.hint and each.title and (each.read or each.write) for each in every)
    assert {"coco", "yolo", "voc", "refcoco", "jsonl", "swift", "trl", "datasets", "captions", "csv", "pictures",
            "prompts", "vision-cot", "per-class", "instructions", "contact-sheet"} <= {each.name for each in every}


def test_an_unknown_format_is_an_error_that_names_the_known_ones():
    with pytest.raises(ValueError, match=r"no format 'kitti' to import; there are: .*coco.*yolo"):
        formats.find("kitti", "read")
    with pytest.raises(ValueError, match="no format 'contact-sheet' to import"):
        formats.find("contact-sheet", "read")
    assert formats.find("VLM_R1") is formats.find("jsonl")


@pytest.mark.parametrize("name", WHOLE)
def test_what_a_format_carries_comes_back(name, tmp_path):
    made, near = WHOLE[name]
    before = [sample for make in made for sample in make(tmp_path / "drawn")]
    (out := tmp_path / "out").mkdir()
    assert formats.find(name).write(iter(before), out) == []
    after = samples_of(formats.find(name).read(out))
    key = lambda sample: ([image.sha256 for image in sample.images], sample.task, sample.query)  # noqa: E731
    for a, b in zip(sorted(before, key=key), sorted(after, key=key), strict=True):
        same(a, b, near, splits=name not in NO_PLACE)


@pytest.mark.parametrize("name", LOSSLESS_BUT_SPLIT)
def test_a_format_without_a_place_for_splits_says_so_and_keeps_the_rest(name, tmp_path):
    before = LOSSLESS_BUT_SPLIT[name](tmp_path / "drawn")
    (out := tmp_path / "out").mkdir()
    assert formats.find(name).write(before, out) == ["3 samples' splits"]
    for a, b in zip(before, samples_of(formats.find(name).read(out)), strict=True):
        same(a, b, 0.2 if name == "instructions" else 0.01, splits=False)


@pytest.mark.parametrize("name", ["coco", "yolo"])
def test_joints_come_back_with_those_that_are_hidden_and_absent(name, tmp_path):
    before = drawn.figures(tmp_path / "drawn")
    (out := tmp_path / "out").mkdir()
    assert formats.find(name).write(before, out) == []
    for a, b in zip(before, samples_of(formats.find(name).read(out)), strict=True):
        if name == "yolo":  # every line has all joints: a figure without any gets seventeen absent ones
            assert {p.visibility for p in b.truth[1].points} == {"absent"}
            b = Sample(b.id, b.images, b.task, b.query, (b.truth[0], Annotation("person", b.truth[1].box)))
        same(a, b, 0.01)


def test_a_persons_joints_are_written_with_their_skeleton(tmp_path):
    (out := tmp_path / "out").mkdir()
    formats.find("coco").write(drawn.figures(tmp_path), out)
    category, = json.loads((out / "annotations.json").read_text())["categories"]
    assert category["keypoints"] == list(PERSON.names)
    assert category["skeleton"][:3] == [[16, 14], [14, 12], [17, 15]] and len(category["skeleton"]) == 19  # COCO's own
    (out := tmp_path / "yolo").mkdir()
    formats.find("yolo").write(drawn.figures(tmp_path), out)
    assert "flip_idx:\n- 0\n- 2\n- 1\n- 4\n- 3\n" in (out / "data.yaml").read_text()


def test_a_skeleton_that_we_cannot_draw_again_is_named(tmp_path):
    drawn.picture(tmp_path, "a.png")
    told = {"images": [{"id": 1, "file_name": "a.png"}], "annotations": [],
            "categories": [{"id": 1, "name": "crane", "keypoints": ["foot", "hook"], "skeleton": [[1, 2]]}]}
    (tmp_path / "a.json").write_text(json.dumps(told))
    repaired, sample = formats.find("coco").read(tmp_path / "a.json")
    assert "1 lines between the joints of 'crane' were left out" in repaired.how and sample.query == "foot; hook"


@pytest.mark.parametrize("family", ["qwen3-vl", "paligemma", "qwen2.5-vl", "internvl"])
def test_trl_rows_are_written_and_read_by_the_familys_own_codec(family, tmp_path):
    before = [*plain(drawn.detect(tmp_path / "drawn")), *drawn.ground(tmp_path / "drawn")]
    (out := tmp_path / "out").mkdir()
    from app.formats import trl
    lost = trl.write(before, out, family)
    assert all("belong to no split" in each for each in lost), lost
    after = samples_of(formats.find("trl").read(out))
    assert len(after) == len(before) > 0
    by_question = {(sample.images[0].sha256, sample.query): sample for sample in after}
    for each in before:
        same(each, by_question[each.images[0].sha256, each.query], 0.6, splits=False)
    row = json.loads((out / "train.jsonl").read_text().splitlines()[0])
    assert row["completion"][0]["role"] == "assistant" and row["prompt"][0]["content"][0] == {"type": "image"}


def test_scores_crowds_areas_and_other_tasks_are_named_where_they_are_lost(tmp_path):
    image = drawn.picture(tmp_path, "a.png")
    rich = Annotation("cat", (1, 2, 30, 40), score=0.5, crowd=True, area=100.0)
    said = drawn.sample(image, "detect", "cat", [rich])
    unknown = drawn.sample(image, "detect", "cat")
    other = drawn.sample(image, "ask", "why?", answer="so")
    (out := tmp_path / "voc").mkdir()
    assert formats.find("voc").write([said, unknown, other], out) == [
        "1 scores of objects", "1 marks that a box holds a crowd", "1 areas of outlines",
        "1 samples whose answer nobody has given", "1 samples of the task ask"]
    (out := tmp_path / "coco").mkdir()
    assert formats.find("coco").write([said], out) == []
    again, = samples_of(formats.find("coco").read(out))
    assert again.truth == (rich,)


def test_two_pictures_of_one_name_and_hostile_names_are_written_apart(tmp_path):
    images = [drawn.picture(tmp_path / where, "a.png", seed=i) for i, where in enumerate("xy")]
    images.append(drawn.picture(tmp_path / "z", "a.jpg", seed=3))
    images.append(Image(**{**vars(drawn.picture(tmp_path / "w", "b.png", seed=4)), "name": "../../con<script>.png"}))
    samples = [drawn.sample(image, "detect", "cat", [Annotation("cat", (1, 1, 9, 9))]) for image in images]
    for name in ("yolo", "voc", "coco"):
        (out := tmp_path / name).mkdir()
        formats.find(name).write(samples, out)
        names = [path.name for path in (out / "images").rglob("*") if path.is_file()]
        assert len({re.sub(r"\.\w+$", "", each) for each in names}) == 4, names
        assert all(re.fullmatch(r"[\w-]+\.(png|jpg)", each) for each in names), names
        again = samples_of(formats.find(name).read(out))
        assert {s.images[0].sha256 for s in again} == {image.sha256 for image in images}


def test_a_cell_that_is_a_formula_is_neutralised_and_comes_back_as_words(tmp_path):
    evil = ['=HYPERLINK("http://evil","x")', "+1+1", "-2", "@SUM(A1)", "\u00e9 plain"]
    samples = [drawn.sample(drawn.picture(tmp_path, f"{i}.png", seed=i), "phrases", words)
               for i, words in enumerate(evil)]
    (out := tmp_path / "out").mkdir()
    assert formats.find("csv").write(samples, out) == []
    lines = (out / "captions.csv").read_text().splitlines()
    assert all(not re.search(r'(^|,)"?[=+\-@]', line) for line in lines), lines
    rows = list(formats.find("csv").read(out))
    assert [row.query for row in rows if isinstance(row, Sample)] == evil


def test_a_formula_in_somebodys_table_is_kept_as_words_and_said(tmp_path):
    drawn.picture(tmp_path, "a.png")
    (tmp_path / "list.csv").write_text('file_name,caption\na.png,"=cmd|\' /C calc\'!A0"\n')
    repaired, sample = formats.find("csv").read(tmp_path / "list.csv")
    assert repaired == Repaired("line 2", "begins like a formula of a spreadsheet; it was kept as words")
    assert sample.query.startswith("=cmd")


def test_pictures_alone_are_samples_that_nobody_has_asked_about(tmp_path):
    for name in ("train/a.png", "val/a.png", "c.png"):
        drawn.picture(tmp_path / "in", name, seed=len(name))
    (tmp_path / "in" / ".hidden.png").write_bytes(b"x")
    samples = samples_of(formats.find("pictures").read(tmp_path / "in"))
    assert [(s.images[0].name, s.images[0].split, s.truth, s.query) for s in samples] == [
        ("c.png", None, None, ""), ("train/a.png", "train", None, ""), ("val/a.png", "val", None, "")]
    (out := tmp_path / "out").mkdir()
    assert formats.find("pictures").write(samples, out) == []
    again = samples_of(formats.find("pictures").read(out))
    assert Counter(s.images[0].split for s in again) == Counter((None, "train", "val"))


def test_a_contact_sheet_shows_every_sample(tmp_path):
    import PIL.Image
    samples = [*drawn.detect(tmp_path), *drawn.asked(tmp_path)] * 6
    (out := tmp_path / "out").mkdir()
    assert formats.find("contact-sheet").write(samples, out) == []
    pages = sorted(out.glob("page-*.png"))
    assert len(pages) == 2
    with PIL.Image.open(pages[0]) as page:
        assert page.size == (1672, 1428) and len(page.getcolors(1 << 24)) > 20


def test_a_datasets_folder_opens_in_datasets_and_has_a_card(tmp_path):
    before = [*drawn.detect(tmp_path / "drawn"), *drawn.several(tmp_path / "drawn")]
    (out := tmp_path / "out").mkdir()
    assert formats.find("datasets").write(before, out) == []
    import datasets
    rows = datasets.load_dataset(str(out), cache_dir=str(tmp_path / "cache"))
    assert {split: len(part) for split, part in rows.items()} == {"train": 4, "validation": 1}
    assert rows["train"][0]["images"][0].size == (64, 48)
    assert rows["train"][0]["objects"][0]["bbox"] == [1.5, 2.25, 30, 40]
    card = (out / "README.md").read_text()
    assert "object-detection" in card and "| cat | 4 |" in card and "1 samples say that nothing is there" in card
    saved = tmp_path / "saved"
    rows.save_to_disk(str(saved))  # Arrow files, in a folder per split
    assert len(samples_of(formats.find("datasets").read(saved))) == 5


def test_a_detection_dataset_of_the_hub_is_read_by_its_features(tmp_path):
    import datasets
    image = drawn.picture(tmp_path, "a.png")
    told = datasets.Features({
        "image": datasets.Image(), "objects": {"bbox": datasets.List(datasets.List(datasets.Value("float32"))),
                                               "category": datasets.List(datasets.ClassLabel(names=["cat", "dog"]))}})
    rows = datasets.Dataset.from_list([{"image": image.path, "objects": {"bbox": [[1, 2, 30, 40]], "category": [1]}}],
                                      features=told)
    rows.to_parquet(str(tmp_path / "validation-0.parquet"))
    sample, = samples_of(formats.find("datasets").read(tmp_path / "validation-0.parquet"))
    assert (sample.task, sample.query, sample.images[0].split) == ("detect", "cat; dog", "val")
    assert sample.truth == (Annotation("dog", (1, 2, 31, 42)),)


@pytest.mark.parametrize("kept_as", ["save_to_disk", "parquet", "jsonl"])
def test_refcoco_as_the_hub_has_it_gives_a_sample_per_caption(kept_as, tmp_path):
    """The columns of jxu124/refcoco: bbox is xyxy, the picture is a path below a COCO folder."""
    import datasets
    drawn.picture(tmp_path / "coco" / "train2014", "COCO_train2014_000000000001.png")
    row = {"sent_ids": [0, 1], "file_name": "COCO_train2014_000000000001_11.png", "ann_id": 11, "ref_id": 0,
           "image_id": 1, "split": "testA", "category_id": 1, "bbox": [1.0, 2.0, 31.0, 42.0],
           "captions": ["left", "cat"],
           "image_path": "coco/train2014/COCO_train2014_000000000001.png", "raw_anns": "{}",
           "sentences": [{"raw": "Left", "sent": "left", "sent_id": 0, "tokens": ["left"]}],
           "raw_image_info": json.dumps({"width": 64, "height": 48, "file_name": "COCO_train2014_000000000001.png"})}
    rows = datasets.Dataset.from_list([row])
    if kept_as == "save_to_disk":
        rows.save_to_disk(str(tmp_path / "refcoco"))
    else:
        (tmp_path / "refcoco").mkdir()
        path = str(tmp_path / "refcoco" / f"train.{kept_as}")
        rows.to_parquet(path) if kept_as == "parquet" else rows.to_json(path)
    samples = samples_of(formats.find("refcoco").read(tmp_path / "refcoco", Options(pictures=str(tmp_path))))
    assert [(s.query, s.truth[0].box, s.images[0].split, s.task) for s in samples] == [
        ("left", (1, 2, 31, 42), "val", "ground"), ("cat", (1, 2, 31, 42), "val", "ground")]


REAL = [("voc", "datasets/bccd_blood_cells/original_annotations", 182, 2412),
        ("voc", "datasets/playing_cards/original_annotations", 135, 229),
        ("coco", "coco/instances/instances.json", 19, 244),
        ("coco", "coco/keypoints/person_keypoints.json", 32, 100),
        ("coco", "coco/yolo_val2017/instances_from_yolo.json", 23, 194),
        ("yolo", "coco/yolo_val2017/data.yaml", 23, 194),
        ("refcoco", "coco/referring/referring_with_images.json", 18, 16)]


@pytest.mark.parametrize(("name", "path", "pictures", "objects"), REAL)
def test_real_data_is_read_whole(name, path, pictures, objects, shared):
    samples = samples_of(formats.find(name).read(shared / path))
    assert (len(samples), sum(len(sample.truth) for sample in samples)) == (pictures, objects)


@pytest.mark.parametrize("name", ["bccd_blood_cells", "playing_cards"])
@pytest.mark.parametrize("where", ["original_annotations", "."])
def test_published_annotations_give_the_boxes_of_the_coco_file(name, where, shared):
    folder = shared / "datasets" / name
    told = json.loads((folder / "annotations_coco.json").read_text())
    names = {c["id"]: c["name"] for c in told["categories"]}
    wanted = {image["file_name"]: sorted(
        (names[a["category_id"]], *a["bbox"][:2], a["bbox"][0] + a["bbox"][2], a["bbox"][1] + a["bbox"][3])
        for a in told["annotations"] if a["image_id"] == image["id"]) for image in told["images"]}
    found = {sample.images[0].name: sorted((a.label, *a.box) for a in sample.truth)
             for sample in samples_of(formats.find("voc").read(folder / where))}
    assert found.keys() == wanted.keys()
    for file, boxes in wanted.items():
        for a, b in zip(boxes, found[file], strict=True):
            assert a[0] == b[0] and max(abs(x - y) for x, y in zip(a[1:], b[1:])) <= 0.5


def test_yolo_and_coco_tell_the_same_about_the_same_pictures(shared):
    yolo, coco = (samples_of(formats.find(name).read(shared / "coco/yolo_val2017" / file))
                  for name, file in (("yolo", "data.yaml"), ("coco", "instances_from_yolo.json")))
    by_picture = {sample.images[0].sha256: sample for sample in coco}
    for sample in yolo:
        same(sample, by_picture[sample.images[0].sha256], 0.5)


def test_real_joints_keep_their_flags_and_crowds_their_mark(shared):
    samples = samples_of(formats.find("coco").read(shared / "coco/keypoints/person_keypoints.json"))
    told = json.loads((shared / "coco/keypoints/person_keypoints.json").read_text())
    flags = Counter(flag for a in told["annotations"] for flag in a["keypoints"][2::3])
    kept = Counter(p.visibility for s in samples for a in s.truth for p in a.points)
    assert kept == Counter({"absent": flags[0], "hidden": flags[1], "visible": flags[2]})
    assert sum(a.crowd for s in samples for a in s.truth) == sum(a["iscrowd"] for a in told["annotations"]) == 1
    assert sum(s.truth == () for s in samples) > 5
    assert all(s.query == "; ".join(PERSON.names) for s in samples)


@pytest.mark.parametrize(("name", "path", "near"), [
    ("coco", "coco/instances/instances.json", 0.01), ("coco", "coco/keypoints/person_keypoints.json", 0.01),
    ("yolo", "coco/yolo_val2017/data.yaml", 0.01), ("voc", "datasets/playing_cards/original_annotations", 0.01),
    ("refcoco", "coco/referring/referring_with_images.json", 0.01)])
@pytest.mark.parametrize("through", ["itself", "datasets", "captions"])
def test_real_data_comes_back_from_a_round_trip(name, path, near, through, shared, tmp_path):
    before = samples_of(formats.find(name).read(shared / path))
    target = formats.find(name if through == "itself" else through)
    lost = target.write(before, tmp_path)
    assert all("split" in each for each in lost), lost
    after = {(s.images[0].sha256, s.query): s for s in samples_of(target.read(tmp_path))}
    assert len(after) == len(before)
    for sample in before:
        same(sample, after[sample.images[0].sha256, sample.query], near, splits=False)


@pytest.mark.parametrize(("name", "path", "target", "near"), [
    ("voc", "datasets/playing_cards/original_annotations", "yolo", 0.01),
    ("voc", "datasets/playing_cards/original_annotations", "coco", 0.01),
    ("voc", "datasets/playing_cards/original_annotations", "jsonl", 0.01),
    ("voc", "datasets/playing_cards/original_annotations", "swift", 0.01),
    ("voc", "datasets/playing_cards/original_annotations", "per-class", 0.01),
    ("voc", "datasets/playing_cards/original_annotations", "instructions", 0.5),
    ("yolo", "coco/yolo_val2017/data.yaml", "trl", 0.5),
    ("coco", "coco/keypoints/person_keypoints.json", "jsonl", 0.01),
    ("coco", "coco/keypoints/person_keypoints.json", "yolo", 0.01),
    ("refcoco", "coco/referring/referring_with_images.json", "jsonl", 0.01),
    ("refcoco", "coco/referring/referring_with_images.json", "vision-cot", 0.01),
    ("refcoco", "coco/referring/referring_with_images.json", "swift", 0.01),
    ("refcoco", "coco/referring/referring_with_images.json", "trl", 0.5)])
def test_real_boxes_come_back_from_another_format(name, path, target, near, shared, tmp_path):
    before = samples_of(formats.find(name).read(shared / path))
    formats.find(target).write(before, tmp_path)
    after = {(s.images[0].sha256, s.query): s for s in samples_of(formats.find(target).read(tmp_path))}
    assert len(after) == len(before)
    places = lambda sample: sorted((a.label, *(a.box or ())) for a in sample.truth)  # noqa: E731
    for sample in before:
        for a, b in zip(places(sample), places(after[sample.images[0].sha256, sample.query]), strict=True):
            assert a[0] == b[0] and max(map(abs, (x - y for x, y in zip(a[1:], b[1:])))) <= near


def test_one_row_is_one_sample_for_ever(tmp_path):
    image = drawn.picture(tmp_path, "a.png")
    one = drawn.sample(image, "detect", "cat", [Annotation("cat", (1, 2, 3, 4))])
    assert judging.identity(one) == judging.identity(drawn.sample(
        drawn.picture(tmp_path / "copy", "a.png"), "detect", "cat", [Annotation("cat", (1, 2, 3, 4))]))
    others = [drawn.sample(image, "detect", "cat", []), drawn.sample(image, "detect", "cat"),
              drawn.sample(image, "detect", "dog", one.truth), drawn.sample(image, "ground", "cat", one.truth),
              drawn.sample(image, "detect", "cat", [Annotation("cat", (1, 2, 3, 5))]),
              drawn.sample(image, "detect", "cat", [Annotation("cat", (1, 2, 3, 4), (Point("a", 1, 1),))])]
    assert len({judging.identity(each) for each in (one, *others)}) == 7


@pytest.mark.parametrize(("word", "split"), [
    ("train", "train"), ("train2017", "train"), ("Training", "train"), ("val", "val"), ("valid", "val"),
    ("validation", "val"), ("testA", "val"), ("testB", "val"), ("test", "val"), ("val2014", "val"), ("held-out", "val"),
    ("tests", None), ("test_what0", None), ("validated", None), ("trains", None), ("", None), (None, None)])
def test_only_whole_words_name_a_split(word, split):
    assert formats.base.split_of(word) is split or formats.base.split_of(word) == split


def test_layouts_that_name_the_split_by_folder_are_read(tmp_path):
    """As annotation services export COCO and YOLO, and as `imagefolder` has it."""
    for share in ("train", "valid"):
        drawn.picture(tmp_path / "coco" / share, "a.png", seed=share == "train")
        (tmp_path / "coco" / share / "_annotations.coco.json").write_text(json.dumps({
            "images": [{"id": 0, "file_name": "a.png"}], "categories": [{"id": 0, "name": "cat"}],
            "annotations": [{"id": 0, "image_id": 0, "category_id": 0, "bbox": [1, 2, 30, 40]}]}))
        drawn.picture(tmp_path / "yolo" / share / "images", "a.png", seed=share == "train")
        (tmp_path / "yolo" / share / "labels").mkdir()
        (tmp_path / "yolo" / share / "labels" / "a.txt").write_text("0 0.5 0.5 0.25 0.25\n")
        drawn.picture(tmp_path / "datasets" / share, "a.png", seed=share == "train")
        (tmp_path / "datasets" / share / "metadata.jsonl").write_text(json.dumps(
            {"file_name": "a.png", "objects": {"bbox": [[1, 2, 30, 40]], "categories": ["cat"]}}) + "\n")
    (tmp_path / "yolo" / "data.yaml").write_text("train: ../train/images\nval: ../valid/images\nnames: ['cat']\n")
    for name in ("coco", "yolo", "datasets"):
        samples = samples_of(formats.find(name).read(tmp_path / name))
        assert len({sample.images[0].sha256 for sample in samples}) == 2 and all(s.truth for s in samples), name
        assert sorted(sample.images[0].split for sample in samples) == ["train", "val"], name


def test_options_name_a_folder_of_pictures(tmp_path):
    drawn.picture(tmp_path / "elsewhere" / "deep", "a.png")
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "x.jsonl").write_text('{"file_name": "C:\\\\data\\\\deep\\\\a.png", "caption": "a cat"}\n')
    refused, = formats.find("captions").read(tmp_path / "in" / "x.jsonl")
    assert "no such picture" in refused.why
    sample, = samples_of(formats.find("captions").read(tmp_path / "in" / "x.jsonl",
                                                       Options(pictures=str(tmp_path / "elsewhere"))))
    assert Path(sample.images[0].path).name == "a.png"
