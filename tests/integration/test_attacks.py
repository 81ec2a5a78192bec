"""What roles that may load and read try, to read, silence, decide or run what they may not; and that nothing is gained.

Each attack is a role, what it runs, and the SQLSTATE with which it ends, '' where PostgreSQL lets it run for nothing.
After each of them no secret was told, and every row that mlguard keeps for its owner is there and the same.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest

from mlguard import api, doctor
from mlguard.connect import session
from mlguard.names import digest
from tests.attack_world import SECRET, World, world
from tests.support import prepare, project

DENIED, HELD, BROKEN, UNAPPROVED = "42501", "ML001", "23514", "ML003"
TASK, WRITER, HOSTILE, STRANGER = "attack_task", "attack_writer", "attack_hostile", "attack_stranger"
CUSTOMER, PERSON, ORDERS, KEPT = "features.customer", "features.person", "features.orders", "features.kept"
VIEW = "features.customer_guarded"
LEAK = (
    "create function pg_temp.leak(text) returns boolean language plpgsql cost 0.0000001"
    " as $$begin raise notice 'saw %', $1; return false; end$$"
)
# An operator that tells what the planner tries it on: the most common values among the statistics.
SPY = (
    (
        "create function pg_temp.spy(text, text) returns boolean language plpgsql"
        " as $$begin raise notice 'saw %', $1; return false; end$$"
    ),
    "create operator pg_temp.~<~ (leftarg = text, rightarg = text, function = pg_temp.spy, restrict = eqsel)",
)
FREE = "set cpu_operator_cost = 0"  # no condition costs more than another: PostgreSQL has no reason to order them
CHURN = digest("predictions.churn")


@dataclass(frozen=True)
class Attack:
    name: str
    role: str
    run: tuple[str, ...]
    state: str
    probe: str = ""  # a query of the owner's that returns true where nothing was gained


def attack(name: str, role: str, *run: str, state: str = DENIED, probe: str = "") -> Attack:
    return Attack(name, role, run, state, probe)


READS = [
    attack("the table itself", TASK, f"select * from {CUSTOMER}"),
    attack("one column of it", TASK, f"select count(note) from {CUSTOMER}"),
    attack("its lock", TASK, "begin", f"lock table {CUSTOMER} in access share mode"),
    attack("the view", TASK, f"select * from {VIEW}", state=HELD),
    attack("a count", TASK, f"select count(*) from {VIEW}", state=HELD),
    attack("exists", TASK, f"select exists (select from {VIEW})", state=HELD),
    attack("COPY (query)", TASK, f"copy (select * from {VIEW}) to stdout", state=HELD),
    attack("COPY of the table", TASK, f"copy {CUSTOMER} to stdout"),
    attack("a prepared statement", TASK, f"prepare p as select * from {VIEW}", "execute p", state=HELD),
    attack("a cursor", TASK, f"declare c cursor with hold for select * from {VIEW}", state=HELD),
    attack("a copy of it", TASK, f"create table public.mine as select * from {VIEW}", state=HELD),
    attack("a view on the view", TASK, f"create view public.mine as table {VIEW}", "table public.mine", state=HELD),
    attack("a leaky WHERE", TASK, LEAK, FREE, f"select * from {VIEW} where pg_temp.leak(note)", state=HELD),
    attack("a leaky outer join", TASK, LEAK, FREE,
           f"select * from generate_series(1, 9) as g left join {VIEW} as c on pg_temp.leak(note)", state=HELD),
    attack("a leaky full join", TASK, LEAK, FREE,
           f"select * from generate_series(1, 9) as g full join {VIEW} as c"
           " on c.customer_id = g and pg_temp.leak(note)", state=HELD),
    attack("a lateral join", TASK, LEAK, FREE,
           f"select * from generate_series(1, 9) as g left join lateral"
           f" (select * from {VIEW} as c where pg_temp.leak(note) and c.customer_id > g) as c on true", state=HELD),
    attack("a leaky anti-join", TASK, LEAK, FREE,
           f"select * from generate_series(1, 9) as g where not exists"
           f" (select from {VIEW} as c where pg_temp.leak(note) and c.customer_id = g)", state=HELD),
    attack("a leaky aggregate", TASK, LEAK, f"select count(*) filter (where pg_temp.leak(note)) from {VIEW}",
           state=HELD),
    attack("an error that shows a value", TASK, FREE,
           f"select * from generate_series(1, 9) as g left join {VIEW} as c on c.note::integer = g", state=HELD),
    attack("EXPLAIN ANALYZE", TASK, LEAK, f"explain analyze select * from {VIEW} where pg_temp.leak(note)", state=HELD),
    attack("an expression sorted by", TASK, LEAK, f"select 1 from {VIEW} order by pg_temp.leak(note)", state=HELD),
    attack("the union with another", TASK, LEAK,
           f"select 'x' union all select note from {VIEW} where pg_temp.leak(note)", state=HELD),
    attack("statistics", TASK, "select * from pg_stats where schemaname = 'features'", state=""),
    attack("raw statistics", TASK, "select * from pg_statistic"),
    attack("a function that runs as its author", TASK,
           f"create function public.grab() returns setof {CUSTOMER} language sql security definer"
           f" as 'select * from {CUSTOMER}'", "select * from public.grab()"),
    attack("a heir", TASK, f"create table public.heir () inherits ({CUSTOMER})"),
    attack("a foreign key, to probe keys", TASK, f"create table public.probe (id bigint references {CUSTOMER})"),
    attack("a trigger on it", TASK, "create function public.t() returns trigger language plpgsql as 'begin end'",
           f"create trigger t before insert on {CUSTOMER} for each row execute function public.t()"),
    attack("a rule on the view", TASK, f"create rule r as on insert to {VIEW} do also select 1"),
    attack("a policy", TASK, f"create policy mine on {PERSON} using (true)"),
    attack("what a policy guards", TASK, f"select * from {PERSON}", state=HELD),
    attack("what a policy guards, leaking", TASK, LEAK, FREE, f"select * from {PERSON} where pg_temp.leak(note)",
           state=HELD),
    attack("what a policy guards, joined", TASK, LEAK, FREE,
           f"select * from generate_series(1, 9) as g left join {PERSON} as p on pg_temp.leak(p.note)", state=HELD),
    attack("what a policy guards, planned", TASK, *SPY,
           f"explain select * from {PERSON} where note operator(pg_temp.~<~) 'a'", state=""),
    attack("what a policy guards, by somebody else's view", TASK, f"create view public.person as table {PERSON}",
           "table public.person", state=HELD),
    attack("the quarantine", TASK, "select * from mlguard.quarantine"),
    attack("the quarantine, as a writer", WRITER, "select * from mlguard.quarantine"),
    attack("the private quarantine", HOSTILE, "copy mlguard._quarantine to stdout"),
    attack("the change log", HOSTILE, "select * from mlguard.change"),
    attack("the signing secret", HOSTILE, "select * from mlguard._seal"),
    attack("everything, as a stranger", STRANGER, "select * from mlguard.gate"),
    attack("the view, as a stranger", STRANGER, f"select * from {VIEW}"),
    attack("RETURNING of an UPDATE", WRITER, f"update {CUSTOMER} set note = note returning note"),
    attack("RETURNING of a DELETE", WRITER, f"delete from {CUSTOMER} where customer_id = 1 returning *"),
    attack("MERGE", WRITER,
           f"merge into {CUSTOMER} as c using {VIEW} as v on c.customer_id = v.customer_id"
           " when matched then update set note = v.note"),
    attack("a leaky UPDATE", HOSTILE, LEAK, f"update {CUSTOMER} set age = 1 where pg_temp.leak(note)"),
    attack("publish() into a table of one's own", HOSTILE, "create table public.s as select 1 as a",
           f"select * from mlguard.publish('{CUSTOMER}', 'public.s')", state="55000"),
    attack("publish() with a trigger of one's own", HOSTILE,
           "create table public.staging (order_id bigint, age integer, plan text, note text)",
           f"select * from mlguard.publish('{CUSTOMER}', '{ORDERS}')", state="42804"),
]  # fmt: skip

ALTERS = [
    attack(sql, HOSTILE, sql.format(ORDERS))
    for sql in (
        "alter table {} disable trigger all",
        "alter table {} disable trigger zz_mlguard_before_row",
        "drop trigger zz_mlguard_before_row on {}",
        'alter table {} drop constraint "mlguard_age.range"',
        "alter table {} alter column age type bigint",
        "alter table {} rename to orders_old",
        "alter table {} add constraint mine check (true)",
        "create rule r as on insert to {} do instead nothing",
        "truncate {}",
        "comment on table {} is 'mine'",
        "create index on {} (age)",
        "create table public.part partition of {} default",
        "create or replace function mlguard.\"before row features.orders\"() returns trigger language sql as ''",
        "create function mlguard.mine() returns integer language sql as 'select 1'",
        "create schema mlguard_2",
        "set session_replication_role = replica",
        "set session authorization postgres",
        "set role mlguard_platform",
        "set role postgres",
        "grant mlguard_platform to attack_hostile",
        "create event trigger mine on ddl_command_end execute function mlguard._on_ddl()",
        "alter role attack_hostile superuser",
        "alter database postgres set session_replication_role = replica",
    )
]

ACTS = [
    attack(call, role, f"select {call}")
    for role, calls in {
        HOSTILE: (
            "mlguard.off('features.orders/notes', '1 hour', 'x')",
            "mlguard.waive('features.customer/coverage', now() + interval '1 hour', 'x')",
            "mlguard.resume('features.orders/notes', 'x')",
            "mlguard.release(1)",
            "mlguard.replay('features.customer')",
            "mlguard.discard(1, 'x')",
            "mlguard.review_accept(1, 'x')",
            "mlguard.review_override(1, '{}', 'x')",
            "mlguard.approve('ltv', '1', 'x')",
            "mlguard.promote('ltv', '1', 'x')",
            "mlguard.resolve(1, 'fixed', 'x')",
            "mlguard.set_baseline('features.customer', 'features.orders'::regclass)",
            "mlguard.sweep()",
            "mlguard._record('apply', 'x', null, null, 'x')",
            "mlguard.sealed_v1('{}')",
            "mlguard.batch_v1('features.orders')",
            "mlguard.withhold_v1('features.customer', '[]', '{}', null, null, 'INSERT', false)",
            "mlguard.fresh_v1('features.customer', now(), null)",
            "mlguard.landed_v1('features.orders', 1, '{}')",
            "mlguard.request_acting_v1('predictions.churn', true)",
            "mlguard.grant_roles()",
            'mlguard."verdict features.orders/notes"(\'{}\', \'{}\')',
            "setval('mlguard._quarantine_id_seq', 1)",
            "setval('mlguard.\"statement of predictions.churn\"', 1)",
            "setval('mlguard.\"inputs of predictions.churn\"', 1)",
            "nextval('mlguard.refused_1')",
        ),
        WRITER: ("mlguard.register('ltv', '2')", "mlguard.ack(1)", "mlguard.begin_training('ltv')"),
        STRANGER: ("mlguard.refuse_v1('features.orders/age.range', null, null)", "mlguard.begin_batch('x')"),
    }.items()
    for call in calls
]  # fmt: skip

EDITS = [
    *(
        # Views over several tables, which nobody can write.
        attack(sql, HOSTILE, sql, state="55000")
        for sql in (
            "delete from mlguard.violation",
            "update mlguard.gate set state = 'open'",
            "delete from mlguard.event",
            "update mlguard.model_version set state = 'approved'",
        )
    ),
    *(
        attack(sql, HOSTILE, sql)
        for sql in (
            "update mlguard.slo set action = 'warn'",
            "insert into mlguard._event (who, act, target) values ('x', 'apply', 'x')",
            "delete from mlguard._quarantine",
            "update mlguard._hold set ended_at = now()",
            "update mlguard._verdict set outcome = 'PASS'",
            "update mlguard._slo set shadow = true",
            "insert into mlguard._waiver (slo) values ('features.orders/notes')",
            "delete from mlguard._review",
            "insert into mlguard._acting (tbl) values ('predictions.churn')",
            "delete from mlguard._batch",
            "truncate mlguard._state",
            "alter table mlguard._event disable trigger all",
        )
    ),
]

BAD = f"insert into {ORDERS} values (5, 30, 'free', null)"  # a batch without notes
GONE = f"select count(*) = 0 from {ORDERS} where order_id > 1"
KEPT_OUT = f"select count(*) = 0 from {ORDERS} where plan not in ('free', 'pro')"
BOSS = f"insert into {ORDERS} values (6, 30, 'free', 'boss')"
GOLD = f"insert into {ORDERS} values (7, 30, 'gold', 'x')"
PWN = (
    "create function public.{0}({1}) returns {2} language plpgsql"
    " as $$begin raise notice 'ran as %', current_user; return {3}; end$$"
)
SETTINGS = (
    "set mlguard.batches = '|features.orders=(0,1)|'", "set mlguard.judged = '|1|2|3|4|5|6|7|8|9|10|'",
    "set mlguard.releasing = 'on'", "set mlguard.acting = 'on'", "set mlguard.kept_out = '|features.orders|'",
    "set mlguard.quarantine_full = ''", "set mlguard.load = 'mine'", "set mlguard.loads_ended = '[\"mine\"]'",
    "set mlguard.upsert = 'features.kept'", "set mlguard.assertions = '{\"features.orders/one_boss\": \"(0,1)\"}'",
    "set enable_indexscan = off", "set row_security = off", "set datestyle = 'German'",
    "set search_path = pg_temp, public", "set lc_numeric = 'C'", "set default_transaction_deferrable = on",
)  # fmt: skip

WRITES = [
    *(attack(f"a batch under {text}", HOSTILE, text, BAD, state=BROKEN, probe=GONE) for text in SETTINGS),
    *(attack(f"an assertion under {text}", HOSTILE, text, BOSS, state=BROKEN, probe=GONE) for text in SETTINGS),
    attack("a row under all settings", HOSTILE, *(text for text in SETTINGS if "releasing" not in text), GOLD,
           state="", probe=KEPT_OUT),
    attack("a row that says it is released", HOSTILE, "set mlguard.releasing = 'on'", GOLD, state=BROKEN,
           probe=KEPT_OUT),
    attack("a batch under SERIALIZABLE", HOSTILE, "set mlguard.judged = '|1|2|3|4|5|6|7|8|9|10|'",
           "begin isolation level serializable", BAD, "commit", state=BROKEN, probe=GONE),
    attack("constraints immediate, then deferred", HOSTILE, "begin", "set constraints all immediate",
           f"insert into {ORDERS} values (8, 30, 'free', 'x')", "set constraints all deferred", BAD, "commit",
           state=BROKEN, probe=GONE),
    attack("a savepoint taken back", HOSTILE, "begin", "savepoint s", BAD, "rollback to s", BAD, "commit",
           state=BROKEN, probe=GONE),
    attack("a prepared transaction", HOSTILE, "begin", BAD, "prepare transaction 'attack'", state=BROKEN, probe=GONE),
    attack("an error that is caught", HOSTILE,
           f"do $$begin insert into {ORDERS} values (9, -4, 'free', 'x'); exception when others then end$$",
           state="", probe=GONE),
    attack("COPY FREEZE", HOSTILE, f"copy {ORDERS} from stdin with (freeze)\n12\t400\tfree\tx\n", state="55000",
           probe=GONE),
    attack("temporary tables in the place of ours", HOSTILE,
           "create temporary table new_rows (note text, order_id bigint)", "create temporary table _batch (id bigint)",
           "create temporary table orders (order_id bigint)", "set search_path = pg_temp, mlguard, features",
           BAD, state=BROKEN, probe=GONE),
    attack("functions and operators in the place of PostgreSQL's", HOSTILE,
           PWN.format("strpos", "text, text", "integer", "0"), PWN.format("to_jsonb", "record", "jsonb", "'{}'"),
           PWN.format("pwn", "text, text", "boolean", "true"), PWN.format("now", "", "timestamptz", "null"),
           "create operator public.= (leftarg = text, rightarg = text, function = public.pwn)",
           "create operator public.<> (leftarg = text, rightarg = text, function = public.pwn)",
           "set search_path = public, pg_catalog, pg_temp", GOLD, state="", probe=KEPT_OUT),
    attack("an operator in the place of one that a rule uses", HOSTILE,
           PWN.format("le", "integer, integer", "boolean", "true"),
           "create operator public.<= (leftarg = integer, rightarg = integer, function = public.le)",
           "set search_path = public, pg_catalog", f"insert into {ORDERS} values (10, 900, 'free', 'x')", state=BROKEN,
           probe=GONE),
    attack("a cast of one's own type", HOSTILE, "create type public.mood as enum ('x')",
           PWN.format("as_text", "public.mood", "text", "'free'"),
           "create cast (public.mood as text) with function public.as_text(public.mood) as assignment",
           f"insert into {ORDERS} select 11, 30, 'gold'::text, 'x'::public.mood", state="", probe=KEPT_OUT),
    attack("an INSERT that calls itself an upsert", HOSTILE,
           f"insert into {KEPT} select 1, 900 + length(set_config('mlguard.upsert', '{KEPT}', true))", state="",
           probe=f"select count(*) = 1 from {KEPT}"),
    attack("a review taken back", HOSTILE, "begin",
           "insert into predictions.churn values (3, '2026-01-01', '7', null)", "savepoint s",
           "update predictions.churn set note = 'x' where customer_id = 3", "release s",
           "insert into predictions.churn (customer_id, as_of, note) select 1, '2026-01-01', x.x from"
           f" (select set_config('mlguard.post_routed_{CHURN[:12]}', '1', true) as x) as x on conflict do nothing",
           "commit", state="", probe="select count(*) = 2 from mlguard.review where status = 'pending'"),
    attack("what the model gave, past the fallback", HOSTILE,
           "insert into predictions.churn select 4, '2026-01-01', '7', 0.02, null,"
           f" set_config('mlguard.predicting_{CHURN}', 'o{{}}', true)", state="",
           probe="select score = 0.45 from predictions.churn where customer_id = 4"),
    attack("a version nobody approved", HOSTILE, "insert into predictions.ltv values (1, '1', 0.5)", state=UNAPPROVED),
    attack("a version of one's own", HOSTILE, "select mlguard.register('ltv', 'mine')",
           "insert into predictions.ltv values (1, 'mine', 0.5)", state=UNAPPROVED),
    attack("a version registered again", HOSTILE, "select mlguard.register('ltv', '1')", state="42710"),
]  # fmt: skip

ATTACKS = [*READS, *ALTERS, *ACTS, *EDITS, *WRITES]


@pytest.fixture(scope="module", params=["18", "machine"])
def attacked(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """One database for all attacks: none of them may leave a trace."""
    server = request.getfixturevalue("server18" if request.param == "18" else "server_machine")
    with server.guarded_database() as dsn, world(dsn, tmp_path_factory.mktemp("attacks")) as made:
        yield made


def saw(state: str, world: World) -> bool:
    """Say whether statements ran, and told the secret."""
    return state == "" and SECRET in "\n".join(world.told)


def test_what_postgresql_itself_allows(attacked: World) -> None:
    """Said in docs/security.md; a version of PostgreSQL that closes one of these fails here, and the page is mended."""
    planner = f"explain select * from {VIEW} where note operator(pg_temp.~<~) 'a'"
    assert saw(attacked.attack(TASK, *SPY, planner), attacked), "the planner's statistics of a view one may read"
    withheld = "select * from predictions.churn_guarded where pg_temp.leak(note)"
    assert saw(attacked.attack(TASK, LEAK, withheld), attacked), "a row that waits for review"
    prepare(attacked.dsn, "alter view predictions.churn_guarded set (security_barrier)")
    assert not saw(attacked.attack(TASK, LEAK, withheld), attacked)
    with session(attacked.dsn) as connection:
        assert "tampered" not in {finding.name for finding in doctor.examine(connection)}
    own = "create view public.handed as table features.person; grant select on public.handed to attack_task"
    definer = (
        "create function public.hand() returns setof features.person language sql security definer"
        " as 'select * from features.person'"
    )
    assert attacked.attack(WRITER, own, definer) == ""
    assert attacked.attack(TASK, "select * from public.handed") == HELD
    assert saw(attacked.attack(TASK, "select * from public.hand()"), attacked), "what a writer hands on"


def test_what_was_open_before_the_hold_stays_readable(guarded_db: str, tmp_path: Path) -> None:
    """A cursor and a snapshot show the rows as they were when the gate was open: as they were judged good."""
    prepare(guarded_db, "create schema features; create table features.early (id bigint primary key, note text)")
    text = "{name: some, check: coverage(note) > 0.5, over: batch, on_violation: hold, min_rows: 1}"
    head = "mlguard: 1\ntable: features.early\nkey: [id]\nslos:\n  - "
    api.apply(project(tmp_path, head + text), guarded_db)
    prepare(guarded_db, "insert into features.early values (1, 'good')")
    with psycopg.connect(guarded_db) as reader, psycopg.connect(guarded_db, autocommit=True) as cursor:
        reader.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        reader.execute("select")
        cursor.execute("declare c cursor with hold for select note from features.early_guarded")
        prepare(guarded_db, "insert into features.early values (2, null)")
        assert reader.execute("select note from features.early_guarded").fetchall() == [("good",)]
        assert cursor.execute("fetch all from c").fetchall() == [("good",)]
        reader.rollback()
        with pytest.raises(psycopg.Error, match="is held since"):
            reader.execute("select note from features.early_guarded")


def test_nobody_else_can_keep_sweeps_from_their_work(guarded_db: str, tmp_path: Path) -> None:
    """Advisory locks are anybody's: who takes those that once named mlguard's work stops none of it."""
    prepare(guarded_db, "create schema features; create table features.late (id bigint, at timestamptz, note text)")
    head = "mlguard: 1\ntable: features.late\nevent_time: at\nwindow: 1 day\nlate: 1 hour\nslos:\n  - "
    text = "{name: some, check: coverage(note) > 0.5, over: window, on_violation: hold, min_rows: 1}"
    told = "\n  - {name: told, check: coverage(note) > 0.5, over: batch, min_rows: 1}\n"
    api.apply(project(tmp_path, head + text + told), guarded_db)
    # In the window that closed last; not judged at the COMMIT, since a REPEATABLE READ one leaves it to the sweep.
    with psycopg.connect(guarded_db) as writer:
        writer.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        writer.execute(
            "insert into features.late select i, now() - interval '26 hours', null from generate_series(1, 9) i"
        )
    prepare(guarded_db, "create role attack_locks login")
    try:
        with psycopg.connect(psycopg.conninfo.make_conninfo(guarded_db, user="attack_locks"), autocommit=True) as other:
            for name in ("features.late", "incidents", "audit chain", "schema watch", "prediction lines"):
                other.execute("select pg_advisory_lock(hashtextextended('mlguard ' || %s, 0))", [name])
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                other.execute("select from mlguard._turn for update")
            with psycopg.connect(guarded_db, autocommit=True) as owner:
                owner.execute("select from mlguard.sweep()")
                assert owner.execute("select from mlguard.verdict where over <> 'batch' limit 1").fetchone() == ()
                assert owner.execute("select from mlguard.incident limit 1").fetchone() == ()
                assert owner.execute("select from mlguard._unsealed").fetchone() is None
    finally:
        prepare(guarded_db, "drop role attack_locks")


@pytest.mark.parametrize("given", ATTACKS, ids=lambda given: given.name)
def test_nothing_is_gained(attacked: World, given: Attack) -> None:
    state = attacked.attack(given.role, *given.run)
    told = "\n".join(attacked.told)
    assert state == given.state, told
    assert SECRET not in told
    assert "ran as postgres" not in told
    assert attacked.changed() == set()
    if given.probe:
        assert attacked.ask(given.probe) == [(True,)]
