"""How many answers a second the store acknowledges, on the disk, to 32 clients at once: `python -m benchmarks.store`.

Four roads in one run, as disks differ: the whole of `Store.keep`; the whole of `Corrections.save`, ten boxes on a
sample of each client's own, one of them moved; one writer thread that commits together whatever queued up; and what
that is compared with, a connection per client that commits each row by itself.
"""
from __future__ import annotations

import json
import sqlite3
import tempfile
import time
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from PIL import Image

from app import pictures, tasks
from app.store import Store, schema
from app.store.database import FILE
from app.types import Annotation, Comparison, Generation, Prediction, Sample

CLIENTS = 32
SECONDS = 4.0
ANSWER = "x" * 1300  # the size of an answer with ten boxes
INSERT = "insert into prediction (id, comparison, sample, model, answer, created) values (?, ?, 's1', 'm', ?, 0)"


def run(clients: int = CLIENTS, seconds: float = SECONDS) -> dict:
    """For each road: acknowledged rows a second, and the milliseconds that a client waited for one."""
    with tempfile.TemporaryDirectory() as folder:
        picture = Path(folder) / "grey.png"
        Image.new("RGB", (64, 48), "grey").save(picture)
        store = Store(Path(folder) / "home")
        comparison = store.begin("me", [Sample("s1", (pictures.read(picture),), "detect", "cat")], ["m"])
        roads = {"keep": lambda _: _keep(store, comparison),
                 "correct": lambda number: _correct(store, comparison, number),
                 "group commit": lambda _: _write(store, comparison),
                 "connection per client": lambda _: _own_connection(Path(folder) / "home" / FILE, comparison)}
        results = {name: _measured(road, clients, seconds) for name, road in roads.items()}
        store.close()
    return {"clients": clients, "seconds": seconds, "sqlite": sqlite3.sqlite_version, "roads": results}


def _keep(store: Store, comparison: Comparison) -> Callable[[str], None]:
    sample, = comparison.samples
    boxes = tuple(Annotation("cat", (1.0, 2.0, 3.0, 4.0)) for _ in range(10))
    prediction = Prediction("m", None, tasks.request(sample.images, "detect", "cat"), Generation(), "detect cat",
                            "cat", None, boxes, "ok", (), 10, 0.5, None)
    return lambda _: store.keep(comparison.id, "s1", prediction)


def _correct(store: Store, comparison: Comparison, client: int) -> Callable[[str], None]:
    """As an editor saves by itself: every time one box has moved."""
    given = replace(comparison.samples[0], query=f"cat; {client}")
    sample, = store.datasets.add(store.datasets.open("corrections").id, [given]).ids
    boxes = [Annotation("cat", (1.0, 2.0, 3.0, 4.0), id=f"a{number}") for number in range(10)]
    newest = ""

    def save(key: str) -> None:
        nonlocal newest
        boxes[0] = replace(boxes[0], box=(1.0, 2.0, boxes[0].box[2] % 60 + 1.5, 4.0))
        newest = store.corrections.save(sample, parent=newest, truth=boxes, author="me", key=key).id
    return save


def _write(store: Store, comparison: Comparison) -> Callable[[str], None]:
    """The writer alone, with the row that the third road writes."""
    def write(id: str) -> None:
        row = {"id": id, "comparison": comparison.id, "sample": "s1", "model": "m", "answer": ANSWER, "created": 0.0}
        store._writer.write(lambda connection: connection.execute(schema.prediction.insert(), row) and None)
    return write


def _own_connection(path: Path, comparison: Comparison) -> Callable[[str], None]:
    connection = sqlite3.connect(path, timeout=60, isolation_level=None, check_same_thread=False)
    connection.execute("pragma synchronous=full")

    def write(id: str) -> None:
        connection.execute("begin immediate")
        connection.execute(INSERT, (id, comparison.id, json.dumps(ANSWER)))
        connection.execute("commit")
    return write


def _measured(road: Callable[[int], Callable[[str], None]], clients: int, seconds: float) -> dict:
    writes = [road(number) for number in range(clients)]
    began = time.monotonic()

    def client(write: Callable[[str], None]) -> list[float]:
        waits = []
        while time.monotonic() < began + seconds:
            asked = time.perf_counter()
            write(uuid.uuid4().hex)
            waits.append(time.perf_counter() - asked)
        return waits

    with ThreadPoolExecutor(clients) as threads:
        waits = list(threads.map(client, writes))
    took, every = time.monotonic() - began, sorted(wait for one in waits for wait in one)
    return {"acks_per_second": round(len(every) / took), "p50_ms": _ms(every, 0.5), "p99_ms": _ms(every, 0.99),
            "worst_ms": _ms(every, 1.0), "fewest_of_a_client": min(map(len, waits))}


def _ms(ordered: list[float], share: float) -> float:
    return round(ordered[min(int(len(ordered) * share), len(ordered) - 1)] * 1000, 1)


if __name__ == "__main__":
    print(json.dumps(run(), indent=2))
