"""Many pictures come in at once, with their questions; what cannot be used costs itself and is said in a sentence."""
from __future__ import annotations

import json
import os
import stat
import struct
import zipfile
from pathlib import Path

import PIL.Image
import pytest

from app import intake, pictures
from app.intake import archive, lists
from app.intake.names import Names, apart, cleaned
from app.types import Annotation, Point

ZIP = "pictures.zip"


@pytest.fixture
def box(tmp_path):
    return Box(tmp_path)


class Box:
    """Files as a browser leaves them: under names of the server's, each with the name that the person knows."""

    def __init__(self, folder: Path):
        self.folder, self.files = folder, []

    def put(self, name: str, content: bytes | str) -> Path:
        path = self.folder / f"upload{len(self.files)}"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        self.files.append((path, name))
        return path

    def draw(self, name: str, colour: str = "red", size=(16, 12)) -> Path:
        return self.put(name, drawn(colour, size))

    def zip(self, name: str = ZIP, **options) -> zipfile.ZipFile:
        return zipfile.ZipFile(self.put(name, b""), "w", **options)

    def take(self, *known, **options) -> intake.Intake:
        return intake.take(self.files, self.folder, known, **options)


def drawn(colour: str, size=(16, 12)) -> bytes:
    path = Path(os.environ["BOXLOOP_HOME"]) / "drawn.png"
    PIL.Image.new("RGB", size, colour).save(path)
    return path.read_bytes()


def asked(taken: intake.Intake) -> dict[str, str]:
    return {each.image.name: each.query for each in taken.taken}


# Files

def test_pictures_come_in_the_order_in_which_they_were_given_with_their_sizes_and_hashes(box):
    box.draw("b.png", "red", (16, 12))
    box.draw("a.png", "blue", (20, 10))
    taken = box.take()
    assert [(each.image.name, each.image.size) for each in taken.taken] == [("b.png", (16, 12)), ("a.png", (20, 10))]
    assert all(len(each.image.sha256) == 64 for each in taken.taken)
    assert taken.problems == ()


def test_a_bad_file_costs_only_itself_and_is_called_as_the_person_knows_it(box):
    box.put("broken.jpg", b"hello")
    box.draw("good.png")
    box.put("empty.png", b"")
    taken = box.take()
    assert asked(taken) == {"good.png": ""}
    assert taken.problems == ("broken.jpg is not a picture; use PNG, JPEG, WebP, GIF, BMP, TIFF or HEIC",
                              "empty.png is empty (0 bytes)")


def test_a_picture_that_is_cut_off_is_refused_where_it_was_chosen(box):
    path = box.folder / "whole.jpg"
    PIL.Image.effect_noise((200, 200), 90).save(path)
    box.put("cut.jpg", path.read_bytes()[:-2000])
    taken = box.take()
    assert taken.taken == ()
    assert "cut.jpg is damaged and cannot be decoded" in taken.problems[0]


def test_pixels_are_looked_at_once_per_picture_and_one_after_the_other(box):
    looked = []
    for colour in ("red", "blue", "red"):
        box.draw(f"{colour}.png", colour)
    box.take(look=lambda image: looked.append(image.sha256))
    assert len(looked) == len(set(looked)) == 2


def test_two_pictures_with_one_name_both_stay_and_are_told_apart(box):
    box.draw("a.jpg", "red")
    box.draw("a.jpg", "blue")
    box.draw("A.JPG", "green")
    assert list(asked(box.take())) == ["a.jpg", "a (2).jpg", "A (3).JPG"]
    assert next(iter(asked(box.take("a.jpg")))) == "a (2).jpg"


def test_the_same_bytes_twice_are_kept_once_and_said(box):
    box.draw("a.png")
    box.draw("copy.png")
    taken = box.take()
    assert list(asked(taken)) == ["a.png"]
    assert taken.problems == ("copy.png is the same picture as a.png; it was kept once",)
    again = box.take(seen={taken.taken[0].image.sha256})
    assert again.taken == () and "a.png is here already" in again.problems[0]


