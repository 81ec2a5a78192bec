"""No value of a pii column leaves through mlguard: not to the client, not into the server's log."""

from __future__ import annotations

from pathlib import Path

import psycopg
import pytest

from mlguard import api
from tests import servers
from tests.support import CUSTOMER, project

SECRET = "secret.person@example.org"
TEXT = """
mlguard: 1
table: features.customer
key: [customer_id]
columns:
  email: {type: text, required: true, matches: '^[a-z]+$', pii: true}
  age: {type: integer, range: [0, 130]}
  plan: {type: text, in: {values: [free], on_violation: quarantine}}
  tenure_days: {type: double precision, range: {between: [0, 9], on_violation: repair, repair: {clamp: [0, 9]}}}
reads: none
"""


def copy_row(dsn: str, line: str) -> str:
    """COPY one row; return everything the client was told."""
    told: list[str] = []

    def note(diag: psycopg.errors.Diagnostic) -> None:
        told.extend(str(getattr(diag, name)) for name in dir(diag) if not name.startswith("_"))

    with psycopg.connect(dsn) as connection:
        connection.add_notice_handler(note)
        statement = "copy features.customer (customer_id, age, plan, tenure_days, email) from stdin (format csv)"
        try:
            with connection.cursor() as cursor, cursor.copy(statement.encode()) as copy:
                copy.write(line + "\n")
            connection.commit()
        except psycopg.Error as error:
            note(error.diag)
            told.append(str(error))
            connection.rollback()
    return "\n".join(told)


@pytest.mark.parametrize(
    ("line", "outcome"),
    [
        (f"1,5,free,1,{SECRET}", "features.customer/email.matches"),
        ("1,-5,free,1,secret", "features.customer/age.range"),
        ("1,5,gold,1,secret", "kept out"),
        (f"1,5,gold,77,{SECRET}", "kept out"),
        ("1,5,free,1,", "features.customer/email.required"),
    ],
)
def test_copy_on_client_and_in_the_log(tmp_path: Path, line: str, outcome: str) -> None:
    with servers.embedded(18) as server, server.database() as dsn:
        with psycopg.connect(dsn, autocommit=True) as connection:
            connection.execute(CUSTOMER.encode())
        api.apply(project(tmp_path, TEXT), dsn)
        told = copy_row(dsn, line)
        folder = server.server.folder
        assert folder is not None
        log = (folder / "log").read_text()
    assert outcome in told
    assert "secret" not in told
    assert "secret" not in log


def test_insert_messages_and_listings(guarded_db: str, tmp_path: Path) -> None:
    with psycopg.connect(guarded_db, autocommit=True) as connection:
        connection.execute(CUSTOMER.encode())
        api.apply(project(tmp_path, TEXT), guarded_db)
        with pytest.raises(psycopg.errors.CheckViolation) as caught:
            connection.execute("insert into features.customer (customer_id, email) values (1, %s)", (SECRET,))
        shown = [str(getattr(caught.value.diag, name)) for name in dir(caught.value.diag) if not name.startswith("_")]
        assert SECRET not in " ".join(shown)
        assert "email is not shown (pii)" in (caught.value.diag.message_primary or "")
        assert "customer_id" not in (caught.value.diag.message_primary or "")
        connection.execute("insert into features.customer (customer_id, email, plan) values (1, 'joe', 'gold')")
        for view in ("quarantine", "change", "violation", "event", "rejection", "batch"):
            listed = str(connection.execute(f"select * from mlguard.{view}".encode()).fetchall())
            assert "joe" not in listed, view


def test_a_full_quarantine_prints_no_line_of_a_copy(guarded_db: str, tmp_path: Path) -> None:
    with psycopg.connect(guarded_db, autocommit=True) as connection:
        connection.execute(CUSTOMER.encode())
    api.apply(project(tmp_path, TEXT + "quarantine: {cap: 1}\n"), guarded_db)
    told = "".join(copy_row(guarded_db, f"{number},5,gold,1,secret") for number in range(4))
    assert "the quarantine of features.customer is full" in told
    assert "secret" not in told


def test_a_column_generated_from_personal_data_is_personal(guarded_db: str, tmp_path: Path) -> None:
    with psycopg.connect(guarded_db, autocommit=True) as connection:
        connection.execute(CUSTOMER.encode())
        connection.execute("alter table features.customer add g text generated always as (lower(email)) stored")
        rule = "slos: [{name: g_known, check: \"g IN ('a')\"}]\n"
        api.apply(project(tmp_path, TEXT + rule), guarded_db)
        with pytest.raises(psycopg.errors.CheckViolation) as caught:
            connection.execute("insert into features.customer (customer_id, email) values (1, 'secret')")
    assert "g is not shown (pii)" in (caught.value.diag.message_primary or "")


def test_what_becomes_personal_later_is_masked_in_old_records(guarded_db: str, tmp_path: Path) -> None:
    text = TEXT.replace("pii: true", "pii: false").replace(
        "matches: '^[a-z]+$'", "matches: {pattern: '^[a-z]+$', on_violation: warn}"
    )
    text += "slos: [{name: short, check: length(email) < 6, on_violation: quarantine}]\n"
    with psycopg.connect(guarded_db, autocommit=True) as connection:
        connection.execute(CUSTOMER.encode())
        api.apply(project(tmp_path, text), guarded_db)
        connection.execute("insert into features.customer (customer_id, email) values (1, 'secretx'), (2, 'S.e')")
        api.apply(project(tmp_path, text.replace("pii: false", "pii: true")), guarded_db)
        for view in ("quarantine", "violation"):
            listed = str(connection.execute(f"select * from mlguard.{view}".encode()).fetchall())
            assert "secret" not in listed
            assert "S.e" not in listed
