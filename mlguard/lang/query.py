"""The SELECT of an assertion: text → checked text. Knows sqlglot's tree, no database.

What reaches SQL is the author's own tokens, written anew: sqlglot reads them (its tree is held against a list of what
an assertion may be made of) but does not write them, because its generator says some things otherwise than they were
said (`now()` becomes CURRENT_TIMESTAMP, `TABLE t` a SELECT), and what one parser understands is no proof of what
another will. Comments are left out; strings and quoted names are quoted again here. PostgreSQL then parses the text as
the body of a view, which can be nothing but one SELECT, and `catalog_assertions` asks it what it found.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from mlguard.lang.fault import ExpressionError
from mlguard.lang.lex import OPERATORS, Token, TokenKind, tokenize
from mlguard.lang.query_words import AFTER_LIST, ALLOWED, ASKS, CLOCK, OPERATORS_TOO, REFUSED, VOLATILE
from mlguard.names import TableName, quote_ident, quote_literal

if TYPE_CHECKING:
    from sqlglot import exp

_FOLD = str.maketrans("ABCDEFGHIJKLMNOPQRSTUVWXYZ", "abcdefghijklmnopqrstuvwxyz")
_SHAPE = "an assertion is one SELECT whose rows are the violations"


@dataclass(frozen=True)
class Query:
    """A SELECT that may be emitted."""

    sql: str  # as mlguard writes it
    tables: tuple[TableName, ...]  # what it reads, in order of appearance
    places: Mapping[TableName, int] = field(compare=False)  # where in the author's text each table is named first
    clock: str  # the first word that reads the clock, '' where none does
    tree: exp.Expr = field(compare=False, repr=False)


def parse_query(text: str, schema: str) -> Query:
    """Read the SELECT of an assertion.

    Args:
        text: the SELECT; one `;` at its end is passed over.
        schema: the schema of the file's table, for the help of the error about an unqualified table.

    Raises:
        ExpressionError: it is no SELECT, is made of something an assertion must not hold, or names a table without
            its schema.
    """
    tokens = _without_end(tokenize(text, OPERATORS | OPERATORS_TOO))
    if not tokens:
        raise ExpressionError("the SELECT is empty", 0, 1, _SHAPE)
    for token in tokens:
        if token.kind is TokenKind.PUNCTUATION and token.text not in ("(", ")", ",", ".", "[", "]", "::", ":"):
            help_ = "a value from outside has no place here" if token.text == "$" else _SHAPE
            raise ExpressionError(f"`{token.text}` is outside what an assertion may hold", token.pos, token.end, help_)
    first = next((token for token in tokens if token.text != "("), tokens[0])
    if first.kind is not TokenKind.WORD or first.text not in ("select", "with"):
        raise ExpressionError(f"{_SHAPE}; this begins with `{first.text}`", first.pos, first.end, "write SELECT …")
    _refuse_words(tokens)
    _refuse_dangling(tokens)
    tree = _parsed(_plain(text, tokens), text)
    _refuse_nodes(tree, tokens)
    places: dict[TableName, int] = {}
    for table, pos in _tables(tree, frozenset(), schema):
        places.setdefault(table, pos)
    if not places:
        raise ExpressionError(
            "the SELECT reads no table, so no write would ever have it judged", tokens[0].pos, tokens[-1].end, _SHAPE
        )
    plain = _written(text, tokens, lambda string: "'" + string.replace("'", "''") + "'")
    assert _parsed(plain, plain) == tree, "what is written must be what was read"
    return Query(_written(text, tokens, quote_literal), tuple(places), places, _clock(tokens), tree)


def folded(identifier: exp.Identifier) -> str:
    """Return the name PostgreSQL makes of an identifier: exact where quoted, else ASCII capitals folded."""
    name = str(identifier.this)
    return name if identifier.args.get("quoted") else name.translate(_FOLD)


def _without_end(tokens: list[Token]) -> list[Token]:
    """Leave out the END token and a `;` before it."""
    kept = tokens[:-1]
    return kept[:-1] if kept and kept[-1].text == ";" and kept[-1].kind is TokenKind.PUNCTUATION else kept


def _parsed(text: str, source: str) -> exp.Expr:
    """Parse one statement; `source` has the same offsets as `text`."""
    import sqlglot
    from sqlglot.errors import ParseError

    try:
        (tree,) = sqlglot.parse(text, dialect="postgres")
    except ParseError as error:
        raise _unreadable(error, source) from None
    except RecursionError:
        raise ExpressionError("the SELECT is nested too deeply", 0, 1, "say it in fewer levels") from None
    assert tree is not None
    return tree


def _unreadable(error: Exception, text: str) -> ExpressionError:
    found = (getattr(error, "errors", None) or [{}])[0]
    before, word = found.get("start_context") or "", found.get("highlight") or ""
    at = text.find(before + word + (found.get("end_context") or ""))
    pos = at + len(before) if at >= 0 else 0
    where = f"at `{word}`" if word else "to its end"
    return ExpressionError(
        f"the SELECT cannot be read {where}", pos, pos + len(word), "it is PostgreSQL's own syntax: try it in psql"
    )


def _plain(text: str, tokens: list[Token]) -> str:
    """Return the text with every comment blanked out, so that offsets stay."""
    parts, last = [], 0
    for token in tokens:
        parts += [_blanked(text[last : token.pos]), text[token.pos : token.end]]
        last = token.end
    return "".join(parts)


def _blanked(gap: str) -> str:
    return "".join(character if character in "\r\n" else " " for character in gap)


def _written(text: str, tokens: list[Token], quote: Callable[[str], str]) -> str:
    """Return the tokens as SQL text, on the author's lines."""
    parts: list[str] = []
    last = tokens[0].pos
    for token in tokens:
        gap = text[last : token.pos]
        if "\n" in gap:
            indent = gap.rpartition("\n")[2]
            parts.append("\n" + (" " * len(indent.expandtabs(4)) if indent.isspace() else ""))
        elif gap:
            parts.append(" ")
        match token.kind:
            case TokenKind.STRING:
                parts.append(quote(token.text))
            case TokenKind.NAME:
                parts.append(quote_ident(token.text))
            case _:
                parts.append(text[token.pos : token.end])
        last = token.end
    return "".join(parts)


