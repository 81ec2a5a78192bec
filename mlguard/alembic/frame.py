"""What stands around the statements of a migration: locks, names, versions, rows that would be lost. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from mlguard.alembic.text import Part
from mlguard.apply import ONE_AT_A_TIME
from mlguard.emit.assertions import count_rows
from mlguard.emit.objects import dollar_quote, indent
from mlguard.emit.rules import literal
from mlguard.emit.table import count_broken, judged_in_place
from mlguard.names import TableName
from mlguard.plan import TablePlan, acts_on_rows, must_hold, needs_judging
from mlguard.program import Existing, Place, Rule

DISCARD = "mlguard.discard"  # a setting of the session: what would be lost may go
_KEPT = ("search_path", "lock_timeout")  # settings that a migration changes and gives back
_LATE = (Place.CHECK, Place.NOT_NULL, Place.FOREIGN_KEY, Place.UNIQUE)  # PostgreSQL judges stored rows itself
_DISCARD_HINT = f"decide about them first (mlguard quarantine list), or let them go: PGOPTIONS='-c {DISCARD}=on'"


def transaction(statements: Sequence[str], runtime: str, lock_timeout: float, about: str = "") -> Part:
    """Return statements that run in the transaction of the migration, with its settings around them.

    Args:
        statements: what to do.
        runtime: the version of the in-database runtime they are written for.
        lock_timeout: seconds a statement may wait for a lock.
        about: a line for the reader of the file.
    """
    keep = ",\n  ".join(f"set_config('mlguard.kept_{name}', current_setting('{name}'), true)" for name in _KEPT)
    back = ",\n  ".join(f"set_config('{name}', current_setting('mlguard.kept_{name}'), true)" for name in _KEPT)
    return Part(
        (
            f"select\n  {keep}",
            "set local search_path = ''",
            f"set local lock_timeout = '{int(lock_timeout * 1000)}ms'",
            _fits(runtime),
            f"select pg_advisory_xact_lock({ONE_AT_A_TIME})",
            *statements,
            f"select\n  {back}",
        ),
        about=about,
    )


def _fits(runtime: str) -> str:
    """Return what refuses a database with another runtime, and SQL that was printed with doubled percent signs."""
    return _do(f"declare\n  _there text;\nbegin\n{_DOUBLED}{_other(runtime)}end")


def refuse_doubled() -> str:
    """Return what refuses to run SQL that was printed with doubled percent signs."""
    return _do(f"begin\n{_DOUBLED}end")


def refuse_installed(runtime: str) -> str:
    """Return what refuses to install the runtime where there is one."""
    return _do(
        "begin\n  if to_regclass('mlguard.alembic_version') is not null then\n"
        "    raise exception using message = 'this database has the mlguard runtime already',\n"
        f"      hint = 'where it is {runtime}, mark this revision as done'\n        || ': alembic stamp';\n"
        "  end if;\nend"
    )


def refuse_version(runtime: str) -> str:
    """Return what refuses a database whose runtime is not of this version."""
    return _do(f"declare\n  _there text;\nbegin\n{_other(runtime)}end")


_DOUBLED = (
    "  if '%' <> chr(37) then\n"
    "    raise exception using message = 'this SQL was printed with every percent sign doubled',\n"
    "      hint = 'in env.py give context.configure() dialect_opts={\"paramstyle\"' || ': \"named\"}';\n"
    "  end if;\n"
)


def _other(runtime: str) -> str:
    return (
        "  if to_regclass('mlguard.alembic_version') is not null then\n"
        "    execute 'select version_num from mlguard.alembic_version' into _there;\n"
        "  end if;\n"
        f"  if _there is distinct from {literal(runtime)} then\n"
        "    raise exception using\n"
        f"      message = 'this migration is written for the mlguard runtime {runtime}, and this database has '\n"
        "        || coalesce(_there, 'none'),\n"
        "      hint = 'mlguard apply installs or upgrades it; mlguard revision --from-nothing writes it too';\n"
        "  end if;\n"
    )


def refuse_loss(table: TableName) -> str:
    """Return what refuses to unguard a table while rows of it wait in quarantine."""
    tbl = literal(str(table))
    return _do(
        "declare\n  _waiting bigint := (select count(*) from mlguard._quarantine as q"
        f" where q.tbl = {tbl} and q.status = 'waiting');\nbegin\n"
        f"  if _waiting > 0 and {_kept()} then\n"
        f"    raise exception using message = 'rows of ' || {tbl} || ' wait in quarantine (' || _waiting"
        " || '); nothing was removed',\n"
        f"      hint = {literal(_DISCARD_HINT)};\n  end if;\nend"
    )


def refuse_runtime_loss() -> str:
    """Return what refuses to drop schema mlguard while tables are guarded, rows wait, or people's acts are there."""
    return _do(
        "declare\n"
        "  _guarded text := (select string_agg(t.tbl, ', ' order by t.tbl) from mlguard._table as t);\n"
        "  _waiting bigint := (select count(*) from mlguard._quarantine as q where q.status = 'waiting');\n"
        "  _acts bigint := (select count(*) from mlguard._event as e where e.act not in ('apply', 'remove'));\n"
        "begin\n"
        "  if _guarded is not null then\n"
        "    raise exception using message = 'tables are still guarded: ' || _guarded,\n"
        "      hint = 'mlguard remove takes the guards off first';\n"
        "  end if;\n"
        f"  if _waiting + _acts > 0 and {_kept()} then\n"
        "    raise exception using message = 'removing the mlguard runtime would lose ' || concat_ws(' and ',\n"
        "        case when _waiting > 0 then 'rows that wait in quarantine (' || _waiting || ')' end,\n"
        "        case when _acts > 0 then 'audited acts of people (' || _acts || ')' end),\n"
        "      hint = 'release or discard the rows and export mlguard.event, or let them go"
        f" (PGOPTIONS=''-c {DISCARD}=on'')';\n"
        "  end if;\nend"
    )


