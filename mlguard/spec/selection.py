"""--select: which tables and SLOs a verb is about."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from mlguard.errors import Problem
from mlguard.spec.base import nearest
from mlguard.spec.columns import ColumnRules
from mlguard.spec.models import SloFile
from mlguard.spec.source import shown

KINDS = ("table", "tag", "slo")
_FORM = "write table:features.customer, tag:nightly or slo:age.range; * stands for anything"


@dataclass(frozen=True)
class Term:
    """One word of --select."""

    kind: str
    pattern: str

    def __str__(self) -> str:
        return f"{self.kind}:{self.pattern}"

    def covers(self, table: str, name: str, tags: Iterable[str]) -> bool:
        """Tell whether the term is about the SLO `name` of `table`."""
        if self.kind == "table":
            return fnmatchcase(table, self.pattern)
        if self.kind == "tag":
            return any(fnmatchcase(tag, self.pattern) for tag in tags)
        return fnmatchcase(name, self.pattern) or fnmatchcase(f"{table}/{name}", self.pattern)


@dataclass(frozen=True)
class Selection:
    """Terms of which one must fit; none at all selects everything."""

    terms: tuple[Term, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.terms)

    def covers(self, table: str, name: str, tags: Iterable[str] = ()) -> bool:
        """Tell whether the SLO is selected; `tags` are its own and its file's."""
        known = tuple(tags)
        return not self.terms or any(term.covers(table, name, known) for term in self.terms)

    def covers_file(self, file: SloFile) -> bool:
        """Tell whether anything of the file is selected."""
        return not self.terms or any(covers_file(term, file) for term in self.terms)


def parse_selection(words: Sequence[str]) -> tuple[Selection, list[Problem]]:
    """Read `table:x,tag:y`, each word on its own or several with commas."""
    terms: list[Term] = []
    faults: list[Problem] = []
    for word in (part.strip() for each in words for part in each.split(",")):
        kind, colon, pattern = word.partition(":")
        if not word:
            continue
        if not colon or not pattern:
            faults.append(Problem(f"--select {shown(word)}: what is selected?", help=_FORM))
        elif kind not in KINDS:
            near = nearest(kind, KINDS)
            faults.append(
                Problem(
                    f"--select {shown(word)}: no `{shown(kind)}`", help=f'did you mean "{near}"?' if near else _FORM
                )
            )
        else:
            terms.append(Term(kind, pattern))
    return Selection(tuple(terms)), faults


def unmatched(selection: Selection, files: Sequence[SloFile]) -> Iterator[Problem]:
    """Yield a fault for each term that fits nothing: a typing error must not pass as `nothing to do`."""
    for term in selection.terms:
        if any(covers_file(term, file) for file in files):
            continue
        known = {value for file in files for value in _known(term.kind, file)}
        near = nearest(term.pattern, sorted(known))
        yield Problem(
            f"--select {shown(str(term))} fits nothing", help=f'did you mean "{term.kind}:{near}"?' if near else ""
        )


def covers_file(term: Term, file: SloFile) -> bool:
    """Tell whether the term fits the file's table or any SLO of it.

    Groups, and the file's `usual`, fit by rule, as `*.finite` would.
    """
    table = str(file.table)
    if term.kind == "table":
        return term.covers(table, "", ())
    return any(term.covers(table, name, tags) for name, tags in slo_names(file)) or any(
        _group_may_hold(term, table, rule, tags) for rule, tags in _group_rules(file)
    )


def slo_names(file: SloFile) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield name and tags of every SLO that the file names, less those whose columns the database alone knows."""
    yield "", file.tags
    for slo in file.slos:
        yield slo.name, file.tags + slo.tags
    for column, rules in file.columns.items():
        for rule, form in rules.rules():
            yield f"{column}.{rule}", file.tags + form.tags
    for name, form_ in (("leak_guard", file.leak_guard), ("arrives_by", file.arrives_by)):
        if form_ is not None:
            yield name, file.tags + form_.tags


def _group_rules(file: SloFile) -> Iterator[tuple[str, tuple[str, ...]]]:
    for group in file.groups:
        for rule, form in ColumnRules.rules(group):
            yield rule, file.tags + form.tags
    if file.usual is not None:
        yield "usual", file.tags + file.usual.tags


def _group_may_hold(term: Term, table: str, rule: str, tags: tuple[str, ...]) -> bool:
    """Tell whether a group's rule may be meant: its columns are known only with the table's."""
    if term.kind == "tag":
        return term.covers(table, "", tags)
    wanted = term.pattern.removeprefix(f"{table}/")
    return wanted.endswith((f".{rule}", "*"))


def _known(kind: str, file: SloFile) -> Iterator[str]:
    if kind == "table":
        yield str(file.table)
    for name, tags in slo_names(file) if kind != "table" else ():
        if kind == "tag":
            yield from tags
        elif name:
            yield name
