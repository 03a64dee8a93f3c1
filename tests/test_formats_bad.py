"""Bad input: every row that cannot be taken is refused by name, what is repaired is said, and nothing escapes."""
from __future__ import annotations

import json
import pickle
import stat
import zipfile
from pathlib import Path

import PIL.Image
import pytest

from app import formats
from app.formats import Options, Refused, Repaired, Unclear, Unreadable, fetching, reading
from app.types import Sample
from tests import drawn_samples as drawn


def rows(name: str, path: Path, **options) -> tuple[list[Sample], dict[str, str], dict[str, str]]:
    """(samples, how by repaired row, why by refused row)"""
    found = list(formats.find(name).read(path, Options(**options)))
    return ([row for row in found if isinstance(row, Sample)],
            {row.row: row.how for row in found if isinstance(row, Repaired)},
            {row.row: row.why for row in found if isinstance(row, Refused)})


def voc(folder: Path, stem: str, box="<xmin>1</xmin><ymin>2</ymin><xmax>30</xmax><ymax>40</ymax>", size="") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{stem}.xml"
    path.write_text(f"<annotation><filename>{stem}.png</filename>{size}<object><name>cat</name>"
                    f"<bndbox>{box}</bndbox></object></annotation>")
    return path


def coco(folder: Path, images: list[dict], annotations: list[dict], categories=({"id": 1, "name": "cat"},)) -> Path:
    path = folder / "set.json"
    path.write_text(json.dumps({"images": images, "annotations": annotations, "categories": list(categories)}))
    return path


def four(a, b, c, d) -> str:
    return f"<xmin>{a}</xmin><ymin>{b}</ymin><xmax>{c}</xmax><ymax>{d}</ymax>"


def test_a_folder_of_bad_voc_files_is_reported_file_by_file(tmp_path):
    folder = tmp_path / "annotations"
    for name in ("good", "outside", "empty", "swapped", "words", "lying", "half", "broken", "bomb", "nobox", "over"):
        drawn.picture(tmp_path / "images", f"{name}.png")
    PIL.Image.new("RGB", (1, 1)).save(tmp_path / "images" / "tiny.png")
    voc(folder, "good")
    voc(folder, "missing")
    voc(folder, "outside", four(100, 100, 130, 140))
    voc(folder, "empty", four(5, 5, 5, 9))
    voc(folder, "swapped", four(30, 40, 1, 2))
    voc(folder, "over", four(-9, 2, 300, 40))
    voc(folder, "words", four(1, "two", 3, 4))
    voc(folder, "lying", size="<size><width>48</width><height>64</height></size>")
    voc(folder, "tiny")
    (folder / "half.xml").write_text("<annotation><filename>half.png</filename><obj")
    (folder / "broken.xml").write_bytes(b"\x00\x01not xml")
    (folder / "nothing.xml").write_text("")
    (folder / "bomb.xml").write_text('<!DOCTYPE a [<!ENTITY x "xx">]><annotation>&x;</annotation>')
    (folder / "nobox.xml").write_text("<annotation><filename>nobox.png</filename><object><name>cat</name></object>"
                                      "</annotation>")
    samples, repaired, refused = rows("voc", tmp_path)
    assert [sample.images[0].name for sample in samples] == ["good.png", "over.png", "swapped.png"]
    assert samples[2].truth[0].box == (1, 2, 30, 40) and samples[1].truth[0].box == (0, 2, 64, 40)
    assert "corners of 'cat' were swapped (30, 40, 1, 2)" in repaired["annotations/swapped.xml"]
    assert "left the picture (-9, 2, 300, 40) and was cut to it" in repaired["annotations/over.xml"]
    why = {Path(row).stem: each for row, each in refused.items()}
    assert set(why) == {"missing", "outside", "empty", "words", "lying", "tiny", "half", "broken", "nothing", "bomb",
                        "nobox"}
    assert "no such picture" in why["missing"] and "outside the picture" in why["outside"]
    assert "has no size" in why["empty"] and "not four numbers (1, two, 3, 4)" in why["words"]
    assert "lying on its side" in why["lying"] and "1×1 pixels" in why["tiny"]
    assert "no readable XML" in why["half"] and "not written to its end" in why["nothing"]
    assert "document type" in why["bomb"] and "without a bndbox" in why["nobox"]