def test_more_pictures_than_fit_are_left_out_and_said(box, monkeypatch):
    monkeypatch.setattr(intake, "MOST_PICTURES", 3)
    for number in range(4):
        box.draw(f"{number}.png", f"#00000{number}")
    taken = box.take("already-here.png")
    assert list(asked(taken)) == ["0.png", "1.png"]
    assert taken.problems == ("3 pictures at once are the limit; 2 were left out: 2.png, 3.png",)


def test_a_file_that_is_too_large_is_refused_unread(box, monkeypatch):
    path = box.put("huge.png", b"")
    with path.open("wb") as file:
        file.truncate(200 * 1024**2)  # sparse: 200 MB that take no disk
    monkeypatch.setattr(pictures, "read", lambda path: pytest.fail("it was opened"))
    assert box.take().problems == ("huge.png has 200 MB; the limit is 100 MB",)


def test_all_pictures_together_have_a_limit(box, monkeypatch):
    monkeypatch.setattr(intake, "LARGEST_TOTAL", 100)
    box.draw("a.png", "red")
    box.draw("b.png", "blue")
    taken = box.take()
    assert list(asked(taken)) == ["a.png"] and "b.png was left out" in taken.problems[0]


def test_many_problems_end_in_a_count(box):
    for number in range(intake.MOST_SENTENCES + 5):
        box.put(f"{number}.png", b"no")
    problems = box.take().problems
    assert len(problems) == intake.MOST_SENTENCES + 1
    assert problems[-1] == "and 5 more problems of the same kinds"


@pytest.mark.parametrize("name, clean", [
    ("../../etc/passwd", "etc/passwd"), ("C:\\Users\\me\\a.jpg", "Users/me/a.jpg"), ("/a.jpg", "a.jpg"),
    ("a\u202egpj.exe", "agpj.exe"), ("a\n\0b.jpg", "ab.jpg"), ("", "picture"), ("..", "picture"),
    ("\ud800.jpg", ".jpg"), ("<script>.jpg", "<script>.jpg"), ("猫 ü.jpg", "猫 ü.jpg"), ("x" * 999 + ".jpg", None)])
def test_a_name_is_cleaned_of_what_misleads_and_of_nothing_else(name, clean):
    assert cleaned(name) == clean if clean else cleaned(name).endswith("xx.jpg") and len(cleaned(name)) == 255


def test_a_name_is_told_apart_before_its_ending_and_inside_its_folder():
    assert apart("b/a.jpg", {"b/a.jpg", "b/a (2).jpg"}) == "b/a (3).jpg"
    assert apart("noending", {"noending"}) == "noending (2)"


# Zips

def test_a_zip_is_unpacked_with_its_folders_as_names(box):
    with box.zip() as pack:
        pack.writestr("cats/a.png", drawn("red"))
        pack.writestr("dogs/a.png", drawn("blue"))
        pack.writestr("dogs/", b"")
        for junk in ("__MACOSX/cats/._a.png", ".DS_Store", "cats/Thumbs.db"):
            pack.writestr(junk, b"junk")
    taken = box.take()
    assert list(asked(taken)) == ["cats/a.png", "dogs/a.png"]
    assert taken.problems == ()


def test_no_member_of_a_zip_leaves_its_folder(box):
    scratch = box.folder / "deep" / "scratch"
    scratch.mkdir(parents=True)
    with box.zip() as pack:
        for name in ("../../evil.png", "/tmp/evil.png", "..\\..\\evil.png", "a/../../../evil.png"):
            pack.writestr(name, drawn("red") + name.encode())
    before = {path for path in box.folder.rglob("*") if scratch not in path.parents}
    taken = intake.take(box.files, scratch)
    assert {path for path in box.folder.rglob("*") if scratch not in path.parents} == before
    assert all(scratch in Path(each.image.path).parents for each in taken.taken)
    assert list(asked(taken)) == ["evil.png", "tmp/evil.png", "evil (2).png", "a/evil.png"]


def test_links_and_archives_in_a_zip_are_left_out_and_said(box):
    link = zipfile.ZipInfo("link.png")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with box.zip() as pack:
        pack.writestr(link, "/etc/passwd")
        pack.writestr("inner.zip", b"PK")
        pack.writestr("a.png", drawn("red"))
    taken = box.take()
    assert list(asked(taken)) == ["a.png"]
    assert taken.problems == (f"link.png in {ZIP} is a link to another file and was left out",
                              f"inner.zip in {ZIP} is an archive inside an archive; unpack it first")


