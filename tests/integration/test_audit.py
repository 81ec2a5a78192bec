"""The chain of events: sealed in order, and what tampering with it shows."""

from __future__ import annotations

import threading

import psycopg
import pytest

from tests.support import prepare, query

OFF = "alter table mlguard._event disable trigger all; alter table mlguard._event_seal disable trigger all;"


def act(dsn: str, *versions: int) -> None:
    for version in versions:
        prepare(dsn, f"select mlguard.register('m', '{version}')")


def sweep(dsn: str) -> None:
    prepare(dsn, "select mlguard.sweep()")


def faults(dsn: str, head: str = "") -> list[tuple[object, ...]]:
    return query(dsn, f"select fault, seal, event from mlguard.verify_audit({head})")


def head(dsn: str) -> str:
    [(no, digest)] = query(dsn, "select no, hash from mlguard.audit_head()")
    return f"{no}, '{digest}'"


@pytest.fixture
def chain(db: str) -> str:
    """Six events, sealed."""
    act(db, 1, 2, 3, 4, 5, 6)
    sweep(db)
    return db


def test_a_whole_chain(chain: str) -> None:
    assert faults(chain) == faults(chain, head(chain)) == []
    assert query(chain, "select seal, id from mlguard.event order by seal") == [(n, n) for n in range(1, 7)]
    exported = head(chain)
    act(chain, 7)
    assert query(chain, "select no, unsealed from mlguard.audit_head()") == [(6, 1)]
    assert faults(chain) == []  # it has a while to be sealed
    sweep(chain)
    assert faults(chain, exported) == []
    sweep(chain)
    assert query(chain, "select no, unsealed from mlguard.audit_head()") == [(7, 0)]


def test_anybody_can_recompute_it(chain: str) -> None:
    """The text that is hashed is documented: a JSON array. Python gives the same hashes."""
    import hashlib

    prev = bytes(32)
    for text, found in query(
        chain,
        "select mlguard._event_text(s.no, e), s.hash from mlguard._event_seal s join mlguard._event e on e.id = s.event"
        " order by s.no",
    ):
        prev = hashlib.sha256(prev + str(text).encode()).digest()
        assert prev == found
    assert str(query(chain, "select mlguard._event_text(1, e) from mlguard._event e where id = 1")[0][0]).startswith(
        '[1, 1, "20'
    )


SWAPPED = """
update mlguard._event_seal set event = -event where no in (2, 4);
update mlguard._event_seal set event = case no when 2 then 4 else 2 end where no in (2, 4)
"""
# The seal is made to fit the edited event: the next one does not follow it.
SEALED_ANEW = """
update mlguard._event set who = 'nobody' where id = 3;
update mlguard._event_seal s set hash = mlguard._link(s.prev, s.no, e)
from mlguard._event e
where e.id = s.event and s.no = 3
"""


# An event of nobody's, sealed as if the chain began with it.
APPENDED = """
insert into mlguard._event (who, act, target) values ('nobody', 'apply', 'x');
delete from mlguard._unsealed;
insert into mlguard._event_seal (no, event, prev, hash)
select 7, e.id, decode(repeat('00', 32), 'hex'), mlguard._link(decode(repeat('00', 32), 'hex'), 7, e)
from mlguard._event e
where e.who = 'nobody'
"""


@pytest.mark.parametrize(
    ("tampering", "found"),
    [
        ("update mlguard._event set who = 'nobody' where id = 3", [("edited", 3, 3)]),
        ("update mlguard._event set at = at - interval '1 s' where id = 3", [("edited", 3, 3)]),
        ("update mlguard._event set after = null where id in (2, 5)", [("edited", 2, 2), ("edited", 5, 5)]),
        ("delete from mlguard._event where id = 3", [("deleted", 3, 3)]),
        ("delete from mlguard._event where id = 3; delete from mlguard._event_seal where no = 3", [("gap", 4, 4)]),
        ("delete from mlguard._event where id < 3; delete from mlguard._event_seal where no < 3", [("gap", 3, 3)]),
        (SWAPPED, [("reordered", 2, 4), ("reordered", 4, 2)]),
        (SEALED_ANEW, [("broken", 4, 4)]),
        (APPENDED, [("broken", 7, 7)]),
    ],
)
def test_tampering_shows(chain: str, tampering: str, found: list[tuple[object, ...]]) -> None:
    prepare(chain, f"{OFF}{tampering}")
    assert faults(chain) == found
    sweep(chain)
    assert [fault for fault in faults(chain) if fault[0] != "unsealed"] == found  # sealing on hides nothing