def _bare_words(tokens: list[Token]) -> Iterator[tuple[Token, Token | None, bool]]:
    """Yield each word that names no column or output, what follows it, and whether it belongs to pg_catalog."""
    for index, token in enumerate(tokens):
        before = tokens[index - 1] if index else None
        dotted = before is not None and before.text == "." and before.kind is TokenKind.PUNCTUATION
        system = dotted and index >= 2 and tokens[index - 2].text == "pg_catalog"
        renamed = before is not None and before.kind is TokenKind.WORD and before.text == "as"
        if token.kind is not TokenKind.WORD or renamed or (dotted and not system):
            continue
        yield token, tokens[index + 1] if index + 1 < len(tokens) else None, system


def _calls(token: Token, following: Token | None) -> str:
    """Return the token's text as its tables spell it: `now(` for a call, the word alone for a keyword."""
    return f"{token.text}(" if following is not None and following.text == "(" else token.text


def _refuse_words(tokens: list[Token]) -> None:
    """Refuse by name the functions whose answer is not a matter of the stored rows; PostgreSQL is asked about all."""
    for token, following, _ in _bare_words(tokens):
        word = _calls(token, following)
        if word in VOLATILE:
            raise ExpressionError(
                f"{token.text}() gives another answer at every call: what is a violation would be chance",
                token.pos,
                token.end,
                "judge stored values; now() stands still within a transaction",
            )
        if word in ASKS or token.text in ASKS:
            raise ExpressionError(
                f"`{token.text}` depends on who asks; an assertion is judged by the role that applied it",
                token.pos,
                token.end,
                "judge stored values",
            )


def _refuse_dangling(tokens: list[Token]) -> None:
    """Refuse a comma that parts nothing: sqlglot passes over it, PostgreSQL does not."""
    for index, token in enumerate(tokens):
        if token.kind is not TokenKind.PUNCTUATION or token.text != ",":
            continue
        following = tokens[index + 1] if index + 1 < len(tokens) else None
        if (
            following is None
            or (following.kind is TokenKind.PUNCTUATION and following.text in (")", "]", ","))
            or (following.kind is TokenKind.WORD and following.text in AFTER_LIST)
        ):
            raise ExpressionError("nothing follows the comma", token.pos, token.end, "take it out")


def _clock(tokens: list[Token]) -> str:
    return next((token.text for token, following, _ in _bare_words(tokens) if _calls(token, following) in CLOCK), "")


