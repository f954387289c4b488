"""Time, volume and chance, in one place: how long a test may wait, how much it does, and which dice it throws."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

#: How long anything may take before a test fails, in seconds. Far more than is ever needed, for slow machines.
PATIENCE = float(os.environ.get("CARILLON_TEST_PATIENCE", "30"))

#: How much the tests with volume do. A sanitizer's build is some ten times slower.
SCALE = float(os.environ.get("CARILLON_TEST_SCALE", "1"))


def scaled(count: int, least: int = 1) -> int:
    """A volume: `count` at scale 1, never below `least`."""
    return max(least, int(count * SCALE))


def dice() -> random.Random:
    """Chance that can be repeated: prints its seed, and takes it from CARILLON_TEST_SEED."""
    seed = os.environ.get("CARILLON_TEST_SEED") or str(random.SystemRandom().randrange(1 << 32))
    print(f"CARILLON_TEST_SEED={seed}")
    return random.Random(seed)


def eventually(read: Callable[[], T], good: Callable[[T], bool], what: str, patience: float = PATIENCE) -> T:
    """Reads until what was read is good. The one place where a test polls."""
    deadline = time.monotonic() + patience
    while True:
        value = read()
        if good(value):
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"{what}: still {value!r} after {patience:g} s")
        time.sleep(0.01)