def test_a_picture_that_was_resized_gets_its_boxes_scaled_and_says_so(tmp_path):
    drawn.picture(tmp_path / "images", "a.png", (64, 48))
    voc(tmp_path, "a", four(10, 12, 64, 96), size="<size><width>128</width><height>96</height></size>")
    (sample,), repaired, _ = rows("voc", tmp_path)
    assert sample.truth[0].box == (5, 6, 32, 48)
    assert "scaled to 64×48" in repaired["a.xml"]


FAR = pytest.mark.parametrize("bad", [700, pytest.param(70_000, marks=pytest.mark.slow)])


@FAR
def test_a_line_that_is_broken_far_down_costs_itself(bad, tmp_path):
    drawn.picture(tmp_path, "a.png")
    row = {"file_name": "a.png", "caption": "a cat"}
    with (tmp_path / "x.jsonl").open("w") as file:
        for number in range(1, bad + 11):
            file.write(json.dumps(row)[:-9] + "\n" if number == bad else json.dumps(row | {"id": number}) + "\n")
    count, refused = 0, []
    for each in formats.find("captions").read(tmp_path / "x.jsonl"):
        count += isinstance(each, Sample)
        refused += [each] if isinstance(each, Refused) else []
    assert count == bad + 9 and [each.row for each in refused] == [f"line {bad}"]


@FAR
def test_an_array_that_is_broken_far_down_gives_what_stood_before_it_and_says_where(bad, tmp_path):
    drawn.picture(tmp_path, "a.png")
    row = json.dumps({"img_filename": "a.png", "instruction": "click", "bbox": [1, 2, 3, 4]})
    (tmp_path / "x.json").write_text("[" + ",".join([row] * (bad - 1)) + ',{"img_filename": ] ' + row + "]")
    found = [each for each in formats.find("prompts").read(tmp_path / "x.json") if not isinstance(each, Repaired)]
    assert len(found) == bad
    assert found[-1].row == f"row {bad}" and "it and all after it were not read" in found[-1].why
    (tmp_path / "x.json").write_text("[" + ",".join([row] * 10) + ',{"img_filename": "a.p')
    found = list(formats.find("prompts").read(tmp_path / "x.json"))
    assert found[-1].row == "row 11" and "ends in the middle" in found[-1].why


def test_a_coco_file_that_breaks_off_is_refused_whole_because_any_picture_may_lack_objects(tmp_path):
    drawn.picture(tmp_path, "a.png")
    told = json.dumps({"images": [{"id": 1, "file_name": "a.png"}], "categories": [{"id": 1, "name": "cat"}],
                       "annotations": [{"image_id": 1, "category_id": 1, "bbox": [1, 2, 3, 4], "id": i}
                                       for i in range(70_000)]})
    (tmp_path / "set.json").write_text(told[:-40])
    samples, _, refused = rows("coco", tmp_path / "set.json")
    assert not samples and "annotations[" in refused["the file"] and "Nothing of it was kept" in refused["the file"]


