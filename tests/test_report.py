"""What an evaluation shows and hands over: escaped, complete, without a network."""
from __future__ import annotations

import csv
import io
import json
import re
import xml.etree.ElementTree as xml
from dataclasses import replace

import pytest

from app import pictures
from app.evaluate import Answered, differences, measured
from app.report import Evaluation, parts, plots, taken
from app.types import Annotation
from tests.test_evaluate import said, sample

HOSTILE = '<script>alert(1)</script>"&\'=cmd'


@pytest.fixture
def evaluation(photo) -> Evaluation:
    """Two models on three pictures; names, labels and questions are hostile."""
    image = replace(pictures.read(photo), name="=cmd|calc.png")
    box, off = Annotation(HOSTILE, (4.0, 4.0, 30.0, 30.0)), Annotation(HOSTILE, (40.0, 4.0, 60.0, 30.0))
    samples = [replace(sample(str(n), *([box] if n else []), query=HOSTILE), images=(replace(
        image, sha256=f"s{n}", pixels_sha256=f"p{n}"),)) for n in range(3)]
    models = {"good": [said(one, *(replace(each, score=0.8, score_source="tokens") for each in one.truth))
                       for one in samples],
              HOSTILE: [said(samples[0], off), said(samples[1], status="unreadable"), said(samples[2], box, off)]}
    numbers = {name: measured(each) for name, each in models.items()}
    told = {name: {"metrics": {key: -1 if value is None else value for key, value in each.values.items()},
                   "intervals": {key: list(value) if value else -1 for key, value in each.intervals.items()},
                   "samples": 3} for name, each in numbers.items()}
    protocol = {"dataset": HOSTILE, "split": "val", "samples": 3, "snapshot": "s1", "snapshot_digest": "d" * 64,
                "tasks": ["detect"], "iou": 0.5, "matching": "m", "unread": "u", "intervals": "i", "readers": "r",
                "generation": {"max_tokens": 512}, "versions": {"torch": "2"},
                "models": {name: {"source": name, "revision": "abc", "family": "f", "prompt": HOSTILE, "prompts": 2,
                                  "input_sizes": [[224, 224]], "score_source": ["tokens"], "weights_gb": 6.1}
                           for name in models}}
    paired = [{"a": "good", "b": HOSTILE, "metric": name, "difference": value, "interval": list(interval)}
              for name, (value, interval) in differences(*numbers.values()).items()]
    return Evaluation("e1", {"models": told, "measure": "f1", "differences": paired, "protocol": protocol}, models)


def test_the_report_is_one_file_that_fetches_nothing_and_runs_nothing(evaluation):
    page = taken.html(evaluation, "f1")
    assert not re.search(r"""(?:src|href|url\()\s*=?\s*["']?(?!data:)(?:https?:)?//""", page)
    assert "default-src 'none'" in page and page.count("data:image/jpeg;base64,") >= 6
    assert "<script" not in page and HOSTILE not in page and "&lt;script&gt;" in page
    for told in ("Numbers", "Curves", "How this was measured", "revision abc", "d" * 64, "224×224",
                 "log-probabilities of its tokens"):
        assert told in page, told


def test_the_table_has_the_best_model_first_and_says_who_failed(evaluation):
    table = parts.table(evaluation, "f1")
    assert table.index("> good") < table.index("&lt;script"), "the best one first"
    assert "33%" in table and 'aria-sort="descending">F1' in table
    assert "<b>good</b> minus" in table
    worst_first = parts.table(evaluation, "unreadable")
    assert worst_first.index("> good") < worst_first.index("&lt;script"), "of failures, fewer are better"


def test_every_plot_is_a_picture_that_can_be_read(evaluation):
    drawings = re.findall(r"<svg.*?</svg>", parts.curve_plots(evaluation) + parts.pareto(evaluation, "f1"), re.DOTALL)
    assert len(drawings) >= 4
    for drawing in drawings:
        xml.fromstring(drawing)
    assert parts.pareto(evaluation, "f1").count("plot-front") == 2
    assert "no share from 0 to 1" in parts.pareto(replace_metric(evaluation), "error")


def replace_metric(evaluation: Evaluation) -> Evaluation:
    result = json.loads(json.dumps(evaluation.result))
    for each in result["models"].values():
        each["metrics"]["error"] = 3.0
    return Evaluation("e2", result, evaluation.models)


def test_the_front_joins_those_that_nobody_beats_both_ways():
    drawn = plots.scatter([(0, "a", 1, 0.5), (1, "b", 2, 0.4), (2, "c", 3, 0.9)], "s", "q")
    front = re.search(r'class="plot-front" points="([^"]*)"', drawn)[1].split()
    assert len(front) == 4, "a, along to c's time, up to c, and on: b is beaten by a"


def test_slices_and_confusions_are_tables(evaluation):
    assert "Object size" in parts.slice_table(evaluation) and "2 objects, Recall" in parts.slice_table(evaluation)
    matrix = parts.confusion(evaluation)
    assert matrix.count("<table") == 2 and "nothing there" in matrix and "<script" not in matrix


def test_csv_runs_no_formulas_and_has_every_number(evaluation):
    rows = list(csv.DictReader(io.StringIO(taken.numbers_csv(evaluation))))
    assert {row["model"] for row in rows} == {"good", HOSTILE}
    f1 = next(row for row in rows if row["model"] == "good" and row["metric"] == "f1")
    assert float(f1["value"]) == 1 and float(f1["low"]) < 1
    shown = list(csv.DictReader(io.StringIO(taken.pictures_csv(evaluation))))
    assert len(shown) == 6 and all(row["picture"].startswith("'=") for row in shown)
    assert [row["status"] for row in shown[3:]] == ["ok", "unreadable", "ok"]


def test_json_has_all_that_was_said(evaluation):
    told = json.loads(json.dumps(taken.document(evaluation)))
    assert len(told["pictures"]) == 3 and told["protocol"]["snapshot"] == "s1"
    assert [each["model"] for each in told["pictures"][0]["answers"]] == ["good", HOSTILE]
    assert told["pictures"][1]["truth"][0]["label"] == HOSTILE and told["pictures"][1]["answers"][1]["score"] == 0


def test_a_picture_that_is_gone_is_said_and_the_rest_stays(evaluation, tmp_path):
    def gone(one: Answered) -> Answered:
        image = replace(one.sample.images[0], path=str(tmp_path / "gone.png"))
        return Answered(replace(one.sample, images=(image,)), one.prediction)
    models = {name: [gone(each[0]), *each[1:]] for name, each in evaluation.models.items()}
    page = taken.html(Evaluation("e1", evaluation.result, models), "f1")
    assert "data:image/jpeg" in page and "How this was measured" in page