def test_what_is_neither_picture_nor_list_is_counted_and_not_unpacked(box):
    with box.zip() as pack:
        for number in range(5):
            pack.writestr(f"labels/{number}.txt", "0 0.5 0.5 0.1 0.1")
    assert box.take().problems == (f"{ZIP} holds 5 files that are neither picture nor list: "
                                   "labels/0.txt, labels/1.txt, labels/2.txt and 2 more",)
    assert not any(path.is_file() for path in box.folder.glob("*/*"))


def test_a_zip_that_would_grow_two_hundredfold_is_refused_before_it_grows(box):
    with box.zip(compression=zipfile.ZIP_DEFLATED) as pack:
        pack.writestr("bomb.png", bytes(64 * 1024**2))
    [problem] = box.take().problems
    assert problem.startswith(f"{ZIP} would grow from ") and "67,108,864 bytes" in problem
    assert not any(path.is_file() for path in box.folder.glob("*/*"))


def test_a_zip_that_lies_about_its_sizes_writes_no_more_than_it_declared(box):
    path = box.put(ZIP, b"")
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as pack:
        pack.writestr("bomb.png", bytes(8 * 1024**2))
    content = bytearray(path.read_bytes())
    central = content.find(b"PK\x01\x02")
    struct.pack_into("<I", content, central + 24, 1000)  # the uncompressed size in the central directory
    path.write_bytes(content)
    [problem] = box.take().problems
    assert "bomb.png in pictures.zip could not be unpacked" in problem
    assert not any(path.is_file() for path in box.folder.glob("*/*"))


def test_a_member_that_is_too_large_is_refused_alone(box, monkeypatch):
    monkeypatch.setattr(archive, "LARGEST_MEMBER", 1024**2)
    with box.zip() as pack:
        pack.writestr("large.png", bytes(3 * 1024**2))
        pack.writestr("small.png", drawn("red"))
    taken = box.take()
    assert list(asked(taken)) == ["small.png"]
    assert taken.problems == (f"large.png in {ZIP} has 3 MB; the limit is 1 MB",)


def test_a_zip_of_very_many_files_is_refused_before_its_directory_is_read(box, monkeypatch):
    with box.zip() as pack:
        for number in range(archive.MOST_MEMBERS + 1):
            pack.writestr(f"{number}.png", b"")
    monkeypatch.setattr(zipfile.ZipFile, "infolist", lambda self: pytest.fail("its directory was read"))
    assert box.take().problems == (f"{ZIP} holds more than 5,000 files; make several smaller zips",)


def test_a_zip_with_a_password_says_so(box):
    path = box.put(ZIP, b"")
    with zipfile.ZipFile(path, "w") as pack:
        pack.writestr("a.png", drawn("red"))
    content = bytearray(path.read_bytes())
    for signature, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        content[content.find(signature) + flags] |= 1
    path.write_bytes(content)
    assert box.take().problems == (f"{ZIP} is protected by a password; unpack it and give the pictures themselves",)


@pytest.mark.parametrize("content", [b"", b"hello", b"PK\x03\x04" + bytes(100), b"PK\x05\x06" + bytes(18) * 2])
def test_what_is_called_zip_and_is_none_is_refused_in_a_sentence(box, content):
    box.put(ZIP, content)
    taken = box.take()
    assert taken.taken == () and all("\n" not in each for each in taken.problems)


def test_a_zip_cut_anywhere_never_fails_and_every_damaged_member_is_said(box):
    with box.zip() as pack:
        pack.writestr("a.png", drawn("red", (200, 200)))
        pack.writestr("list.csv", "file,caption\na.png,x")
    whole = box.files[0][0].read_bytes()
    for cut in range(0, len(whole), 37):
        damaged = bytearray(whole)
        damaged[cut] ^= 0xFF
        for content in (whole[:cut], bytes(damaged)):
            box.files[0][0].write_bytes(content)
            taken = box.take()
            assert taken.problems or list(asked(taken)) == ["a.png"], cut


