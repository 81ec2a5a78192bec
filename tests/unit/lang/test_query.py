"""The SELECT of an assertion: what is let through comes out as meant, everything else is refused at its place."""

from __future__ import annotations

import random
from typing import Any

import pglast
import pglast.visitors
import pytest

from mlguard.lang import ExpressionError
from mlguard.lang.query import parse_query
from mlguard.names import TableName

# text → the text refused, words of the message
REFUSED = {
    "": ("", "the SELECT is empty"),
    "SELECT 1": ("SELECT 1", "reads no table"),
    "TABLE s.t": ("TABLE", "this begins with `table`"),
    "VALUES (1)": ("VALUES", "this begins with `values`"),
    "EXPLAIN SELECT a FROM s.t": ("EXPLAIN", "this begins with `explain`"),
    "INSERT INTO s.t VALUES (1)": ("INSERT", "this begins with `insert`"),
    "SELECT a FROM s.t; DROP TABLE s.t": (";", "`;` is outside"),
    "SELECT a FROM s.t WHERE": ("WHERE", "cannot be read at `WHERE`"),
    "SELECT (a FROM s.t": ("FROM", "cannot be read at `FROM`"),
    "SELECT a FROM t": ("t", "the table `t` has no schema"),
    "SELECT a FROM s.t, pg_class": ("pg_class", "the table `pg_class` has no schema"),
    "SELECT a FROM db.s.t": ("db", "a table of another database"),
    "WITH q AS (SELECT a FROM s.t) SELECT a FROM r": ("r", "the table `r` has no schema"),
    "WITH q AS (SELECT a FROM q) SELECT a FROM q, s.t": ("q", "the table `q` has no schema"),
    "SELECT a FROM s.t WHERE EXISTS (WITH q AS (SELECT 1 FROM s.u) SELECT FROM q) AND b IN (SELECT b FROM q)": (
        "q",
        "the table `q` has no schema",
    ),
    "WITH q AS (DELETE FROM s.t RETURNING a) SELECT a FROM q": ("DELETE", "it must not write"),
    "WITH q AS (UPDATE s.t SET a = 1 RETURNING a) SELECT a FROM q": ("UPDATE", "it must not write"),
    "WITH q AS (INSERT INTO s.t VALUES (1) RETURNING a) SELECT a FROM q": ("INSERT", "it must not write"),
    "SELECT a INTO s.x FROM s.t": ("INTO", "it must not write"),
    "SELECT a FROM s.t FOR UPDATE": ("FOR", "must not lock"),
    "SELECT a FROM s.t FOR SHARE OF t": ("FOR", "must not lock"),
    "SELECT a FROM s.t LIMIT 0": ("LIMIT", "LIMIT can hide rows"),
    "SELECT a FROM s.t OFFSET 1": ("OFFSET", "OFFSET can hide rows"),
    "SELECT a FROM s.t FETCH FIRST 1 ROWS ONLY": ("FETCH", "FETCH can hide rows"),
    "SELECT a FROM s.t WHERE b > (SELECT c FROM s.u ORDER BY d LIMIT 1)": ("LIMIT", "LIMIT can hide rows"),
    "SELECT a FROM s.t TABLESAMPLE system (1)": ("TABLESAMPLE", "a sample of the rows"),
    "SELECT a FROM s.t WHERE a = $1": ("$", "`$` is outside"),
    "SELECT a FROM s.t WHERE a = :x": (":", "a value from outside"),
    "SELECT a FROM s.t WHERE random() < 1": ("random", "another answer at every call"),
    "SELECT a FROM s.t WHERE pg_catalog.random() < 1": ("random", "another answer at every call"),
    "SELECT nextval('s.q') FROM s.t": ("nextval", "another answer at every call"),
    "SELECT a FROM s.t WHERE clock_timestamp() > b": ("clock_timestamp", "another answer at every call"),
    "SELECT a FROM s.t WHERE b = current_user": ("current_user", "depends on who asks"),
    "SELECT a FROM s.t WHERE b = user": ("user", "depends on who asks"),
    "SELECT a FROM s.t WHERE b = current_setting('x')": ("current_setting", "depends on who asks"),
    "SELECT a FROM s.t WHERE s.f(a)": ("s.f(a", "s.f() is a function outside pg_catalog"),
    "SELECT a FROM s.t, s.f(1)": ("s", "s.f() is a function outside pg_catalog"),
    "SELECT a FROM s.t WHERE b::s.plan = 'x'": ("s.plan", "a cast to s.plan"),
    "SELECT a FROM s.t WHERE b OPERATOR(s.=) c": ("b OPERATOR(s.=) c", "may name an operator outside pg_catalog"),
    "SELECT a FROM s.t WHERE a @@@ b": ("@@@", "operator `@@@` is outside"),
    "SELECT a FROM s.t WHERE a = E'\\x'": ("E'\\x'", "E'…' strings"),
    "SELECT a FROM s.t WHERE a = $$x$$": ("$$x$$", "dollar-quoted strings"),
    "SELECT a FROM s.t WHERE a = U&'x'": ("U&'x'", "U&'…' strings"),
    "SELECT a FROM s.t WHERE a = 'x": ("'x", "not closed"),
    "SELECT a FROM s.t -- and so on": ("-- and so on", "`--` begins a comment"),
    "SELECT a\u00a0FROM s.t": ("\u00a0", "not a space for PostgreSQL"),
}
LET_THROUGH = [
    "SELECT a.name FROM hr.pay a JOIN hr.pay b ON a.name = 'Joe' AND b.name = 'Fred' WHERE a.salary <> b.salary",
    "select k, sum(v) from s.t group by k having sum(v) filter (where w > 1) > 10",
    "SELECT k FROM s.t t WHERE NOT EXISTS (SELECT FROM s.u u WHERE u.k = t.k)",
    "SELECT k FROM s.t WHERE k NOT IN (SELECT k FROM s.u) AND v = ANY (ARRAY[1, 2]) AND (k, v) <> (1, 2)",
    "WITH a AS (SELECT k FROM s.t), b (x) AS MATERIALIZED (SELECT k FROM a) SELECT x FROM b",
    "WITH RECURSIVE r AS (SELECT k FROM s.t UNION ALL SELECT k + 1 FROM r WHERE k < 9) SELECT k FROM r",
    "(SELECT k FROM s.t UNION ALL SELECT k FROM s.u) EXCEPT SELECT k FROM s.v ORDER BY k DESC NULLS LAST",
    "SELECT k, row_number() OVER (PARTITION BY k ORDER BY v ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) AS r FROM s.t",
    "SELECT k, lag(v) OVER w AS before FROM s.t WINDOW w AS (PARTITION BY k ORDER BY v)",
    "SELECT DISTINCT ON (k) k, v FROM s.t ORDER BY k, v DESC",
    "SELECT t.* FROM s.t AS t LEFT JOIN LATERAL (SELECT max(v) AS m FROM s.u WHERE u.k = t.k) x ON true WHERE x.m > 1",
    "SELECT k FROM s.t, generate_series(1, 3) AS g (i), unnest(t.a) WITH ORDINALITY AS u (x, n) WHERE g.i = u.n",
    "SELECT a.k FROM s.t a JOIN s.t b ON a.k = b.k AND a.id <> b.id AND a.during && b.during AND a.r -|- b.r",
    "SELECT k FROM s.t WHERE j @> '{}' AND j ->> 'b' = 'c' AND j #>> '{a,b}' <> 'd' AND j ? 'e' AND j ?| array['f']",
    "SELECT k FROM s.t WHERE v::numeric(10, 2) > 1.50 AND CAST(w AS text) ~* '^a.*' AND x IS NOT DISTINCT FROM y",
    "SELECT k FROM s.t WHERE at > now() - INTERVAL '1 day' AND at AT TIME ZONE 'UTC' < current_timestamp",
    "SELECT extract(epoch FROM at) AS e, substring(n FROM 1 FOR 2) AS s, trim(BOTH 'x' FROM n) AS t FROM s.t",
    "SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY v) AS m FROM s.t GROUP BY GROUPING SETS ((k), (), (k, w))",
    "SELECT CASE WHEN v > 1 THEN 'a' ELSE 'b' END AS c, coalesce(v, 0) AS d, (r).x AS e, a[1:2] AS f FROM s.t",
    'SELECT "order", "A b" AS user FROM "S"."T" WHERE "A b" = \'it\'\'s -- no /* comment\'',
    "SELECT k FROM s.t WHERE n LIKE '50\\%' ESCAPE '\\' OR n = 'C:\\temp'",
    "SELECT v /* why /* nested */ not */ FROM s.t\n  -- and a line\n  WHERE v < 0",
    "SELECT k FROM s.t NATURAL JOIN s.u CROSS JOIN s.v JOIN s.w USING (k) FULL JOIN s.x ON x.k = t.k;",
    "SELECT 1 AS nobody WHERE NOT EXISTS (SELECT FROM s.t)",
    "SELECT k FROM ONLY s.t",
]


