"""Training: `train` a model on a dataset."""
from __future__ import annotations

import sys
from enum import StrEnum
from typing import Annotated

import typer

from app.cli.common import AsJson, Home, commands, failing_in_one_line, print_json
from app.workspace import Workspace


class Method(StrEnum):
    sft = "sft"
    grpo = "grpo"
    dpo = "dpo"


@commands.command()
def train(
    dataset: Annotated[str, typer.Option("--dataset", help="Its name or id; its split train is learnt from.")],
    model: Annotated[str, typer.Option("--model", help="An id from `models`, or the folder of a checkpoint.")],
    method: Annotated[Method, typer.Option("--method", help="How it learns.")] = Method.sft,
    settings: Annotated[list[str] | None, typer.Option("--set", help="key=value, as often as you like; preset=quick "
                                                       "(the default), standard or thorough.")] = None,
    device: Annotated[str, typer.Option("--device", help="The queue it waits in: cpu, cuda:0, …")] = "cpu",
    wait: Annotated[bool, typer.Option("--wait", help="Until it has ended.")] = False,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Tune a model on a dataset, in the background; the tuned model appears among the others."""
    with failing_in_one_line():
        from app import training
        workspace = Workspace(home)
        job = training.submit(workspace, dataset, model, settings or (), method=method.value, device=device)
        print(f"job {job.id}: it goes on if this command is stopped; `python -m app jobs` shows it", file=sys.stderr)
        if not wait:
            workspace.jobs.settle(start=True)
            told = {"job": job.id, "status": workspace.jobs.find(job.id).status, "model": None, "receipt": None}
        else:
            job = workspace.jobs.wait(job.id)
            if job.status != "done":
                raise ValueError(f"the training {job.id} {job.status}: {job.problem or 'see its log'}")
            told = {"job": job.id, "status": job.status, "model": training.tuned(workspace, job.id).id,
                    "receipt": workspace.jobs.result(job.id)}
    if as_json:
        print_json(told)
        return
    print(f"{told['job']} {told['status']}")
    if told["receipt"]:
        print(f"{told['model']}: {told['receipt']['minutes']} minutes, {told['receipt']['best_step']} updates")
        print("\n".join(_receipt(told["receipt"]["comparison"])))


def _receipt(told: dict | None) -> list[str]:
    if told is None:
        return ["nothing was held out, so nothing is known of how good it is: put some pictures in the split val"]
    lines = [*told["verdict"]["sentences"], *(control["words"] for control in told["controls"].values() if control)]
    for one in told["metrics"]:
        sure = "" if one["interval"] is None else f"  {one['interval'][0]:+.3f} to {one['interval'][1]:+.3f}"
        lines.append(f"  {one['name']:14} {one['base']:.3f} → {one['tuned']:.3f}{sure}  {one['verdict']}")
    return lines