def test_seals_and_numbers_swapped(chain: str) -> None:
    prepare(
        chain,
        f"{OFF}update mlguard._event_seal set no = -no where no in (2, 3);"
        " update mlguard._event_seal set no = case no when -2 then 3 else 2 end where no < 0",
    )
    kinds = {fault for fault, _, _ in faults(chain)}
    assert "reordered" in kinds


def test_only_an_exported_head_shows_a_chain_made_anew(chain: str) -> None:
    exported = head(chain)
    prepare(
        chain,
        f"{OFF}update mlguard._event set who = 'nobody' where id = 3; truncate mlguard._event_seal;"
        " insert into mlguard._unsealed select id from mlguard._event",
    )
    sweep(chain)
    assert faults(chain) == []
    assert faults(chain, exported) == [("rewritten", 6, 6)]


def test_an_end_cut_off(chain: str) -> None:
    exported = head(chain)
    prepare(chain, f"{OFF}delete from mlguard._event where id = 6; delete from mlguard._event_seal where no = 6")
    assert faults(chain) == []
    assert faults(chain, exported) == [("cut", 6, None)]


def test_an_event_taken_away_before_it_was_sealed(chain: str) -> None:
    act(chain, 7)
    prepare(chain, f"{OFF}delete from mlguard._event where id = 7")
    sweep(chain)
    assert faults(chain) == [("deleted", None, 7)]


def test_an_event_kept_from_the_sealer(chain: str) -> None:
    act(chain, 7)
    prepare(
        chain, f"{OFF}delete from mlguard._unsealed; update mlguard._event set at = at - interval '2 h' where id = 7"
    )
    sweep(chain)
    assert faults(chain) == [("unsealed", None, 7)]


def test_events_and_seals_are_append_only(chain: str) -> None:
    for table in ("_event", "_event_seal"):
        for sql in (
            f"delete from mlguard.{table}",
            f"truncate mlguard.{table}",
            f"update mlguard.{table} set at = now()",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                prepare(chain, f"set session_replication_role = replica; {sql}")


def test_events_commit_out_of_order(db: str) -> None:
    """The seal's number is the order in which they were chained; the earlier event, committed later, comes after."""
    with psycopg.connect(db) as slow:
        slow.execute("select mlguard.register('a', '1')")
        act(db, 2)
        sweep(db)
        assert query(db, "select seal, id from mlguard.event") == [(1, 2)]
        slow.commit()
    sweep(db)
    assert query(db, "select seal, id from mlguard.event order by seal") == [(1, 2), (2, 1)]
    assert faults(db) == []


def test_many_sealers_make_one_chain(db: str) -> None:
    errors: list[psycopg.Error] = []

    def work(number: int) -> None:
        try:
            for version in range(10):
                prepare(db, f"select mlguard.register('m{number}', '{version}')")
                prepare(db, "select mlguard.sweep()")
        except psycopg.Error as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert errors == []
    sweep(db)
    assert faults(db) == []
    assert query(db, "select no, unsealed from mlguard.audit_head()") == [(40, 0)]


def test_a_sweep_at_repeatable_read_leaves_it_to_the_next(chain: str) -> None:
    act(chain, 7)
    prepare(chain, "begin isolation level repeatable read; select mlguard.sweep(); commit")
    assert query(chain, "select unsealed from mlguard.audit_head()") == [(1,)]
    sweep(chain)
    assert query(chain, "select unsealed from mlguard.audit_head()") == [(0,)]
