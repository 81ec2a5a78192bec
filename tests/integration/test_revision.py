"""`mlguard revision`: the life of SLOs in an Alembic project, there and back, online and printed."""

from __future__ import annotations

import ast
import os
import subprocess
from pathlib import Path

import psycopg
import pytest
from sqlalchemy.exc import DBAPIError

from mlguard.embedded import wheel_binaries
from tests.alembic_project import AlembicProject, mlguard
from tests.golden.dump import dump
from tests.support import CUSTOMER, prepare, query, write

TABLES = (
    CUSTOMER
    + """
create table features.account (account_id bigint primary key, customer_id bigint, since date);
create table features.plan (plan text primary key);
insert into features.plan values ('free'), ('pro');
insert into features.customer values (1, 20, 'free', 3, 'a@example.com', now());
create role analyst;
grant select on features.customer to analyst;
"""
)
BEFORE = """
mlguard: 1
table: features.customer
key: [customer_id]
event_time: event_ts
revoke: [analyst]
columns:
  age: {type: integer, required: true, range: [0, 130]}
  plan: {type: text, references: features.plan.plan}
  tenure_days: {type: double precision, range: {between: [0, null], on_violation: quarantine}}
  email: {type: text, unique: true, matches: '^[^ :]+@[^ %]+$'}
slos:
  - {name: covered, check: coverage(age) >= 0.5, over: 1 day}
  - {name: fresh, check: "staleness() <= INTERVAL '26 hours'"}
  - name: no_orphan
    assert: |
      SELECT a.account_id FROM features.account a
      WHERE NOT EXISTS (SELECT 1 FROM features.customer c WHERE c.customer_id = a.customer_id)
"""
# Something of every kind is new, changed or gone.
AFTER = """
mlguard: 1
table: features.customer
key: [customer_id]
event_time: event_ts
reads: policy
columns:
  age: {type: integer, range: [1, 120]}
  plan: {type: text, in: {values: [free, pro, 'x:y :z'], on_violation: quarantine}}
  tenure_days: {type: double precision, required: true}
  email: {type: text, matches: '^[^ :]+@[^ %]+$'}
slos:
  - {name: counted, check: row_count() > 0, over: batch, on_violation: reject}
  - {name: fresh, check: "staleness() <= INTERVAL '30 hours'"}
  - name: no_orphan
    assert: |
      SELECT a.account_id FROM features.account a
      WHERE a.since > '2020-01-01'
        AND NOT EXISTS (SELECT 1 FROM features.customer c WHERE c.customer_id = a.customer_id)
"""
NOTHING = "nothing to do: the database is what the SLO files say\n"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AlembicProject:
    """An Alembic project in the current folder."""
    monkeypatch.chdir(tmp_path)
    return AlembicProject(tmp_path)


def use(dsn: str, monkeypatch: pytest.MonkeyPatch, sql: str = CUSTOMER) -> None:
    monkeypatch.setenv("MLGUARD_DSN", dsn)
    prepare(dsn, sql)


def revision(message: str, *more: str) -> list[Path]:
    return [Path(line) for line in mlguard("revision", "-m", message, *more).stdout.splitlines()]


def clean() -> None:
    assert mlguard("plan").stdout == NOTHING
    mlguard("doctor")  # its exit code says whether it found something
    for word in ("OUTDATED", "TAMPERED", "MISSING", "ORPHANED", "DISABLED"):
        assert word not in mlguard("status").stdout


def test_life(bare: str, project: AlembicProject, monkeypatch: pytest.MonkeyPatch) -> None:
    use(bare, monkeypatch, "drop role if exists analyst;" + TABLES)
    project.upgrade()  # makes Alembic's own table, which stays
    empty = dump(bare)

    write(project.folder, BEFORE)
    runtime, table, late = revision("guard customers")
    assert "runtime" in runtime.name
    assert "features_customer" in table.name
    assert "stored_rows" in late.name
    project.upgrade()
    clean()
    assert revision("again") == []
    with (
        psycopg.connect(bare) as connection,
        pytest.raises(psycopg.errors.CheckViolation, match=r"age\.range: age is 200"),
    ):
        connection.execute("insert into features.customer values (2, 200, 'free', 3, 'b@example.com', now())")
    with psycopg.connect(bare) as connection, pytest.raises(psycopg.errors.ForeignKeyViolation):
        connection.execute("insert into features.customer values (2, 20, 'gold', 3, 'b@example.com', now())")
    guarded = dump(bare)

    write(project.folder, AFTER)
    assert len(revision("narrow")) == 2
    with pytest.raises(DBAPIError, match="has the mlguard runtime already"):
        project.again(runtime)
    project.upgrade()
    clean()
    prepare(bare, "insert into features.customer values (3, 50, 'x', 3, 'c@example.com', now())")
    assert query(bare, "select count(*) from mlguard.quarantine") == [(1,)]
    prepare(bare, "select mlguard.discard(id, 'no such plan') from mlguard.quarantine")

    project.downgrade("-2")
    assert dump(bare) == guarded
    write(project.folder, BEFORE)
    clean()
    with psycopg.connect(bare) as connection, pytest.raises(psycopg.errors.ForeignKeyViolation):
        connection.execute("insert into features.customer values (2, 20, 'gold', 3, 'b@example.com', now())")
    project.upgrade()  # up once more: what a downgrade leaves is what an upgrade expects
    project.downgrade(f"{project.head_of(late)}")
    monkeypatch.setenv("PGOPTIONS", "-c mlguard.discard=on")  # a person discarded a row, which is on record
    project.downgrade("base")
    assert dump(bare) == empty
    assert query(bare, "select count(*) from features.customer") == [(1,)]
    prepare(bare, "drop owned by analyst; drop role analyst")