@pytest.mark.parametrize("text", REFUSED)
def test_refused(text: str) -> None:
    marked, words = REFUSED[text]
    with pytest.raises(ExpressionError) as caught:
        parse_query(text, "s")
    error = caught.value
    assert words in error.message
    assert text[error.pos : error.end] == marked


def test_the_help_of_an_unqualified_table_names_the_schema_of_the_file() -> None:
    with pytest.raises(ExpressionError) as caught:
        parse_query('SELECT 1 FROM "Employee"', "hr")
    assert caught.value.help == 'write hr."Employee"'


@pytest.mark.parametrize("text", LET_THROUGH)
def test_postgresql_reads_what_was_written_as_what_was_meant(text: str) -> None:
    query = parse_query(text, "s")
    assert pglast.fingerprint(query.sql) == pglast.fingerprint(text)
    assert len(pglast.parse_sql(query.sql)) == 1
    assert "--" not in query.sql.replace("it''s --", "")
    assert ";" not in query.sql


def test_tables_are_those_postgresql_would_read() -> None:
    assert parse_query('SELECT 1 FROM S.T JOIN "S"."T" u ON true WHERE EXISTS (SELECT FROM s.w)', "x").tables == (
        TableName("s", "t"),
        TableName("S", "T"),
        TableName("s", "w"),
    )
    shadowed = "WITH t AS (SELECT 1 FROM s.u) SELECT 1 FROM t, s.t"
    assert parse_query(shadowed, "x").tables == (TableName("s", "u"), TableName("s", "t"))