def test_bad_rows_of_a_coco_file_are_reported_one_by_one(tmp_path):
    for name in ("good", "unknown", "nan", "text", "twice", "flag", "dup"):
        drawn.picture(tmp_path, f"{name}.png")
    images = [{"id": i, "file_name": f"{name}.png"} for i, name in
              enumerate(("good", "unknown", "nan", "text", "missing", "flag", "dup"), 1)]
    images += [{"id": 7, "file_name": "twice.png"}, {"file_name": "noid.png"}, "what"]
    told = [{"id": i, "image_id": i, "category_id": 1, "bbox": [1, 2, 3, 4]} for i in (1, 5)]
    told += [{"id": 1, "image_id": 1, "category_id": 1, "bbox": [1, 2, 3, 4]},
             {"id": 2, "image_id": 2, "category_id": 99, "bbox": [1, 2, 3, 4]},
             {"id": 3, "image_id": 3, "category_id": 1, "bbox": [1, 2, float("nan"), 4]},
             {"id": 4, "image_id": 4, "category_id": 1, "bbox": "1 2 3 4"},
             {"id": 9, "image_id": 77, "category_id": 1, "bbox": [1, 2, 3, 4]}, {"id": 10}, 5]
    samples, repaired, refused = rows("coco", coco(tmp_path, images, told))
    assert [sample.images[0].name for sample in samples] == ["good.png", "flag.png"]
    assert len(samples[0].truth) == 1 and "there twice and was kept once" in repaired["picture 1 (good.png)"]
    assert "class 99" in refused["picture 2 (unknown.png)"]
    assert "not four numbers" in refused["picture 3 (nan.png)"]
    assert "not four numbers" in refused["picture 4 (text.png)"]
    assert "no such picture" in refused["picture 5 (missing.png)"]
    assert "so has another picture" in refused["picture 7 (dup.png)"]
    assert "so has another picture" in refused["picture 8 (twice.png)"]
    assert "no picture has this id" in refused["image_id 77"]
    assert {"images[9]", "images[10]", "annotations[8]", "annotations[9]"} <= set(refused)


def test_a_broken_line_of_a_yolo_file_costs_its_picture(tmp_path):
    lines = {"good": "0 0.5 0.5 0.2 0.2\n", "half": "0 0.5 0.5 0.2 0.2\n0 0.5 0.", "class": "7 0.5 0.5 0.2 0.2",
             "words": "cat 0.5 0.5 0.2 0.2", "outline": "0 0.1 0.1 0.5 0.1 0.5 0.5", "big": "0 64 48 20 20"}
    for name, text in lines.items():
        drawn.picture(tmp_path / "images", f"{name}.png")
        (tmp_path / "labels").mkdir(exist_ok=True)
        (tmp_path / "labels" / f"{name}.txt").write_text(text)
    drawn.picture(tmp_path / "images", "none.png")
    (tmp_path / "data.yaml").write_text("path: /old/place\ntrain: images\nval: images\nnames: [cat, dog]\n")
    samples, repaired, refused = rows("yolo", tmp_path / "data.yaml")
    assert [sample.images[0].name for sample in samples] == ["good.png", "none.png", "outline.png"]
    assert "line 2 of half.txt has 2 numbers" in refused["images/half.png"]
    assert "has the class 7, and there are 2 classes" in refused["images/class.png"]
    assert "is not made of numbers" in refused["images/words.png"]
    assert "outside the picture" in refused["images/big.png"]
    assert repaired["images/outline.png"] == "outlines became the boxes around them"
    assert "says that nothing is there" in repaired["images/none.png"] and samples[1].truth == ()
    for text in ("names: !!python/object/apply:os.system ['true']", "a: [", "names: {x: cat}", "- 1", "train: images"):
        (tmp_path / "data.yaml").write_text(text)
        with pytest.raises(Unreadable, match=r"data\.yaml"):
            rows("yolo", tmp_path / "data.yaml")


