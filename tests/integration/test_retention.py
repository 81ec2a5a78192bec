"""How long records are kept: pruned by age and number, some at a time, and the chain of events stays whole."""

from __future__ import annotations

import psycopg
import pytest

from tests.support import prepare, query

OFF = "alter table mlguard._event disable trigger all;"
ON = "".join(
    f"alter table mlguard._event enable always trigger {name};"
    for name in ("refuse_rewriting", "refuse_deletion", "await_seal")
)


def swept(dsn: str) -> dict[str, int]:
    return {str(what): int(str(n)) for what, n in query(dsn, "select what, n from mlguard.sweep()")}


def count(dsn: str, table: str, where: str = "true") -> int:
    return int(str(query(dsn, f"select count(*) from mlguard.{table} where {where}")[0][0]))


def test_nothing_goes_unless_somebody_says_so(guarded_db: str) -> None:
    prepare(
        guarded_db, "insert into mlguard._violation (slo, tbl, outcome, at) values ('a.b/c', 'a.b', 'FAIL', 'epoch')"
    )
    assert not [what for what in swept(guarded_db) if what.endswith("pruned") and what.startswith(("viol", "verd"))]
    assert count(guarded_db, "_violation") == 1
    assert query(guarded_db, "select what, keep, most from mlguard.retention where what = 'event'") == [
        ("event", None, None)
    ]
    assert query(guarded_db, "select bytes > 0 from mlguard.own_size where relation = '_violation'") == [(True,)]


def test_by_number_and_some_at_a_time(guarded_db: str) -> None:
    prepare(
        guarded_db,
        "insert into mlguard._violation (slo, tbl, outcome)"
        " select 'a.b/c', 'a.b', 'FAIL' from generate_series(1, 3500);"
        "select mlguard.set_retention('violation', null, 1000)",
    )
    assert swept(guarded_db)["violations pruned"] == 2000
    assert swept(guarded_db)["violations pruned"] == 500
    assert swept(guarded_db)["violations pruned"] == 0
    assert query(guarded_db, "select min(id), max(id) from mlguard._violation") == [(2501, 3500)]


def test_what_is_learned_from_stays(guarded_db: str) -> None:
    prepare(
        guarded_db,
        """
insert into mlguard._verdict (slo, tbl, over, batch, outcome, at)
select 'a.b/c', 'a.b', 'batch', n, 'PASS', 'epoch' from generate_series(1, 700) n;
insert into mlguard._metric (tbl, metric, over, batch, value, at)
select 'a.b', 'm', 'batch', n, 1, 'epoch' from generate_series(1, 700) n;
insert into mlguard._metric (tbl, metric, over, batch, value, at, current)
select 'a.b', 'm', 'batch', 700, 1, 'epoch', false from generate_series(1, 5) n;
insert into mlguard._incident (id, slo, tbl, severity, precedence, over, headline, opened_at, last_at, times,
                               first_verdict, last_verdict, state, resolved_at)
values (1, 'a.b/c', 'a.b', 'page', '{0}', 'batch', 'h', 'epoch', 'epoch', 1, 3, 4, 'resolved', now());
select mlguard.set_retention(what, '30 days') from unnest(array['verdict', 'metric']) what
""",
    )
    done = swept(guarded_db)
    assert (done["verdicts pruned"], done["metrics pruned"]) == (198, 205)
    assert query(guarded_db, "select array_agg(id order by id) from mlguard._verdict where id <= 200") == [([3, 4],)]
    assert query(guarded_db, "select min(batch), count(*) from mlguard._metric") == [(201, 500)]


def test_batches_that_something_needs_stay(guarded_db: str) -> None:
    prepare(
        guarded_db,
        """
insert into mlguard._batch (tbl, opened_at, closed_at)
select 'a.b', timestamptz 'epoch' + n * interval '1 s', timestamptz 'epoch' from generate_series(1, 6) n;
insert into mlguard._batch (tbl, opened_at) values ('a.b', now());
insert into mlguard._quarantine (tbl, slos, op, batch, status)
values ('a.b', '{}', 'INSERT', 1, 'waiting'), ('a.b', '{}', 'INSERT', 2, 'released');
insert into mlguard._hold (tbl, slo, batch) values ('a.b', 'a.b/c', 3);
insert into mlguard._change (tbl, column_name, rule, at, pending)
values ('a.b', 'c', 'r', 'epoch', false), ('a.b', 'c', 'r', now(), false);
select mlguard.set_retention(what, '30 days') from unnest(array['batch', 'change']) what
""",
    )
    # What is kept out closes its batch at COMMIT, and a sweep those that nothing of it closed.
    prepare(guarded_db, "delete from mlguard._unclosed; update mlguard._batch set closed_at = 'epoch' where id < 7")
    done = swept(guarded_db)
    assert (done["batches pruned"], done["changes pruned"]) == (4, 1)
    assert query(guarded_db, "select array_agg(id order by id) from mlguard._batch") == [([1, 3, 7],)]