def test_names_in_a_zip_of_a_mac_are_read_as_utf_8(box):
    with box.zip() as pack:
        info = zipfile.ZipInfo("köln.png".encode().decode("cp437"))
        pack.writestr(info, drawn("red"))
    path = box.files[0][0]  # zipfile sets the flag for UTF-8 where a name is not ASCII; macOS does not
    raw = path.read_bytes().replace("köln".encode().decode("cp437").encode(), "köln".encode())
    content = bytearray(raw)
    assert len(raw) < path.stat().st_size
    name = "köln.png".encode()
    for signature, length, flags in ((b"PK\x03\x04", 26, 6), (b"PK\x01\x02", 28, 8)):
        at = content.find(signature)
        struct.pack_into("<H", content, at + length, len(name))
        struct.pack_into("<H", content, at + flags, 0)
    end = content.find(b"PK\x05\x06")
    start = content.find(b"PK\x01\x02")
    struct.pack_into("<II", content, end + 12, end - start, start)
    path.write_bytes(content)
    assert list(asked(box.take())) == ["köln.png"]


def test_other_archives_are_told_to_be_zips(box):
    box.put("a.tar.gz", b"\x1f\x8b")
    box.put("b.rar", b"Rar!")
    assert [each.split(";")[1] for each in box.take().problems] == [" pack it as a zip"] * 2


# Lists

