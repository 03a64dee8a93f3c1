"""`python -m benchmarks NAME` measures on this machine and prints one line of JSON; docs/benchmarks.md keeps figures.

start      from `python app.py` to a page that can be used
overhead   what the page adds to `generate`, per panel
store      saves that are on the disk, per second
editor     a drag in the browser, with 500 objects on 24 megapixels against 50
batch      eight pictures at once against one after the other
cache      a second question about a picture, seen anew and taken from memory
adapters   a base and its adapters in one batch against one after the other
structure  answers held to their form against free ones
confidence what the score of each box costs
metrics    COCO's numbers and ours, of 5,000 pictures and 107,000 answers
receipt    how often a receipt is wrong, and how small a gain it sees
train      samples a second, memory and utilisation of LoRA training, against the cookbook recipe and plain TRL
"""
from __future__ import annotations

import importlib
import json
import sys

NAMES = ("start", "overhead", "store", "editor", "metrics", "train", "receipt",
         "batch", "cache", "adapters", "structure", "confidence")


def main(arguments: list[str]) -> int:
    if len(arguments) != 1 or arguments[0] not in NAMES:
        print(f"usage: python -m benchmarks {'|'.join(NAMES)}", file=sys.stderr)
        return 2
    print(json.dumps(importlib.import_module(f"benchmarks.{arguments[0]}").run()))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
