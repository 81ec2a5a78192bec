"""`mlguard watch`."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import click

from mlguard.cli.echo import out, say
from mlguard.cli.options import LENGTH
from mlguard.cli.state import DATABASE, State, formats, shared
from mlguard.cli.target import project_file
from mlguard.errors import Exit

if TYPE_CHECKING:
    from mlguard.operate.watch import Change


@click.command("watch")
@shared(*DATABASE, "slos")
@click.option(
    "--interval", type=LENGTH, default="60s", show_default=True, metavar="LENGTH", help="Time between two sweeps."
)
@click.option("--once", is_flag=True, help="Sweep once, print what changed, and end: for cron.")
@click.option("--sweep-only", is_flag=True, help="Leave the outbox to another worker.")
@formats("text", "json")
@click.pass_obj
def command(state: State, interval: timedelta, once: bool, sweep_only: bool, style: str) -> Exit:
    """Sweep for as long as it runs; print each alert, one line per change of an incident, and send it to its people.

    A sweep judges the windows that are due, finds causes, resolves what is over. Alerts go to the addresses that
    mlguard.yaml gives owners and consumers under `people:`; in its `quiet_hours` only pages do. A line that was printed
    and sent is marked as delivered in the outbox; one that did not arrive comes again. Lost connections are opened
    again. Ends on SIGTERM and Ctrl-C.
    """
    from mlguard.operate.notify import Delivery
    from mlguard.operate.watch import Watch
    from mlguard.report.incidents_text import change_line

    def show(change: Change) -> None:
        out(change.as_json() if style == "json" else change_line(change))

    settings = project_file(state.slos)
    people = {name: settings.addresses(name) for name in settings.people} if settings and not sweep_only else {}

    def quiet() -> bool:
        hours = settings.quiet_hours if settings else None
        return hours is not None and hours.covers(datetime.now(UTC), settings.defaults.time_zone if settings else "UTC")

    state.so = "alerts that were printed are marked as delivered, but perhaps the last one"
    with _ended_by_sigterm() as stop:
        watch = Watch(
            state.database,
            Delivery(show, people),
            say,
            stop,
            interval.total_seconds(),
            outbox=not sweep_only,
            people=tuple(people),
            quiet=quiet,
        )
        if once:
            watch.once()
        else:
            watch.run()
            say("stopped")
    return Exit.ENGINE if once and watch.undelivered else Exit.HOLDS


@contextmanager
def _ended_by_sigterm() -> Iterator[threading.Event]:
    """Give an event that SIGTERM sets, so that what has begun is brought to its end."""
    stop = threading.Event()
    before = signal.signal(signal.SIGTERM, lambda *_: stop.set())
    try:
        yield stop
    finally:
        signal.signal(signal.SIGTERM, before)
