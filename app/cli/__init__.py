"""The commands, stable because scripts rely on them: `python -m app models`, `parse`, `predict`, `compare`, …

`--json` prints one JSON document on standard output and nothing else there. Exit 0: done, whatever the model said;
1: it failed, and one line on standard error says why; 2: usage. A new command is a function in one of these files,
with `@commands.command()`; a new file is imported here.
"""
from __future__ import annotations

import os
import warnings

from app.cli import asking, data, jobs, numbers, training  # noqa: F401  (importing one adds its commands)
from app.cli.common import commands


def main() -> None:
    # transformers and the Hub talk on both streams; scripts read them, so they are told to be quiet before they load.
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    warnings.simplefilter("ignore")
    commands(prog_name="python -m app")