def test_printed_sql_does_the_same(bare18: str, project: AlembicProject, monkeypatch: pytest.MonkeyPatch) -> None:
    use(bare18, monkeypatch)
    write(project.folder, BEFORE.replace("revoke: [analyst]\n", "").partition("  - name: no_orphan")[0])
    prepare(bare18, "create table features.plan (plan text primary key)")
    revision("guard: customers")
    printed = project.printed()
    psql = [str(wheel_binaries(18) / "psql"), "-qX", "-v", "ON_ERROR_STOP=1", "-o", os.devnull, bare18]
    subprocess.run(psql, input=printed, text=True, check=True)
    clean()

    doubled = printed.replace("%", "%%")
    head = doubled[doubled.index("do $mlguard$") : doubled.index("$mlguard$;") + len("$mlguard$;")]
    with psycopg.connect(bare18) as connection, pytest.raises(psycopg.errors.RaiseException, match="sign doubled"):
        connection.execute(head.encode())


def test_rows_in_quarantine_are_not_lost(
    guarded_db: str, project: AlembicProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(guarded_db, monkeypatch)
    project.upgrade()
    before = dump(guarded_db)
    write(
        project.folder,
        "mlguard: 1\ntable: features.customer\ncolumns: {age: {range: {between: [0, 130],"
        " on_violation: quarantine}}}\n",
    )
    revision("keep out")
    project.upgrade()
    prepare(guarded_db, "insert into features.customer (customer_id, age) values (1, 200)")
    with pytest.raises(DBAPIError, match=r"rows of features\.customer wait in quarantine \(1\); nothing was removed"):
        project.downgrade("base")
    clean()
    monkeypatch.setenv("PGOPTIONS", "-c mlguard.discard=on")
    project.downgrade("base")
    assert dump(guarded_db) == before
    assert query(guarded_db, "select status from mlguard.quarantine") == [("discarded",)]


def test_stored_rows_that_break_a_rule(
    guarded_db: str, project: AlembicProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A CHECK stands for new rows before old ones are judged; the file that judges them can be run again."""
    use(guarded_db, monkeypatch, CUSTOMER + "insert into features.customer (customer_id, age) values (1, 200), (2, 20)")
    write(
        project.folder,
        "mlguard: 1\ntable: features.customer\nreads: none\ncolumns: {age: {range: [0, 130], required: true}}\n",
    )
    done = mlguard("revision", "-m", "range")
    assert "an upgrade of this database would fail: features.customer/age.range: 1 of 2 stored rows" in done.stderr
    table, late = (Path(line) for line in done.stdout.splitlines())
    with pytest.raises(DBAPIError, match=r"age\.range"):
        project.upgrade()
    assert project.current(guarded_db) == [project.head_of(table)]
    with psycopg.connect(guarded_db) as connection, pytest.raises(psycopg.errors.CheckViolation):
        connection.execute("insert into features.customer (customer_id, age) values (3, 300)")
    prepare(guarded_db, "update features.customer set age = 100 where customer_id = 1")
    project.upgrade()
    assert project.current(guarded_db) == [project.head_of(late)]
    clean()


def test_existing_fail_and_quarantine(
    guarded_db: str, project: AlembicProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(guarded_db, monkeypatch)
    slo = (
        "mlguard: 1\ntable: features.customer\nkey: [customer_id]\nreads: none\n{existing}columns: {{age: {{range:"
        " {{between: [0, 130], on_violation: quarantine}}}}}}\n"
    )
    write(project.folder, slo.format(existing=""))
    paths = revision("strict")  # there are no rows yet; where it runs there are
    prepare(guarded_db, "insert into features.customer (customer_id, age) values (1, 200), (2, 20)")
    with pytest.raises(DBAPIError, match=r"stored rows already break rules.*age\.range: 1 of 2"):
        project.upgrade()
    assert query(guarded_db, "select count(*) from mlguard.slo") == [(0,)]

    for path in paths:
        path.unlink()
    prepare(guarded_db, "delete from features.customer")
    write(project.folder, slo.format(existing="existing: quarantine\n"))
    revision("moved out")
    prepare(guarded_db, "insert into features.customer (customer_id, age) values (1, 200), (2, 20)")
    project.upgrade()
    assert query(guarded_db, "select customer_id from features.customer") == [(2,)]
    assert query(guarded_db, "select key ->> 'customer_id' from mlguard.quarantine") == [("1",)]
    clean()


def test_an_assertion_that_returns_rows_is_not_put_in_force(
    guarded_db: str, project: AlembicProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(guarded_db, monkeypatch)
    write(
        project.folder,
        "mlguard: 1\ntable: features.customer\nreads: none\n"
        "slos: [{name: none_old, assert: SELECT c.customer_id FROM features.customer c WHERE c.age > 100}]\n",
    )
    revision("assert")
    prepare(guarded_db, "insert into features.customer (customer_id, age) values (1, 200)")
    with pytest.raises(DBAPIError, match=r"none_old: the assertion returns rows \(1\)"):
        project.upgrade()
    prepare(guarded_db, "update features.customer set age = 20")
    project.upgrade()
    clean()
    with pytest.raises(psycopg.errors.CheckViolation):
        prepare(guarded_db, "update features.customer set age = 200")


def test_a_lock_that_is_not_to_be_had(
    guarded_db: str, project: AlembicProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The upgrade gives up in time, and the table is as it was; settings of the session come back."""
    use(guarded_db, monkeypatch)
    project.upgrade()
    before = dump(guarded_db)
    write(project.folder, "mlguard: 1\ntable: features.customer\ncolumns: {age: {range: [0, 130]}}\n")
    revision("guard", "--lock-timeout", "0.2")
    with psycopg.connect(guarded_db) as reader:
        reader.execute("select from features.customer")
        with pytest.raises(DBAPIError, match="lock timeout"):
            project.upgrade()
    assert dump(guarded_db) == before
    (path, *_) = project.migrations.glob("versions/*_customer.py")
    told = "    op.execute(\"do $$ begin if current_setting('lock_timeout') <> '7s' or current_setting('search_path')"
    told += " <> 'features' then raise 'changed'; end if; end $$\")\n"
    text = path.read_text().replace("\n\ndef downgrade", f"{told}\n\ndef downgrade")
    path.write_text(text)
    monkeypatch.setenv("PGOPTIONS", "-c lock_timeout=7s -c search_path=features")
    project.upgrade()
    monkeypatch.delenv("PGOPTIONS")
    clean()


def test_pyproject(guarded_db: str, project: AlembicProject, monkeypatch: pytest.MonkeyPatch) -> None:
    use(guarded_db, monkeypatch)
    (project.folder / "alembic.ini").unlink()
    toml = project.folder / "pyproject.toml"
    write(project.folder, "mlguard: 1\ntable: features.customer\ncolumns: {age: {range: [0, 130]}}\n")
    toml.write_text("[project]\nname = 'shop'\n")
    assert "no alembic.ini here" in mlguard("revision", "-m", "guard", code=2).output
    toml.write_text("[tool.alembic]\nscript_location = '%(here)s/migrations'\n")
    assert len(revision("guard")) == 2


def test_a_template_without_room_for_statements(
    guarded_db: str, project: AlembicProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(guarded_db, monkeypatch)
    template = project.migrations / "script.py.mako"
    template.write_text(
        template.read_text()
        .replace('${upgrades if upgrades else "pass"}', "pass")
        .replace('${downgrades if downgrades else "pass"}', "pass")
    )
    write(project.folder, "mlguard: 1\ntable: features.customer\ncolumns: {age: {range: [0, 130]}}\n")
    assert "script.py.mako does not take statements" in mlguard("revision", "-m", "guard", code=2).output
    assert list(project.migrations.glob("versions/*.py")) == []


def test_heads_and_folders(guarded_db: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    where = "version_locations = %(here)s/migrations/versions:%(here)s/migrations/slos"
    project = AlembicProject(tmp_path, more=where, transaction_per_migration=True)
    use(guarded_db, monkeypatch)
    write(project.folder, "mlguard: 1\ntable: features.customer\ncolumns: {age: {type: integer, range: [0, 130]}}\n")
    project.empty("one", head="base", label="schema")
    project.empty("two", head="base", label="other")
    said = mlguard("revision", "-m", "guard", code=2).output
    assert "this Alembic project has 2 heads: " in said
    assert "(schema)" in said
    assert "--head" in said
    assert "alembic merge heads" in said
    behind = mlguard("revision", "-m", "guard", "--head", "schema@head", code=2).output
    assert "the database is at no revision of this project, and the new revision would follow" in behind
    project.upgrade("heads")
    written = revision("guard", "--head", "schema@head", "--version-path", "migrations/slos")
    assert {path.parent.name for path in written} == {"slos"}
    project.upgrade("heads")
    clean()
    refused = mlguard(
        "revision", "-m", "x", "--from-nothing", "--head", "schema@head", "--version-path", "/tmp", code=2
    )
    assert "is not represented in current version locations" in refused.output
    assert "no nowhere.ini here" in mlguard("revision", "-m", "x", "--alembic-config", "nowhere.ini", code=2).output


def test_two_tables_from_nothing(bare18: str, project: AlembicProject, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a database: types come from the files; each table is a transaction of its own."""
    for name in ("MLGUARD_DSN", "PGHOST"):
        monkeypatch.delenv(name, raising=False)
    write(project.folder, "mlguard: 1\ntable: features.customer\nslos: [{name: adult, check: age % 2 = 0}]\n")
    assert "type" in mlguard("revision", "-m", "x", "--from-nothing", code=2).output
    columns = "customer_id: {type: bigint}, age: {type: integer, range: [0, 130], required: true}"
    write(project.folder, f"mlguard: 1\ntable: features.customer\nreads: none\ncolumns: {{{columns}}}\n")
    write(
        project.folder,
        "mlguard: 1\ntable: features.account\nreads: none\ncolumns: {since: {type: date, required: true}}\n",
        "a.slo.yaml",
    )
    runtime, *tables, _ = revision("all of it", "--from-nothing")
    assert ["autocommit_block" in path.read_text() for path in (runtime, *tables)] == [False, True, True]
    for path in (runtime, *tables):
        imports = {
            name
            for node in ast.walk(ast.parse(path.read_text()))
            if isinstance(node, ast.Import | ast.ImportFrom)
            for name in ([node.module] if isinstance(node, ast.ImportFrom) else [alias.name for alias in node.names])
        }
        assert imports <= {"alembic", "sqlalchemy", "typing"}
    use(bare18, monkeypatch, CUSTOMER + "create table features.account (account_id bigint primary key, since date)")
    project.upgrade()
    clean()


def test_a_table_that_goes_comes_back(
    guarded_db: str, project: AlembicProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(guarded_db, monkeypatch, CUSTOMER + "create table features.other (id bigint)")
    write(
        project.folder,
        "mlguard: 1\ntable: features.customer\nevent_time: event_ts\ncolumns: {age: {range: [0, 130]}}\n"
        "slos: [{name: some, check: row_count() > 1}]\n",
    )
    revision("guard")
    project.upgrade()
    guarded = dump(guarded_db)
    prepare(guarded_db, "insert into features.customer (customer_id, age, event_ts) values (1, 20, now())")
    other = "mlguard: 1\ntable: features.other\nreads: none\ncolumns: {id: {type: bigint, range: [0, null]}}\n"
    write(project.folder, other)
    assert revision("unguard", "--prune")
    project.upgrade()
    clean()
    assert query(guarded_db, "select tbl from mlguard._table") == [("features.other",)]
    project.downgrade("-3")
    assert dump(guarded_db) == guarded
    assert query(guarded_db, "select sum(n) from mlguard._bucket where tbl = 'features.customer'") == [(1,)]


def test_what_was_changed_behind_our_back_is_not_frozen(
    guarded_db: str, project: AlembicProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(guarded_db, monkeypatch)
    write(project.folder, "mlguard: 1\ntable: features.customer\ncolumns: {age: {range: [0, 130]}}\n")
    revision("guard")
    project.upgrade()
    prepare(guarded_db, 'alter table features.customer drop constraint "mlguard_age.range"')
    said = mlguard("revision", "-m", "repair", code=2).output
    assert "CHECK mlguard_age.range was changed or dropped behind mlguard's back" in said
    assert "mlguard apply repairs it" in said
    assert list(project.migrations.glob("versions/*repair*")) == []
