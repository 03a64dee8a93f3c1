"""The commands, run as a script runs them: one JSON document on standard output, exit 0, 1 or 2, one line of error."""
from __future__ import annotations

import json
import os
import subprocess
import sys
import types

import pytest

from app import cli, families
from app.backends import ModelError, loaded
from tests.conftest import ROOT

ANNOTATION = {"label", "box", "points", "score"}
PREDICTION = {"model", "revision", "task", "query", "image", "prompt", "text", "status", "annotations", "problems",
              "tokens", "seconds", "seconds_to_first"}


def run(*arguments, stdin: str = "", **environment) -> subprocess.CompletedProcess:
    return subprocess.run([sys.executable, "-m", "app", *map(str, arguments)], cwd=ROOT, input=stdin, text=True,
                          capture_output=True, env=os.environ | environment, encoding="utf-8")


def fails(result, code: int, words: str) -> None:
    assert result.returncode == code, result.stderr
    assert result.stdout == "" and words in result.stderr
    assert code == 2 or len(result.stderr.strip().splitlines()) == 1


def test_models_lists_what_there_is():
    result = run("models", "--json")
    assert result.returncode == 0 and result.stderr == ""
    listed = json.loads(result.stdout)
    assert all(set(model) == {"id", "family", "backend", "source", "revision", "tasks", "needs", "state"}
               for model in listed)
    assert {model["state"] for model in listed} <= {"shipped", "on disk", "to download"}


def test_the_commands_that_ask_no_model_do_not_import_torch():
    code = "import sys, app.cli; sys.exit('torch' in sys.modules or 'transformers' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT).returncode == 0


@pytest.mark.parametrize("family", families.every(), ids=lambda family: family.name)
def test_parse_reads_the_answer_that_a_real_model_gave(family):
    if getattr(family, "example", None) is None:
        pytest.skip(f"{family.name} has no recorded answer yet")
    request, frame = family.example.request, family.example.frame
    query = "; ".join(request.names) or request.caption
    result = run("parse", "--family", family.name, "--task", request.task, "--query", query,
                 "--width", frame.image_size[0], "--height", frame.image_size[1],
                 "--input-width", frame.input_size[0], "--input-height", frame.input_size[1],
                 stdin=family.example.text)
    document = json.loads(result.stdout)
    assert result.returncode == 0 and set(document) == {"status", "annotations", "problems"}
    assert document["annotations"] == [found.to_json() for found in family.example.annotations]
    assert all(set(annotation) == ANNOTATION for annotation in document["annotations"])


def test_parse_calls_garbage_unreadable_and_still_exits_0():
    result = run("parse", "--family", "PaliGemma", "--task", "detect", "--query", "cat", "--width", 64, "--height", 48,
                 stdin="lorem ipsum ☃")
    assert result.returncode == 0
    assert json.loads(result.stdout)["status"] == "unreadable"


def test_predict_prints_the_prediction_and_nothing_else(checkpoint, photo):
    result = run("predict", photo, "--model", checkpoint("qwen3_vl"), "--task", "ground", "--query", "the red box",
                 "--max-tokens", 4, "--json")
    document = json.loads(result.stdout)
    assert result.returncode == 0 and result.stderr == ""
    assert set(document) == PREDICTION
    assert document["image"] == {"width": 64, "height": 48} and document["query"] == "the red box"
    assert document["tokens"] <= 4


def test_a_talkative_library_does_not_get_into_the_document(checkpoint, photo, monkeypatch, capsys):
    page = types.ModuleType("talkative")
    page.load = talkative
    monkeypatch.setitem(sys.modules, "talkative", page)
    monkeypatch.setitem(loaded.BACKENDS, "local", "talkative")
    cli.commands(["predict", str(photo), "--model", str(checkpoint("paligemma")), "--task", "ask", "--query", "x",
                  "--json"], standalone_mode=False)
    out, err = capsys.readouterr()
    assert json.loads(out)["problems"] == ["no"] and "downloading" in err


def talkative(spec):
    print("downloading 1%…")
    raise ModelError("no")


def test_predict_without_json_is_for_reading(checkpoint, photo):
    result = run("predict", photo, "--model", checkpoint("paligemma"), "--task", "detect", "--query", "box",
                 "--max-tokens", 4)
    assert result.returncode == 0 and "found" in result.stdout


def test_compare_answers_picture_by_picture_in_the_order_of_the_models(checkpoint, photos):
    pictures = [photos((64, 48)), photos((48, 64))]
    names = [str(checkpoint("paligemma")), str(checkpoint("lora")), str(checkpoint("owlv2"))]
    result = run("compare", *pictures, "--models", ",".join(names), "--task", "point", "--query", "the box",
                 "--max-tokens", 4, "--json")
    predictions = json.loads(result.stdout)["predictions"]
    assert result.returncode == 0 and result.stderr == ""
    assert [prediction["model"] for prediction in predictions] == names * 2
    assert [prediction["image"]["width"] for prediction in predictions] == [64] * 3 + [48] * 3
    assert predictions[2]["status"] == "failed" and "cannot point" in predictions[2]["problems"][0]


def test_what_is_not_there_fails_in_one_line(photo, tmp_path):
    asked = ("--task", "detect", "--query", "cat", "--json")
    fails(run("predict", photo, "--model", "nobody", *asked), 1, "there is no model 'nobody'")
    fails(run("predict", tmp_path / "gone.png", "--model", "Qwen/Qwen3-VL-4B-Instruct", *asked), 1, "there is no file")
    fails(run("predict", __file__, "--model", "Qwen/Qwen3-VL-4B-Instruct", *asked), 1, "is not a picture")
    fails(run("predict", photo, "--model", "Qwen/Qwen3-VL-4B-Instruct", "--task", "ask", "--query", ""), 1,
          "the question is empty")
    fails(run("models", "--home", photo / "x"), 1, "cannot be created")


def test_a_model_that_cannot_answer_exits_1_with_its_sentence_and_its_document(photo):
    result = run("predict", photo, "--model", "google/owlv2-base-patch16-ensemble", "--task", "count", "--query", "cat",
                 "--json")
    assert result.returncode == 1
    assert result.stderr.strip() == "OWLv2 cannot count; it can: detect, ground"
    assert json.loads(result.stdout)["status"] == "failed"


def test_wrong_usage_exits_2(photo):
    fails(run("predict", photo, "--model", "m", "--task", "dance", "--query", "x"), 2, "dance")
    fails(run("predict", photo), 2, "--model")
    fails(run("compare", photo, "--models", ",", "--task", "ask", "--query", "x"), 2, "at least one model")
    fails(run("parse", "--family", "gpt", "--task", "ask", "--query", "x", "--width", 1, "--height", 1), 2,
          "no family named 'gpt'")
    fails(run("parse", "--family", "paligemma", "--task", "ask", "--query", "x", "--width", 1, "--height", 1,
              "--input-width", 3), 2, "give both")
    fails(run("fly"), 2, "fly")


def test_a_home_can_be_named(tmp_path):
    assert run("models", "--json", "--home", tmp_path / "here").returncode == 0
    assert (tmp_path / "here").is_dir()
