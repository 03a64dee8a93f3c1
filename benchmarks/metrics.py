"""All metrics of 5,000 pictures with 20 boxes each and 107,000 answers, from the files on; others in the same run.

Each engine is a process of its own, so that its memory is its own; imports are not counted. `ours` reads both files,
checks every row, and gives COCO's twelve numbers, precision, recall, F1 and mean IoU with bootstrap intervals.
"""
from __future__ import annotations

import contextlib
import importlib.util
import io
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

PICTURES, BOXES, LABELS = 5_000, 20, 80
SIZE = (640, 480)
TIMES = 3  # of ours and hotcoco, the median; the slow ones run once
PACKAGES = {"ours": "hotcoco", "hotcoco": "hotcoco", "faster_coco_eval": "faster_coco_eval",
            "pycocotools": "pycocotools", "supervision": "supervision"}


def run(pictures: int = PICTURES) -> dict:
    """Seconds and the most memory, in MB, of each engine that is installed; how far their AP lie apart."""
    with tempfile.TemporaryDirectory() as folder:
        answers = write(Path(folder), pictures)
        engines = {}
        for name, package in PACKAGES.items():
            if importlib.util.find_spec(package):
                done = [_measured(name, folder) for _ in range(TIMES if name in ("ours", "hotcoco") else 1)]
                engines[name] = sorted(done, key=lambda each: each["seconds"])[len(done) // 2]
    known = [each["AP"] for name, each in engines.items() if name != "supervision"]
    return {"pictures": pictures, "boxes": pictures * BOXES, "answers": answers, "engines": engines,
            "AP_apart": max(known) - min(known)}


def write(folder: Path, pictures: int) -> int:
    """Draw truth.json and answers.json, as `prototypes/performance` did; the number of answers."""
    import numpy as np
    rng = np.random.default_rng(0)

    def drawn(count: int):
        corner = rng.uniform(0, [SIZE[0] - 64, SIZE[1] - 64], (count, 2))
        return np.concatenate([corner, np.exp(rng.uniform(np.log(8), np.log(200), (count, 2)))], axis=1)

    truth, answers = [], []
    for image in range(1, pictures + 1):
        boxes, labels = drawn(BOXES), rng.integers(1, LABELS + 1, BOXES)
        truth += [{"id": len(truth) + i + 1, "image_id": image, "category_id": label, "bbox": box,
                   "area": box[2] * box[3], "iscrowd": 0}
                  for i, (box, label) in enumerate(zip(boxes.tolist(), labels.tolist()))]
        kept, more = rng.random(BOXES) < 0.85, int(rng.integers(2, 8))
        near = boxes[kept] + rng.normal(0, 3, (kept.sum(), 4))
        said = np.where(rng.random(kept.sum()) < 0.93, labels[kept], rng.integers(1, LABELS + 1, kept.sum()))
        given = np.concatenate([np.maximum(near, [-9, -9, 1, 1]), drawn(more)])
        said = np.concatenate([said, rng.integers(1, LABELS + 1, more)])
        scores = np.concatenate([rng.random(kept.sum()) * 0.5 + 0.5, rng.random(more) * 0.6])
        answers += [{"image_id": image, "category_id": label, "bbox": box, "score": score}
                    for box, label, score in zip(given.tolist(), said.tolist(), scores.tolist())]
    images = [{"id": i + 1, "file_name": f"{i + 1}.jpg", "width": SIZE[0], "height": SIZE[1]} for i in range(pictures)]
    labels = [{"id": i + 1, "name": f"class {i + 1}"} for i in range(LABELS)]
    (folder / "truth.json").write_text(json.dumps({"info": {}, "images": images, "categories": labels,
                                                   "annotations": truth}))
    (folder / "answers.json").write_text(json.dumps(answers))
    return len(answers)


def _measured(engine: str, folder: str) -> dict:
    done = subprocess.run([sys.executable, "-m", "benchmarks.metrics", engine, folder], capture_output=True, text=True,
                          check=True, cwd=Path(__file__).resolve().parents[1])
    return json.loads(done.stdout.splitlines()[-1])


def ours(truth: Path, answers: Path) -> float:
    from app.metrics import coco
    return coco.of_files(truth.read_bytes(), answers.read_bytes())["AP"]


def hotcoco(truth: Path, answers: Path) -> float:
    from hotcoco import COCO, COCOeval
    return _coco(COCO, COCOeval, truth, answers)


def pycocotools(truth: Path, answers: Path) -> float:
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval
    return _coco(COCO, COCOeval, truth, answers)


def faster_coco_eval(truth: Path, answers: Path) -> float:
    from faster_coco_eval import COCO, COCOeval_faster
    return _coco(COCO, COCOeval_faster, truth, answers)


def supervision(truth: Path, answers: Path) -> float:
    import numpy as np
    from supervision import Detections
    from supervision.metrics import MeanAveragePrecision
    sides: tuple[dict, dict] = ({}, {})
    for side, rows in zip(sides, (json.loads(truth.read_text())["annotations"], json.loads(answers.read_text()))):
        for row in rows:
            side.setdefault(row["image_id"], []).append(row)

    def detections(rows: list[dict]):
        x, y, w, h = np.array([row["bbox"] for row in rows]).T
        return Detections(np.stack([x, y, x + w, y + h], axis=1),
                          class_id=np.array([row["category_id"] for row in rows]),
                          confidence=np.array([row.get("score", 1.0) for row in rows]))
    metric = MeanAveragePrecision()
    metric.update([detections(sides[1].get(image, [])) for image in sides[0]],
                  [detections(rows) for rows in sides[0].values()])
    return float(metric.compute().map50_95)


def _coco(COCO, COCOeval, truth: Path, answers: Path) -> float:
    wanted = COCO(str(truth))
    evaluation = COCOeval(wanted, wanted.loadRes(str(answers)), "bbox")
    evaluation.evaluate()
    evaluation.accumulate()
    evaluation.summarize()
    return float(evaluation.stats[0])


def main(engine: str, folder: Path) -> None:
    measure = globals()[engine]
    importlib.import_module("app.metrics.coco" if engine == "ours" else PACKAGES[engine])
    with contextlib.redirect_stdout(io.StringIO()):
        began = time.perf_counter()
        found = measure(folder / "truth.json", folder / "answers.json")
        seconds = time.perf_counter() - began
    print(json.dumps({"seconds": round(seconds, 2), "AP": found,
                      "mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024}))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
