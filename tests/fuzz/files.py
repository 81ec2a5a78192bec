"""Damaged SLO files, and files made to exhaust who reads them."""

from __future__ import annotations

import random
import re
from functools import cache
from pathlib import Path

from tests.fuzz import hostile

ROOT = Path(__file__).parents[2]
_BLOCK = re.compile(r"```yaml\n(.*?)```", re.DOTALL)
KEYS = (
    "check", "assert", "over", "where", "by", "nulls", "max_bad", "min_rows", "on_violation", "reopen",
    "repair", "then",
    "shadow", "waivable", "portable", "severity", "range", "in", "matches", "length", "references", "usual",
    "pii", "type",
    "missing", "finite", "unique", "required", "no_gaps", "post", "labels", "attributes", "raw", "include", "examples",
)  # fmt: skip
VALUES = (
    "1e999999999", "9" * 400, "-0", "0x" + "F" * 300, ".inf", ".nan", "1_000", "0o17", "1:20", "2026-01-01", "12:30:45",
    "null", "~", "yes", "NO", "[", "{", "[[[[[]]]]]", "{a: {b: {c: {}}}}", "!!python/object:os.system x",
    "!!binary aGk=",
    "&x [*x]", "*x", "<<: *x", "|\n  a", "> \n  b", "'", '"', '"\\x00"', '"\\ud800"', '"\\U0010FFFF"', "%", "`", "@a",
    "100%", "-5%", "1e3%", "999999999999999999999 days", "1 month 1 second", "last 0 days", "0 hours", "7 dayz",
    "10 rows",
    "/etc/passwd", "../../x.yaml", ".", "a.b.c", "a.b", '"a"."b"', "'a''b'", "25:00 Mars/Phobos", "06:00 Europe/Berlin",
)  # fmt: skip


@cache
def real() -> tuple[str, ...]:
    """Return the SLO files of the examples, the tests and the pages."""
    paths = [*sorted((ROOT / "examples").rglob("*.slo.yaml")), *sorted((ROOT / "tests/unit").rglob("good/*.slo.yaml"))]
    texts = [path.read_text(encoding="utf-8") for path in paths]
    pages = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
    texts += [block for page in pages for block in _BLOCK.findall(page.read_text(encoding="utf-8"))]
    return tuple(text for text in texts if "table:" in text)


def mutated(chance: random.Random) -> bytes:
    """A real file with words exchanged, lines moved, and bytes changed."""
    lines = chance.choice(real()).split("\n")
    for _ in range(chance.randint(1, 6)):
        at = chance.randrange(len(lines))
        match chance.randrange(9):
            case 0:
                lines[at] = re.sub(r":.*", lambda _: ": " + chance.choice(VALUES), lines[at], count=1)
            case 1:
                lines[at] = re.sub(r"\w+(?=:)", lambda _: chance.choice(KEYS), lines[at], count=1)
            case 2:
                lines.insert(at, lines[chance.randrange(len(lines))])
            case 3:
                del lines[at]
                lines = lines or [""]
            case 4:
                lines[at] = " " * chance.randint(0, 8) + lines[at].lstrip()
            case 5:
                lines[at] += chance.choice(hostile.PIECES)
            case 6:
                words = lines[at].split(" ")
                words[chance.randrange(len(words))] = chance.choice((*hostile.PIECES, *VALUES, *KEYS))
                lines[at] = " ".join(words)
            case 7:
                lines[at] = f"{chance.choice(KEYS)}: {chance.choice(VALUES)}"
            case _:
                lines[at] = lines[at].replace("'", chance.choice(hostile.PIECES), 1)
    raw = "\n".join(lines).encode("utf-8", "surrogatepass")
    if chance.random() < 0.15 and raw:
        at = chance.randrange(len(raw))
        raw = raw[:at] + chance.randbytes(chance.randint(1, 4)) + raw[at + 1 :]
    return raw


HEAD = "mlguard: 1\ntable: a.b\n"


def bomb(chance: random.Random) -> bytes:
    """A file that wants more time, memory or stack than it has lines."""
    n = chance.choice((10, 70, 500, 2000))
    doubling = "".join(f"x{i}: &x{i} [{', '.join([f'*x{i - 1}'] * 9)}]\n" for i in range(1, 12))
    merging = "".join(f"m{i}: &m{i} {{<<: [*m{i - 1}, *m{i - 1}], k{i}: 1}}\n" for i in range(1, 30))
    text = chance.choice(
        (
            "x0: &x0 [a]\n" + doubling, "m0: &m0 {a: 1}\n" + merging, HEAD + "columns: " + "{a: " * n + "}" * n,
            HEAD + "slos: " + "[" * n + "]" * n,
            HEAD + "columns:\n" + "".join(f"  c{i}: {{type: text}}\n" for i in range(n)),
            HEAD + "a: &a\n  b: *a\n", HEAD + "".join("  " * i + f"k{i}:\n" for i in range(min(n, 1000))),
            HEAD + "key: [" + "a, " * n + "a]", HEAD + "owner: '" + "é" * n * 20 + "'",
            HEAD + "owner: |\n" + "  x\n" * n,
            HEAD + "columns: {a: {type: integer, in: [" + ", ".join(map(str, range(n))) + "]}}", HEAD + "? " * n,
            HEAD + "columns: {a: {range: [" + "9" * n + ", null], type: numeric}}", HEAD + "- " * n, HEAD + "&" * n,
            HEAD + "slos: [" + ", ".join(f"{{name: n{i}, check: a{i} > 0}}" for i in range(min(n, 500))) + "]",
            HEAD + "columns: {a: {type: text, matches: '" + "(a+)+" * (n // 10) + "'}}", "---\n" * n, HEAD + "\t" * n,
            HEAD + f"columns: {{a: {{type: text, matches: '(a{{{n}}}){{{n}}}'}}}}", HEAD + "event_time: " + "(" * n,
            HEAD + f"window: {'9' * n} days", HEAD + f"columns: {{a: {{type: 'numeric({'9' * n})'}}}}",
            HEAD + "groups: [{columns: '" + "*" * n + "b', finite: true}]\ncolumns: {" + "a" * 60 + ": {type: real}}",
            HEAD + "slos: [{name: x, assert: '" + "select (" * n + "'}]", HEAD + "!" * n,
            "%YAML " + "9" * n + "\n---\n" + HEAD,
            HEAD + "examples: [{row: {a: " + "[" * min(n, 50) + "]" * min(n, 50) + "}, breaks: []}]",
            "\ufeff" * n + HEAD,
        )
    )  # fmt: skip
    return text.encode("utf-8", "surrogatepass")