@pytest.mark.parametrize(
    ("condition", "clock"),
    [
        ("a < now()", "now"),
        ("a < current_date", "current_date"),
        ("age(a) > b", "age"),
        ("t.now = 1", ""),
        ("now > 1", ""),
    ],
)
def test_reading_the_clock_is_noticed(condition: str, clock: str) -> None:
    assert parse_query(f"SELECT a FROM s.t WHERE {condition}", "s").clock == clock


def test_strings_reach_postgresql_whole_whatever_they_hold() -> None:
    """Quotes, backslashes, comment marks and dollar quotes inside strings and names are only characters."""
    dice = random.Random(7)
    for _ in range(300):
        inside = "".join(dice.choice("a'\"\\-/*$;\n\t é%{}") for _ in range(dice.randrange(12)))
        name = inside.replace("\n", "n") or "x"
        text = f"SELECT 1 AS one FROM s.t WHERE a = '{inside.replace(chr(39), chr(39) * 2)}'"
        text += f' AND "{name.replace(chr(34), chr(34) * 2)}" = 1'
        query = parse_query(text, "s")
        (statement,) = pglast.parse_sql(query.sql)
        select: Any = statement.stmt
        condition = select.whereClause
        assert condition.args[0].rexpr.val.sval == inside
        assert condition.args[1].lexpr.fields[0].sval == name


def test_nothing_that_is_cut_or_spliced_gets_through_unnoticed() -> None:
    """Whatever is let through is one SELECT for PostgreSQL's own parser, and reads only the tables that were told."""
    dice = random.Random(11)
    pieces = [
        *" ".join(LET_THROUGH).split(" "),
        *" ".join(REFUSED).split(" "),
        ";",
        "--",
        "/*",
        "*/",
        "'",
        '"',
        "$$",
        ")",
        "(",
    ]
    passed = 0
    for _ in range(4000):
        words = dice.choice(LET_THROUGH).split(" ")
        for _ in range(dice.randrange(1, 3)):
            place = dice.randrange(len(words))
            match dice.randrange(3):
                case 0:
                    words[place] = dice.choice(pieces)
                case 1:
                    words.insert(place, dice.choice(pieces))
                case _:
                    del words[place : place + dice.randrange(1, 3)]
        try:
            query = parse_query(" ".join(words) or "x", "s")
        except ExpressionError:
            continue
        try:
            statements = pglast.parse_sql(query.sql)
        except pglast.parser.ParseError:
            continue  # PostgreSQL refuses it when the plan is made
        passed += 1
        assert len(statements) == 1
        tree = statements[0].stmt
        assert isinstance(tree, pglast.ast.SelectStmt)
        assert tree.intoClause is None
        assert not tree.lockingClause
        read = {(node.schemaname, node.relname) for node in _range_vars(tree) if node.schemaname is not None}
        assert read == {(table.schema, table.name) for table in query.tables}, query.sql
    assert passed > 300


def _range_vars(tree: pglast.ast.Node) -> list[pglast.ast.RangeVar]:
    found: list[pglast.ast.RangeVar] = []

    class Tables(pglast.visitors.Visitor):
        def visit_RangeVar(self, _: object, node: pglast.ast.RangeVar) -> None:  # noqa: N802 - the library's name
            found.append(node)

    Tables()(tree)
    return found
