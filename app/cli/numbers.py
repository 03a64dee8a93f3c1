"""Numbers: `metrics` of a COCO ground truth and a result list, `evaluate` of models on a dataset."""
from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from app.cli.common import AsJson, Home, commands, fail, failing_in_one_line, print_json
from app.workspace import Workspace


class Kind(StrEnum):
    bbox = "bbox"
    keypoints = "keypoints"


class Split(StrEnum):
    train = "train"
    val = "val"


@commands.command()
def metrics(
    truth: Annotated[Path, typer.Option("--truth", help="COCO's JSON: images, annotations, categories.")],
    predictions: Annotated[Path, typer.Option("--predictions", help="COCO's result list.")],
    iou_type: Annotated[Kind, typer.Option("--iou-type", help="Compare boxes or keypoints.")] = Kind.bbox,
    iou: Annotated[float, typer.Option("--iou", min=0.01, max=1.0, help="From which likeness on an answer is right, "
                                       "for precision, recall, F1 and mean IoU.")] = 0.5,
    as_json: AsJson = False,
) -> None:
    """AP and AR as COCO defines them, precision, recall, F1 and mean IoU with 95% intervals; undefined is -1."""
    contents = [_content(path) for path in (truth, predictions)]
    with failing_in_one_line():
        from app.metrics import coco  # brings numpy, which the other commands do without
        found = coco.as_json(coco.of_files(*contents, iou_type.value, iou))
    if as_json:
        print_json(found)
        return
    for name, value in found.items():
        if name != "intervals":
            print(_line(name, value, found["intervals"].get(name)))


@commands.command()
def evaluate(
    dataset: Annotated[str, typer.Option("--dataset", help="Its name or id.")],
    models: Annotated[str, typer.Option("--models", help="Ids from `models`, separated by commas.")],
    split: Annotated[Split | None, typer.Option("--split", help="Only these pictures.")] = None,
    device: Annotated[str, typer.Option("--device", help="The queue it waits in: cpu, cuda:0, …")] = "cpu",
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Ask models about the samples of a dataset and measure their answers; what was asked before is not asked again."""
    ids = [model.strip() for model in models.split(",") if model.strip()]
    if not ids:
        raise typer.BadParameter("name at least one model", param_hint="--models")
    with failing_in_one_line():
        from app import evaluating
        workspace = Workspace(home)
        job = evaluating.submit(workspace, dataset, split.value if split else None, ids, device=device)
        print(f"job {job.id}: it goes on if this command is stopped; `python -m app jobs` shows it", file=sys.stderr)
        job = workspace.jobs.wait(job.id)
        if job.status != "done":
            raise ValueError(f"the evaluation {job.id} {job.status}: {job.problem or 'see its log'}")
        result = workspace.jobs.result(job.id)
    if as_json:
        print_json({name: result[name] for name in ("models", "differences", "protocol")} | {"job": job.id})
        return
    for model, told in result["models"].items():
        print(f"{model}: {told['samples']} samples, {told['asked']} asked, {told['reused']} known")
        for name, value in told["metrics"].items():
            print(_line(name, value, told["intervals"].get(name)))


def _line(name: str, value, interval) -> str:
    low, high = interval if isinstance(interval, list | tuple) else (None, None)
    said = value if isinstance(value, str | int) else format(value, ".4f")
    return f"{name:14} {said}{'' if low is None else f'  ({low:.4f} to {high:.4f})'}"


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as problem:
        fail(f"{path} cannot be read: {problem.strerror}")
