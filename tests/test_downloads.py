"""What leaves with a person: sheets that hold every answer, names safe on any system, a command that asks the same."""
from __future__ import annotations

import json
import shlex
import zipfile
from dataclasses import replace

import PIL.Image
import pytest
from typer.testing import CliRunner

from app import downloads, pictures, tasks
from app.cli import asking as cli
from app.colours import colour
from app.types import Annotation, Comparison, Generation, Prediction, Sample

BOX = Annotation("cat", (10, 20, 30, 40))
NAMES = ["photo.jpg", "Photo.JPG", "../../etc/passwd", "C:\\pictures\\a.png", "con.png", "кошка 猫.webp",
         "a" * 500 + ".png", "new\nline.png", "\u202egpj.exe", "a:b?.png", "", "...", "-rf.png",
         "it's $(a) `name`.png", "\ud800.png"]


@pytest.fixture
def picture(tmp_path):
    """picture(name) → an Image of that name; each is another picture."""
    def picture(name="photo.png", size=(64, 48), **options):
        path = tmp_path / f"blob-{len(list(tmp_path.iterdir()))}.png"
        PIL.Image.new("RGB", size, (len(list(tmp_path.iterdir())), 99, 99)).save(path, **options)
        return replace(pictures.read(path), name=name)
    return picture


def sample(image, task="detect", query="cat; dog", id="s1", **rest) -> Sample:
    return Sample(id, (image,), task, query, **rest)


def answer(sample: Sample, model="a", status="ok", annotations=(BOX,), generation=None, text="text", problems=(),
           **request) -> Prediction:
    asked = tasks.request(sample.images, sample.task, sample.query, **request)
    return Prediction(model, None, asked, generation or Generation(), "prompt", text, None, annotations, status,
                      problems, 3, 1.25, 0.1)


def comparison(*samples: Sample, models=("a", "owner/b"), **options) -> Comparison:
    answers = {(each.id, model): answer(each, model, **options) for each in samples for model in models}
    return Comparison("c", 0.0, samples, models, answers)


def count(picture: PIL.Image.Image, paint: str) -> int:
    wanted = tuple(int(paint[i:i + 2], 16) for i in (1, 3, 5))
    return sum(number for number, pixel in picture.getcolors(picture.width * picture.height) if pixel == wanted)


@pytest.mark.parametrize("models", [1, 3, 12])
@pytest.mark.parametrize("size", [(64, 48), (1500, 200), (30, 900)])
def test_a_sheet_holds_every_answer_and_is_nearly_square(picture, models, size):
    asked = sample(picture(size=size))
    sheet = downloads.sheet(asked, {}, [answer(asked, f"m{n}") for n in range(models)])
    assert max(sheet.size) <= downloads.LONGEST_SIDE
    one = downloads.sheet(asked, {}, [answer(asked, "m0")])
    if max(sheet.size) < downloads.LONGEST_SIDE and models <= 3:
        assert count(sheet, colour("cat")) > 0.9 * models * count(one, colour("cat")) > 0
    if models >= 9:
        assert max(sheet.size) / min(sheet.size) < 2.2


def test_a_sheet_says_what_could_not_be_drawn(picture):
    asked = sample(picture(), "ask", "What is it?")
    said = [downloads.sheet(asked, {}, [answer(asked, text=text, annotations=(), status=status, problems=problems)])
            for text, status, problems in [("", "ok", ()), ("A cat.", "ok", ()), ("", "failed", ("needs 7 GB",))]]
    assert len({sheet.tobytes() for sheet in said}) == 3
    counting = sample(picture(), "count", "cat")
    assert downloads._said(answer(counting, annotations=(Annotation("cat"), Annotation("cat")))) == "2 × cat"


@pytest.mark.parametrize(("status", "annotations", "words"), [
    ("ok", (BOX, BOX), "2 boxes · 1.2 s"), ("ok", (), "answered · 1.2 s"), ("empty", (), "nothing found · 1.2 s"),
    ("truncated", (BOX,), "cut off, 1 box · 1.2 s"), ("unreadable", (), "could not be read · 1.2 s"),
    ("refused", (), "refused · 1.2 s"), ("failed", (), "failed"),
])
def test_an_outcome_is_in_words(picture, status, annotations, words):
    assert downloads._outcome(answer(sample(picture()), "a", status, annotations)) == words


def test_a_hostile_question_and_title_fit_on_the_sheet(picture):
    asked = sample(picture(), "ask", "\u202e" + "x" * 1900)
    text = "y" * 50_000 + "\x00 猫\n" * 50
    sheet = downloads.sheet(asked, {"a": "t" * 900}, [answer(asked, text=text)])
    assert max(sheet.size) < 1500


