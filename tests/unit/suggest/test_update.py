"""--update: what a person wrote stays byte for byte, what is missing is added, the result is valid."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from mlguard.compile import compile_project
from mlguard.errors import SpecError
from mlguard.spec import load_project
from mlguard.suggest import Options, Suggestion, suggest
from tests.unit.suggest.test_proposals import NOW, usage

WRITTEN = """\
# kept by the platform team
mlguard: 1
table: features.usage   # do not rename
owner: "platform-ml"

columns:
    # people know this
    age: {type: integer, range: [18, 120]}   # by law
    plan:
        type: text       # spelled out
        in: [free, pro, team, enterprise]

    a: {type: bigint}
    amount:
slos:
  - name: mine
    check: "age >= 18"  # ours
  # the end
"""


def updated(text: str, tmp_path: Path, frame: pd.DataFrame | None = None) -> Suggestion:
    path = tmp_path / "usage.slo.yaml"
    path.write_text(text, encoding="utf-8")
    found = suggest(usage() if frame is None else frame, Options("features.usage", now=NOW), update=path)
    path.write_text(found.text, encoding="utf-8")
    compile_project(load_project(path), None)
    return found


def without_added(found: str, written: str) -> bool:
    """Say whether the characters of `written` stand in `found`, in their order."""
    place = iter(found)
    return all(character in place for character in written)


def test_what_a_person_wrote_stays(tmp_path: Path) -> None:
    found = updated(WRITTEN, tmp_path)
    lines = found.text.splitlines()
    for line in WRITTEN.splitlines():
        assert line in lines or "a: {type: bigint}" in line or "age: {" in line, line
    assert without_added(found.text, WRITTEN)
    assert "    age: {type: integer, range: [18, 120], required: true}   # by law" in lines
    assert "    a: {type: bigint, required: true, range: {between: [0, 110], on_violation: warn}}" in lines


def test_what_differs_is_told_and_kept(tmp_path: Path) -> None:
    found = updated(WRITTEN, tmp_path)
    assert "age.range (proposed [0, 130])" in found.kept
    assert "age.type (proposed bigint)" in found.kept
    assert "plan.in (proposed [free, pro, team])" in found.kept
    assert {"key", "event_time", "plan.required", "amount.range", "slo a_plus_b_is_total"} <= set(found.added)


def test_a_second_time_adds_nothing(tmp_path: Path) -> None:
    once = updated(WRITTEN, tmp_path)
    twice = updated(once.text, tmp_path)
    assert twice.text == once.text
    assert not twice.added


@pytest.mark.parametrize(
    "text",
    [
        "mlguard: 1\ntable: features.usage\n",
        "mlguard: 1\ntable: features.usage",
        "mlguard: 1\ntable: features.usage\ncolumns: {plan: {type: text}}\nslos: []\n",
        "mlguard: 1\ntable: features.usage\ncolumns:\n  plan:\n    type: text\n",
        "mlguard: 1\ntable: features.usage\ncolumns:\n  plan:\n    description: |\n      two\n      lines\n\n\n# end\n",
        "mlguard: 1\ntable: features.usage\nslos:\n- name: one\n  check: age > 0\n- {name: two, check: age > 1}\n",
        "mlguard: 1\r\ntable: features.usage\r\ncolumns:\r\n  plan: {type: text}\r\n",
        "mlguard: 1\ncolumns:\n  plan: {type: text}\ntable: features.usage\n",
    ],
)
def test_whatever_the_file_looks_like(text: str, tmp_path: Path) -> None:
    found = updated(text, tmp_path)
    assert without_added(found.text, text)
    assert updated(found.text, tmp_path).text == found.text


def test_another_table_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"is about features\.other, not features\.usage"):
        updated("mlguard: 1\ntable: features.other\n", tmp_path)


def test_a_file_without_lines_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="has no lines to add to"):
        updated("{mlguard: 1, table: features.usage}\n", tmp_path)


@pytest.mark.parametrize(
    "said",
    [
        "columns:\n  plan: {pii: true}\n",
        "groups:\n  - {columns: 'pl*', pii: true}\n",
        "groups: [{columns: [plan], pii: forbid}]\n",
    ],
)
def test_values_of_what_the_file_calls_personal_are_not_shown(said: str, tmp_path: Path) -> None:
    found = updated(f"mlguard: 1\ntable: features.usage\n{said}", tmp_path)
    assert "enterprise" not in found.text
    assert "team" not in found.text
