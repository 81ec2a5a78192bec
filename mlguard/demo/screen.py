"""How the demo shows itself: statements and answers as psql would print them. Knows no story."""

from __future__ import annotations

import textwrap
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import psycopg

WIDTH = 100
MOST_ROWS = 8


class Screen:
    """Prints the demo, and runs what it prints."""

    def __init__(self, write: Callable[[str], None]) -> None:
        self._write = write
        self._started = time.monotonic()

    @property
    def seconds(self) -> float:
        """Seconds since the demo began."""
        return time.monotonic() - self._started

    def chapter(self, title: str) -> None:
        """Open a chapter."""
        self._write(f"\n── {title} " + "─" * max(3, WIDTH - len(title) - 4))

    def say(self, text: str) -> None:
        """Print a paragraph of the narrator."""
        self._write(textwrap.fill(" ".join(text.split()), WIDTH, initial_indent="  ", subsequent_indent="  "))

    def show(self, text: str) -> None:
        """Print lines as they are."""
        for line in text.splitlines():
            self._write(f"    {line}")

    def run(self, connection: psycopg.Connection[Any], sql: str) -> bool:
        """Print a statement, run it, and print what the database answers; False where it refused."""
        import psycopg

        lines = [
            part
            for line in textwrap.dedent(sql).strip().splitlines()
            for part in textwrap.wrap(line, WIDTH - 5, subsequent_indent="  ", break_long_words=False)
        ]
        for number, line in enumerate(lines):
            self._write(("  => " if number == 0 else "     ") + line)

        def told(diag: psycopg.errors.Diagnostic) -> None:
            self._diagnostic(diag.severity or "NOTICE", diag, "")

        connection.add_notice_handler(told)
        try:
            cursor = connection.execute(sql.encode())
        except psycopg.Error as error:
            self._diagnostic("ERROR", error.diag, str(error))
            return False
        finally:
            connection.remove_notice_handler(told)
        if cursor.description:
            self.table([column.name for column in cursor.description], cursor.fetchall())
        elif cursor.statusmessage:
            self._write(f"     {cursor.statusmessage}")
        return True

    def table(self, names: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
        """Print a result set."""
        shown = [[_cell(value) for value in row] for row in rows[:MOST_ROWS]]
        widths = [max([len(name), *(len(row[i]) for row in shown)]) for i, name in enumerate(names)]
        self._line(" | ".join(name.ljust(width) for name, width in zip(names, widths, strict=True)))
        self._line("-+-".join("-" * width for width in widths))
        for row in shown:
            self._line(" | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)))
        more = len(rows) - len(shown)
        self._line(f"({len(rows)} row{'' if len(rows) == 1 else 's'}{f', {more} not shown' if more else ''})")

    def _line(self, text: str) -> None:
        self._write("     " + text.rstrip())

    def _diagnostic(self, severity: str, diag: psycopg.errors.Diagnostic, otherwise: str) -> None:
        head = f"{severity}:  {diag.message_primary or otherwise}"
        lines = textwrap.wrap(head, WIDTH - 5, subsequent_indent="        ")
        if diag.sqlstate and severity == "ERROR":
            lines.append(f"SQLSTATE: {diag.sqlstate}   CONSTRAINT: {diag.constraint_name}")
        if diag.message_hint:
            lines += textwrap.wrap(f"HINT:  {diag.message_hint}", WIDTH - 5, subsequent_indent="       ")
        for line in lines:
            self._line(line)


def _cell(value: object) -> str:
    text = "" if value is None else str(value)
    return text if len(text) <= 60 else text[:59] + "…"