@pytest.fixture
def cut(db: str) -> str:
    """A chain of events of which the first ten are old and pruned."""
    prepare(
        db,
        "select mlguard._record('act', 'x', null, to_jsonb(n), null) from generate_series(1, 20) n;"
        f"{OFF} update mlguard._event set at = at - interval '90 days' where id <= 10; {ON}",
    )
    swept(db)
    prepare(db, "select mlguard.set_retention('event', '30 days')")
    assert swept(db)["events pruned"] == 10
    return db


def faults(dsn: str, no: str = "null", digest: str = "null") -> list[object]:
    return [row[0] for row in query(dsn, f"select fault from mlguard.verify_audit({no}, {digest})")]


def test_a_chain_that_was_cut_is_whole(cut: str) -> None:
    assert query(cut, "select min(id), count(*) from mlguard.event where act = 'act'") == [(11, 10)]
    assert faults(cut) == []
    assert swept(cut)["events pruned"] == 0
    prepare(cut, "select mlguard._record('act', 'x', null, null, null)")
    swept(cut)
    assert faults(cut) == []
    (row,) = query(cut, "select no, encode(hash, 'hex'), events from mlguard._event_checkpoint")
    assert row[0] == row[2] == 10
    assert faults(cut, "10", f"'{row[1]}'") == []
    assert faults(cut, "10", "'00'") == ["rewritten"]
    assert faults(cut, "3", "'00'") == ["pruned"]
    assert query(cut, "select count(*) from mlguard.event where act = 'prune' and seal is not null") == [(1,)]


def test_only_what_lies_behind_the_cut_may_go(cut: str) -> None:
    for sql in (
        "delete from mlguard._event where id = 12",
        "delete from mlguard._event_seal where no = 12",
        "delete from mlguard._event_checkpoint",
        "update mlguard._event_checkpoint set no = 20",
        "truncate mlguard._event",
    ):
        with pytest.raises(psycopg.errors.InsufficientPrivilege, match="append-only"):
            prepare(cut, f"set session_replication_role = replica; {sql}")


def test_a_cut_that_nobody_recorded(cut: str) -> None:
    prepare(
        cut,
        "insert into mlguard._event_checkpoint (no, hash, last_at, events)"
        " select no, hash, now(), 5 from mlguard._event_seal where no = 15;"
        "delete from mlguard._event e using mlguard._event_seal s where s.event = e.id and s.no <= 15;"
        "delete from mlguard._event_seal where no <= 15",
    )
    assert faults(cut) == ["checkpoint"]


@pytest.mark.parametrize(
    ("call", "said"),
    [
        ("'row', '9 days'", "no retention of row"),
        ("null", "no retention of null"),
        ("'event', '1 hour'", "a day or more"),
        ("'event', null, 5", "1000 records or more"),
    ],
)
def test_refused(guarded_db: str, call: str, said: str) -> None:
    with pytest.raises(psycopg.errors.InvalidParameterValue, match=said):
        prepare(guarded_db, f"select mlguard.set_retention({call})")


def test_it_is_an_audited_act_of_the_platform(guarded_db: str) -> None:
    prepare(
        guarded_db,
        "select mlguard.set_retention('event', '400 days', 100000); select mlguard.set_retention('event')",
    )
    assert query(
        guarded_db,
        "select before ->> 'most', after ->> 'most' from mlguard.event where act = 'retention policy' order by id",
    ) == [(None, "100000"), ("100000", None)]
    rights = "has_function_privilege(r, 'mlguard.set_retention(text, interval, bigint)', 'execute')"
    roles = "unnest(array['mlguard_platform', 'mlguard_task', 'mlguard_writer']) r"
    assert query(guarded_db, f"select {rights} from {roles}") == [(True,), (False,), (False,)]