def _refuse_nodes(tree: exp.Expr, tokens: list[Token]) -> None:
    from sqlglot import exp

    faults: list[ExpressionError] = []
    for node in tree.walk():
        name = type(node).__name__
        if name in REFUSED:
            words, message, help_ = REFUSED[name]
            faults.append(ExpressionError(message, *_place(node, tokens, words), help_))
        elif not isinstance(node, exp.Func) and name not in ALLOWED:
            faults.append(
                ExpressionError(f"{name} is outside what an assertion may hold", *_place(node, tokens, ()), _SHAPE)
            )
        elif isinstance(node, exp.Dot):
            faults += _qualified_call(node, tokens)
        elif isinstance(node, exp.DataType) and node.args.get("kind") is not None:
            faults.append(
                ExpressionError(
                    f"a cast to {node.sql('postgres')}, which is no type of PostgreSQL's own",
                    *_place(node, tokens, ()),
                    "write the value alone: PostgreSQL reads '…' as the type it is compared with",
                )
            )
    if faults:
        raise min(faults, key=lambda fault: fault.pos)


def _qualified_call(node: exp.Dot, tokens: list[Token]) -> Iterator[ExpressionError]:
    """Yield a fault where a function is called in a schema other than pg_catalog."""
    from sqlglot import exp

    owner = node.this
    if not isinstance(node.expression, exp.Func):
        return
    if isinstance(owner, exp.Identifier) and folded(owner) == "pg_catalog":
        return
    yield ExpressionError(
        f"{owner.sql('postgres')}.{node.expression.name or node.expression.sql_name().lower()}() is a function outside"
        " pg_catalog, whose body may change without a write",
        *_place(node, tokens, ()),
        "write what it computes into the SELECT",
    )


def _place(node: exp.Expr, tokens: list[Token], words: tuple[str, ...]) -> tuple[int, int]:
    """Return where a node stands: at one of `words`, the last before what the node holds, else at what it holds."""
    spans = [(item.meta["start"], item.meta["end"] + 1) for item in node.walk() if "start" in item.meta]
    start = min((span[0] for span in spans), default=tokens[-1].end)
    before = [
        token for token in tokens if token.text in words and token.kind is not TokenKind.NAME and token.pos <= start
    ]
    if before:
        return before[-1].pos, before[-1].end
    return (start, max(span[1] for span in spans)) if spans else (tokens[0].pos, tokens[0].end)


def _tables(node: exp.Expr, known: frozenset[str], schema: str) -> Iterator[tuple[TableName, int]]:
    """Yield the tables read, and where; `known` are the names of WITH that are visible here.

    A name of WITH is seen by the queries after it, and by itself where RECURSIVE is said (manual 7.8).
    """
    from sqlglot import exp

    if isinstance(node, exp.Query) and (with_ := node.args.get("with_")) is not None:
        for cte in with_.expressions:
            name = folded(cte.args["alias"].this)
            yield from _tables(cte.this, known | {name} if with_.args.get("recursive") else known, schema)
            known |= {name}
    if isinstance(node, exp.Table):
        yield from _table(node, known, schema)
    for child in node.iter_expressions():
        if not isinstance(child, exp.With):
            yield from _tables(child, known, schema)


def _table(node: exp.Table, known: frozenset[str], schema: str) -> Iterator[tuple[TableName, int]]:
    from sqlglot import exp

    it, db = node.this, node.args.get("db")
    if isinstance(it, exp.Func):
        if db is not None and folded(db) != "pg_catalog":
            raise ExpressionError(
                f"{db.name}.{it.name}() is a function outside pg_catalog, whose body may change without a write",
                *_span(db),
                "write what it computes into the SELECT",
            )
        return
    if node.args.get("catalog") is not None:
        raise ExpressionError("a table of another database", *_span(node.args["catalog"]), "write schema.table")
    name = folded(it)
    if db is not None:
        yield TableName(folded(db), name), _span(db)[0]
    elif name not in known:
        raise ExpressionError(
            f"the table `{name}` has no schema, so what it means would depend on who writes",
            *_span(it),
            f"write {schema}.{it.sql('postgres')}",
        )


def _span(identifier: exp.Identifier) -> tuple[int, int]:
    return identifier.meta.get("start", 0), identifier.meta.get("end", 0) + 1
