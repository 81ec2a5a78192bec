"""YAML to nodes: what is text, what is a number, and the limits that hold against hostile files."""

from __future__ import annotations

import time
from decimal import Decimal

import pytest

from mlguard.spec.source import MAX_FILE_BYTES, Source, decode, shown
from mlguard.spec.yaml_nodes import Pairs, Scalar, compose, kind_of, plain


def value(text: str) -> Scalar:
    root, faults = compose(Source("a", f"a: {text}\n"))
    assert not faults
    assert isinstance(root, Pairs)
    node = root.entries["a"].value
    assert isinstance(node, Scalar)
    return node


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("no", "text"),
        ("yes", "text"),
        ("on", "text"),
        ("2020-01-01", "text"),
        ("1_000", "text"),
        ("12:30:00", "text"),
        ("NaN", "text"),
        ("2%", "text"),
        ("true", "boolean"),
        ("False", "boolean"),
        ("null", "null"),
        ("~", "null"),
        ("", "null"),
        ("5", "number"),
        ("-0.5e3", "number"),
        ("007", "number"),
        ("0x1F", "number"),
        (".inf", "number"),
        ("'5'", "text"),
        ("''", "text"),
        ('"true"', "text"),
    ],
)
def test_kinds_are_those_of_yaml_1_2(text: str, kind: str) -> None:
    assert kind_of(value(text)) == kind


def test_numbers_keep_their_text_and_value() -> None:
    assert value("1.50").text == "1.50"
    assert value("1.50").number == Decimal("1.5")
    assert value("0x1F").number == 31
    assert value("007").number == 7
    assert value(".inf").number is None


def test_plain_is_dicts_tuples_and_scalars() -> None:
    root, _ = compose(Source("a", "a: {b: [c, {d: e}]}\n"))
    assert root is not None
    tree = plain(root)
    assert tree["a"]["b"][0].text == "c"
    assert tree["a"]["b"][1]["d"].text == "e"


def test_utf8_mark_is_taken_off() -> None:
    source = decode(b"\xef\xbb\xbfa: 1\n", "a")
    assert isinstance(source, Source)
    assert source.text == "a: 1\n"


def test_messages_never_carry_what_reorders_a_line() -> None:
    assert shown("a\u202eb\x1b[31m") == "a\\u202eb\\x1b[31m"
    place = Source("a", "a: \u202eb\x1b").where(3)
    assert place.text == "a: \ufffdb\ufffd"


MIB = MAX_FILE_BYTES
BOMBS = {
    "one word": "a" * MIB,
    "blank lines": "\n" * MIB,
    "nested lists": "- " * (MIB // 2),
    "open brackets": "[" * MIB,
    "open braces": "{a: " * (MIB // 4),
    "many lists": "[" + "[]," * 300_000,
    "many keys": "a: b\n" * (MIB // 5),
    "open quote": "a: '" + "x\n\n" * 300_000,
    "escapes": 'a: "' + "\\n" * (MIB // 2 - 4) + '"',
    "commas": "{" + "," * (MIB - 1),
    "open block": "a: |\n" + " \n" * 500_000,
    "complex keys": "? " * (MIB // 2),
    "quoted starts": "a: 'b' c\n" * (MIB // 10),
    "splits": "{a: " + "(" * 1000 + ", b" * 100_000 + "}",
    "laughs": "a: &a [x,x,x]\n"
    + "".join(f"k{i}: &k{i} [{','.join([f'*k{i - 1}' if i else '*a'] * 9)}]\n" for i in range(30)),
}


@pytest.mark.parametrize("name", BOMBS)
def test_hostile_files_end(name: str) -> None:
    """A limit on CPU rather than on wall time; the slowest takes a third of it."""
    before = time.process_time()
    _, faults = compose(Source("a", BOMBS[name][:MIB]))
    assert time.process_time() - before < 15
    assert len(faults) <= 200
