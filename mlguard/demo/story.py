"""The demo's story: a feature table in February, and the four faults that models die of."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlguard import api
from mlguard.demo.screen import Screen
from mlguard.plan import Plan

if TYPE_CHECKING:
    import psycopg

TABLE = "features.flight"
COLUMNS = (
    "flight_date, carrier, flight, tailnum, origin, dest, sched_dep, dep_delay, origin_delay_1h, distance, air_time,"
    " arr_delay"
)
QUIET_DAYS = 24  # days 1 to 24 of the 28 are loaded as they are; each later day tells one incident

# The raw deliveries of the airline, a day at a time, moved by whole days so that the last one is yesterday.
STAGE = f"""
create schema raw;
create table raw.flight (like {TABLE});
comment on table raw.flight is 'What the airline delivers; nobody guards it.';
"""
SHIFT = """
update raw.flight
set flight_date = flight_date + shift.days, sched_dep = sched_dep + shift.days * interval '24 hours'
from (
  select (statement_timestamp() at time zone 'America/New_York')::date - 1 - max(flight_date) as days from raw.flight
) as shift
"""


def tell(folder: Path, dsn: str, screen: Screen) -> None:
    """Run the story on an empty database.

    Args:
        folder: examples/flights.
        dsn: a database without schemas features, ref and raw.
        screen: where it is told.
    """
    import psycopg

    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute((folder / "schema.sql").read_bytes())
        days = _deliver(connection, folder)
        _apply(folder, dsn, screen)
        _quiet_days(connection, days, screen)
        _half_negative(connection, days[QUIET_DAYS], screen)
        _gone_null(connection, days[QUIET_DAYS + 1], screen)
        _unknown_categories(connection, days[QUIET_DAYS + 2], screen)
        _did_not_run(connection, days[QUIET_DAYS + 3], screen)
        _aftermath(connection, screen)


def _deliver(connection: psycopg.Connection[Any], folder: Path) -> list[str]:
    connection.execute(STAGE.encode())
    with (
        gzip.open(folder / "flights.csv.gz", "rb") as source,
        connection.cursor() as cursor,
        cursor.copy(b"copy raw.flight from stdin (format csv, header)") as copy,
    ):
        while block := source.read(1 << 16):
            copy.write(block)
    connection.execute(SHIFT.encode())
    found = connection.execute("select distinct flight_date::text from raw.flight order by 1").fetchall()
    return [day for (day,) in found]


def _apply(folder: Path, dsn: str, screen: Screen) -> None:
    screen.chapter("1. An SLO file becomes constraints, triggers and a gate")
    screen.say(
        f"{TABLE} feeds a model that predicts arrival delays of flights from New York. Its SLO file, in part"
        " (examples/flights/slos/flights.slo.yaml):"
    )
    text = (folder / "slos" / "flights.slo.yaml").read_text(encoding="utf-8")
    screen.show(excerpt(text))
    before = screen.seconds
    project = api.load(folder / "slos")
    plans: list[Plan] = []

    def remember(plan: Plan) -> bool:
        plans.append(plan)
        return True

    api.apply(project, dsn, confirm=remember)
    steps = [step for table in plans[0].tables for step in table.steps]
    screen.say(
        f"$ mlguard apply: {len(steps)} objects for {len(plans[0].tables[0].added)} SLOs in"
        f" {screen.seconds - before:.1f} s. Where each rule lives:"
    )
    program = plans[0].tables[0].program
    assert program is not None
    places: dict[str, list[str]] = {}
    for rule in program.rules:
        places.setdefault(f"{rule.placement.place.value}, {rule.action.value}", []).append(rule.name)
    width = max(map(len, places))
    screen.show("\n".join(f"{place.ljust(width)}  {_listed(names)}" for place, names in places.items()))


EXCERPT = (
    "table:", "key:", "event_time:", "columns:", "  origin:", "  distance:", "  air_time:", "slos:",
    "  - name: known_carrier", "  - name: arrived_means_left", "  - name: fresh",
)  # fmt: skip


def excerpt(text: str, wanted: tuple[str, ...] = EXCERPT) -> str:
    """Return the entries of the SLO file that begin with these words, each with the lines indented below it."""
    shown: list[str] = []
    depth = -1  # indentation of the entry being copied; -1 between entries
    for line in text.splitlines():
        indent = len(line) - len(line.lstrip())
        if not line.strip() or line.lstrip().startswith(("#", "description:")):
            continue
        if depth >= 0 and indent > depth:
            shown.append(line)
            continue
        starts = line.startswith(wanted)
        depth = indent if starts and not line.startswith(("columns:", "slos:")) else -1
        if starts:
            shown.append(line)
    return "\n".join(shown)


def _listed(names: list[str]) -> str:
    shown = ", ".join(names[:5])
    return shown if len(names) <= 5 else f"{shown} and {len(names) - 5} more"


def _load(day: str, air_time: str = "air_time", where: str = "") -> str:
    columns = COLUMNS.replace("air_time", air_time) if air_time != "air_time" else COLUMNS
    return f"insert into {TABLE}\nselect {columns}\nfrom raw.flight\nwhere flight_date = '{day}'{where}"


def _quiet_days(connection: psycopg.Connection[Any], days: list[str], screen: Screen) -> None:
    screen.chapter("2. Day by day, the feature job loads the table")
    screen.run(connection, _load(days[0]))
    for day in days[1:QUIET_DAYS]:
        connection.execute(_load(day).encode())
    (stored,) = connection.execute(f"select count(*) from {TABLE}".encode()).fetchone() or (0,)
    (kept,) = connection.execute("select count(*) from mlguard.quarantine").fetchone() or (0,)
    screen.say(
        f"… and {QUIET_DAYS - 1} more days: {stored} real flights, {kept} kept out. The blizzard of 8 and 9 February is"
        " among them: more than half of the flights never left, and no rule took that for a fault of the data."
    )


def _half_negative(connection: psycopg.Connection[Any], day: str, screen: Screen) -> None:
    screen.chapter("3. Incident: half of a column turns negative")
    screen.say("A new release of the upstream service subtracts times the wrong way round, on one of its two servers.")
    screen.run(connection, "begin")
    screen.run(connection, _load(day, "case when flight::int % 2 = 0 then -air_time else air_time end as air_time"))
    screen.run(connection, "commit")
    screen.say("The good half landed. The bad half waits, whole, each row with every rule it broke:")
    screen.run(
        connection,
        "select key ->> 'carrier' as carrier, key ->> 'flight' as flight, row ->> 'air_time' as air_time, slos\n"
        "from mlguard.quarantine where status = 'waiting' order by id limit 3",
    )
    screen.say("The fix is known: turn the sign. Releasing re-judges every row under today's rules.")
    screen.run(
        connection,
        "select r.outcome, count(*)\nfrom mlguard.quarantine as q,\n"
        "  mlguard.release(q.id, jsonb_build_object('air_time', abs((q.row ->> 'air_time')::float8))) as r\n"
        "where q.status = 'waiting' group by 1",
    )


def _gone_null(connection: psycopg.Connection[Any], day: str, screen: Screen) -> None:
    screen.chapter("4. Incident: a source goes null")
    screen.say("The feed of departures is empty, so dep_delay is NULL for every flight that nevertheless arrived.")
    screen.run(connection, "begin")
    screen.run(
        connection,
        _load(day).replace("dep_delay,", "null as dep_delay,", 1),
    )
    screen.say("max_bad says that at most 5 % of a load may break this rule. The transaction is judged at COMMIT:")
    screen.run(connection, "commit")
    screen.run(connection, f"select count(*) from {TABLE} where flight_date = '{day}'")
    screen.say("Nothing was stored, not even in quarantine; the attempt is on record all the same:")
    screen.run(connection, "select slo, refused, last_at::timestamp(0) from mlguard.rejection where refused > 0")
    screen.say("The feed is back, the job runs again:")
    screen.run(connection, _load(day))


def _unknown_categories(connection: psycopg.Connection[Any], day: str, screen: Screen) -> None:
    screen.chapter("5. Incident: a batch with categories the model never saw")
    screen.say("An airline renames itself. The model has no weight for 'ZZ', and nobody told the people who own it.")
    screen.run(connection, _load(day).replace("carrier,", "replace(carrier, 'WN', 'ZZ') as carrier,", 1))
    screen.say("Once the model knows the carrier, its rows are released; a second release changes nothing:")
    screen.run(connection, "insert into ref.carrier values ('ZZ')")
    screen.run(connection, f"select outcome, count(*) from mlguard.replay('{TABLE}') group by 1")
    screen.run(connection, f"select outcome, count(*) from mlguard.replay('{TABLE}') group by 1")


def _did_not_run(connection: psycopg.Connection[Any], day: str, screen: Screen) -> None:
    screen.chapter("6. Incident: last night's job did not run")
    screen.say(
        "A task engineer scores flights with plain SQL. The query itself says what is wrong, and to whom to talk:"
    )
    screen.run(connection, f"select carrier, avg(dep_delay) from {TABLE}_guarded group by 1")
    screen.run(connection, "select tbl, state, since::timestamp(0) as since from mlguard.gate")
    screen.say("The job runs. Nobody reopens anything: the gate follows the data.")
    screen.run(connection, _load(day))
    screen.run(
        connection, f"select carrier, round(avg(dep_delay)) as delay from {TABLE}_guarded group by 1 order by 2 desc"
    )


def _aftermath(connection: psycopg.Connection[Any], screen: Screen) -> None:
    screen.chapter("7. And a wrong value typed by hand")
    screen.run(
        connection,
        f"insert into {TABLE} (flight_date, carrier, flight, origin, dest, sched_dep, distance)\n"
        "values (current_date, 'UA', '1', 'BOS', 'SFO', now(), 2565)",
    )
    screen.say("What is on record:")
    screen.run(connection, "select status, count(*) from mlguard.quarantine group by 1")
    screen.run(connection, "select act, count(*), min(who) as who from mlguard.event group by 1")


def folder_of_flights() -> Path:
    """Return examples/flights, from the package or from the checkout it stands in."""
    packaged = Path(__file__).parent.parent / "_examples" / "flights"
    return packaged if packaged.is_dir() else Path(__file__).parent.parent.parent / "examples" / "flights"


def run(write: Callable[[str], None], *, dsn: str | None = None, keep: bool = False) -> None:
    """Tell the story; as run_story."""
    run_story(write, tell, dsn=dsn, keep=keep)


Story = Callable[[Path, str, Screen], None]


def run_story(write: Callable[[str], None], story: Story, *, dsn: str | None = None, keep: bool = False) -> None:
    """Tell a story on an embedded server, or on `dsn`.

    Args:
        write: takes each line.
        story: takes examples/flights, an empty database and the screen.
        dsn: the reader's own server; a database `mlguard_demo` is made there for the story, and dropped after it.
        keep: leave the database for psql.

    Raises:
        EngineError: no server can be started or reached.
    """
    from mlguard.embedded import EmbeddedServer

    screen = Screen(write)
    if dsn is not None:
        _on_their_server(dsn, story, screen, keep)
        return
    with EmbeddedServer() as server:
        after = "it goes on when the demo ends" if keep else "nothing of it stays when the demo ends"
        screen.say(f"An embedded PostgreSQL 18 is running; {after}.")
        story(folder_of_flights(), server.dsn, screen)
        if keep:
            stop = server.keep()
            screen.chapter("The database stays")
            screen.show(f"psql '{server.dsn}'\n{stop}   # stops it")
    screen.say(f"Told in {screen.seconds:.0f} s.")


def _on_their_server(dsn: str, story: Story, screen: Screen, keep: bool) -> None:
    from psycopg import sql
    from psycopg.conninfo import make_conninfo

    from mlguard.connect import connect
    from mlguard.errors import EngineError

    name = "mlguard_demo"
    with connect(dsn, autocommit=True) as admin:
        if admin.execute("select 1 from pg_database where datname = %s", (name,)).fetchone():
            raise EngineError(f"database {name} is there already", help=f"drop it first: DROP DATABASE {name}")
        admin.execute(sql.SQL("create database {}").format(sql.Identifier(name)))
        own = make_conninfo(admin.info.dsn, dbname=name, password=admin.info.password or None)
        try:
            story(folder_of_flights(), own, screen)
        finally:
            if not keep:
                admin.execute(sql.SQL("drop database {} with (force)").format(sql.Identifier(name)))
    if keep:
        screen.say(f"Database {name} stays on your server; DROP DATABASE {name} removes it.")
    screen.say(f"Told in {screen.seconds:.0f} s.")
