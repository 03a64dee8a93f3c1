"""A dataset's card: what is in it, counted, in the form that the Hub shows."""
from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from app.types import Sample

KINDS = {"detect": "object-detection", "ground": "zero-shot-object-detection", "phrases": "zero-shot-object-detection",
         "point": "keypoint-detection", "keypoints": "keypoint-detection", "count": "visual-question-answering",
         "ask": "visual-question-answering"}
SHOWN = 50  # classes in the table


@dataclass
class Facts:
    """Counts that grow with the samples."""
    samples: int = 0
    tasks: Counter = field(default_factory=Counter)
    splits: Counter = field(default_factory=Counter)
    classes: Counter = field(default_factory=Counter)
    sizes: Counter = field(default_factory=Counter)
    unanswered: int = 0
    nothing: int = 0

    def add(self, sample: Sample) -> None:
        self.samples += 1
        self.tasks[sample.task] += 1
        self.splits[sample.images[0].split or "train"] += 1
        self.unanswered += sample.truth is None and sample.answer is None
        self.nothing += sample.truth == ()
        if sample.task not in ("ground", "point", "ask"):  # whose labels are whole expressions
            self.classes.update(annotation.label for annotation in sample.truth or ())
        self.sizes.update(size_word(image.size) for image in sample.images)


SIZES = ((0.1, "under 0.1 MP"), (0.5, "0.1–0.5 MP"), (2, "0.5–2 MP"), (8, "2–8 MP"), (float("inf"), "over 8 MP"))


def size_word(size: tuple[int, int]) -> str:
    """In which band of megapixels a picture lies."""
    millions = size[0] * size[1] / 1e6
    return next(word for limit, word in SIZES if millions < limit)


def of(facts: Facts) -> str:
    kinds = sorted({KINDS[task] for task in facts.tasks if task in KINDS})
    head = ["---", "task_categories:", *(f"- {kind}" for kind in kinds), "tags:", "- boxloop", "configs:",
            "- config_name: default", "  data_files:"]
    for split in facts.splits:
        head += [f"  - split: {'validation' if split == 'val' else split}", f"    path: data/{split}-*.parquet"]
    return "\n".join([*(head if facts.samples else ["---", "tags:", "- boxloop"]), "---", "", "# Dataset", "",
                      f"{facts.samples:,} samples exported by Boxloop: a question about a picture and its true "
                      "answer each.", "", *_table("task", facts.tasks), *_table("split", facts.splits),
                      *_table("class", facts.classes), *_table("size", facts.sizes), *_absences(facts), COLUMNS])


def _table(title: str, counts: Counter) -> list[str]:
    if not counts:
        return []
    rows = [f"| {_cell(name)} | {count:,} |" for name, count in counts.most_common(SHOWN)]
    more = [f"| and {len(counts) - SHOWN:,} more | |"] if len(counts) > SHOWN else []
    return [f"| {title} | number |", "|---|---|", *rows, *more, ""]


def _cell(text: str) -> str:
    """Text that breaks no table and carries no markup."""
    return "".join(f"\\{c}" if c in "\\|`*_[]<>#&!" else c for c in " ".join(text.split()))[:100]


def _absences(facts: Facts) -> list[str]:
    return [f"{facts.nothing:,} samples say that nothing is there (`objects` is empty); nobody has answered "
            f"{facts.unanswered:,} (`objects` is null).", ""]


COLUMNS = """## Columns

`images` (the files as they were), `task`, `query` (names separated by `;`, an expression, a caption or a question),
`objects` (`label`, `bbox` as x1, y1, x2, y2 in pixels of the upright picture, `points`, `crowd`, `area`, `score`),
`answer`, `source`, `split`.

```python
from datasets import load_dataset
rows = load_dataset("path/to/this/folder")
```
"""
