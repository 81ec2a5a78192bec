"""What the states of metrics cost writers: COPY with row rules and states, single-row writers, and a growing table."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

from bench import baselines, slo_files
from bench.figures import Figure, at_least, at_most
from bench.measure import Series, interleave
from bench.options import Options, say
from bench.pgbench import transactions_per_second
from bench.servers import BenchServer
from bench.workload import FLOATS, INTS, NULLED, write_csv
from bench.writes import WARM_UP, copy_cpu

RAW, BY_HAND = "no rule", "row trigger by hand"
STATES = "20 reject rules and the states of 38 SLOs"
PROFILE = "20 reject rules and a profile of every column"
EMPTY, GROWN = "states, empty table", "states, grown table"
PLAIN, SINGLE = "plain table", "single rows, row rules and states"
GROWTH = 10  # how many loads the grown table holds


def run(server: BenchServer, options: Options) -> list[Figure]:
    """Measure states on bulk loads, on single rows, and on a table that has grown."""
    say(f"states: {options.rows} rows of 20 columns")
    for name in ("raw", "states", "profile", "grown", "row_plain_2", "row_states"):
        baselines.install_plain(server, name)
    baselines.install_row_trigger(server, "by_hand")
    judged = [f"{{name: nulls_{c}, check: null_rate({c}) <= 0.02, over: batch}}" for c in FLOATS]
    judged += [f"{{name: mean_{c}, check: mean({c}) BETWEEN 49 AND 51, over: batch}}" for c in ("f07", "f08")]
    judged.append("{name: volume, check: row_count() >= 1, over: batch}")
    learned = "usual: {metrics: all, over: batch}\n"
    distances = [f"{{name: psi_{c}, check: psi({c}) <= 0.2, over: batch}}" for c in (*FLOATS, *INTS)]
    slo_files.apply(
        server,
        "states",
        with_slos(slo_files.row_rules("bench.states", "reject"), judged),
        learned + with_slos(slo_files.row_rules("bench.profile", "reject"), [*judged, *distances]),
        with_slos(slo_files.row_rules("bench.grown", "reject"), judged),
        with_slos(slo_files.row_rules("bench.row_states", "reject", writes="rows"), [*windows()]),
    )
    return [*_bulk(server, options), *_single(server, options)]


def with_slos(text: str, slos: list[str]) -> str:
    return text + "slos:\n" + "".join(f"  - {slo}\n" for slo in slos)


def windows() -> list[str]:
    return [f"{{name: nulls_{c}, check: null_rate({c}) <= 0.5}}" for c in NULLED] + [
        f"{{name: mean_{c}, check: mean({c}) <= 1000}}" for c in ("f07", "f08")
    ]


def _bulk(server: BenchServer, options: Options) -> list[Figure]:
    clean = write_csv(server.folder / "states.csv", options.rows)
    batch = write_csv(server.folder / "batch.csv", max(options.rows // 10, 1000))
    warm_up = write_csv(server.folder / "states_warm_up.csv", min(WARM_UP, options.rows))
    with server.connect() as connection:
        for table in ("raw", "states", "profile", "by_hand", "grown"):
            copy_cpu(connection, table, warm_up)
        # Without a baseline there are no bins to count, and the profile would be measured without its histograms.
        connection.execute(b"select mlguard.set_baseline('bench.profile', 'bench.raw')")
        loads: dict[str, Callable[[], float]] = {
            RAW: partial(copy_cpu, connection, "raw", clean),
            STATES: partial(copy_cpu, connection, "states", clean),
            PROFILE: partial(copy_cpu, connection, "profile", clean),
            BY_HAND: partial(copy_cpu, connection, "by_hand", clean),
        }
        series = interleave(loads, options.rounds, say)
        for _ in range(GROWTH):
            connection.execute(f"copy bench.grown from '{clean}' (format csv)".encode())
        grown = interleave(
            {
                EMPTY: partial(copy_cpu, connection, "states", batch),
                GROWN: partial(_append_cpu, connection, batch),
            },
            options.rounds,
            say,
        )
    return [*_figures(series), Figure("states", GROWN, EMPTY, grown.ratio(GROWN, EMPTY), at_most(1.15))]


def _append_cpu(connection: object, file: Path) -> float:
    """Return the CPU seconds of a load into the table as it is, rolled back so that every round finds the same."""
    from typing import Any, cast

    from bench.measure import cpu_seconds

    opened = cast(Any, connection)
    before = cpu_seconds(opened.info.backend_pid)
    with opened.transaction(force_rollback=True):
        opened.execute(f"copy bench.grown from '{file}' (format csv)".encode())
        opened.execute(b"set constraints all immediate")
    return cpu_seconds(opened.info.backend_pid) - before


def _figures(series: Series) -> list[Figure]:
    return [
        Figure("states", STATES, RAW, series.ratio(STATES, RAW), at_most(1.45)),
        Figure("states", PROFILE, RAW, series.ratio(PROFILE, RAW), at_most(1.7)),
        Figure("states", PROFILE, BY_HAND, series.ratio(PROFILE, BY_HAND), at_most(0.85)),
    ]


def _single(server: BenchServer, options: Options) -> list[Figure]:
    from bench.rows import insert_script

    scripts = {PLAIN: insert_script(server.folder, "row_plain_2"), SINGLE: insert_script(server.folder, "row_states")}
    seconds = max(1, options.seconds // 3)
    say("states: single rows, 1 and 4 clients")
    variants: dict[str, Callable[[], float]] = {
        _clients(name, count): partial(transactions_per_second, server, script, count, seconds)
        for count in (1, 4)
        for name, script in scripts.items()
    }
    speeds = interleave(variants, options.rounds * 3, say)
    one, four = _clients(SINGLE, 1), _clients(SINGLE, 4)
    return [
        Figure("states", one, PLAIN, speeds.ratio(one, _clients(PLAIN, 1)), at_least(0.75)),
        Figure("states", four, PLAIN, speeds.ratio(four, _clients(PLAIN, 4)), at_least(0.75)),
        Figure("states", four, one, speeds.ratio(four, one), at_least(1.8)),
        Figure("states", _clients(PLAIN, 4), _clients(PLAIN, 1), speeds.ratio(_clients(PLAIN, 4), _clients(PLAIN, 1))),
    ]


def _clients(name: str, count: int) -> str:
    return f"{name}, {count} client{'s' if count > 1 else ''}"
