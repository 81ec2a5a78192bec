"""Where words go: data to stdout, words to stderr, colour only for terminals, SQL to stderr under -v."""

from __future__ import annotations

import os
from time import perf_counter
from typing import TYPE_CHECKING, Any

import click

from mlguard.cli.log import is_json, log

if TYPE_CHECKING:
    import psycopg

COLOURS = {
    "PASS": "green",
    "FAIL": "red",
    "NOTED": "yellow",
    "INSUFFICIENT": "yellow",
    "ERROR": "magenta",
    "open": "green",
    "closed": "red",
    "INSTALLED": "green",
    "OUTDATED": "yellow",
    "ORPHANED": "yellow",
    "TAMPERED": "red",
    "DISABLED": "red",
    "MISSING": "red",
    "+": "green",
    "~": "yellow",
    "!": "yellow",
    "-": "red",
}


def out(text: str) -> None:
    """Write data."""
    click.echo(text, color=_colour())


def say(text: str) -> None:
    """Write words; as one JSON line where logs are JSON."""
    if is_json():
        log("said", message=text)
        return
    click.echo(text, err=True, color=_colour())


def paint(text: str) -> str:
    """Colour a word that has a colour; click takes it out again where the stream is not a terminal."""
    colour = COLOURS.get(text.strip())
    return click.style(text, fg=colour) if colour else text


def _colour() -> bool | None:
    """Return False under NO_COLOR (any value but the empty one, https://no-color.org), else None: click decides."""
    return False if os.environ.get("NO_COLOR") else None


def loud_cursor() -> type[psycopg.Cursor[Any]]:
    """Return a cursor that prints each query to stderr; parameters stay unprinted, since they may be personal data."""
    import psycopg

    class LoudCursor(psycopg.Cursor[Any]):
        def execute(self, query: Any, params: Any = None, **kwargs: Any) -> Any:
            text = query.decode() if isinstance(query, bytes) else query
            words = text.strip() if isinstance(text, str) else text.as_string(self)
            if not is_json():
                say(words + ";")
            began = perf_counter()
            try:
                return super().execute(query, params, **kwargs)
            finally:
                log("sql", sql=words, seconds=round(perf_counter() - began, 6))

    return LoudCursor
