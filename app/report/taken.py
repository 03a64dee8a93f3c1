"""What one takes away from an evaluation: numbers and pictures as CSV, all of it as JSON, one HTML file with pictures.

The HTML file holds everything itself: style, plots and pictures. It opens without a network and runs no script.
"""
from __future__ import annotations

import base64
import csv
import io
from collections.abc import Sequence
from html import escape
from pathlib import Path

from app import tasks
from app.drawing import annotated
from app.evaluate import Answered, measures, truth_of
from app.evaluate.pairs import most_disputed, worst
from app.pictures import PictureError
from app.predict import prediction_json
from app.report import Evaluation, number, parts, title

PICTURES = 12  # in an HTML report
SIDE = 420  # pixels of the longer side of each
FORMULA = ("=", "+", "-", "@", "\t", "\r")  # a spreadsheet would run a text that begins so
STYLE = """
:root { color-scheme: light dark; --font: system-ui, sans-serif; --body-text-color: #1f2937;
  --body-text-color-subdued: #566175; --border-color-primary: #d9dee6; --bad: #b3261e; --page: #ffffff; }
@media (prefers-color-scheme: dark) { :root { --body-text-color: #e5e9f0; --body-text-color-subdued: #a3aec0;
  --border-color-primary: #3a4354; --bad: #ff9187; --page: #161b24; } }
body { max-width: 1180px; margin: 0 auto; padding: 24px 20px 60px; background: var(--page); }
h1 { font: 700 22px/30px var(--font); margin: 0 0 4px; } h2 { font: 600 18px/26px var(--font); margin: 34px 0 8px; }
h1, h2 { color: var(--body-text-color); }
.shots { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 260px), 1fr)); gap: 14px; }
.shots figure { margin: 0; } .shots img { width: 100%; height: auto; display: block; }
.shots figcaption, .shot > p { font: 13px/18px var(--font); color: var(--body-text-color-subdued); margin: 4px 0 0;
  overflow-wrap: anywhere; }
.shot { margin: 0 0 26px; } .shot > p { margin: 0 0 6px; color: var(--body-text-color); }
"""


def numbers_csv(evaluation: Evaluation) -> str:
    """model, metric, value, low, high: empty where undefined."""
    rows = [("model", "metric", "value", "low", "high")]
    for model in evaluation.names:
        for metric in evaluation.metrics:
            low, high = evaluation.interval(model, metric) or ("", "")
            value = evaluation.value(model, metric)
            rows.append((model, metric, "" if value is None else value, low, high))
    return _csv(rows)


def pictures_csv(evaluation: Evaluation) -> str:
    """A row for each picture and model."""
    rows = [("picture", "pixels_sha256", "task", "query", "model", "status", "score", "objects", "true_objects",
             "seconds", "tokens")]
    for model, answered in evaluation.models.items():
        for one in answered:
            image, said = one.sample.images[0], one.prediction
            rows.append((picture_name(one), image.pixels_sha256, one.sample.task, one.sample.query, model, said.status,
                         round(one.score, 4), len(said.annotations), len(one.sample.truth or ()),
                         round(said.seconds, 3), said.tokens))
    return _csv(rows)


def document(evaluation: Evaluation) -> dict:
    """Everything: numbers, protocol, and each picture with its truth and all answers."""
    answered = list(evaluation.models.values())
    pictures = [{"picture": picture_name(one), "pixels_sha256": one.sample.images[0].pixels_sha256,
                 "size": list(one.sample.images[0].size), "task": one.sample.task, "query": one.sample.query,
                 "truth": one.sample.answer if one.sample.task == "ask" else [
                     each.to_json() for each in one.sample.truth],
                 "answers": [prediction_json(each[place].prediction) | {"model": model, "score": each[place].score}
                             for model, each in evaluation.models.items()]}
                for place, one in enumerate(answered[0])]
    told = {name: evaluation.result[name] for name in ("models", "measure", "differences", "protocol")}
    return {"evaluation": evaluation.id, **told, "pictures": pictures}


def html(evaluation: Evaluation, metric: str) -> str:
    """One file. Pictures: the most disputed of several models, else the worst of the one."""
    told = evaluation.result["protocol"]
    style = STYLE + (Path(__file__).parent / "report.css").read_text("utf-8")
    sections = [("Numbers", parts.table(evaluation, metric)), ("Curves", parts.curve_plots(evaluation)),
                ("Quality against time and memory", parts.pareto(evaluation, metric)),
                ("Where each is good", parts.slice_table(evaluation)), ("Confusions", parts.confusion(evaluation)),
                ("Pictures", _shots(evaluation)), ("How this was measured", parts.protocol(evaluation))]
    body = "".join(f'<h2>{name}</h2><section class="measure-part">{inside}</section>' for name, inside in sections
                   if inside)
    name = f"{told['dataset']}: {', '.join(evaluation.names)}"
    return (f'<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" '
            f'content="width=device-width, initial-scale=1"><meta http-equiv="Content-Security-Policy" '
            f"content=\"default-src 'none'; img-src data:; style-src 'unsafe-inline'\"><title>{escape(name)}</title>"
            f'<style>{style}</style></head><body><h1>{escape(name)}</h1><p class="measure-note">{told["samples"]} '
            f'pictures, sorted by {escape(title(metric))}. Measured by Boxloop, evaluation {escape(evaluation.id)}.</p>'
            f'{body}</body></html>')


def shown(evaluation: Evaluation, count: int = PICTURES) -> list[int]:
    """The places of the pictures that are worth a look."""
    disputed = [place for place, _ in most_disputed(evaluation.models, count)]
    first = evaluation.models[evaluation.sorted_by(measures(next(iter(evaluation.models.values()))))[0]]
    return list(dict.fromkeys([*disputed, *worst(first, count)]))[:count]


def picture_name(one: Answered) -> str:
    image = one.sample.images[0]
    return Path((image.name or image.path).replace("\\", "/")).name or "picture"


def _shots(evaluation: Evaluation) -> str:
    shots = []
    for place in shown(evaluation):
        answers = [(model, answered[place]) for model, answered in evaluation.models.items()]
        one = answers[0][1]
        truth = truth_of(one.sample)
        figures = [_figure(one, () if isinstance(truth, str) else truth, "What is true")]
        figures += [_figure(each, each.prediction.annotations, f"{model}: score {number(each.score)}, "
                            f"{each.prediction.status}") for model, each in answers]
        question = f"{picture_name(one)} · {tasks.TASKS[one.sample.task].title}: {one.sample.query}"
        shots.append(f'<div class="shot"><p>{escape(question)}</p><div class="shots">{"".join(figures)}</div></div>')
    return "".join(shots)


def _figure(one: Answered, annotations: Sequence, words: str) -> str:
    try:
        picture, content = annotated(one.sample.images[0], annotations, SIDE), io.BytesIO()
    except PictureError as problem:
        return f"<figure><figcaption>{escape(str(problem))}</figcaption></figure>"
    picture.convert("RGB").save(content, "JPEG", quality=82)
    coded = base64.b64encode(content.getvalue()).decode()
    return (f'<figure><img src="data:image/jpeg;base64,{coded}" alt=""><figcaption>{escape(words)}</figcaption>'
            "</figure>")


def _csv(rows: Sequence[Sequence]) -> str:
    written = io.StringIO()
    csv.writer(written).writerows([[_cell(value) for value in row] for row in rows])
    return written.getvalue()


def _cell(value):
    text = isinstance(value, str) and value.encode("utf-8", "replace").decode("utf-8")
    return f"'{text}" if text and text.startswith(FORMULA) else text if isinstance(value, str) else value