def test_the_document_is_the_commands_json_with_its_samples(picture):
    first = sample(picture(), truth=(BOX,))
    second = sample(picture("other.png"), "ground", "the cat", id="s2")
    made = json.loads(json.dumps(downloads.document(comparison(first, second))))
    assert [(each["picture"], each["task"], each["query"]) for each in made["samples"]] == [
        ("photo.png", "detect", "cat; dog"), ("other.png", "ground", "the cat")]
    assert made["samples"][0]["truth"][0]["box"] == [10, 20, 30, 40] and made["samples"][1]["truth"] is None
    assert made["samples"][0]["sha256"] == first.images[0].sha256
    assert [(each["sample"], each["picture"], each["model"]) for each in made["predictions"]] == [
        (0, "photo.png", "a"), (0, "photo.png", "owner/b"), (1, "other.png", "a"), (1, "other.png", "owner/b")]
    assert made["predictions"][0]["image"] == {"width": 64, "height": 48}


def test_the_document_names_no_place_on_this_machine(picture, tmp_path):
    asked = sample(picture("mine.png"))
    problems = (f"there is no file {asked.images[0].path}", "[Errno 2] No such file: '/srv/models/a/model.bin'",
                "see https://example.org/a/b, or 3/4 of it")
    made = downloads.document(comparison(asked, status="failed", problems=problems))
    assert str(tmp_path) not in json.dumps(made)
    assert made["predictions"][0]["problems"] == [
        "there is no file mine.png", "[Errno 2] No such file: 'model.bin'", "see https://example.org/a/b, or 3/4 of it"]


# The command

@pytest.fixture
def asked_by(monkeypatch, tmp_path):
    """asked_by(lines) → what the project's own command line would ask, given the lines of a command."""
    calls = []

    def _ask(home, paths, ids, task, query, generation):
        calls.extend((path.name, id, tasks.request((), task, query), generation) for path in paths for id in ids)
        return [answer(Sample("", (), task, query), id) for _ in paths for id in ids]

    def asked_by(lines: str):
        calls.clear()
        monkeypatch.setattr(cli, "_ask", _ask)
        for line in lines.splitlines():
            words = shlex.split(line, comments=True)
            if words:
                assert words[:4] == ["python", "-m", "app", "compare"]
                done = CliRunner().invoke(cli.commands, [*words[3:], "--json"])
                assert done.exit_code == 0, done.output
        return list(calls)
    return asked_by


@pytest.mark.parametrize(("task", "query"), [
    ("detect", "cat; dog"), ("ground", "the cat's $(rm -rf) `toy` \"x\" \\ ; | & > #1"), ("ask", "--models what?"),
    ("count", "猫"), ("keypoints", "head; left hand"), ("phrases", "A man in a 'red' shirt")])
@pytest.mark.parametrize("generation", [Generation(), Generation(64, 0.7, 250_000, 5)])
def test_the_command_asks_the_same(picture, asked_by, task, query, generation):
    whole = comparison(sample(picture(), task, query), sample(picture("b c.png"), task, query, id="s2"),
                       generation=generation)
    lines = downloads.command(whole)
    request = tasks.request((), task, query)
    assert asked_by(lines) == [(name, model, request, generation) for name in ("photo.png", "b c.png")
                               for model in ("a", "owner/b")]
    assert len(lines.splitlines()) == 1
    assert ("--max-tokens" in lines) == (generation != Generation())


def test_each_question_and_each_setting_has_its_line(picture, asked_by):
    one, other = sample(picture()), sample(picture("o.png"), "ask", "What?", id="s2")
    whole = comparison(one, other)
    slow = answer(one, "owner/b", generation=Generation(max_tokens=9))
    whole = replace(whole, answers={**whole.answers, ("s1", "owner/b"): slow})
    assert [(name, model, generation.max_tokens) for name, model, _, generation in asked_by(downloads.command(whole))] \
        == [("photo.png", "a", 512), ("photo.png", "owner/b", 9), ("o.png", "a", 512), ("o.png", "owner/b", 512)]


def test_a_comparison_that_was_not_answered_yet_has_its_command(picture, asked_by):
    whole = replace(comparison(sample(picture())), answers={})
    assert [call[:2] for call in asked_by(downloads.command(whole))] == [("photo.png", "a"), ("photo.png", "owner/b")]


