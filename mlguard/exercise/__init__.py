"""SLO files tried out before they guard anything: their examples, mutants of their rules, two versions on data."""

from __future__ import annotations

from mlguard.exercise.compare import Comparison, Difference, compare
from mlguard.exercise.mutate import mutate
from mlguard.exercise.run import ENGINES, ExampleReport, run_examples

__all__ = ["ENGINES", "Comparison", "Difference", "ExampleReport", "compare", "mutate", "run_examples"]
