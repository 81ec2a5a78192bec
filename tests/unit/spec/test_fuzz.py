"""Mutated files: whatever stands in them, loading ends with a model or with faults that have words and places."""

from __future__ import annotations

from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mlguard.errors import SpecError
from mlguard.spec.load import Loader
from mlguard.spec.source import Source, decode

GOOD = [path.read_text() for path in sorted((Path(__file__).parent / "good").glob("*.slo.yaml"))]
PIECES = [
    *"'\"#:,[]{}|>&*!%@`-?\\\t\n\r \0\x1b\u202e\ufeff😀5",
    " #", ": ", "- ", "<<: ", "null", "~", "{}", "[]", "yes", "1e999999", ".nan", "0x", "&a ", "*a", "!!int ", "---\n",
    "%YAML 1.2\n", "\\x", "''", "check", "on_violation", "range",
    "\n  ", "|2\n", ">-\n", "? ", "${A}", "../..", "/dev/null",
]  # fmt: skip


@st.composite
def mutated(draw: st.DrawFn) -> str:
    text = draw(st.sampled_from(GOOD))
    for _ in range(draw(st.integers(1, 6))):
        at = draw(st.integers(0, len(text)))
        to = min(len(text), at + draw(st.integers(0, 12)))
        change = draw(st.sampled_from(["insert", "remove", "swap", "repeat"]))
        piece = draw(st.sampled_from(PIECES))
        if change == "insert":
            text = text[:at] + piece + text[at:]
        elif change == "remove":
            text = text[:at] + text[to:]
        elif change == "swap":
            text = text[:at] + piece + text[to:]
        else:
            text = text[:to] + text[at:to] * 3 + text[to:]
    return text


def load(text: str) -> None:
    loaded = Loader().loads(Source("a.slo.yaml", text), Path(__file__).parent / "good" / "a.slo.yaml")
    assert (loaded.file is None) == bool(loaded.faults)
    for fault in loaded.faults:
        assert fault.message
        assert fault.where is not None
        assert "this value cannot stand here" not in fault.message, "a kind of validation error without words"
    rendered = str(SpecError("", problems=loaded.faults)) if loaded.faults else ""
    assert "\u202e" not in rendered
    assert "\x1b" not in rendered


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(mutated())
def test_mutated_files(text: str) -> None:
    load(text)


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=300))
def test_any_text(text: str) -> None:
    load(text)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=300))
def test_any_bytes(raw: bytes) -> None:
    source = decode(raw, "a")
    if isinstance(source, Source):
        load(source.text)
    else:
        assert source.message


SCALARS = st.sampled_from(
    ["x", "'x'", "5", "0.5", "true", "null", "''", "2%", "1 day", "[a]", "{a: b}", "[]", "{}", "[1, 2]", "a.b"]
)


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_any_value_under_any_key(data: st.DataObject) -> None:
    from mlguard.spec.columns import Column, Range
    from mlguard.spec.faults import legal_keys
    from mlguard.spec.models import SloFile
    from mlguard.spec.predictions import PostStep
    from mlguard.spec.rules import Slo

    def pairs(keys: tuple[str, ...]) -> str:
        chosen = data.draw(st.lists(st.sampled_from(keys), unique=True, max_size=6))
        return ", ".join(f"{key}: {data.draw(SCALARS)}" for key in chosen)

    top = [key for key in legal_keys(SloFile) if key not in ("mlguard", "table", "columns", "slos", "post")]
    lines = [
        f"{key}: {data.draw(SCALARS)}" for key in data.draw(st.lists(st.sampled_from(top), unique=True, max_size=6))
    ]
    load(
        "\n".join(
            [
                "mlguard: 1",
                "table: a.b",
                *lines,
                f"columns: {{c: {{{pairs(legal_keys(Column))}}}, d: {{range: {{{pairs(legal_keys(Range))}}}}}}}",
                f"slos: [{{{pairs(legal_keys(Slo))}}}]",
                f"post: [{{{pairs(legal_keys(PostStep))}}}]",
            ]
        )
    )