@pytest.mark.parametrize("name", ["jsonl", "vision-cot", "per-class", "voc"])
def test_boxes_that_are_width_and_height_are_noticed_and_asked_about(name, tmp_path):
    """x, y, width, height where the format says x1, y1, x2, y2."""
    boxes = [[30, 20, 10, 8], [40, 10, 20, 30], [1, 2, 30, 40]]
    for number, box in enumerate(boxes):
        drawn.picture(tmp_path, f"{number}.png")
        if name == "voc":
            voc(tmp_path, str(number), four(*box))
    told = {"jsonl": [{"image": f"{i}.png", "conversations": [{"from": "human", "value": "<image>where?"},
                                                              {"from": "gpt", "value": str(box)}]}
                      for i, box in enumerate(boxes)],
            "vision-cot": [{"image": f"{i}.png", "question": "where?", "bboxs": [box]} for i, box in enumerate(boxes)],
            "per-class": [{"image_path": f"{i}.png", "object": {"cat": [b]}} for i, b in enumerate(boxes)]}.get(name)
    path = tmp_path
    if told:
        (path := tmp_path / "x.json").write_text(json.dumps(told))
    with pytest.raises(Unclear, match=r"x1, y1, x2, y2, but 2 of the first 3 are impossible .* x, y, w.*--boxes xywh"):
        rows(name, path)
    samples, _, refused = rows(name, path, boxes="xywh")
    assert not refused and [sample.truth[0].box for sample in samples] == [(30, 20, 40, 28), (40, 10, 60, 40),
                                                                           (1, 2, 31, 42)]
    samples, repaired, _ = rows(name, path, boxes="xyxy")
    assert len(samples) == 3 and len(repaired) == 2  # as declared: corners are put in order, and that is said


def test_corners_where_coco_has_width_and_height_are_noticed_too(tmp_path):
    for number in range(3):
        drawn.picture(tmp_path, f"{number}.png")
    path = coco(tmp_path, [{"id": i, "file_name": f"{i}.png", "width": 64, "height": 48} for i in range(3)],
                [{"id": i, "image_id": i, "category_id": 1, "bbox": [20 + i, 20, 60, 44]} for i in range(3)])
    with pytest.raises(Unclear, match="should be x, y, width, height, but 3 of the first 3"):
        rows("coco", path)
    samples, _, _ = rows("coco", path, boxes="xyxy")
    assert samples[0].truth[0].box == (20, 20, 60, 44)


@pytest.mark.parametrize(("kind", "whole"), [("unit", 1), ("thousandths", 1_000)])
def test_boxes_in_parts_of_the_picture_are_noticed_too(kind, whole, tmp_path):
    drawn.picture(tmp_path, "a.png", (64, 48))
    told = [{"image": "a.png", "question": f"where {i}?", "bboxs": [[0.1 * whole, 0.25 * whole, (0.5 + i / 10) * whole,
                                                                     0.75 * whole]]} for i in range(5)]
    (tmp_path / "x.json").write_text(json.dumps(told))
    with pytest.raises(Unclear, match=f"5 of the first 5 .*--boxes {kind}") as asked:
        rows("vision-cot", tmp_path / "x.json")
    assert (asked.value.option, asked.value.choices) == ("boxes", (kind, "xyxy"))
    samples, repaired, refused = rows("vision-cot", tmp_path / "x.json", boxes=kind)
    assert samples[0].truth[0].box == pytest.approx((6.4, 12, 32, 36)) and not repaired and not refused


def test_one_bad_box_among_good_ones_is_repaired_or_refused_and_nobody_is_asked(tmp_path):
    for number, box in enumerate(((30, 20, 10, 8), (1, 2, 30, 40), (50, 40, 100, 100), (3, 3, 9, 9))):
        drawn.picture(tmp_path, f"{number}.png")
        voc(tmp_path, str(number), four(*box))
    samples, repaired, refused = rows("voc", tmp_path)
    assert len(samples) == 4 and len(repaired) == 2 and not refused


def test_a_picture_that_lies_in_its_file_is_named_when_it_goes_out(tmp_path):
    with PIL.Image.open(drawn.picture(tmp_path, "a.png", (64, 48)).path) as picture:
        exif = picture.getexif()
        exif[0x0112] = 6  # turn it by 90°
        picture.save(tmp_path / "b.jpg", exif=exif)
    (sample,), _, _ = rows("pictures", tmp_path / "b.jpg")
    assert sample.images[0].size == (48, 64)
    (out := tmp_path / "out").mkdir()
    lost = formats.find("coco").write([drawn.sample(sample.images[0], "detect", "cat", [])], out)
    assert len(lost) == 1 and lost[0].startswith("1 pictures that their files hold lying")


