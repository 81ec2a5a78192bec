"""The verb: open the source, collect proposals, validate, and return the text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlguard.errors import EngineError, PlanError
from mlguard.names import TableName, quote_ident
from mlguard.suggest import (
    opening,
    propose_keys,
    propose_number,
    propose_pairs,
    propose_presence,
    propose_text,
    propose_windows,
    windows,
)
from mlguard.suggest.engine import Source
from mlguard.suggest.facts import Column, Draft, Profile, Proposal
from mlguard.suggest.fold import fold
from mlguard.suggest.names import is_surely_id
from mlguard.suggest.profile import Step, profile
from mlguard.suggest.statistics import count, share_up, unseen_below
from mlguard.suggest.update import Merged, merge, personal
from mlguard.suggest.validate import validate
from mlguard.suggest.write import write

if TYPE_CHECKING:
    from mlguard.connect import Target

FILE_ROWS = 5_000_000
TABLE_ROWS = 200_000
FEW = 60  # different values up to which they are counted one by one
LEAST_USUAL = 8  # windows from which learned health begins to say something


@dataclass(frozen=True)
class Options:
    """How to suggest.

    Attributes:
        table: schema.table the file is about; None for the source's own name.
        event_time: column that orders rows; None to look for one.
        history: learn limits over windows (days of event time, or files of a folder) as well.
        group: fold equal lines of many columns into groups.
        confidence: of every bound, 0.5 to below 1.
        sample: rows that tails and distinct values are taken from; None: 5 million of files, 200,000 of a table. What
            is proposed is counted over all rows whatever it is.
        now: the time that freshness is held against; None: of this run.
    """

    table: str | None = None
    event_time: str | None = None
    history: bool = False
    group: bool = False
    confidence: float = 0.99
    sample: int | None = None
    now: datetime | None = None


@dataclass(frozen=True)
class Suggestion:
    """A proposed SLO file.

    Attributes:
        text: the file.
        draft: the same as data.
        rows: rows of the source.
        added, kept: with an existing file: what was added to it, and what differs and was left as a person wrote it.
    """

    text: str
    draft: Draft = field(repr=False)
    rows: int = 0
    added: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()

    def __str__(self) -> str:
        return self.text

    def save(self, path: str | Path) -> Path:
        """Write the file.

        Raises:
            FileExistsError: there is one already; `suggest(…, update=path)` merges.
        """
        target = Path(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("x", encoding="utf-8", newline="\n") as file:
            file.write(self.text)
        return target


def suggest(
    source: Any,
    options: Options | None = None,
    *,
    target: Target = None,
    update: str | Path | None = None,
    step: Step | None = None,
) -> Suggestion:
    """Propose an SLO file.

    Args:
        source: `schema.table` of the database; a path, folder, pattern or URI of Parquet, CSV or JSON lines;
            `x.duckdb:table`; or a pandas or polars frame, an Arrow table, a DuckDB relation.
        options: see there.
        target: the database, for a table.
        update: an SLO file to merge into; it is read, not written.
        step: told what is being done.

    Raises:
        EngineError: the source cannot be read.
        PlanError: an option does not fit it.
        SpecError: `update` is about another table.
    """
    options = options or Options()
    if not 0.5 <= options.confidence < 1:
        raise PlanError(f"a confidence of {options.confidence}", help="give one from 0.5 to below 1, such as 0.99")
    before = _read(Path(update)) if update is not None else None
    with _opened(source, options, target) as opened:
        draft, rows = _draft(opened, options, step, personal(before) if before is not None else ())
    if options.group and before is None:
        draft = fold(draft)
    if before is None:
        return Suggestion(write(draft), draft, rows)
    merged: Merged = merge(before, draft, str(update))
    return Suggestion(merged.text, draft, rows, merged.added, merged.kept)


def _read(path: Path) -> str:
    """Return the text as it is, its line ends too."""
    with path.open(encoding="utf-8", newline="") as file:
        return file.read()


@contextmanager
def _opened(source: Any, options: Options, target: Target) -> Iterator[Source]:
    if options.table is not None:
        try:
            TableName.parse(options.table)
        except ValueError as error:
            raise PlanError(f"{options.table!r} is no table: {error}") from error
    if isinstance(source, (str, Path)):
        table = opening.table_of(str(source)) if isinstance(source, str) else None
        if table is not None:
            from mlguard.connect import session
            from mlguard.suggest.postgres import PostgresSource

            with session(target) as connection:
                opened = PostgresSource(connection, table, options.sample or TABLE_ROWS)
                opened.table = options.table or opened.table
                yield opened
            return
        yield opening.open_path(str(source), options.table, options.sample or FILE_ROWS)
        return
    yield opening.open_frame(source, options.table, options.sample or FILE_ROWS)


def _draft(source: Source, options: Options, step: Step | None, pii: Sequence[str]) -> tuple[Draft, int]:
    draft = Draft(source.table)
    odd = [column for column in source.columns if not _can_be_named(column.name)]
    twice = _twice(source.columns)
    source.columns = tuple(c for c in source.columns if c not in odd and c.name not in twice)
    draft.notes += [
        f"column {c.index + 1}: PostgreSQL cannot have its name ({len(c.name.encode())} bytes)" for c in odd
    ]
    draft.notes += [f"{name}: more than one column has this name" for name in sorted(twice)]
    if not source.columns:
        raise EngineError(f"{source.name} has no columns that a table could have")
    if options.event_time is not None and not any(c.name == options.event_time for c in source.columns):
        raise PlanError(
            f"{source.name} has no column {options.event_time}",
            help=f"columns: {', '.join(c.name for c in source.columns)}",
        )
    found = profile(source, event_time=options.event_time, confidence=options.confidence, pii=pii, step=step)
    seen = windows.read(source, found, history=options.history)
    if options.history and seen is None:
        raise PlanError(
            "--history needs windows, and there are none",
            help="name a column of times with --event-time, or give a folder of partitions",
        )
    _fill(draft, source, found, seen, options)
    draft.head = _head(source, found)
    return draft, found.rows


def _fill(draft: Draft, source: Source, found: Profile, seen: windows.Windows | None, options: Options) -> None:
    proposals: list[Proposal] = []
    unique = list(propose_keys.unique(source, found))
    rates = {one.column: one for one in propose_windows.null_rates(seen, found)} if seen is not None else {}
    growing = {one.column: one for one in propose_keys.growing(source, found)}
    for column in found.columns:
        mine = [one for one in propose_presence.propose(column, found) if seen is None or one.key != "max_null_rate"]
        mine += [rates[column.name]] if column.name in rates else []
        mine += [one for one in unique if one.column == column.name]
        if column.is_number:
            mine += propose_number.propose(column, found)
        elif column.is_text:
            mine += propose_text.propose(column, found, source.dialect, _values(source, found, column))
        mine += [growing[column.name]] if column.name in growing else []
        proposals += mine
    proposals += propose_pairs.propose(found, source.dialect)
    kept, notes = validate(source, found, proposals)
    for proposal in kept:
        if proposal.column is not None:
            draft.columns.setdefault(proposal.column, []).append(proposal)
        else:
            draft.slos.append(proposal)
    draft.notes += notes
    for column in found.columns:
        if (one := propose_number.finite(column, found)) and not _has_range(draft, column):
            draft.columns.setdefault(column.name, []).append(one)
    _settings(draft, source, found, [str(one.column) for one in unique])
    _over_time(draft, source, found, seen, options)
    _name_apart(draft)


def _has_range(draft: Draft, column: Column) -> bool:
    return any(one.key == "range" for one in draft.columns.get(column.name, ()))


def _settings(draft: Draft, source: Source, found: Profile, singles: list[str]) -> None:
    key = propose_keys.key(source, found, singles)
    if key is not None:
        draft.settings.append(key)
    if found.event_time is not None:
        name = found.event_time.name
        low, high = found.of(found.event_time).low, found.of(found.event_time).high
        shown = "" if name in found.pii else f"; {str(low)[:19]} to {str(high)[:19]}"
        draft.settings.append(Proposal(None, "event_time", _expression(name), f"{found.event_time_why}{shown}"))


def _over_time(draft: Draft, source: Source, found: Profile, seen: windows.Windows | None, options: Options) -> None:
    if seen is None:
        return
    if seen.unit == windows.BLOCKS:
        return
    if seen.unit == windows.DAYS:
        now = options.now or datetime.now(UTC)
        for proposal, why in (propose_windows.freshness(source, found, now), propose_windows.volume(seen, now)):
            draft.slos += [proposal] if proposal is not None else []
            draft.notes += [why] if why else []
    for proposal in propose_windows.means(seen, found) if options.history else ():
        if proposal.key:
            draft.slos.append(proposal)
        else:
            draft.notes.append(proposal.evidence)
    if sum(rows > 0 for rows in seen.rows) >= LEAST_USUAL:
        evidence = f"learned from {len(seen.rows)} {seen.unit}; on trial at first, recorded and nothing more"
        draft.settings.append(Proposal(None, "usual", "all", evidence))


def _values(source: Source, found: Profile, column: Column) -> Sequence[tuple[str | None, int, int]] | None:
    if not 0 < found.of(column).distinct <= FEW or column.name in found.pii or is_surely_id(column.name):
        return None
    ref = column.ref
    return source.query(
        f"select {ref}::text, count(*) filter (where part = 0), count(*) filter (where part = 1)"
        f" from {source.sample} group by 1 limit {FEW + 40}"
    )


def _can_be_named(name: str) -> bool:
    try:
        quote_ident(name)
        name.encode()
    except ValueError:  # UnicodeEncodeError is one
        return False
    return True


def _twice(columns: Sequence[Column]) -> set[str]:
    names = [column.name for column in columns]
    return {name for name in names if names.count(name) > 1}


def _expression(name: str) -> str:
    plain = name.isidentifier() and name.isascii() and name == name.lower()
    return name if plain else quote_ident(name)


def _name_apart(draft: Draft) -> None:
    """Give rules of one name a number each."""
    seen: dict[str, int] = {}
    for place, slo in enumerate(draft.slos):
        seen[slo.key] = seen.get(slo.key, 0) + 1
        if seen[slo.key] > 1:
            draft.slos[place] = replace(slo, key=f"{slo.key}_{seen[slo.key]}")


def _head(source: Source, found: Profile) -> list[str]:
    sampled = ""
    if found.profiled < found.rows:
        sampled = f", tails and different values from a sample of {count(found.profiled)}"
    below = share_up(unseen_below(max(found.rows, 1), found.confidence))
    every = f"Every rule holds in all {count(found.rows)} rows: at {found.confidence:.0%} confidence fewer than {below}"
    return [
        f"Proposed from {source.name}: {count(found.rows)} rows of {len(found.columns)} columns{sampled}.",
        f"{found.split[:1].upper()}{found.split[1:]}.",
        f"{every} of rows like these break it.",
        "What holds by accident, only you can tell: strike it. `warn` records and refuses nothing.",
    ]
