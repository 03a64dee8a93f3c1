"""Waiting for a state instead of sleeping: a busy machine is slow, and not wrong."""
from __future__ import annotations

import time
from collections.abc import Callable


def wait(true: Callable[[], object], seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, f"it did not come about within {seconds} seconds"
        time.sleep(0.05)
