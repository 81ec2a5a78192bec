"""SLO files tried out before they guard anything: their examples, mutants of their rules, two versions on data."""

from __future__ import annotations

from mlguard.exercise.differences import Comparison, Difference, compare
from mlguard.exercise.mutants import mutate
from mlguard.exercise.run import ENGINES, ExampleReport, run_examples

__all__ = ["ENGINES", "Comparison", "Difference", "ExampleReport", "compare", "mutate", "run_examples"]
