"""The page without a browser: what it says in words, how it is built, and that it opens before torch is imported."""
from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import PIL.Image
import pytest

from app import pictures, tasks
from app.catalogue import Entry
from app.predict import Update
from app.types import Annotation, Generation, Image, ModelSpec, Point, Prediction, Request
from app.ui import settings, words
from app.ui.device import device, gpus
from app.ui.examples import FOLDER, examples
from app.ui.shown import displayable

ROOT = Path(__file__).parents[1]
BOX = Annotation("cat", (1.0, 2.0, 3.0, 4.0))


def prediction(status="ok", annotations=(), problems=(), task="detect", text="", tokens=64):
    return Prediction("m", None, Request((Image("a.png", (10, 10)),), task), Generation(), "detect cat", text, None,
                      tuple(annotations), status, tuple(problems), tokens, 1.25, 0.31)


@pytest.mark.parametrize("update, expected", [
    (Update("m", "queued", 2), ("busy", "queued, 2 ahead")),
    (Update("m", "queued", 0), ("busy", "queued, next")),
    (Update("m", "loading"), ("busy", "loading the model")),
    (Update("m", "answering"), ("busy", "answering…")),
    (Update("m", "answering", 0, prediction(annotations=[BOX, BOX])), ("busy", "answering… 2 boxes so far")),
    (Update("m", "done", 0, prediction(annotations=[BOX] * 3)), ("done", "3 boxes · 1.2 s")),
    (Update("m", "done", 0, prediction(annotations=[BOX])), ("done", "1 box · 1.2 s")),
    (Update("m", "done", 0, prediction("empty")), ("done", "nothing found · 1.2 s")),
    (Update("m", "done", 0, prediction("truncated")),
     ("warning", "cut off after 64 tokens: raise “Longest answer” below")),
    (Update("m", "done", 0, prediction("truncated", [BOX], ["stopped by you after 9 tokens"])),
     ("warning", "stopped · 1 box so far")),
    (Update("m", "done", 0, prediction("unreadable")),
     ("warning", "could not be read · 1.2 s: try another prompt below")),
    (Update("m", "done", 0, prediction("refused")), ("warning", "refused · 1.2 s")),
    (Update("m", "done", 0, prediction("failed", problems=["no memory"])), ("problem", "failed: no memory")),
])
def test_the_state_of_a_model_is_said_in_words(update, expected):
    assert words.state(update) == expected


def test_objects_points_and_bare_counts_are_counted_apart():
    figure = Annotation("person", (0.0, 0.0, 1.0, 1.0), (Point("head", 0, 0), Point("foot", 0, 0, "absent")))
    assert words.amounts([figure, Annotation("cat"), Annotation("cat")]) == "1 box, 1 point, 2 counted"
    assert words.amounts([]) == ""


def test_what_has_no_place_on_the_picture_is_said_under_it():
    bare = [Annotation("cat"), Annotation("dog"), Annotation("cat")]
    assert words.said(prediction(annotations=bare)) == "2 × cat · 1 × dog"
    assert words.said(prediction(task="ask", text=" It is red. ")) == "It is red."
    assert words.said(prediction(annotations=[BOX])) == ""


def test_a_failed_model_shows_its_problem_and_no_empty_answer():
    shown = words.answer(Update("m", "done", 0, prediction("failed", problems=["no memory"])))
    assert shown["problems"] == ["no memory"] and shown["text"] is None and shown["failed"]


def test_the_raw_answer_is_verbatim():
    text = " <loc0001>\n<b>cat</b> {{x}} "
    assert words.answer(Update("m", "answering", 0, prediction(text=text)))["text"] == text


def test_what_a_model_needs_is_said_before_it_is_asked():
    spec = ModelSpec("owner/name", "paligemma", "local", "owner/name",
                     needs={"download_gb": 6.1, "gpu_gb": 8, "token": "…"})
    assert words.needs(Entry(spec, "to download")) == "6.1 GB to download, 8 GB of GPU memory, a licence to accept"
    assert words.needs(Entry(spec, "on disk")) == "8 GB of GPU memory"


def test_sentences_begin_with_a_capital_and_file_names_stay_as_they_are():
    assert words.sentence("the question is empty")["text"] == "The question is empty"
    assert words.sentence("notes.jpg is not a picture")["text"] == "notes.jpg is not a picture"
    assert words.sentence()["text"] == ""


def test_every_example_exists_and_is_a_question_its_task_understands():
    shown = examples()
    assert {example.task for example in shown} >= {"detect", "ground", "keypoints", "count", "ask"}
    for example in shown:
        tasks.request((pictures.read(example.path),), example.task, example.question)
    listed = {path.name for path in FOLDER.iterdir()} - {"examples.json"}
    assert listed <= {example.name for example in shown}, "a picture that no example shows"


