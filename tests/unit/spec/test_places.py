"""Positions: of values, keys, and of single characters inside every style of scalar."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML
from ruamel.yaml.compat import StringIO
from ruamel.yaml.scalarstring import (
    DoubleQuotedScalarString,
    FoldedScalarString,
    LiteralScalarString,
    SingleQuotedScalarString,
)

from mlguard.errors import Where
from mlguard.spec.load import Loader
from mlguard.spec.models import SloFile
from mlguard.spec.offsets import offset_in
from mlguard.spec.source import Source
from mlguard.spec.yaml_nodes import Pairs, Scalar, compose

HEAD = "mlguard: 1\ntable: features.customer\n"


def read(text: str) -> SloFile:
    loaded = Loader().loads(Source("a.slo.yaml", HEAD + text), Path("a.slo.yaml"))
    assert [fault.render() for fault in loaded.faults] == []
    assert loaded.file is not None
    return loaded.file


def scalar(text: str) -> Scalar:
    root, faults = compose(Source("a", text))
    assert not faults
    assert isinstance(root, Pairs)
    node = next(iter(root.entries.values())).value
    assert isinstance(node, Scalar)
    return node


def traced(text: str) -> str:
    """Return, for each character of the first value, the source character it came from."""
    node = scalar(text)
    return "".join(text[offset_in(node, index)] for index in range(len(node.text)))


def test_short_and_long_form_have_the_same_path() -> None:
    short = read("columns:\n  age: {range: [0, 130]}\n")
    long = read("columns:\n  age: {range: {between: [0, 130]}}\n")
    path = ("columns", "age", "range", "between", 1)
    assert (short.where(path).line, short.where(path).column) == (4, 20)
    assert (long.where(path).line, long.where(path).column) == (4, 30)
    assert short == long


def test_key_value_and_what_is_not_written() -> None:
    file = read("slos:\n  - name: a\n    check: x > 0\n")
    assert file.where(("slos", 0, "check"), key=True) == Where("a.slo.yaml", 5, 5, "    check: x > 0")
    assert file.where(("slos", 0, "check")).column == 12
    assert file.where(("slos", 0, "severity")) == file.where(("slos", 0))
    assert file.where(("slos", 7)) == file.where(("slos",))


def test_where_in_an_expression() -> None:
    file = read("slos:\n  - name: a\n    check: 'x = ''it'' AND y'\n")
    text = file.slos[0].check
    assert text is not None
    assert file.where_in(("slos", 0, "check"), text.index("y")).column == 12 + len("'x = ''it'' AND ")


def test_a_model_built_in_code_has_no_place() -> None:
    file = SloFile.model_validate({"mlguard": 1, "table": "a.b", "slos": [], "key": "id"})
    assert file.key == ("id",)
    assert file.where(("key",)) == Where("", 1, 1)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("a: plain text", "plain text"),
        ("a: plain\n  and   more\n\n  lines # end", "plain\nand   more\nlines"),
        ("a: 'it''s'", "it's"),
        ("a: 'one\n  two'", "one\ntwo"),
        (r'a: "x\ty\x41\u00e9\U0001F600\"z"', "x\\y\\\\\\\\z"),
        ('a: "one \\\n   two"', "one two"),
        ('a: "one\n\n  two"', "one\ntwo"),
        ("a: |\n  one\n    two\n\n  three\n", "one\n  two\n\nthree"),
        ("a: >-\n  one\n  two\n\n  three\n    four\n  five", "one\ntwo\nthree\n  four\nfive"),
        ("a: |2\n   one\n  two\n", " one\ntwo"),
        ("a: |+ # note\n  one\n", "one"),
        ("a: >\r\n  one\r\n  two\r\n", "one\ntwo"),
    ],
)
def test_characters_come_from_where_they_stand(source: str, expected: str) -> None:
    """Line breaks that YAML folds or chomps are held to the line they are on, not to one character."""
    found = traced(source + "\n")[: len(expected)]
    assert [a for a, b in zip(found, expected, strict=True) if b != "\n"] == [b for b in expected if b != "\n"]


STYLES = [str, SingleQuotedScalarString, DoubleQuotedScalarString, LiteralScalarString, FoldedScalarString]
WORDS = st.text(st.sampled_from("ab('\" \\#:\n\t%é😀"), min_size=1, max_size=60)


@settings(max_examples=300, deadline=None)
@given(text=WORDS, style=st.sampled_from(STYLES))
@example(text=":\n\n\t", style=FoldedScalarString)
def test_every_offset_lies_in_the_scalar(text: str, style: type[str]) -> None:
    stream = StringIO()
    YAML().dump({"a": style(text)}, stream)
    node = scalar(stream.getvalue())
    offsets = [offset_in(node, index) for index in range(len(node.text) + 1)]
    assert offsets == sorted(offsets)
    assert all(node.span.start <= offset <= node.span.end for offset in offsets)
    for index, character in enumerate(node.text):
        if character.isalnum() and offsets[index] != node.span.start and "\\" not in stream.getvalue():
            assert stream.getvalue()[offsets[index]] == character


@pytest.mark.parametrize("break_", ["\n", "\r\n", "\r"])
def test_lines_are_counted_for_every_line_break(break_: str) -> None:
    source = Source("a", break_.join(["one", "two", "three"]))
    place = source.where(source.text.index("three") + 2)
    assert (place.line, place.column, place.text) == (3, 3, "three")
