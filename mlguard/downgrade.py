"""What a step down of the in-database runtime would lose, as SQL that refuses it. Pure: reads the text of the step.

The loss is read off the step itself: tables and columns that it drops and that hold what nobody can make again, and
functions and tables that it drops and generated functions still use (PostgreSQL knows no dependency of a PL/pgSQL
body).
"""

from __future__ import annotations

import re

from mlguard.emit.objects import dollar_quote
from mlguard.names import quote_literal

DISCARD = "mlguard.discard"  # a setting: `on` lets a step down lose rows
# Made again from the SLO files by apply, from stored rows by sweep(), moved by the step, or empty between transactions.
MADE_AGAIN = frozenset(
    {
        "_acting", "_assertion", "_assertion_due", "_assertion_lock", "_delta", "_freshness", "_freshness_due",
        "_load_due", "_object", "_pair_work", "_paired", "_pairing", "_recount_due", "_request", "_schema_column",
        "_seal", "_segment", "_single", "_slo", "_table", "_turn", "_unclosed", "_unsealed", "_window",
    }
)  # fmt: skip

_DROP_TABLE = re.compile(r"^drop table\s+([^;]+);", re.MULTILINE)
_ALTER_TABLE = re.compile(r"^alter table mlguard\.(\w+)\s+([^;]+);", re.MULTILINE)
_DROP_COLUMN = re.compile(r"drop column (\w+)")
_DROP_FUNCTION = re.compile(r"^drop function\s+([^;]+);", re.MULTILINE)
_NAME = re.compile(r"mlguard\.(\w+)")
_BODY = re.compile(r"\$mlguard\$.*?\$mlguard\$", re.DOTALL)


def refusal(version: str, down: str) -> str:
    """Return a DO block that raises where running `down`, which undoes `version`, would lose rows or break tables."""
    text = _BODY.sub("", down)  # functions that are restored may drop things of their own
    tables = [name for found in _DROP_TABLE.findall(text) for name in _NAME.findall(found) if name not in MADE_AGAIN]
    columns = [
        f"{table}.{column}"
        for table, rest in _ALTER_TABLE.findall(text)
        for column in _DROP_COLUMN.findall(rest)
        if table not in MADE_AGAIN
    ]
    functions = [rf"{name}\(" for found in _DROP_FUNCTION.findall(text) for name in _NAME.findall(found)]
    called = [*functions, *(rf"{name}\M" for found in _DROP_TABLE.findall(text) for name in _NAME.findall(found))]
    body = f"""
-- Refuses to take version {version} out while that would lose rows, or functions and tables that guards use.
declare
  _callers text;
  _name text;
  _default text;
  _n bigint;
  _lost text[] := '{{}}';
begin
  select string_agg(distinct p.proname, ', ' order by p.proname)
  into _callers
  from pg_catalog.pg_proc p
  where p.pronamespace = 'mlguard'::regnamespace
    and pg_catalog.obj_description(p.oid, 'pg_proc') like 'mlguard:%'
    and exists (
      select from unnest({_array(called)}) c (pattern) where p.prosrc ~ ('mlguard\\.' || c.pattern));
  if _callers is not null then
    raise exception using
      errcode = 'object_not_in_prerequisite_state',
      message = format('mlguard: tables are guarded by version {version}, whose objects they use: %s', _callers),
      hint = 'mlguard remove takes the guards off; the client of the older version puts its own on.';
  end if;
  if current_setting({quote_literal(DISCARD)}, true) = 'on' then
    return;
  end if;
  foreach _name in array {_array(tables)} loop
    execute format('select count(*) from mlguard.%I', _name) into _n;
    if _n > 0 then
      _lost := _lost || format('%s %s of mlguard.%s', _n, case _n when 1 then 'row' else 'rows' end, _name);
    end if;
  end loop;
  foreach _name in array {_array(columns)} loop
    _default := (
      select pg_catalog.pg_get_expr(d.adbin, d.adrelid)
      from pg_catalog.pg_attribute a
      join pg_catalog.pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
      where a.attrelid = format('mlguard.%I', split_part(_name, '.', 1))::regclass
        and a.attname = split_part(_name, '.', 2) and a.attgenerated = '');
    execute format('select count(*) from mlguard.%I where %I is distinct from %s', split_part(_name, '.', 1),
                   split_part(_name, '.', 2), coalesce(_default, 'null'))
    into _n;
    if _n > 0 then
      _lost := _lost || format('%s %s of mlguard.%s', _n, case _n when 1 then 'value' else 'values' end, _name);
    end if;
  end loop;
  if _lost <> '{{}}' then
    raise exception using
      errcode = 'object_not_in_prerequisite_state',
      message = format('mlguard: going below version {version} would lose %s', array_to_string(_lost, ', ')),
      hint = 'Keep a copy (pg_dump --data-only --schema=mlguard), then do it again with PGOPTIONS=''-c {DISCARD}=on''.';
  end if;
end"""
    return f"do {dollar_quote(body.strip())};\n"


def _array(names: list[str]) -> str:
    return f"array[{', '.join(quote_literal(name) for name in dict.fromkeys(names))}]::text[]"
