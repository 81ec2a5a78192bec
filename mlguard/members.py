"""Who is a member of mlguard's own database roles: what a target of mlguard.yaml says, against what is so."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from mlguard.errors import ApplyError, PlanError
from mlguard.names import quote_ident

if TYPE_CHECKING:
    import psycopg

Members = tuple[tuple[str, str], ...]  # a role of mlguard's, and one that is to be its member


def lacking(connection: psycopg.Connection[Any], wanted: Mapping[str, Iterable[str]]) -> Members:
    """Return the memberships that are wanted and not there, with the roles of mlguard's that do not exist yet.

    Args:
        connection: the database.
        wanted: role of mlguard's to the roles that are to be its members.

    Raises:
        PlanError: one that is to be a member does not exist.
    """
    pairs = [(role, member) for role, members in wanted.items() for member in dict.fromkeys(members)]
    if not pairs:
        return ()
    unknown = connection.execute(
        "select w.name from unnest(%s::text[]) with ordinality as w (name, place)"
        " where not exists (select from pg_catalog.pg_roles as r where r.rolname = w.name) order by w.place",
        [[member for _, member in pairs]],
    ).fetchall()
    if unknown:
        names = ", ".join(dict.fromkeys(str(name) for (name,) in unknown))
        raise PlanError(
            f"no role {names} on this server, and mlguard.yaml gives it one of mlguard's",
            help=f"create role {quote_ident(str(unknown[0][0]))} login; or correct `roles:` of the target",
        )
    there = connection.execute(
        "select g.rolname, m.rolname from pg_catalog.pg_auth_members as a"
        " join pg_catalog.pg_roles as g on g.oid = a.roleid join pg_catalog.pg_roles as m on m.oid = a.member"
        " where g.rolname = any(%s)",
        [list(wanted)],
    ).fetchall()
    return tuple(pair for pair in pairs if pair not in there)


def grant(connection: psycopg.Connection[Any], members: Members) -> None:
    """Make them members.

    Raises:
        ApplyError: this user may not, or the role of mlguard's does not exist; what an administrator runs is said.
    """
    import psycopg

    statements = [f"grant {quote_ident(role)} to {quote_ident(member)}" for role, member in members]
    try:
        with connection.transaction():
            for statement in statements:
                connection.execute(statement.encode())
    except (psycopg.errors.InsufficientPrivilege, psycopg.errors.UndefinedObject) as error:
        raise ApplyError(
            f"the tables are done, but roles could not be given: {error.diag.message_primary}",
            help=f"an administrator runs: {'; '.join(statements)}",
        ) from error