def test_two_pictures_of_one_name_are_not_guessed(tmp_path):
    for folder in ("train", "val"):
        drawn.picture(tmp_path / "images" / folder, "a.png", seed=len(folder))
    (tmp_path / "x.jsonl").write_text("".join(json.dumps({"file_name": name, "caption": "a cat"}) + "\n"
                                              for name in ("a.png", "old/a.png", "data/val/a.png")))
    (sample,), _, refused = rows("captions", tmp_path / "x.jsonl")
    assert sample.images[0].path.endswith("val/a.png")
    assert "there are 2 pictures of that name: images/train/a.png, images/val/a.png" in refused["line 1"]
    assert set(refused) == {"line 1", "line 2"}


def test_names_that_lead_out_of_the_folder_are_refused(tmp_path):
    outside = drawn.picture(tmp_path / "secret" / "deep", "s.png").path
    folder = tmp_path / "a" / "b"
    drawn.picture(folder, "ok.png")
    (folder / "link.png").symlink_to(outside)
    names = ["../../secret/deep/s.png", outside, "link.png", "\0", "", "..", "ok.png", "file:///etc/passwd"]
    (folder / "x.jsonl").write_text("".join(json.dumps({"file_name": name, "caption": "x"}) + "\n" for name in names))
    samples, _, refused = rows("captions", folder / "x.jsonl")
    assert [sample.images[0].name for sample in samples] == ["ok.png"]
    assert len(refused) == 7 and "leads out of the folder" in refused["line 3"]


def test_a_row_twice_is_one_sample_and_said(tmp_path):
    drawn.picture(tmp_path, "a.png")
    (tmp_path / "x.jsonl").write_text('{"file_name": "a.png", "caption": "a cat"}\n' * 2)
    samples, repaired, _ = rows("captions", tmp_path / "x.jsonl")
    assert samples[0] == samples[1] and repaired == {"line 2": "is the same as line 1; it was kept once"}


def test_labels_lose_what_cannot_be_shown_and_a_semicolon_separates_no_names(tmp_path):
    drawn.picture(tmp_path, "a.png")
    (tmp_path / "x.json").write_text(json.dumps([{"image_path": "a.png", "object": {
        "cat;dog": [[1, 2, 3, 4]], "gpj.\u202etac": [[1, 2, 3, 4]], "x" * 400: []}}]))
    (sample,), repaired, _ = rows("per-class", tmp_path / "x.json")
    assert [each.label for each in sample.truth] == ["cat,dog", "gpj.tac"]
    assert "cat,dog" in sample.query.split("; ") and "separates labels" in repaired["row 1"]
    (tmp_path / "x.json").write_text(json.dumps([{"image_path": "a.png", "object": {"": [[1, 2, 3, 4]]}},
                                                 {"image_path": "a.png", "object": {"y" * 2_001: [[1, 2, 3, 4]]}}]))
    _, _, refused = rows("per-class", tmp_path / "x.json")
    assert "without a label" in refused["row 1"] and "2,001 characters" in refused["row 2"]


def zipped(path: Path, members: dict[str, bytes], links: dict[str, str] | None = None) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in members.items():
            file.writestr(name, content)
        for name, target in (links or {}).items():
            info = zipfile.ZipInfo(name)
            info.external_attr = (stat.S_IFLNK | 0o777) << 16
            file.writestr(info, target)
    return path