@pytest.mark.parametrize("text", [
    "file,caption\na.png,the red one\n", "file_name;question\r\na.png;the red one\r\n", "a.png,the red one\n",
    "Image\tTEXT\na.png\tthe red one\n", "filename|query|task\na.png|the red one|ground\n",
    '\ufeff"picture","caption"\n"a.png","the red one"\n', "id,caption,file\n7,the red one,a.png\n",
    "a.png;the red one\nb.png;x\n"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-16-le", "utf-16-be"])
def test_a_table_is_read_with_any_delimiter_any_header_and_any_unicode(box, text, encoding):
    box.draw("a.png", "red")
    box.draw("b.png", "blue")
    box.put("list.csv", text.encode(encoding))
    taken = box.take()
    assert asked(taken)["a.png"] == "the red one", taken.problems
    assert taken.problems == ()


def test_latin_1_is_read_where_it_is_not_utf_8(box):
    box.draw("a.png")
    box.put("list.csv", "file;caption\na.png;grüner Würfel\n".encode("latin-1"))
    assert asked(box.take()) == {"a.png": "grüner Würfel"}


def test_a_caption_with_commas_and_without_quotes_stays_whole(box):
    box.draw("a.png")
    box.put("list.csv", "file,caption\na.png,a red, round one, left\n")
    assert asked(box.take()) == {"a.png": "a red, round one, left"}


@pytest.mark.parametrize("name, text", [
    ("l.jsonl", '{"file_name": "a.png", "caption": "left", "task": "ground", "truth": %s}\n'),
    ("l.json", '[{"image": "a.png", "question": "left", "task": "Ground", "truth": %s}]'),
    ("l.json", '{"file": "a.png", "query": "left", "task": "ground", "truth": %s}')])
def test_json_brings_task_and_truth(box, name, text):
    box.draw("a.png", size=(100, 80))
    truth = [Annotation("cat", (1.0, 2.0, 30.0, 40.0)), Annotation("dog", None, (Point("nose", 5.0, 6.0, "hidden"),))]
    box.put(name, text % json.dumps([each.to_json() for each in truth]))
    [taken] = box.take().taken
    assert (taken.query, taken.task, taken.truth, taken.source) == ("left", "ground", tuple(truth), name)
    sample = taken.sample("detect", "everything")
    assert (sample.task, sample.query, sample.truth) == ("ground", "left", tuple(truth))


def test_no_truth_and_an_empty_truth_stay_apart(box):
    box.draw("a.png", "red")
    box.draw("b.png", "blue")
    box.put("l.jsonl", '{"file": "a.png", "truth": []}\n{"file": "b.png", "truth": null}')
    first, second = box.take().taken
    assert first.truth == () and second.truth is None
    assert first.sample("ask", " what? ").query == "what?"


@pytest.mark.parametrize("truth, why", [
    ([{"label": "cat", "box": [0, 0, float("inf"), 1]}], "is not [x1, y1, x2, y2]"),
    ([{"label": "cat", "box": [200, 200, 300, 300]}], "outside the picture"), ([{"box": [0, 0, 1, 1]}], 'a "label"'),
    ([{"label": "a", "points": [{"name": "p", "x": "1", "y": 2}]}], "without numbers"), ("cat", "is not an array"),
    ([{"label": "a", "points": [{"x": 1, "y": 2, "visibility": "<b>"}]}], "none of absent, hidden, visible"),
    ([{"label": "cat", "box": [True, 0, 1, 1]}], "is not [x1"), ([[]] * 2000, "at most 1,000 objects")])
def test_a_truth_that_cannot_be_read_is_left_out_and_the_question_stays(box, truth, why):
    box.draw("a.png")
    box.put("l.jsonl", json.dumps({"file": "a.png", "caption": "left", "truth": truth}))
    taken = box.take()
    assert taken.taken[0].truth is None and taken.taken[0].query == "left"
    assert why in taken.problems[0] and taken.problems[0].startswith("l.jsonl: line 1: the truth of a.png")


def test_a_picture_without_a_row_keeps_the_common_question_and_a_row_without_a_picture_is_named(box):
    box.draw("a.png", "red")
    box.draw("b.png", "blue")
    box.put("list.csv", "file,caption\na.png,x\n" + "".join(f"gone{i}.png,y\n" for i in range(12)))
    taken = box.take()
    assert asked(taken) == {"a.png": "x", "b.png": ""}
    assert taken.problems == ("list.csv: 12 rows name pictures that are not there: "
                              "gone0.png, gone1.png, gone2.png and 9 more",)


def test_names_match_by_path_then_by_the_end_of_the_path_then_by_the_name_alone():
    names = Names(["data/train/a.jpg", "data/val/a.jpg", "B.JPG", "caf\u00e9.png", "c.png"])
    assert names.find("data/val/a.jpg") == (0, [1])
    assert names.find("train/a.jpg") == (2, [0])
    assert names.find("a.jpg") == (2, [0, 1])
    assert names.find("b.jpg") == (1, [2])
    assert names.find("cafe\u0301.png") == (1, [3])
    assert names.find("/home/me/c.png") == (2, [4])
    assert names.find("other/a.jpg") == (3, [0, 1])
    assert names.find("d.png") == (0, [])


def test_a_row_that_could_mean_two_pictures_is_given_to_neither(box):
    box.draw("x/a.png", "red")
    box.draw("y/a.png", "blue")
    box.put("list.csv", "file,caption\na.png,left\nx/a.png,right\n")
    taken = box.take()
    assert asked(taken) == {"x/a.png": "right", "y/a.png": ""}
    assert taken.problems == ("list.csv names a.png, and there are 2 pictures of that name; "
                              "give them different names",)


def test_two_rows_that_could_mean_one_picture_are_not_guessed(box):
    box.draw("a.png")
    box.put("list.csv", "file,caption\nx/a.png,left\ny/a.png,right\n")
    taken = box.take()
    assert asked(taken) == {"a.png": ""}
    assert "x/a.png, y/a.png, and only a.png is there" in taken.problems[0]


def test_a_row_of_another_folder_does_not_take_a_picture_that_has_its_own(box):
    box.draw("train/a.png")
    box.put("list.csv", "file,caption\ntrain/a.png,left\nval/a.png,right\n")
    taken = box.take()
    assert asked(taken) == {"train/a.png": "left"}
    assert taken.problems == ("list.csv: 1 row names a picture that is not there: val/a.png",)


def test_two_questions_about_one_picture_are_two_entries_of_one_file(box):
    box.draw("a.png")
    box.put("list.csv", "file,caption\na.png,left\na.png,right\na.png,left\n")
    taken = box.take()
    assert asked(taken) == {"a.png": "left", "a (2).png": "right"}
    assert len({each.image.path for each in taken.taken}) == 1


def test_a_list_speaks_of_a_copy_by_either_name(box):
    box.draw("a.png")
    box.draw("copy.png")
    box.put("list.csv", "file,caption\na.png,left\ncopy.png,right\n")
    assert asked(box.take()) == {"a.png": "left", "copy.png": "right"}


def test_a_list_in_a_zip_speaks_of_the_pictures_in_that_zip(box):
    for number, colour in enumerate(("red", "blue")):
        with box.zip(f"{colour}.zip") as pack:
            pack.writestr("a.png", drawn(colour))
            pack.writestr("list.csv", f"file,caption\na.png,{colour}\n")
        assert len(box.files) == number + 1
    assert asked(box.take()) == {"a.png": "red", "a (2).png": "blue"}


def test_a_list_speaks_of_pictures_that_were_there_before(box):
    box.draw("new.png")
    box.put("list.csv", "file,caption\nnew.png,n\nold.png,o\ngone.png,g\n")
    taken = box.take("old.png", "other.png")
    assert asked(taken) == {"new.png": "n"}
    assert {name: each.query for name, each in taken.known.items()} == {"old.png": "o"}


@pytest.mark.parametrize("name, content, sentence", [
    ("l.csv", b"", "l.csv is empty"), ("l.csv", b"  \n\n", "l.csv is empty"),
    ("l.csv", b"name,age\nx,1\n", "l.csv needs a column file_name and a column caption; it has: name, age"),
    ("l.csv", b"file,caption\na.png," + b"x" * 200_000, "cannot be read at line"),
    ("l.csv", b"x" * 100_000, "l.csv needs a column file_name"),
    ("l.csv", b"\x89PNG\0\r\n\x1a\n\0" * 50, "l.csv is not a text file"),
    ("l.csv", b'file,caption\n"a.png,never closed\nb,c\n', "names a picture that is not there"),
    ("l.json", b"[" * 100_000, "is no readable JSON"), ("l.json", b"[1, 2]", "l.json: line 1 is not like"),
    ("l.json", b'{\n"images": []}', "l.json is not a list of pictures and captions"),
    ("l.jsonl", b'{"file": "a.png"}\nnope\n', "l.jsonl: line 2 is not like"),
    ("l.jsonl", b'{"file": 7}', "l.jsonl: line 1 names no file"), ("l.jsonl", b"9" * 9_000, "is not a list"),
    ("l.jsonl", b'{"file": "a.png", "caption": ["x"]}', "a caption that is not text"),
    ("l.jsonl", b'{"file": "a.png", "task": "hack"}', "the task 'hack', which is none of detect, ground"),
    ("l.jsonl", b'{"file": "a.png", "caption": "%s"}' % (b"x" * 3000), "a caption of 3,000 characters"),
])
def test_a_bad_list_is_said_in_a_sentence_and_the_pictures_stay(box, name, content, sentence):
    box.draw("a.png")
    box.put(name, content)
    taken = box.take()
    assert [each.image.name for each in taken.taken] == ["a.png"]
    assert sentence in " | ".join(taken.problems)
    assert all(len(each) <= intake.LONGEST_SENTENCE and "\n" not in each for each in taken.problems)


def test_half_a_surrogate_pair_in_a_caption_becomes_a_question_mark(box):
    box.draw("a.png")
    box.put("l.jsonl", r'{"file": "a.png", "caption": "\ud800<script>alert(1)</script>"}')
    assert asked(box.take()) == {"a.png": "?<script>alert(1)</script>"}


def test_very_long_lists_end_at_a_limit_and_say_so(box, monkeypatch):
    monkeypatch.setattr(lists, "MOST_ROWS", 10)
    box.draw("a.png")
    box.put("l.csv", "file,caption\n" + "a.png,x\n" * 30)
    assert box.take().problems == ("l.csv has more than 10 rows; those after line 11 were left out",)
    monkeypatch.setattr(lists, "LARGEST_LIST", 10)
    assert "a list may have" in box.take().problems[0]


def test_real_photographs_come_in_from_a_zip_with_a_list(shared, box):
    photographs = sorted((shared / "coco").rglob("*.jpg"))[:6]
    assert len(photographs) == 6
    with box.zip() as pack:
        for path in photographs:
            pack.write(path, f"val/{path.name}")
        pack.writestr("val/metadata.jsonl", "\n".join(
            json.dumps({"file_name": path.name, "text": path.stem}) for path in photographs))
    taken = box.take()
    assert taken.problems == ()
    assert asked(taken) == {f"val/{path.name}": path.stem for path in photographs}