def refuse_breaking(table: TablePlan) -> list[str]:
    """Return what refuses the change where stored rows break new rules, as `apply` would before it changes anything.

    Rules that live as constraints are left to PostgreSQL, which judges stored rows when it validates them.
    """
    program = table.program
    if program is None or program.existing is Existing.ALLOW:
        return []
    fresh = needs_judging(table)
    strict = tuple(
        rule
        for rule in fresh
        if rule in judged_in_place(program) and rule.placement.place not in _LATE and must_hold(rule)
    )
    found = [_refuse_returned(rule) for rule in fresh if acts_on_rows(rule)]
    if strict and program.existing is Existing.FAIL:
        found.insert(0, _refuse_counted(strict, count_broken(program, strict, judges_installed=False)))
    return found


def _refuse_counted(rules: Sequence[Rule], query: str) -> str:
    names = ", ".join(f"_bad_{number}" for number in range(len(rules)))
    declared = "".join(f"  _bad_{number} bigint;\n" for number in range(len(rules)))
    found = " ||\n      ".join(
        f"case when _bad_{number} = 0 then ''"
        f" else '; ' || {literal(rule.id)} || ': ' || _bad_{number} || ' of ' || _all end"
        for number, rule in enumerate(rules)
    )
    return _do(
        f"declare\n  _all bigint;\n{declared}begin\n{indent(query)}\n  into _all, {names};\n"
        f"  if greatest({names}) > 0 then\n    raise exception using\n"
        f"      message = 'stored rows already break rules; nothing was changed'\n      || {found},\n"
        "      hint = 'mend the rows, or say in the SLO file `existing'\n"
        "        || ': quarantine` (moves them out) or `allow` (leaves them), and write the migration anew';\n"
        "  end if;\nend"
    )


def _refuse_returned(rule: Rule) -> str:
    """Return what refuses an assertion that returns rows now: every COMMIT it judges would be refused."""
    return _do(
        "declare\n  _rows bigint;\n  _none jsonb;\n  _before text := current_setting('row_security');\nbegin\n"
        "  -- A policy that would hide rows is an error rather than a good verdict.\n"
        "  perform set_config('row_security', 'off', true);\n"
        f"{indent(count_rows(rule, sample=0))}\n  into _rows, _none;\n"
        "  perform set_config('row_security', _before, true);\n"
        "  if _rows > 0 then\n    raise exception using\n"
        "      message = 'stored rows already break rules; nothing was changed; '\n"
        f"        || {literal(rule.id)} || ': the assertion returns rows (' || _rows || ')',\n"
        "      hint = 'mend the rows, or say in the SLO file `existing'\n"
        "        || ': allow` (leaves them), and write the migration anew';\n"
        "  end if;\nend"
    )


def _kept() -> str:
    return f"coalesce(current_setting('{DISCARD}', true), '') <> 'on'"


def _do(body: str) -> str:
    return "do " + dollar_quote(body)