def test_a_zip_cannot_write_outside_its_folder_and_its_links_are_left_out(tmp_path):
    content = Path(drawn.picture(tmp_path / "p", "a.png").path).read_bytes()
    xml = voc(tmp_path / "v", "a").read_bytes()
    path = zipped(tmp_path / "in.zip", {"set/images/a.png": content, "set/annotations/a.xml": xml,
                                        "../../evil.png": content, "/etc/evil.png": content, "C:/evil.png": content,
                                        "set/images/A.png": content},
                  {"set/images/link.png": "/etc/passwd"})
    found = list(formats.find("voc").read(path, Options(scratch=tmp_path / "scratch" / "deep")))
    assert sum(isinstance(row, Sample) for row in found) == 1
    whys = [row.why for row in found if isinstance(row, Refused)]
    assert sum("leads out of the zip" in why for why in whys) == 3 and len(whys) == 5
    assert sum("link to another file" in why for why in whys) == 1
    assert sum("there twice in the zip" in why for why in whys) == 1
    assert not list(tmp_path.rglob("evil.png")) and not Path("/etc/evil.png").exists()


def test_a_zip_bomb_an_encrypted_and_a_damaged_zip_are_refused_in_a_sentence(tmp_path):
    zipped(tmp_path / "bomb.zip", {"a.bmp": b"\0" * (64 * 1024**2)})
    (tmp_path / "half.zip").write_bytes((tmp_path / "bomb.zip").read_bytes()[:500])
    (tmp_path / "x.tar").write_bytes(b"x")
    for name, why in (("bomb", "would grow from"), ("half", "damaged or no zip")):
        with pytest.raises(Unreadable, match=why):
            rows("pictures", tmp_path / f"{name}.zip", scratch=tmp_path / "s")
    with pytest.raises(Unreadable, match="pack it as a zip"):
        rows("pictures", tmp_path / "x.tar")
    with pytest.raises(Unreadable, match="there is no"):
        rows("pictures", tmp_path / "nowhere")


def test_a_pickle_that_would_run_something_is_refused(tmp_path):
    class Evil:
        def __reduce__(self):
            return Path.touch, (tmp_path / "ran",)

    (tmp_path / "instances.json").write_text('{"images": [], "annotations": []}')
    (tmp_path / "refs(unc).p").write_bytes(pickle.dumps([Evil()]))
    with pytest.raises(Unreadable, match="asks for"):
        rows("refcoco", tmp_path)
    assert not (tmp_path / "ran").exists()


def test_the_original_files_of_refcoco_give_one_sample_per_sentence(tmp_path):
    drawn.picture(tmp_path / "images", "COCO_train2014_000000000001.png")
    (tmp_path / "instances.json").write_text(json.dumps({
        "images": [{"id": 1, "file_name": "COCO_train2014_000000000001.png", "width": 64, "height": 48}],
        "annotations": [{"id": 11, "image_id": 1, "bbox": [1, 2, 30, 40], "category_id": 1,
                         "segmentation": [[1, 2, 3, 4, 5, 6]]}]}))
    ref = {"ref_id": 0, "ann_id": 11, "image_id": 1, "split": "testA",
           "sentences": [{"sent": "left one", "raw": "Left one"}, {"sent": "the cat"}]}
    (tmp_path / "refs(unc).p").write_bytes(pickle.dumps([ref, ref | {"ann_id": 99}], protocol=2))
    samples, _, refused = rows("refcoco", tmp_path)
    assert [(s.query, s.truth[0].box, s.images[0].split) for s in samples] == [
        ("left one", (1, 2, 31, 42), "val"), ("the cat", (1, 2, 31, 42), "val")]
    assert "does not know both" in refused["ref 2"]


