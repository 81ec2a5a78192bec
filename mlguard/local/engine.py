"""The DuckDB that judges: opened with bounds on memory, its errors in words, progress while a query runs."""

from __future__ import annotations

import os
import tempfile
import threading
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlguard.errors import EngineError, EvaluationError

if TYPE_CHECKING:
    import duckdb
    import pandas as pd

Progress = Callable[[str, int, int], None]
SHARE_OF_MEMORY = 0.5  # of what the machine has; what does not fit is spilled to the temporary folder
LANDED = "mlguard landed"  # the schema of views of the rows that land, called by their table's whole name
POLL = 0.2  # seconds between two looks at how far a query is


class Engine:
    """A connection to a DuckDB of its own, in memory.

    Args:
        connection: the connection.
        progress: called with (what, percent, 100) while a long query runs; None: nobody watches.
        trace: called with every query.
    """

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        progress: Progress | None = None,
        trace: Callable[[str], None] | None = None,
    ) -> None:
        self.connection, self.progress, self.trace = connection, progress, trace
        self.views: dict[str, str] = {}  # table → what it is, for messages

    def rows(self, sql: str, what: str, *, table: str = "") -> list[tuple[Any, ...]]:
        """Run a query and return its rows.

        Args:
            sql: the query.
            what: what it is for, in words: shown beside the progress.
            table: the table it reads, for the message where it fails.

        Raises:
            EvaluationError: DuckDB could not run it, for instance because a file cannot be read.
        """
        import duckdb

        if self.trace is not None:
            self.trace(sql)
        try:
            with self._watched(what):
                return self.connection.execute(sql).fetchall()
        except duckdb.Error as error:
            raise self.failure(error, table) from error

    def frame(self, sql: str) -> pd.DataFrame:
        """Run a query and return its rows as a pandas frame.

        Raises:
            EvaluationError: DuckDB could not run it.
        """
        import duckdb

        try:
            with warnings.catch_warnings():
                # DuckDB 2.0 calls pandas in a way that pandas 3 will refuse; that is between the two of them.
                warnings.simplefilter("ignore", DeprecationWarning)
                warnings.simplefilter("ignore", FutureWarning)
                warnings.simplefilter("ignore", PendingDeprecationWarning)
                found: pd.DataFrame = self.connection.execute(sql).df()
        except duckdb.Error as error:
            raise self.failure(error, "") from error
        return found

    def run(self, sql: str, parameters: Sequence[Any] = ()) -> None:
        """Run a statement; errors are DuckDB's own."""
        if self.trace is not None:
            self.trace(sql)
        self.connection.execute(sql, list(parameters))

    def failure(self, error: Exception, table: str) -> EvaluationError:
        """Return DuckDB's error with the file it came from, in words."""
        said = first_line(error)
        source, name = self.views.get(table), table.removeprefix(f"{LANDED}.")
        return EvaluationError(f"{source or name} could not be judged as {name}: {said}" if table else said)

    @contextmanager
    def _watched(self, what: str) -> Iterator[None]:
        if self.progress is None:
            yield
            return
        done = threading.Event()
        report = self.progress

        def watch() -> None:
            while not done.wait(POLL):
                percent = self.connection.query_progress()
                if percent > 0:
                    report(what, min(int(percent), 100), 100)

        watcher = threading.Thread(target=watch, daemon=True)
        watcher.start()
        try:
            yield
        finally:
            done.set()
            watcher.join()


def first_line(error: Exception) -> str:
    """Return what DuckDB says in one line, without its advice about settings of its own."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    kept: list[str] = []
    for line in lines:
        if line.startswith(("LINE ", "Candidate", "If you ", "*", "Possible ", "This type can be")) or line == "^":
            break
        kept.append(line)
    return " ".join(kept)[:400]


@contextmanager
def engine(progress: Progress | None = None, trace: Callable[[str], None] | None = None) -> Iterator[Engine]:
    """Open a DuckDB in memory.

    Raises:
        EngineError: DuckDB is not installed.
    """
    opened = open_engine(progress, trace)
    try:
        yield opened
    finally:
        opened.connection.close()


def open_engine(progress: Progress | None = None, trace: Callable[[str], None] | None = None) -> Engine:
    """Open a DuckDB in memory; the caller closes its connection.

    Raises:
        EngineError: DuckDB is not installed.
    """
    try:
        import duckdb
    except ImportError:
        raise EngineError(
            "judging files and frames needs DuckDB, which is not installed", help="pip install 'mlguard-db[local]'"
        ) from None
    folder = Path(os.environ.get("MLGUARD_TEMP") or tempfile.gettempdir()) / f"mlguard-{os.getpid()}"
    connection = duckdb.connect(
        ":memory:",
        config={
            "memory_limit": f"{max(_memory() * SHARE_OF_MEMORY / 2**20, 256):.0f}MiB",
            "temp_directory": str(folder),
            "allow_unsigned_extensions": "false",
        },
    )
    connection.execute("set timezone = 'UTC'")
    if progress is not None:
        connection.execute("set enable_progress_bar = true")
        connection.execute("set enable_progress_bar_print = false")
    return Engine(connection, progress, trace)


def _memory() -> float:
    """Return the memory of the machine, or of its control group, in bytes."""
    found = [float(os.sysconf("SC_PAGE_SIZE")) * os.sysconf("SC_PHYS_PAGES")]
    limit = Path("/sys/fs/cgroup/memory.max")
    if limit.exists() and (text := limit.read_text().strip()).isdigit():
        found.append(float(text))
    return min(found)
