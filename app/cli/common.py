"""What all commands share: the options, JSON on standard output and nothing else, failures in one line."""
from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from app import tasks
from app.backends import ModelError

commands = typer.Typer(add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False,
                       rich_markup_mode=None, help="Compare vision-language models on your own pictures.")

Task = StrEnum("Task", {task: task for task in tasks.TASKS})

Home = Annotated[Path | None, typer.Option("--home", help="The workspace's folder (default: BOXLOOP_HOME).")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document and nothing else.")]


@contextlib.contextmanager
def failing_in_one_line() -> Iterator[None]:
    """Our own errors are sentences for the person; anything else is a fault and shows its trace."""
    try:
        yield
    except (ValueError, ModelError) as problem:
        fail(str(problem))


def fail(problem: str) -> None:
    print(" ".join(problem.split()), file=sys.stderr)
    raise typer.Exit(1)


def print_json(document: object) -> None:
    print(json.dumps(document, ensure_ascii=False))