def test_pictures_are_fetched_only_where_it_was_allowed_and_failures_are_counted(tmp_path):
    import http.server
    import threading
    content = Path(drawn.picture(tmp_path / "served" / "coco" / "train2014", "COCO_1.png").path)

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *args):
            super().__init__(*args, directory=str(tmp_path / "served"))

        def log_message(self, *_):
            pass

    (folder := tmp_path / "in").mkdir()
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Quiet)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    base = f"http://127.0.0.1:{server.server_port}"
    row = {"image_path": "coco/train2014/COCO_1.png", "bbox": [1, 2, 30, 40], "captions": ["a", "b"],
           "raw_image_info": json.dumps({"coco_url": f"{base}/coco/train2014/COCO_1.png"})}
    (folder / "x.jsonl").write_text("".join(json.dumps(each) + "\n" for each in
                                            (row, row | {"image_path": "coco/train2014/gone.png"})))
    try:
        _, _, refused = rows("refcoco", folder / "x.jsonl")
        assert len(refused) == 2 and "no such picture" in refused["line 1"]
        samples, _, refused = rows("refcoco", folder / "x.jsonl", pictures=base, scratch=tmp_path / "scratch")
        assert [sample.query for sample in samples] == ["a", "b"]
        assert Path(samples[0].images[0].path).read_bytes() == content.read_bytes()
        assert "answered 404" in refused["line 2"]
        # What a row says is hostile: its address may not lead into our own network, however it is spelt.
        _, _, refused = rows("refcoco", folder / "x.jsonl", urls=True, scratch=tmp_path / "other")
        assert "127.0.0.1 is no public address" in refused["line 1"]
    finally:
        server.shutdown()
        server.server_close()
    assert fetching.ends("http://x/coco/train2014/a.jpg") == ["coco/train2014/a.jpg", "train2014/a.jpg", "a.jpg"]


def test_json_is_read_in_pieces_and_every_piece_is_right(tmp_path, monkeypatch):
    """The same elements, wherever the window on the file happens to end."""
    told = {"info": {"a": [1, {"b": "]}"}]}, "images": [{"n": i, "t": "é\"\\" * (i % 5)} for i in range(50)],
            "number": 12345, "annotations": [1.5, -2e3, "x", None, True, [], {}], "empty": []}
    (tmp_path / "x.json").write_text(json.dumps(told, ensure_ascii=False, indent=1))
    for chunk in (1, 2, 3, 7, 64, 1 << 20):
        monkeypatch.setattr(reading, "CHUNK", chunk)
        found: dict = {}
        for key, number, value in reading.elements(tmp_path / "x.json"):
            if number:
                found.setdefault(key, []).append(value)
            else:
                found[key] = value
        assert found == {key: value for key, value in told.items() if key != "empty"}


@pytest.mark.parametrize("text", ["", "{", "[1, 2", '{"a": [1, 2', "[1,, 2]", '{"a" 1}', "[1] 2", "nothing",
                                  '["' + "x" * 99, "[" * 100_000])
def test_broken_json_is_a_sentence_with_the_place(text, tmp_path):
    (tmp_path / "x.json").write_text(text)
    with pytest.raises(reading.Broken, match=r"x\.json .*, at .*, line \d+"):
        list(reading.elements(tmp_path / "x.json"))


@pytest.mark.parametrize("name", [each.name for each in formats.every() if each.read and each.name != "hub"])
def test_garbage_is_an_error_or_refused_and_never_a_sample(name, tmp_path):
    import random
    rng = random.Random(name)
    for number, ending in enumerate((".json", ".jsonl", ".xml", ".csv", ".yaml", ".parquet", ".p", ".zip", ".txt") * 3):
        path = tmp_path / f"refs{number}{ending}"
        path.write_bytes(rng.choice((b"", b"\xff\xfe\x00", b"{}", b"[]", b"[[]]", b"null", b'[{"image": 5}]',
                                     b"a,b\n1,2\n", b'{"images": [], "annotations": 3}', rng.randbytes(300))))
        try:
            found = list(formats.find(name).read(path, Options(scratch=tmp_path / "scratch")))
        except Unreadable as problem:
            assert 10 < len(str(problem)) < 600
        else:
            assert not [row for row in found if isinstance(row, Sample)]
