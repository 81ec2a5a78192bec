"""What the SELECT of an assertion may be made of: node types, operators, and the functions refused by name."""

from __future__ import annotations

# Operators of pg_catalog that an assertion may use beside those of row expressions.
OPERATORS_TOO = frozenset(
    {"^", "@>", "<@", "&&", "-|-", "&<", "&>", "<<", ">>", "#>", "#-", "?", "?|", "?&", "@@", "|", "&", "#"}
)

# Reserved words that follow a list, so that no item of one begins with them.
AFTER_LIST = frozenset({"from", "where", "group", "having", "window", "union", "intersect", "except", "order", "limit"})

# Types of sqlglot's nodes; functions (exp.Func) are allowed as such and judged by name and by PostgreSQL.
ALLOWED = frozenset(
    {
        # queries
        "Select", "From", "Join", "Where", "Group", "Having", "Order", "Ordered", "With", "CTE", "Subquery", "Table",
        "TableAlias", "Union", "Intersect", "Except", "Distinct", "Values", "Lateral", "GroupingSets", "Cube",
        "Rollup", "Window", "WindowSpec", "Star", "Alias", "Identifier", "Column",
        # values and conditions
        "Literal", "Boolean", "Null", "Paren", "Tuple", "Bracket", "Slice", "Dot", "Interval", "IntervalSpan", "Var",
        "DataType", "DataTypeParam", "AtTimeZone", "Filter", "WithinGroup", "JSONKeyValue", "JSONPath", "JSONPathRoot",
        "JSONPathKey", "JSONPathSubscript", "JSONPathWildcard", "Not", "Neg", "BitwiseNot",
        "EQ", "NEQ", "LT", "LTE", "GT", "GTE", "Is", "NullSafeEQ", "NullSafeNEQ", "In", "Between", "Like", "ILike",
        "SimilarTo", "Escape", "Any", "All", "Overlaps", "Adjacent", "ExtendsLeft", "ExtendsRight",
        "Add", "Sub", "Mul", "Div", "Mod", "DPipe", "BitwiseAnd", "BitwiseOr", "BitwiseXor", "BitwiseLeftShift",
        "BitwiseRightShift",
    }
)  # fmt: skip

_LIMIT = "LIMIT can hide rows, and which ones is chance"
_LIMIT_HELP = "use max(), DISTINCT ON or row_number() OVER (…)"
_WRITES = "an assertion reads; it must not write"
# node type → (words at which it stands, message, help)
REFUSED: dict[str, tuple[tuple[str, ...], str, str]] = {
    "Limit": (("limit",), _LIMIT, _LIMIT_HELP),
    "Offset": (("offset",), _LIMIT.replace("LIMIT", "OFFSET"), _LIMIT_HELP),
    "Fetch": (("fetch",), _LIMIT.replace("LIMIT", "FETCH"), _LIMIT_HELP),
    "LimitOptions": (("fetch",), _LIMIT.replace("LIMIT", "FETCH"), _LIMIT_HELP),
    "Operator": (("operator",), "OPERATOR(…) may name an operator outside pg_catalog", "write the operator alone"),
    "Lock": (("for",), "row locks are taken by mlguard: an assertion must not lock", "leave FOR … out"),
    "Into": (("into",), _WRITES, "leave INTO out"),
    "Insert": (("insert",), _WRITES, "write a SELECT"),
    "Update": (("update",), _WRITES, "write a SELECT"),
    "Delete": (("delete",), _WRITES, "write a SELECT"),
    "Merge": (("merge",), _WRITES, "write a SELECT"),
    "TableSample": (("tablesample",), "a sample of the rows proves nothing about the others", "leave TABLESAMPLE out"),
    "Parameter": ((), "a value from outside has no place here", "write the value"),
    "Placeholder": ((":", "?"), "a value from outside has no place here", "write the value"),
    "SessionParameter": ((), "a value from outside has no place here", "write the value"),
    "XMLTable": (("xmltable",), "XMLTABLE is outside what an assertion may hold", "judge columns"),
    "JSONTable": (("json_table",), "JSON_TABLE is outside what an assertion may hold", "use jsonb_to_recordset()"),
}

# Functions that read the clock, as it stood when the transaction began; `age(` of one argument does too.
CLOCK = frozenset(
    {"now(", "current_date", "current_time", "current_time(", "current_timestamp", "current_timestamp(", "localtime",
     "localtime(", "localtimestamp", "localtimestamp(", "statement_timestamp(", "transaction_timestamp(", "age("}
)  # fmt: skip

# VOLATILE functions people would think of; PostgreSQL is asked about all of them when the plan is made.
VOLATILE = frozenset(
    {"random(", "random_normal(", "setseed(", "clock_timestamp(", "timeofday(", "gen_random_uuid(", "uuidv4(",
     "uuidv7(", "nextval(", "setval(", "currval(", "lastval(", "set_config(", "pg_notify(", "pg_sleep(",
     "pg_sleep_for(", "pg_sleep_until(", "txid_current(", "pg_current_xact_id(", "pg_advisory_lock(",
     "pg_advisory_xact_lock(", "pg_try_advisory_lock(", "query_to_xml(", "lo_get(", "pg_read_file("}
)  # fmt: skip

# What depends on the session rather than on stored rows.
ASKS = frozenset(
    {"current_user", "session_user", "user", "current_role", "current_catalog", "current_schema", "current_setting(",
     "current_schemas(", "current_database(", "current_query(", "inet_client_addr(", "inet_client_port(",
     "pg_backend_pid(", "has_table_privilege(", "has_column_privilege(", "has_schema_privilege(", "pg_has_role(",
     "pg_get_viewdef(", "table_to_xml(", "schema_to_xml(", "database_to_xml(", "to_regclass(", "row_security_active("}
)  # fmt: skip