def test_what_the_command_cannot_say_is_said_beside_it(picture, asked_by):
    lines = downloads.command(comparison(sample(picture()), prompt="find\nrm -rf"))
    assert lines.startswith("# ") and "an edited prompt" in lines and "rm -rf" not in lines
    assert len(asked_by(lines)) == 2


def test_hostile_names_cannot_leave_the_shells_quotes(picture, asked_by):
    whole = comparison(*(sample(picture(name), id=f"s{n}") for n, name in enumerate(NAMES)), models=("a",))
    names = [name for name, *_ in asked_by(downloads.command(whole))]
    assert len(set(names)) == len(NAMES) and "-rf.png" in names and "it's $(a) `name`.png" in names


# The zip

def test_the_zip_holds_everything_and_the_originals_unaltered(picture, tmp_path):
    image = picture("cat.png", size=(400, 300))
    whole = comparison(sample(image), text="raw \ud800 <b>")
    downloads.archive(whole, {"a": "Model A"}, tmp_path / "all.zip")
    with zipfile.ZipFile(tmp_path / "all.zip") as made:
        assert made.testzip() is None
        assert sorted(made.namelist()) == [
            "answers/cat-a.txt", "answers/cat-owner_b.txt", "command.txt", "comparison.json", "originals/cat.png",
            "pictures/cat-a.png", "pictures/cat-owner_b.png", "sheets/cat.png"]
        assert made.read("originals/cat.png") == (tmp_path / image.path).read_bytes()
        assert made.read("answers/cat-a.txt") == b"raw ? <b>"
        assert json.loads(made.read("comparison.json")) == json.loads(
            json.dumps(downloads.document(whole)).replace("\\ud800", "?"))
        assert downloads.command(whole) in made.read("command.txt").decode()
        with made.open("pictures/cat-a.png") as file:
            assert PIL.Image.open(file).getpixel((10, 30)) == tuple(bytes.fromhex(colour("cat")[1:]))
        assert str(tmp_path) not in "".join(made.read(name).decode("utf-8", "replace") for name in made.namelist()
                                            if not name.endswith("png"))


def test_every_name_in_the_zip_is_safe_on_any_system(picture, tmp_path):
    samples = [sample(picture(name), id=f"s{n}") for n, name in enumerate(NAMES)]
    whole = comparison(*samples, models=("../m:1", "..\\m?1"))
    downloads.archive(whole, {}, tmp_path / "all.zip")
    with zipfile.ZipFile(tmp_path / "all.zip") as made:
        names = made.namelist()
        made.extractall(tmp_path / "out")
    assert len({name.casefold() for name in names}) == len(names) == 2 + len(NAMES) * (1 + 2 * 2 + 1)
    for folder, _, name in (name.rpartition("/") for name in names):
        assert folder in ("", "originals", "pictures", "answers", "sheets")
        assert name and len(name.encode()) < 255 and not name.startswith(".") and not name.endswith((".", " "))
        assert not set(name) & set('/\\:*?"<>|\n\x00\u202e') and name.split(".")[0] not in ("con", "nul")
    assert "originals/кошка 猫.webp" in names and "originals/photo.jpg" in names and "originals/Photo-2.JPG" in names


def test_a_model_that_failed_leaves_its_reason_and_no_empty_files(picture, tmp_path):
    whole = comparison(sample(picture()), status="failed", annotations=(), problems=("needs 7 GB",), models=("a",))
    downloads.archive(whole, {}, tmp_path / "all.zip")
    names = zipfile.ZipFile(tmp_path / "all.zip").namelist()
    assert sorted(names) == ["command.txt", "comparison.json", "originals/photo.png", "sheets/photo.png"]


def test_a_zip_that_cannot_be_made_leaves_no_half_of_one(picture, tmp_path):
    whole = comparison(sample(picture("gone.png")))
    (tmp_path / whole.samples[0].images[0].path).unlink()
    with pytest.raises(pictures.PictureError, match=r"gone\.png is no longer here"):
        downloads.archive(whole, {}, tmp_path / "all.zip")
    assert not list(tmp_path.glob("all.zip*"))


def test_a_sideways_photo_is_upright_in_pictures_and_sheets_and_as_it_was_in_originals(picture, tmp_path):
    exif = PIL.Image.Exif()
    exif[0x0112] = 6
    image = picture("side.png", size=(640, 480), exif=exif)
    downloads.archive(comparison(sample(image), models=("a",)), {}, tmp_path / "all.zip")
    with zipfile.ZipFile(tmp_path / "all.zip") as made, made.open("pictures/side-a.png") as upright, \
            made.open("originals/side.png") as original:
        assert PIL.Image.open(upright).size == (480, 640) and PIL.Image.open(original).size == (640, 480)
