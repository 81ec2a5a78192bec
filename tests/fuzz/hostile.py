"""Names and values that try to get out of their quotes, and the spelling of any text in YAML."""

from __future__ import annotations

import random
import re

PIECES = (
    "'", "''", '"', '""', "\\", "\\'", "\\\\", "$$", "$mlguard$", "$mlguard_1$", "$$;drop table x;--", "$1", "$body$",
    "*/", "/*", "--", "-- ", ";", "; drop schema mlguard cascade; --", "');", "')--", "' or '1'='1", "E'", "U&'", "\\n",
    "\\u0027", "\\047", "%", "%%", "%s", "%(a)s", "%I", "%L", "%1$s", "{", "}", "{}", "{0}", "{{", "}}", "${HOME}", "#",
    " #", ": ", ",", "[", "]", "&a", "*a", "!!int", "|", ">", "?", "@", "`", "\n", "\r", "\r\n", "\t", "\v", "\f",
    "\x01", "\x1b[31m", "\x7f", "\x85", "\xa0", "\u2028", "\u2029", "\u202e", "\u2066", "\u200b", "\u200d", "\ufeff",
    "\u0130", "\u0131", "ß", "é", "e\u0301", "日本",
    "😀", "👨\u200d👩\u200d👧", "\U0010fffd", "\u3000", "ﬁ", "Ａ", "‘", "“",
    "select", "table", "user", "null", "NULL", "true", "order", "new", "old", "NEW", "tg_op", "_broken",
    "_arrived", "r",
    "row", "default", "end", "begin", "begin\n", "\nend\n", "using", "public", "pg_catalog", "mlguard", "value",
    "label",
    "a", "A", "Ab", "0", "1e9", "-1", ".5", "", " ", "  ", "<script>alert(1)</script>", "]]>", "&amp;",
    "x" * 20, "é" * 16,
)  # fmt: skip
_SPECIAL = re.compile('["\\\\\x00-\x1f\x7f-\x9f\u2028\u2029\ufeff\ud800-\udfff]')


def text(chance: random.Random, pieces: int = 4) -> str:
    """Some hostile text, '' now and then."""
    return "".join(chance.choice(PIECES) for _ in range(chance.randint(0, pieces)))


def identifier(chance: random.Random, taken: set[str] | None = None) -> str:
    """A hostile name of 1 to 63 bytes, often of exactly 63; unlike those in `taken`, to which it is added."""
    while True:
        name = text(chance) or "q"
        if chance.random() < 0.2:
            name += chance.choice("aé日😀") * 63
        raw = name.encode()[:63]
        name = raw.decode(errors="ignore")
        if name and (taken is None or name not in taken):
            if taken is not None:
                taken.add(name)
            return name


def plain_identifier(name: str, place: int) -> str:
    """A harmless name to stand in the place of a hostile one."""
    return f"plain_{place}"


def yaml(value: str) -> str:
    """Spell any text in YAML: between double quotes, with what may not stand there written out."""
    return '"' + _SPECIAL.sub(lambda found: _escape(found.group()), value) + '"'


def _escape(character: str) -> str:
    return "\\" + character if character in '"\\' else f"\\u{ord(character):04X}"


def quoted(name: str) -> str:
    """Spell an identifier in an expression."""
    return '"' + name.replace('"', '""') + '"'


def literal(value: str) -> str:
    """Spell a text in an expression, as PostgreSQL's standard strings are spelled."""
    return "'" + value.replace("'", "''") + "'"
