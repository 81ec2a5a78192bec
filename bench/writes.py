"""Bulk loads: CPU of the backend that runs a server-side COPY, guarded in every form against the same COPY without."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import psycopg

from bench import baselines, slo_files
from bench.figures import Figure, Target, at_most
from bench.measure import Series, cpu_seconds, interleave
from bench.options import Options, say
from bench.servers import BenchServer
from bench.workload import write_csv

RAW, RAW_BAD = "no rule", "no rule, 1 % bad rows"
REJECT, WARN = "20 reject rules", "20 warn rules"
QUARANTINE, QUARANTINE_BAD = "18 quarantine rules, no bad row", "18 quarantine rules, 1 % bad rows"
BY_HAND, BY_HAND_BAD = "row trigger by hand", "row trigger by hand that keeps bad rows"
PGTRIGGER, PGTRIGGER_BAD = "django-pgtrigger", "django-pgtrigger that keeps bad rows"

WARM_UP = 20_000  # rows of a first load into every table, not counted
FORMS = (
    (REJECT, RAW, BY_HAND, PGTRIGGER, at_most(1.3)),
    (QUARANTINE, RAW, BY_HAND, PGTRIGGER, at_most(1.4)),
    (QUARANTINE_BAD, RAW_BAD, BY_HAND_BAD, PGTRIGGER_BAD, at_most(1.6)),
    (WARN, RAW, BY_HAND, PGTRIGGER, None),
)


def run(server: BenchServer, options: Options) -> list[Figure]:
    """Measure the bulk loads."""
    say(f"writes: {options.rows} rows of 20 columns")
    clean = write_csv(server.folder / "clean.csv", options.rows)
    bad = write_csv(server.folder / "bad.csv", options.rows, bad=0.01)
    warm_up = write_csv(server.folder / "warm_up.csv", min(WARM_UP, options.rows))
    _install(server)
    loads = {
        RAW: ("raw", clean),
        RAW_BAD: ("raw", bad),
        REJECT: ("reject", clean),
        QUARANTINE: ("quarantine", clean),
        QUARANTINE_BAD: ("quarantine", bad),
        WARN: ("warn", clean),
        BY_HAND: ("by_hand", clean),
        BY_HAND_BAD: ("by_hand_keeps", bad),
        PGTRIGGER: ("pgtrigger", clean),
        PGTRIGGER_BAD: ("pgtrigger_keeps", bad),
    }
    with server.connect() as connection:
        for table in dict.fromkeys(table for table, _ in loads.values()):
            copy_cpu(connection, table, warm_up)
        variants: dict[str, Callable[[], float]] = {
            name: partial(copy_cpu, connection, table, file) for name, (table, file) in loads.items()
        }
        series = interleave(variants, options.rounds, say)
    return _figures(series, options.rows)


def copy_cpu(connection: psycopg.Connection[tuple[object, ...]], table: str, file: Path) -> float:
    """Return the CPU seconds the backend needs to load the file into the emptied table, COMMIT included."""
    connection.execute(f"truncate bench.{table}".encode())
    pid = connection.info.backend_pid
    before = cpu_seconds(pid)
    connection.execute(f"copy bench.{table} from '{file}' (format csv)".encode())
    return cpu_seconds(pid) - before


def _install(server: BenchServer) -> None:
    for name in ("raw", "reject", "quarantine", "warn"):
        baselines.install_plain(server, name)
    baselines.install_row_trigger(server, "by_hand")
    baselines.install_row_quarantine(server, "by_hand_keeps")
    baselines.install_pgtrigger(server)
    baselines.install_pgtrigger_quarantine(server, "pgtrigger_keeps")
    slo_files.apply(
        server,
        "writes",
        slo_files.row_rules("bench.reject", "reject"),
        slo_files.row_rules("bench.quarantine", "quarantine", required=False),
        slo_files.row_rules("bench.warn", "warn"),
    )


def _figures(series: Series, rows: int) -> list[Figure]:
    def figure(what: str, against: str, target: Target | None = None) -> Figure:
        return Figure("writes", what, against, series.ratio(what, against), target)

    found = []
    for form, plain, by_hand, rendered, target in FORMS:
        found.append(figure(form, plain, target))
        found.append(figure(form, by_hand, at_most(0.8)))
        found.append(figure(form, rendered, at_most(0.45)))
    # The load with bad rows does more than one that stops at the first: its like is what keeps them too.
    found.append(figure(QUARANTINE_BAD, PGTRIGGER))
    found += [figure(name, RAW) for name in (BY_HAND, PGTRIGGER, RAW_BAD)]
    return found
