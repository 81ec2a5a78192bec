"""Random schedules: many writers, faults at random points, and the laws that must hold after each.

`make faults` plays MLGUARD_SCHEDULES of them, and keeps those that failed in .pytest_cache/d/faults/failed.
MLGUARD_SEED=… plays one again, MLGUARD_REPEAT=… times, as what meets what is up to the server.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass

import psycopg
import pytest

from mlguard import api, doctor, runtime
from mlguard.patience import Options
from mlguard.spec import Project
from tests.faults import laws, ride
from tests.faults.crashing import CrashingServer
from tests.faults.schedule import RARE, Play, Schedule, draw, patiently, settle
from tests.support import project

# What each fault was found to break, or the first seed that draws it: the short form.
NAMED = {
    "the file changes while late rows are not folded yet": 4,
    "the clock goes back between two folds": 46,
    "the server is killed": 6,
    "a backend is killed": 3,
    "a client and the sweeper are killed": 14,
}
TEMPLATE = "ride"


def seeds() -> list[int]:
    """Return the seeds to be played."""
    if named := os.environ.get("MLGUARD_SEED"):
        return [int(named)] * int(os.environ.get("MLGUARD_REPEAT", "1"))
    first = int(os.environ.get("MLGUARD_FIRST_SEED", "1"))
    return [*NAMED.values(), *range(first, first + int(os.environ.get("MLGUARD_SCHEDULES", "0")))]


@dataclass
class Arena:
    """A server with a guarded table as template, and the SLO file that may come."""

    server: CrashingServer
    changed: Project


@pytest.fixture(scope="module")
def arena(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Arena]:
    folder = tmp_path_factory.mktemp("ride")
    (folder / "after").mkdir()
    with CrashingServer() as server:
        with psycopg.connect(server.dsn, autocommit=True) as admin:
            admin.execute(f"create database {TEMPLATE} template template0".encode())
        with psycopg.connect(server.dsn_of(TEMPLATE), autocommit=True) as connection:
            runtime.install(connection)
            connection.execute(ride.CREATE.encode())
            connection.execute("select mlguard.grant_roles()")
        api.apply(project(folder, ride.BEFORE), server.dsn_of(TEMPLATE))
        yield Arena(server, project(folder / "after", ride.AFTER))


@pytest.mark.parametrize("seed", seeds())
def test_the_laws_hold_after_any_schedule(arena: Arena, seed: int, request: pytest.FixtureRequest) -> None:
    schedule = draw(seed)
    database = f"ride_{abs(seed)}"
    with psycopg.connect(arena.server.dsn, autocommit=True) as admin:
        admin.execute(f"create database {database} template {TEMPLATE}".encode())
        if {fault.what for fault in schedule.faults} & set(RARE):
            # The copy's sequences believe that their next values are in the WAL, where only the template's are.
            admin.execute("checkpoint")
    try:
        played = Play(schedule, arena.server, database, arena.changed).run()
        found = list(played.problems)
        with psycopg.connect(arena.server.dsn_of(database), autocommit=True) as connection:
            settle(connection)
            if schedule.applies:
                api.apply(arena.changed, connection, options=Options(0.5, 10))
                if not api.plan(arena.changed, connection).empty:
                    found.append("broken: what was applied is what is wanted")
            found += laws.breaches(connection, played.acknowledged)
            found += [f"doctor: {f}" for f in doctor.examine(connection) if f.name not in allowed(schedule)]
            patiently(lambda: found.extend(laws.stuck(connection)))
        print(f"{schedule}; {played.counts}")
        if found and (cache := getattr(request.config, "cache", None)):
            with (cache.mkdir("faults") / "failed").open("a", encoding="utf-8") as failed:
                failed.write(f"{schedule}\n")
        assert not found, f"MLGUARD_SEED={seed}: {schedule}\n" + "\n".join(found)
    finally:
        with psycopg.connect(arena.server.dsn, autocommit=True) as admin:
            admin.execute(f"drop database {database} with (force)".encode())


def allowed(schedule: Schedule) -> set[str]:
    """Return the findings of doctor that a schedule brings about: `existing: allow` leaves rows unjudged."""
    return {"unvalidated"} if schedule.applies else set()


def test_a_seed_is_always_the_same_schedule() -> None:
    assert draw(7) == draw(7)
    assert len({str(draw(seed)) for seed in range(50)}) > 45
