"""What people write without mlguard: the same rules by hand, and as django-pgtrigger renders them."""

from __future__ import annotations

import re
from pathlib import Path

import psycopg

from bench.servers import BenchServer
from bench.workload import row_rules, table

PGTRIGGER = Path(__file__).with_name("pgtrigger_rendered.sql")


def install_plain(server: BenchServer, name: str) -> None:
    """Make an unguarded table."""
    with server.connect() as connection:
        connection.execute(table(f"bench.{name}").encode())


def install_row_trigger(server: BenchServer, name: str) -> None:
    """Make a table with one PL/pgSQL row trigger that judges the 20 rules, one IF each, and raises."""
    ifs = "\n".join(
        f"  if not ({rule.good}) then\n"
        f"    raise exception 'rule {rule.name} violated' using errcode = 'check_violation';\n  end if;"
        for rule in row_rules("new.")
    )
    _install(server, name, f"{ifs}\n  return new;")


def install_row_quarantine(server: BenchServer, name: str) -> None:
    """Make a table with one PL/pgSQL row trigger that puts bad rows aside, with the rules they broke."""
    ifs = "\n".join(
        f"  if not ({rule.good}) then\n    broken := broken || '{rule.name}'::text;\n  end if;"
        for rule in row_rules("new.")
    )
    with server.connect() as connection:
        _kept(connection, name)
    _install(server, name, f"{ifs}\n{_put_aside(name)}  return new;", declare="declare\n  broken text[] := '{}';\n")


def install_pgtrigger(server: BenchServer) -> None:
    """Make the table `bench.pgtrigger` with the trigger that django-pgtrigger renders."""
    install_plain(server, "pgtrigger")
    with server.connect() as connection:
        connection.execute("set search_path = bench")
        connection.execute(PGTRIGGER.read_bytes())


def install_pgtrigger_quarantine(server: BenchServer, name: str) -> None:
    """Make a table with what django-pgtrigger renders around a body that puts bad rows aside.

    The text that `install_pgtrigger` runs, its IFs and the end of its body as `install_row_quarantine` has them.
    """
    text = PGTRIGGER.read_text(encoding="utf-8")
    text = text.replace('"pgtrigger"', f'"{name}"').replace("pgtrigger_row_rules", f"{name}_row_rules")
    text = re.sub(r"RAISE EXCEPTION 'rule (\w+) violated' [^;]*;", r"broken := broken || '\1'::text;", text)
    before, begin, body = text.rpartition("BEGIN\n")
    body, end, after = body.rpartition("RETURN NEW;")
    with server.connect() as connection:
        _kept(connection, name)
    install_plain(server, name)
    with server.connect() as connection:
        connection.execute("set search_path = bench")
        declared = "DECLARE\n                broken TEXT[] DEFAULT '{}';\n                "
        connection.execute(f"{before}{declared}{begin}{body}{_put_aside(name)}{end}{after}".encode())


def _kept(connection: psycopg.Connection[tuple[object, ...]], name: str) -> None:
    connection.execute(
        f"create table bench.{name}_kept (id bigint generated always as identity primary key,"
        " content jsonb not null, broken text[] not null, kept_at timestamptz not null default now())".encode()
    )


def _put_aside(name: str) -> str:
    return (
        "  if broken <> '{}' then\n"
        f"    insert into bench.{name}_kept (content, broken) values (to_jsonb(new), broken);\n"
        "    return null;\n  end if;\n"
    )


def _install(server: BenchServer, name: str, body: str, declare: str = "") -> None:
    install_plain(server, name)
    with server.connect() as connection:
        connection.execute(
            f"create function bench.{name}_rules() returns trigger language plpgsql as $$\n"
            f"{declare}begin\n{body}\nend\n$$".encode()
        )
        connection.execute(
            f"create trigger rules before insert or update on bench.{name}"
            f" for each row execute function bench.{name}_rules()".encode()
        )
