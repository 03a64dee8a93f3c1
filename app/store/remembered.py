"""What a process was told and need not be told again, because it never changes: up to so much of it."""
from __future__ import annotations

import threading
from collections import OrderedDict
from typing import Any

MOST = 100_000  # of the weight of all; a correction weighs 10 and as much as it has objects: about 50 MB


class Remembered:
    """By what was asked for last, from any thread."""

    def __init__(self, most: int = MOST):
        self._known: OrderedDict[Any, tuple[Any, int]] = OrderedDict()
        self._lock = threading.Lock()
        self._most, self._weight = most, 0

    def get(self, id: Any) -> Any:
        with self._lock:
            if id not in self._known:
                return None
            self._known.move_to_end(id)
            return self._known[id][0]

    def put(self, id: Any, value: Any, weight: int) -> None:
        with self._lock:
            self._weight += weight - self._known.pop(id, (None, 0))[1]
            self._known[id] = value, weight
            while self._weight > self._most:
                self._weight -= self._known.popitem(last=False)[1][1]

    def clear(self) -> None:
        with self._lock:
            self._known.clear()
            self._weight = 0
