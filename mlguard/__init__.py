"""SLOs on feature, label and prediction tables, compiled into PostgreSQL constraints, triggers and read gates.

The names below are imported when first used, so that `import mlguard` loads no driver and no parser.
"""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mlguard.api import Applied, apply, check, compile_sql, load, plan, remove, suggest
    from mlguard.declarative import from_metadata
    from mlguard.errors import (
        ApplyError,
        CompileError,
        EngineError,
        EvaluationError,
        MlguardError,
        PlanError,
        RuntimeVersionError,
        SpecError,
    )
    from mlguard.exercise import compare, mutate, run_examples
    from mlguard.frames import LoadResult, read
    from mlguard.report.verdict import Outcome, Report, Verdict
    from mlguard.suggest import Suggestion
    from mlguard.violation import (
        ModelNotApproved,
        ReadHeld,
        SloViolation,
        TrainingRefused,
        WriteRefused,
        violations,
    )

__version__ = "0.1.0"

_HOMES = {
    "mlguard.api": ("Applied", "apply", "check", "compile_sql", "load", "plan", "remove", "suggest"),
    "mlguard.declarative": ("from_metadata",),
    "mlguard.errors": (
        "ApplyError",
        "CompileError",
        "EngineError",
        "EvaluationError",
        "MlguardError",
        "PlanError",
        "RuntimeVersionError",
        "SpecError",
    ),
    "mlguard.exercise": ("compare", "mutate", "run_examples"),
    "mlguard.frames": ("LoadResult", "read"),
    "mlguard.report.verdict": ("Outcome", "Report", "Verdict"),
    "mlguard.suggest": ("Suggestion",),
    "mlguard.violation": (
        "ModelNotApproved",
        "ReadHeld",
        "SloViolation",
        "TrainingRefused",
        "WriteRefused",
        "violations",
    ),
}
_HOME = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [
    "Applied",
    "ApplyError",
    "CompileError",
    "EngineError",
    "EvaluationError",
    "LoadResult",
    "MlguardError",
    "ModelNotApproved",
    "Outcome",
    "PlanError",
    "ReadHeld",
    "Report",
    "RuntimeVersionError",
    "SloViolation",
    "SpecError",
    "Suggestion",
    "TrainingRefused",
    "Verdict",
    "WriteRefused",
    "__version__",
    "apply",
    "check",
    "compare",
    "compile_sql",
    "from_metadata",
    "load",
    "mutate",
    "plan",
    "read",
    "remove",
    "run_examples",
    "suggest",
    "violations",
]


class _Package(ModuleType):
    """Keeps `mlguard.plan` and `mlguard.apply` the verbs, where importing the submodules would put modules.

    Inside the package, import from the submodule: `from mlguard.apply import run`.
    """

    def __setattr__(self, name: str, value: Any) -> None:
        if not (name in _HOME and isinstance(value, ModuleType)):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(_HOME[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
