"""Words PostgreSQL reserves, and words people try that the language leaves out, with what to write instead. Pure."""

from __future__ import annotations

# Manual, appendix C, PostgreSQL 18: "reserved" and "reserved (can be function or type)": no column may be called so
# without quotes.
_RESERVED = """
    all analyse analyze and any array as asc asymmetric authorization binary both case cast check collate collation
    column concurrently constraint create cross current_catalog current_date current_role current_schema current_time
    current_timestamp current_user default deferrable desc distinct do else end except false fetch for foreign freeze
    from full grant group having ilike in initially inner intersect into is isnull join lateral leading left like limit
    localtime localtimestamp natural not notnull null offset on only or order outer overlaps placing primary references
    returning right select session_user similar some symmetric system_user table tablesample then to trailing true
    union unique user using variadic verbose when where window with
"""
RESERVED = frozenset(_RESERVED.split())

_CLOCK = (
    "its value changes while the row stays the same, so no stored row could be trusted to still pass",
    "for the age of the newest row write staleness() <= INTERVAL '26 hours'; else compare with a time column",
)
_SESSION = ("its value depends on who asks, not on the row", "compare with a column or a literal")
_CHANCE = ("its value is not decided by the row", "compare with a column or a literal")

_CLOCKS = """
    now current_date current_time current_timestamp localtime localtimestamp clock_timestamp statement_timestamp
    transaction_timestamp timeofday age
"""
_SESSIONS = """
    current_user session_user user current_role system_user current_catalog current_schema current_setting
    current_database inet_client_addr pg_backend_pid txid_current
"""
_CHANCES = "random gen_random_uuid uuidv4 uuidv7 nextval currval lastval setseed"
VOLATILE: dict[str, tuple[str, str]] = {
    **dict.fromkeys(_CLOCKS.split(), _CLOCK),
    **dict.fromkeys(_SESSIONS.split(), _SESSION),
    **dict.fromkeys(_CHANCES.split(), _CHANCE),
}

INSTEAD: dict[str, str] = {
    "avg": "write mean(c)",
    "array_agg": "aggregates are outside the language",
    "string_agg": "aggregates are outside the language",
    "bool_and": "write share(<predicate>) = 1",
    "bool_or": "write share(<predicate>) > 0",
    "every": "write share(<predicate>) = 1",
    "stddev_samp": "write stddev(c)",
    "variance": "write stddev(c)",
    "percentile_cont": "write quantile(c, 0.95)",
    "percentile_disc": "write quantile(c, 0.95)",
    "corr": "write correlation(a, b)",
    "row_number": "window functions are outside the language",
    "rank": "window functions are outside the language",
    "dense_rank": "window functions are outside the language",
    "lag": "window functions are outside the language",
    "lead": "window functions are outside the language",
    "ceiling": "write ceil(x)",
    "pow": "write power(a, b)",
    "log": "write ln(x) / ln(10.0)",
    "log10": "write ln(x) / ln(10.0)",
    "char_length": "write length(x)",
    "character_length": "write length(x)",
    "octet_length": "write length(x), which counts characters",
    "len": "write length(x)",
    "btrim": "write trim(x)",
    "ltrim": "write trim(x)",
    "rtrim": "write trim(x)",
    "substr": "write left(x, n) or right(x, n)",
    "substring": "write left(x, n) or right(x, n)",
    "strpos": "write x LIKE '%part%' or starts_with(x, 'part')",
    "position": "write x LIKE '%part%' or starts_with(x, 'part')",
    "concat": "write a || b",
    "replace": "keep the cleaned text in a column",
    "regexp_replace": "keep the cleaned text in a column",
    "regexp_match": "write x ~ 'pattern'",
    "regexp_matches": "write x ~ 'pattern'",
    "regexp_like": "write x ~ 'pattern'",
    "date_part": "write extract(field from x)",
    "to_char": "write extract(field from x) or date_trunc('day', x)",
    "to_date": "write x::date",
    "to_timestamp": "write x::timestamp AT TIME ZONE 'UTC'",
    "to_number": "write x::numeric",
    "trunc": "write x::integer, floor(x) or ceil(x)",
    "isnan": "write x = 'NaN', or NOT is_finite(x)",
    "isfinite": "write is_finite(x)",
    "is_nan": "write x = 'NaN', or NOT is_finite(x)",
    "ifnull": "write COALESCE(a, b)",
    "nvl": "write COALESCE(a, b)",
    "isnull": "write x IS NULL",
    "iif": "write CASE WHEN … THEN … ELSE … END",
    "if": "write CASE WHEN … THEN … ELSE … END",
    "decode": "write CASE x WHEN … THEN … END",
    "jsonb_array_length": "keep the length in a column",
    "json_array_length": "keep the length in a column",
    "jsonb_typeof": "compare the text: payload ->> 'key'",
    "jsonb_extract_path_text": "write payload #>> '{a,b}'",
    "json_extract_path_text": "write payload #>> '{a,b}'",
    "array_upper": "write array_length(x, 1)",
    "width_bucket": "write CASE WHEN … THEN … END",
    "null_share": "write null_rate(c)",
}
