"""What the runtime's own functions and triggers should be, from the files that install them; and putting them back.

The files are the client's: whoever edits the database cannot edit them too.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import psycopg

from mlguard import runtime

PATH = "search_path=pg_catalog, pg_temp"
_FUNCTION = re.compile(
    r"^create (?:or replace )?function mlguard\.(?P<name>\w+)\s*\((?P<arguments>.*?)\)\s*"
    r"(?P<head>\b(?:returns|language)\b.*?)\bas (?P<tag>\$\w*\$)(?P<body>.*?)(?P=tag)\s*;",
    re.DOTALL | re.MULTILINE,
)
_RENAMED = re.compile(r"^alter function mlguard\.(\w+)\(.*?\) rename to (\w+);", re.MULTILINE)
_DROPPED = re.compile(r"^drop function mlguard\.(\w+)\(([^;]*)\);", re.MULTILINE)
_SETTING = re.compile(r"^alter function mlguard\.(\w+)\([^;]*?\) set [^;]*;", re.MULTILINE)
_TRIGGER = re.compile(
    r"^create (?:constraint )?trigger (\w+)\s.*?\bon mlguard\.(\w+)\b"
    r"|^drop trigger (?:if exists )?(\w+) on mlguard\.(\w+);",
    re.DOTALL | re.MULTILINE,
)


@dataclass(frozen=True)
class Source:
    """One function as its file says it."""

    name: str
    body: str
    definer: bool
    pinned: bool
    create: str  # CREATE OR REPLACE FUNCTION, whole


@cache
def functions() -> dict[str, tuple[Source, ...]]:
    """Return the newest definition of each of the runtime's functions, by name; a name may have several."""
    found: dict[str, dict[str, Source]] = {}
    for text in _files():
        parts = (
            *_FUNCTION.finditer(text), *_RENAMED.finditer(text), *_SETTING.finditer(text), *_DROPPED.finditer(text)
        )  # fmt: skip
        for match in sorted(parts, key=lambda each: each.start()):
            if match.re is _SETTING:
                # Whoever makes the function anew pins what a later file pinned.
                found[match[1]] = {
                    arguments: replace(source, create=f"{source.create}\n{match[0]}")
                    for arguments, source in found[match[1]].items()
                }
                continue
            if match.re is _DROPPED:
                forms = found[match[1]]
                for arguments in [each for each in forms if _types(each) == _types(match[2], named=False)]:
                    del forms[arguments]
                continue
            if match.re is _RENAMED:
                found[match[2]] = {
                    arguments: _renamed(source, match[2]) for arguments, source in found.pop(match[1]).items()
                }
                continue
            head = match["head"].lower()
            source = Source(
                match["name"],
                match["body"],
                "security definer" in head,
                "set search_path = pg_catalog, pg_temp" in head,
                re.sub(r"^create (or replace )?", "create or replace ", match[0]),
            )
            found.setdefault(source.name, {})[re.sub(r"\s+", " ", match["arguments"]).strip()] = source
    return {name: tuple(each.values()) for name, each in found.items() if each}


@cache
def triggers() -> frozenset[tuple[str, str]]:
    """Return (table, trigger) of the runtime's own triggers, all of which fire always."""
    found: set[tuple[str, str]] = set()
    for text in _files():
        for match in _TRIGGER.finditer(text):
            if match[1]:
                found.add((match[2], match[1]))
            else:
                found.discard((match[4], match[3]))
    return frozenset(found)


def edited(connection: psycopg.Connection[Any]) -> list[str]:
    """Return the names of the runtime's functions that are not as their files say, or gone.

    Only where the runtime is of this client's version can that be told.
    """
    if not runtime.is_current(connection):
        return []
    there: dict[str, list[tuple[str, bool, bool]]] = {}
    for name, body, definer, config in connection.execute(
        "select p.proname::text, p.prosrc, p.prosecdef, coalesce(p.proconfig, '{}') from pg_catalog.pg_proc as p"
        " where p.pronamespace = pg_catalog.to_regnamespace('mlguard') and p.prokind = 'f'"
    ).fetchall():
        there.setdefault(name, []).append((body, definer, PATH in config))
    return sorted(
        name
        for name, wanted in functions().items()
        if not set(there.get(name, [])) <= {(each.body, each.definer, each.pinned) for each in wanted}
        or name not in there
    )


