"""Asking models: `models`, `parse`, `predict`, `compare`, `selftest`."""
from __future__ import annotations

import contextlib
import sys
from pathlib import Path
from typing import Annotated

import typer

from app import families, pictures, tasks
from app.cli.common import AsJson, Home, Task, commands, fail, failing_in_one_line, print_json
from app.predict import Ask, prediction_json
from app.predict import compare as compare_models
from app.types import Frame, Generation, Image, Prediction
from app.workspace import Workspace

TaskOption = Annotated[Task, typer.Option("--task", help="What to ask for.")]
Query = Annotated[str, typer.Option("--query", help="Names separated by ; for detect, count and keypoints; an "
                                    "expression for ground and point; a caption for phrases; a question for ask.")]
MaxTokens = Annotated[int, typer.Option("--max-tokens", min=1, help="The longest answer, in tokens.")]
MaxPixels = Annotated[int | None, typer.Option("--max-pixels", min=1, help="Pixel budget of the model's input.")]
Temperature = Annotated[float, typer.Option("--temperature", min=0.0, help="0 gives the same answer every time.")]
Structure = Annotated[bool, typer.Option("--structure", help="Let it write only what its answer's form allows.")]
Seed = Annotated[int, typer.Option("--seed", help="For a temperature above 0.")]


@commands.command()
def models(home: Home = None, as_json: AsJson = False) -> None:
    """List the models one can ask, and what each needs."""
    with failing_in_one_line():
        entries = Workspace(home).catalogue.entries()
    if as_json:
        print_json([entry.to_json() for entry in entries])
        return
    for entry in entries:
        print(f"{entry.spec.id:36} {entry.state:12} {', '.join(entry.tasks)}{_needs(entry.spec.needs)}")


@commands.command()
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
    with failing_in_one_line():
        size = (width, height)
        frame = Frame(size, (input_width, input_height)) if input_width else reader.frame(size)
        request = tasks.request((Image("", size),), task.value, query)
        reader.check(request)
        text = sys.stdin.buffer.read().decode("utf-8", errors="replace")
        parsed = reader.parse(text, request, frame)
    print_json({"status": parsed.status, "annotations": [found.to_json() for found in parsed.annotations],
                 "problems": list(parsed.problems)})


@commands.command()
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
    structure: Structure = False,
) -> None:
    """Ask one model about one picture."""
    generation = Generation(max_tokens, temperature, max_pixels, seed, structure)
    [prediction] = _ask(home, [image], [model], task.value, query, generation)
    if as_json:
        print_json(prediction_json(prediction))
    elif prediction.status != "failed":
        print(_readable(prediction))
    if prediction.status == "failed":
        fail(prediction.problems[0])


@commands.command()
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
    structure: Structure = False,
) -> None:
    """Ask several models about several pictures; the answers come picture by picture, in the order of the models."""
    ids = [model.strip() for model in models.split(",") if model.strip()]
    if not ids:
        raise typer.BadParameter("name at least one model", param_hint="--models")
    generation = Generation(max_tokens, temperature, max_pixels, seed, structure)
    predictions = _ask(home, images, list(dict.fromkeys(ids)), task.value, query, generation)
    if as_json:
        print_json({"predictions": [prediction_json(prediction) for prediction in predictions]})
    else:
        for prediction in predictions:
            print(f"{Path(prediction.request.images[0].path).name} · {_readable(prediction)}\n")
    if all(prediction.status == "failed" for prediction in predictions):
        fail(predictions[0].problems[0])


@commands.command()
def selftest(
    model: Annotated[str, typer.Option("--model", help="An id from `models`, or the folder of a checkpoint.")],
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """See whether places keep their place on the way through a model's processor and language; 1 if they do not."""
    with failing_in_one_line(), contextlib.redirect_stdout(sys.stderr):  # standard output is ours
        from app.selftest import selftest as tested  # brings numpy, which the other commands do without
        workspace = Workspace(home)
        spec = workspace.catalogue.find(model)
        loaded = workspace.models.load(spec)
        result = tested(loaded)
    if as_json:
        print_json({"model": spec.id, "revision": loaded.revision, "family": spec.family} | result.to_json())
    else:
        print("\n".join((f"{spec.id}: {result.badge}", *(f"  {failure}" for failure in result.failures))))
    if result.ok is False:
        fail(f"{spec.id}: {result.badge}")


def _ask(home: Path | None, paths: list[Path], ids: list[str], task: str, query: str,
         generation: Generation) -> list[Prediction]:
    with failing_in_one_line():
        workspace = Workspace(home)
        if workspace.ephemeral:
            print(workspace.ephemeral, file=sys.stderr)
        specs = [workspace.catalogue.find(model) for model in ids]
        requests = [tasks.request((pictures.read(path),), task, query) for path in paths]
    predictions = []
    with contextlib.redirect_stdout(sys.stderr):  # standard output is ours
        for request in requests:
            asks = [Ask(spec, request, generation) for spec in specs]
            final = {update.model: update.prediction for update in compare_models(workspace.models, asks)
                     if update is not None and update.state == "done"}
            predictions += [final[spec.id] for spec in specs]
    return predictions


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
