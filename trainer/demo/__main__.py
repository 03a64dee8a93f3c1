"""`python -m trainer.demo draw|train|tune|evaluate`: a drawn world, training in pieces, measuring."""
from __future__ import annotations

import json
import sys
from pathlib import Path

import typer

cli = typer.Typer(add_completion=False, no_args_is_help=True, help=__doc__)


@cli.command()
def draw(out: Path, count: int = 12, seed: int = 1, sketch: bool = False) -> None:
    """Save the first scenes of a seed as pictures."""
    from trainer.demo.scenes import scene

    out.mkdir(parents=True, exist_ok=True)
    for index in range(count):
        scene(seed, index, held_out=True, sketch=sketch).picture.save(out / f"scene-{seed}-{index}.png")


@cli.command()
def train(model: str, out: Path, minutes: float = 60, piece: float = 10, threads: int = 2) -> None:
    """Train tiny-paligemma or tiny-qwen3-vl for `piece` minutes of the `minutes` it gets in all; run again to go on."""
    from trainer.demo.train import train

    train(model, out, minutes, piece, threads)


@cli.command()
def tune(base: Path, out: Path, minutes: float = 10, threads: int = 2) -> None:
    """Tune a demo model on sketches: a LoRA adapter."""
    from trainer.demo.adapter import tune

    tune(base, out, minutes, threads)


@cli.command()
def evaluate(model: str = typer.Option(...), scenes: int = 1000, seed: int = 2, sketch: bool = False,
             as_json: bool = typer.Option(False, "--json")) -> None:
    """Measure a model on drawn scenes it never saw."""
    from trainer.demo.evaluate import evaluate

    def progress(done: int, figures: dict) -> None:
        print(f"{done}/{scenes}: {figures['figures']}", file=sys.stderr, flush=True)

    found = evaluate(model, scenes, seed, sketch, progress)
    print(json.dumps(found) if as_json else json.dumps(found, indent=2))


if __name__ == "__main__":
    cli()
