"""`python -m trainer RUN_DIR` trains what the run's spec.json says; `--check` only writes preflight.json.

Exit codes: 0 done, 1 failed or refused (the reason is the last line on standard error), 2 usage, 143 told to stop.
Also under torchrun: `torchrun --nproc-per-node 2 -m trainer RUN_DIR`; the first process speaks for all.
"""
from __future__ import annotations

import os
import sys
import warnings
from pathlib import Path

USAGE = "usage: python -m trainer RUN_DIR [--check]"


def main(words: list[str]) -> None:
    folders = [word for word in words if not word.startswith("-")]
    if len(folders) != 1 or set(words) - {folders[0], "--check"}:
        print(USAGE, file=sys.stderr)
        sys.exit(2)
    # Told before transformers is imported: a run speaks through its events, and a tokenizer's threads do not fork.
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    os.environ.setdefault("PYTORCH_CUDA_ALLOC_CONF", "expandable_segments:True")
    warnings.filterwarnings("ignore")
    (_check if "--check" in words else _train)(Path(folders[0]).absolute())


def _train(folder: Path) -> None:
    from app.jobs.run import Run, spec
    if int(os.environ.get("RANK", 0)):
        from trainer.events import Silent
        _learn(Silent(folder, spec(folder)))
        return
    try:
        run = Run(folder)
    except ValueError as problem:
        sys.exit(str(problem))
    with run:
        receipt = _learn(run)
        if receipt is not None and not run.cancelled:
            run.finish(receipt)


def _learn(run) -> dict | None:
    from app.backends import ModelError
    try:
        from trainer import sft  # brings torch: a cancelled or refused run may never need it
        return sft.train(run)
    except ModelError as problem:  # a sentence, like ours
        raise ValueError(str(problem)) from problem


def _check(folder: Path) -> None:
    from app.backends import ModelError
    from app.spec import read
    try:
        from trainer import model, preflight
        spec = read(folder / "spec.json")
        known = model.asked(spec)
        report = preflight.checked(folder, spec, known, *preflight.data(folder, spec), borrows=True)
    except (ValueError, ModelError) as problem:
        from app.jobs.run import replace
        replace(folder / "preflight.json", {"ok": False, "refusals": [str(problem)], "warnings": []})
        sys.exit(str(problem))
    if not report["ok"]:
        sys.exit("; ".join(report["refusals"]))


if __name__ == "__main__":
    main(sys.argv[1:])
