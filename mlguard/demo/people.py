"""Who logs in, in the story of a model: who trains, who approves, who writes. Login roles that go when it ends."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

from mlguard.errors import EngineError

if TYPE_CHECKING:
    import psycopg

# Name, whose member, and what else they may do with the tables of the story.
PEOPLE: Mapping[str, tuple[str, str]] = {
    "demo_anna": ("mlguard_task", "grant usage on schema predictions, features, labels to {}"),
    "demo_bert": ("mlguard_platform", "grant usage on schema predictions, features, labels to {}"),
    "demo_scorer": (
        "mlguard_writer",
        (
            "grant usage on schema predictions, features to {0};"
            " grant select on features.departure to {0};"
            " grant select, insert on predictions.arrival_delay to {0}"
        ),
    ),
}

GOES = """
revoke all on all tables in schema predictions, features, labels from {0};
revoke all on schema predictions, features, labels from {0};
drop role {0}
"""


def require_rights(dsn: str) -> None:
    """Refuse a server on which the story cannot be told, before anything is made there.

    Raises:
        EngineError: whoever connects may not make roles, or roles of these names are there already.
    """
    from mlguard.connect import connect

    with connect(dsn, autocommit=True) as connection:
        ((may,),) = connection.execute(
            "select rolsuper or rolcreaterole from pg_roles where rolname = current_user"
        ).fetchall()
        there = connection.execute(
            "select rolname from pg_roles where rolname = any(%s) order by 1", (list(PEOPLE),)
        ).fetchall()
    if not may:
        raise EngineError(
            "the story needs three login roles: one trains, one approves, one writes; and you may not make roles here",
            help="connect as a role with CREATEROLE, or leave out --dsn: the embedded server lets you",
        )
    if there:
        raise EngineError(
            f"role {there[0][0]} is there already", help="an earlier demo left it with --keep: drop it first"
        )


@contextmanager
def people(owner: psycopg.Connection[Any], dsn: str, *, keep: bool) -> Iterator[dict[str, str]]:
    """Make the login roles and give a DSN for each.

    Args:
        owner: who made the tables.
        dsn: how the database is reached.
        keep: leave the roles.

    Raises:
        EngineError: whoever owns the tables may not make them, or not give them their rights.
    """
    import psycopg
    from psycopg import sql
    from psycopg.conninfo import make_conninfo

    made: dict[str, str] = {}
    try:
        for name, (role, rights) in PEOPLE.items():
            password = secrets.token_urlsafe(16)
            owner.execute(sql.SQL("create role {} login password {}").format(sql.Identifier(name), password))
            made[name.removeprefix("demo_")] = make_conninfo(dsn, user=name, password=password)
            owner.execute(sql.SQL("grant {} to {}").format(sql.Identifier(role), sql.Identifier(name)))
            owner.execute(sql.SQL(rights).format(sql.Identifier(name)))
        yield made
    except psycopg.errors.InsufficientPrivilege as error:
        raise EngineError(
            f"the people of the story cannot be given their rights: {error.diag.message_primary}",
            help="connect as a superuser, or as who may grant the roles of mlguard; or leave out --dsn",
        ) from error
    finally:
        if not keep:
            for name in made:
                owner.execute(sql.SQL(GOES).format(sql.Identifier(f"demo_{name}")))


@contextmanager
def logged_in(who: Mapping[str, str]) -> Iterator[dict[str, psycopg.Connection[Any]]]:
    """Open a connection for each.

    Raises:
        EngineError: the server lets one of them not log in.
    """
    import psycopg

    with ExitStack() as stack:
        opened: dict[str, psycopg.Connection[Any]] = {}
        for name, dsn in who.items():
            try:
                opened[name] = stack.enter_context(psycopg.connect(dsn, autocommit=True))
            except psycopg.OperationalError as error:
                raise EngineError(
                    f"the server lets role demo_{name} not log in: {str(error).strip().splitlines()[-1]}",
                    help="pg_hba.conf must let roles in by password; or leave out --dsn",
                ) from error
        yield opened
