"""Background jobs: `jobs`, `jobs show ID`, `jobs cancel ID`, `jobs resume ID`."""
from __future__ import annotations

import dataclasses
import time
from enum import StrEnum
from typing import Annotated

import typer

from app.cli.common import AsJson, Home, commands, failing_in_one_line, print_json
from app.types import Job
from app.workspace import Workspace

CANCELLING = 5.0  # seconds to wait for the end of a cancelled job; it takes three at most

Action = StrEnum("Action", {name: name for name in ("show", "cancel", "resume")})


@commands.command()
def jobs(
    action: Annotated[Action | None, typer.Argument(help="What to do with one job; without it, list all.")] = None,
    id: Annotated[str | None, typer.Argument(metavar="ID", help="Of a job, as the list shows it.")] = None,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """List the background jobs, newest first; show, cancel or resume one."""
    if (action is None) != (id is None):
        raise typer.BadParameter("name the job, such as: jobs show 260102-120000-a1b2c3", param_hint="ID")
    with failing_in_one_line():
        queue = Workspace(home).jobs
        queue.settle()  # what ended while no page was open
        if action is None:
            found = queue.all()
            print_json([_json(job) for job in found]) if as_json else print("\n".join(map(_line, found)))
            return
        if action is Action.cancel:
            queue.cancel(id)
            job = queue.wait(id, CANCELLING, start=False)
        elif action is Action.resume:
            queue.resume(id)
            queue.settle(start=True)
            job = queue.find(id)
        else:
            job = queue.find(id)
        log = queue.log(id)
    if as_json:
        print_json(_json(job) | {"log": log})
    else:
        print("\n".join([_line(job), *(f"  {line}" for line in log)]))


def _json(job: Job) -> dict:
    return dataclasses.asdict(job)


def _line(job: Job) -> str:
    when = time.strftime("%Y-%m-%d %H:%M", time.localtime(job.created))
    return f"{job.id}  {job.kind:8} {job.status:9} {when}  {_far(job)}{job.problem}".rstrip()


def _far(job: Job) -> str:
    if job.progress is None or job.status == "done":
        return ""
    done, total = f"{job.progress.done:g}", "" if job.progress.total is None else f" of {job.progress.total:g}"
    return f"{done}{total} {job.progress.words}  "
