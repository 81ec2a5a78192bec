"""`then:` beyond notify: which SLOs can have a model retrained, rolled back, or predictions withdrawn. Pure."""

from __future__ import annotations

from mlguard.compile.draft import Scene
from mlguard.errors import Problem
from mlguard.program import Level, Rule
from mlguard.spec.models import SloFile

ACTS = ("retrain", "rollback_model", "withdraw")


def judge_then(file: SloFile, scene: Scene, rules: tuple[Rule, ...]) -> None:
    """Refuse further actions that could never happen, each with what to write instead."""
    for rule in rules:
        for word in rule.then:
            fault = _fault(word, file, scene, rule) if word in ACTS else None
            if fault is not None:
                scene.problems.append(Problem(f"`then: {word}`: {fault[0]}", rule.where_in_file, fault[1]))


def _fault(word: str, file: SloFile, scene: Scene, rule: Rule) -> tuple[str, str] | None:
    """Return what is wrong and what to do, None where the action can happen."""
    if file.model is None:
        return f"{scene.table} holds no predictions of a model", "say it in the SLO file that has `model:`"
    if rule.level not in (Level.BATCH, Level.WINDOW):
        return (
            "it follows an incident, and only SLOs over metrics open one that says how a model does",
            "write share(<check>) >= 0.99 over a window",
        )
    if word == "rollback_model" and (file.version_column is None or file.version_column not in rule.by):
        return (
            "which version fails, and that the one before does not, is only known by version",
            f"add by: {file.version_column}" if file.version_column else "add version_column:, and by: that column",
        )
    return _no_withdrawal(file, scene, rule) if word == "withdraw" else None


def _no_withdrawal(file: SloFile, scene: Scene, rule: Rule) -> tuple[str, str] | None:
    if rule.over is None or rule.over.kind != "calendar":
        return (
            "the rows of a calendar window are withdrawn; a batch or a window that slides has none of its own",
            "write over: 1 day, or over: 7 days",
        )
    if file.event_time is None:
        return "without event_time nobody knows which rows are of a window", "add event_time: <column>"
    if file.reads not in ("view", "rename"):
        return "withdrawn rows are left out of the guarded view, and this table has none", "use reads: view"
    foreign = [name for name in rule.by if scene.shape.column(name) is None]
    if foreign and not scene.shape.declared:
        return (
            f"{foreign[0]} is no column of {scene.table}, so its rows cannot be told apart when they are read",
            f"leave {foreign[0]} out of `by`: all rows of the window are withdrawn then",
        )
    return None
