"""The arrival-delay model: a linear one, so a version of it is a table of weights in a JSON file."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path

Features = Mapping[str, str | float]


def describe(carrier: str, origin: str, hour: int, origin_delay_1h: float | None, distance: int) -> Features:
    """Return what the model sees of a flight. No delay is known before the first departure of a day: then 0 minutes."""
    return {
        "carrier": carrier,
        "origin": origin,
        "hour": str(hour),  # a category: delays add up over the day, and not evenly
        "origin_delay_1h": origin_delay_1h or 0.0,
        "distance": float(distance),
    }


def path_of(version: str) -> Path:
    """Return where a version is kept: in the folder DELAY_MODELS, else in models/ beside this file."""
    folder = Path(os.environ.get("DELAY_MODELS") or Path(__file__).parent / "models")
    folder.mkdir(parents=True, exist_ok=True)
    return folder / f"{version}.json"


class Model:
    """A version that was trained, from its file."""

    def __init__(self, path: Path) -> None:
        read = json.loads(path.read_text(encoding="utf-8"))
        self.intercept: float = read["intercept"]
        self.weights: dict[str, float] = read["weights"]

    def predict(self, features: Features) -> float:
        """Return minutes of delay at arrival. A carrier it was not trained on has no weight."""
        total = self.intercept
        for name, value in features.items():
            if isinstance(value, str):
                total += self.weights.get(f"{name}={value}", 0.0)
            else:
                total += self.weights.get(name, 0.0) * value
        return total
