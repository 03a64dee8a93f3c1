"""The commands, stable because scripts rely on them: `python -m app models`, `parse`, `predict`, `compare`.

`--json` prints one JSON document on standard output and nothing else there. Exit 0: done, whatever the model said;
1: it failed, and one line on standard error says why; 2: usage.
"""
from __future__ import annotations

import contextlib
import json
import os
import sys
import warnings
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from app import families, pictures, tasks
from app.predict import compare as compare_models
from app.predict import prediction_json
from app.types import Frame, Generation, Image, Prediction
from app.workspace import Workspace

app = typer.Typer(add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False, rich_markup_mode=None,
                  help="Compare vision-language models on your own pictures.")

Task = StrEnum("Task", {task: task for task in tasks.TASKS})

Home = Annotated[Path | None, typer.Option("--home", help="The workspace's folder (default: BOXLOOP_HOME).")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document and nothing else.")]
TaskOption = Annotated[Task, typer.Option("--task", help="What to ask for.")]
Query = Annotated[str, typer.Option("--query", help="Names separated by ; for detect, count and keypoints; an "
                                    "expression or caption for ground and point; a question for ask.")]
MaxTokens = Annotated[int, typer.Option("--max-tokens", min=1, help="The longest answer, in tokens.")]
MaxPixels = Annotated[int | None, typer.Option("--max-pixels", min=1, help="Pixel budget of the model's input.")]
Temperature = Annotated[float, typer.Option("--temperature", min=0.0, help="0 gives the same answer every time.")]
Seed = Annotated[int, typer.Option("--seed", help="For a temperature above 0.")]


def main() -> None:
    # transformers and the Hub talk on both streams; scripts read them, so they are told to be quiet before they load.
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    warnings.simplefilter("ignore")
    app(prog_name="python -m app")


@app.command()
def models(home: Home = None, as_json: AsJson = False) -> None:
    """List the models one can ask, and what each needs."""
    with _failing_in_one_line():
        entries = Workspace(home).catalogue.entries()
    if as_json:
        _print_json([entry.to_json() for entry in entries])
        return
    for entry in entries:
        print(f"{entry.spec.id:36} {entry.state:12} {', '.join(entry.tasks)}{_needs(entry.spec.needs)}")


@app.command()
def parse(
    family: Annotated[str, typer.Option("--family", help="Whose language the answer is in, such as paligemma.")],
    task: TaskOption,
    query: Query,
    width: Annotated[int, typer.Option("--width", min=1, help="Of the upright picture.")],
    height: Annotated[int, typer.Option("--height", min=1, help="Of the upright picture.")],
    input_width: Annotated[int | None, typer.Option("--input-width", min=1, help="Of what the model saw.")] = None,
    input_height: Annotated[int | None, typer.Option("--input-height", min=1, help="Of what the model saw.")] = None,
) -> None:
    """Read a model's answer from standard input into boxes and points, in pixels of the picture."""
    if (input_width is None) != (input_height is None):
        raise typer.BadParameter("give both --input-width and --input-height, or neither")
    try:
        reader = families.find(family)
    except ValueError as problem:
        raise typer.BadParameter(str(problem), param_hint="--family") from problem
    with _failing_in_one_line():
        size = (width, height)
        frame = Frame(size, (input_width, input_height)) if input_width else reader.frame(size)
        request = tasks.request((Image("", size),), task.value, query)
        reader.check(request)
        text = sys.stdin.buffer.read().decode("utf-8", errors="replace")
        parsed = reader.parse(text, request, frame)
    _print_json({"status": parsed.status, "annotations": [found.to_json() for found in parsed.annotations],
                 "problems": list(parsed.problems)})


@app.command()
def predict(
    image: Annotated[Path, typer.Argument(help="A picture file.")],
    model: Annotated[str, typer.Option("--model", help="An id from `models`, or the folder of a checkpoint.")],
    task: TaskOption,
    query: Query = "",
    home: Home = None,
    as_json: AsJson = False,
    max_tokens: MaxTokens = 512,
    max_pixels: MaxPixels = None,
    temperature: Temperature = 0.0,
    seed: Seed = 0,
) -> None:
    """Ask one model about one picture."""
    generation = Generation(max_tokens, temperature, max_pixels, seed)
    [prediction] = _ask(home, [image], [model], task.value, query, generation)
    if as_json:
        _print_json(prediction_json(prediction))
    elif prediction.status != "failed":
        print(_readable(prediction))
    if prediction.status == "failed":
        _fail(prediction.problems[0])


@app.command()
def compare(
    images: Annotated[list[Path], typer.Argument(help="Picture files.")],
    models: Annotated[str, typer.Option("--models", help="Ids from `models`, separated by commas.")],
    task: TaskOption,
    query: Query = "",
    home: Home = None,
    as_json: AsJson = False,
    max_tokens: MaxTokens = 512,
    max_pixels: MaxPixels = None,
    temperature: Temperature = 0.0,
    seed: Seed = 0,
) -> None:
    """Ask several models about several pictures; the answers come picture by picture, in the order of the models."""
    ids = [model.strip() for model in models.split(",") if model.strip()]
    if not ids:
        raise typer.BadParameter("name at least one model", param_hint="--models")
    generation = Generation(max_tokens, temperature, max_pixels, seed)
    predictions = _ask(home, images, list(dict.fromkeys(ids)), task.value, query, generation)
    if as_json:
        _print_json({"predictions": [prediction_json(prediction) for prediction in predictions]})
    else:
        for prediction in predictions:
            print(f"{Path(prediction.request.images[0].path).name} · {_readable(prediction)}\n")
    if all(prediction.status == "failed" for prediction in predictions):
        _fail(predictions[0].problems[0])


def _ask(home: Path | None, paths: list[Path], ids: list[str], task: str, query: str,
         generation: Generation) -> list[Prediction]:
    with _failing_in_one_line():
        workspace = Workspace(home)
        if workspace.ephemeral:
            print(workspace.ephemeral, file=sys.stderr)
        specs = [workspace.catalogue.find(model) for model in ids]
        requests = [tasks.request((pictures.read(path),), task, query) for path in paths]
    predictions = []
    with contextlib.redirect_stdout(sys.stderr):  # standard output is ours
        for request in requests:
            final = {update.model: update.prediction
                     for update in compare_models(workspace.models, specs, request, generation)
                     if update is not None and update.state == "done"}
            predictions += [final[spec.id] for spec in specs]
    return predictions


@contextlib.contextmanager
def _failing_in_one_line() -> Iterator[None]:
    """Our own errors are sentences for the person; anything else is a fault and shows its trace."""
    try:
        yield
    except ValueError as problem:
        _fail(str(problem))


def _fail(problem: str) -> None:
    print(" ".join(problem.split()), file=sys.stderr)
    raise typer.Exit(1)


def _print_json(document: object) -> None:
    print(json.dumps(document, ensure_ascii=False))


def _readable(prediction: Prediction) -> str:
    counts = f"{len(prediction.annotations)} found, {prediction.tokens} tokens, {prediction.seconds:.1f} s"
    lines = [f"{prediction.model}: {prediction.status}, {counts}", *(f"  {problem}" for problem in prediction.problems)]
    for found in prediction.annotations:
        places = [] if found.box is None else ["[" + ", ".join(f"{value:.0f}" for value in found.box) + "]"]
        places += [f"{point.name} ({point.x:.0f}, {point.y:.0f})" for point in found.points]
        score = "" if found.score is None else f"  {found.score:.2f}"
        lines.append(f"  {found.label} {' '.join(places)}{score}".rstrip())
    if not prediction.annotations and prediction.text:
        lines.append(f"  {prediction.text}")
    return "\n".join(lines)


def _needs(needs) -> str:
    if not needs:
        return ""
    token = ", a token" if "token" in needs else ""
    return f"  (download {needs['download_gb']} GB, GPU {needs['gpu_gb']} GB{token})"