def test_an_example_without_its_picture_is_named(tmp_path):
    (tmp_path / "examples.json").write_text('[{"picture": "gone.png", "task": "detect", "question": "cat"}]')
    with pytest.raises(FileNotFoundError, match=r"gone\.png"):
        examples(tmp_path)


def test_what_a_browser_shows_is_the_file_itself_and_else_a_preview_made_once(tmp_path):
    picture = PIL.Image.new("RGB", (300, 200), "red")
    for name in ("a.jpg", "a.png", "a.webp", "a.bmp"):
        picture.save(tmp_path / name)
        assert Path(displayable(pictures.read(tmp_path / name))).read_bytes() == (tmp_path / name).read_bytes()
    picture.save(tmp_path / "a.tif")
    picture.save(tmp_path / "moving.gif", save_all=True, append_images=[PIL.Image.new("RGB", (300, 200), "blue")])
    for name in ("a.tif", "moving.gif"):
        preview = displayable(pictures.read(tmp_path / name))
        with PIL.Image.open(preview) as opened:
            assert (opened.format, opened.size) == ("JPEG", (300, 200))
            assert opened.getpixel((150, 100))[0] > 240  # the first frame, as the models see it
        assert displayable(pictures.read(tmp_path / name)) == preview


def test_a_damaged_picture_is_refused_where_it_was_chosen(tmp_path):
    PIL.Image.effect_noise((300, 200), 50).save(tmp_path / "whole.png")
    (tmp_path / "half.png").write_bytes((tmp_path / "whole.png").read_bytes()[:9000])
    with pytest.raises(pictures.PictureError, match=r"half\.png .* save it again"):
        displayable(pictures.read(tmp_path / "half.png"))


def test_the_device_is_known_from_the_driver(tmp_path, monkeypatch):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    (tmp_path / "0000:01:00.0").mkdir()
    (tmp_path / "0000:01:00.0" / "information").write_text("Model: \t\t NVIDIA A100-SXM4-80GB\nIRQ:   16\n")
    assert gpus(tmp_path) == ["NVIDIA A100-SXM4-80GB"]
    assert gpus(tmp_path / "none") == []
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert gpus(tmp_path) == [] and device().startswith("CPU · ")


def test_the_page_opens_before_torch_is_imported(tmp_path):
    program = ("import runpy, sys, urllib.request\n"
               "demo = runpy.run_path('app.py')['demo']\n"
               "from app.ui import page\n"
               "_, address, _ = page.launch(demo, prevent_thread_lock=True, quiet=True)\n"
               "assert 'Boxloop' in urllib.request.urlopen(address).read().decode()\n"
               "print(sorted({'torch', 'transformers', 'trl', 'peft', 'matplotlib'} & set(sys.modules)))\n")
    ran = subprocess.run([sys.executable, "-c", program], cwd=ROOT, env=os.environ | {"BOXLOOP_HOME": str(tmp_path)},
                         capture_output=True, text=True, timeout=120)
    assert ran.stdout.strip() == "[]", ran.stdout + ran.stderr


def test_python_app_py_serves_the_page(tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = os.environ | {"GRADIO_SERVER_PORT": str(port), "BOXLOOP_HOME": str(tmp_path)}
    server = subprocess.Popen([sys.executable, "app.py"], cwd=ROOT, env=environment, stdout=subprocess.DEVNULL,
                              stderr=subprocess.DEVNULL)
    try:
        assert "Boxloop" in fetched(f"http://127.0.0.1:{port}/", server)
    finally:
        server.terminate()
        server.wait(20)


def fetched(address, server):
    until = time.monotonic() + 60
    while time.monotonic() < until and server.poll() is None:
        try:
            with urllib.request.urlopen(address, timeout=5) as answer:
                return answer.read().decode()
        except OSError:
            time.sleep(0.3)
    raise AssertionError(f"{address} did not open; exit status {server.poll()}")


@pytest.mark.parametrize("told", [
    None, "x", [], {"tokens": "many", "pixels": [], "heat": None, "form": "yes", "prompt": 3},
    {"tokens": float("nan"), "pixels": float("inf"), "heat": True}])
def test_settings_that_a_browser_made_up_are_those_of_an_untouched_panel(told):
    assert settings.read(told) == ("", Generation())


def test_settings_are_held_to_their_limits_and_come_back_as_they_were():
    wild = {"prompt": "find it", "tokens": 1e9, "pixels": -3, "heat": 99, "form": True}
    assert settings.read(wild) == ("find it", Generation(4096, 2.0, None, structure=True))
    asked = Generation(2048, 0.5, 250_000, structure=True)
    assert settings.read(settings.told(asked)) == ("", asked)