def restore(connection: psycopg.Connection[Any]) -> None:
    """Make the runtime's functions and triggers again what their files say, all or nothing."""
    with connection.transaction():
        lost = [name for name in edited(connection) if not _forms(connection, name)]
        for name in edited(connection):
            for source in functions()[name]:
                _restore(connection, source, anew=name in lost)
        if lost:
            # PostgreSQL lets everybody call what is new: nobody may but those whom grant_roles() knows.
            made = connection.execute(
                "select p.oid::pg_catalog.regprocedure::text from pg_catalog.pg_proc as p"
                " where p.pronamespace = pg_catalog.to_regnamespace('mlguard') and p.proname = any (%s)",
                (lost,),
            ).fetchall()
            for (signature,) in made:
                connection.execute(f"revoke all on function {signature} from public".encode())
            connection.execute("select mlguard.grant_roles()")
        for table, trigger in silent(connection):
            connection.execute(f"alter table mlguard.{table} enable always trigger {trigger}".encode())


def _restore(connection: psycopg.Connection[Any], source: Source, *, anew: bool) -> None:
    """Put one function back; where its name is there, a form with other arguments is not added to it."""
    before = _forms(connection, source.name)
    with connection.transaction() as attempt:
        connection.execute(source.create.encode())
        if not anew and before < _forms(connection, source.name):
            raise psycopg.Rollback(attempt)


def _forms(connection: psycopg.Connection[Any], name: str) -> int:
    found = connection.execute(
        "select count(*) from pg_catalog.pg_proc as p"
        " where p.pronamespace = pg_catalog.to_regnamespace('mlguard') and p.proname = %s",
        (name,),
    ).fetchone()
    return int(found[0]) if found else 0


def silent(connection: psycopg.Connection[Any]) -> list[tuple[str, str]]:
    """Return (table, trigger) of the runtime's own triggers that are there and do not always fire."""
    found = connection.execute(
        "select c.relname::text, t.tgname::text from pg_catalog.pg_trigger as t"
        " join pg_catalog.pg_class as c on c.oid = t.tgrelid"
        " where c.relnamespace = pg_catalog.to_regnamespace('mlguard') and not t.tgisinternal and t.tgenabled <> 'A'"
        " order by 1, 2"
    ).fetchall()
    return [(table, trigger) for table, trigger in found if (table, trigger) in triggers()]


def gone(connection: psycopg.Connection[Any]) -> list[tuple[str, str]]:
    """Return (table, trigger) of the runtime's own triggers that are not there."""
    there = connection.execute(
        "select c.relname::text, t.tgname::text from pg_catalog.pg_trigger as t"
        " join pg_catalog.pg_class as c on c.oid = t.tgrelid"
        " where c.relnamespace = pg_catalog.to_regnamespace('mlguard') and not t.tgisinternal"
    ).fetchall()
    return sorted(triggers() - set(there))


def _files() -> list[str]:
    return [
        path.read_text(encoding="utf-8").replace("\r\n", "\n") for path in sorted(runtime.sql_folder().glob("*.up.sql"))
    ]


def _types(arguments: str, *, named: bool = True) -> list[str]:
    """Return the types of a list of arguments, which have names where a function is made and none where it goes."""
    each = [re.sub(r"\s+default\s.*", "", part).strip() for part in arguments.split(",") if part.strip()]
    return [part.split(None, 1)[1] if named else part for part in each]


def _renamed(source: Source, name: str) -> Source:
    create = source.create.replace(f"mlguard.{source.name}", f"mlguard.{name}", 1)
    return Source(name, source.body, source.definer, source.pinned, create)
