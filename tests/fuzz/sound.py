"""What generated SQL must be, whatever the names and values in it: parsed by PostgreSQL's own grammar to the last word.

`read` takes a statement apart with pglast, the bodies of its functions included. Two statements made from the same SLO
file but for its names and values must come apart in the same way: `Parts.shape` is what is left without them.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import Any

import pglast.parser

EXPRESSION, ASSIGNMENTS = 2, (3, 4, 5)  # parse modes of PL/pgSQL (raw_parser in PostgreSQL's parser.h)
# Keys that tell where something stands in its text.
_WHERE = re.compile(r"(?:\w*location|lineno|stmt_len|(?:\w+_)?list_(?:start|end)|version)\Z")
# pglast knows no types of the database at hand.
_UNKNOWN_TYPES = ("mlguard.found_v1",)


@dataclass
class Parts:
    """What statements are made of.

    Attributes:
        literals: every string constant.
        names: every other string: names of all kinds.
        shape: the trees without their strings, in order.
    """

    literals: set[str] = field(default_factory=set)
    names: set[str] = field(default_factory=set)
    shape: list[Any] = field(default_factory=list)


def read(statements: list[str]) -> Parts:
    """Take statements apart; each is exactly one.

    Raises:
        ParseError: PostgreSQL would not read one.
    """
    parts = Parts()
    for statement in statements:
        parts.shape.append(_statement(statement, parts))
    return parts


def _statement(text: str, parts: Parts) -> Any:
    tree = json.loads(pglast.parser.parse_sql_json(text), strict=False)
    assert len(tree["stmts"]) == 1, f"{len(tree['stmts'])} statements in one: {text}"
    shape = _walk(tree, parts)
    made = tree["stmts"][0]["stmt"].get("CreateFunctionStmt")
    if made is None:
        return shape
    options = {option["DefElem"]["defname"]: option["DefElem"]["arg"] for option in made["options"]}
    if "as" not in options:  # the body is part of the tree
        return shape
    language = options["language"]["String"]["sval"]
    (body,) = (item["String"]["sval"] for item in options["as"]["List"]["items"])
    inner = [_statement(body, parts)] if language == "sql" else _plpgsql(text, parts)
    return [shape, inner]


def _plpgsql(text: str, parts: Parts) -> Any:
    for unknown in _UNKNOWN_TYPES:
        text = text.replace(unknown, "pg_catalog.record")
    try:
        tree = pglast.parser.parse_plpgsql_json(text)
    except pglast.parser.ParseError as error:
        if "cannot accept type unknown" in str(error):  # a column of a table that only a database could show
            return None
        raise
    return _walk_body(json.loads(tree, strict=False), parts)


def _walk_body(node: Any, parts: Parts) -> Any:
    if isinstance(node, dict):
        if "parseMode" in node:
            return _query(node["query"], node["parseMode"], parts)
        return {key: _walk_body(value, parts) for key, value in node.items() if not _WHERE.match(key)}
    if isinstance(node, list):
        return [_walk_body(value, parts) for value in node]
    if isinstance(node, str):
        parts.names.add(node)
        return ""
    return node


def _query(text: str, mode: int, parts: Parts) -> Any:
    if mode in ASSIGNMENTS:
        at = next(token for token in pglast.parser.scan(text) if token.name in ("COLON_EQUALS", "ASCII_61"))
        return [_statement(f"select {part}", parts) for part in (text[: at.start], text[at.end + 1 :])]
    return _statement(f"select {text}" if mode == EXPRESSION else text, parts)


def _walk(node: Any, parts: Parts, *, constant: bool = False) -> Any:
    if isinstance(node, dict):
        # A constant is {"A_Const": {"sval": {"sval": "…"}}}; a name {"String": {"sval": "…"}} or a plain string.
        return {
            key: _walk(value, parts, constant=constant or key == "A_Const")
            for key, value in node.items()
            if not _WHERE.match(key)
        }
    if isinstance(node, list):
        return [_walk(value, parts) for value in node]
    if isinstance(node, str):
        (parts.literals if constant else parts.names).add(node)
        return ""
    return node
