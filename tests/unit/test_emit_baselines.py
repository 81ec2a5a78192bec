"""What the runtime is told of a table so that it can read the rows of a baseline."""

from __future__ import annotations

from pathlib import Path

from mlguard import api
from mlguard.compile import compile_project
from mlguard.emit.baselines import event_sql, missing_words
from mlguard.program import TableProgram
from tests.support import write

FILE = """
mlguard: 1
table: features.customer
key: [id]
{event_time}
time_zone: Europe/Berlin
missing: [NaN, '', -999]
columns:
  id: {{type: bigint}}
  score: {{type: double precision}}
  plan: {{type: text, missing: ['?', "it's"]}}
  day: {{type: date}}
  "At": {{type: timestamptz}}
  payload: {{type: jsonb}}
"""


def program(folder: Path, event_time: str) -> TableProgram:
    project = api.load(write(folder, FILE.format(event_time=event_time)))
    (found,) = compile_project(project, None).tables.values()
    return found


def test_the_event_time_as_sql(tmp_path: Path) -> None:
    assert event_sql(program(tmp_path, "event_time: '\"At\"'")) == '(t."At")'
    assert event_sql(program(tmp_path, "event_time: day")) == "((t.\"day\")::timestamp at time zone 'Europe/Berlin')"
    assert event_sql(program(tmp_path, "")) is None


def test_an_event_time_that_could_raise_is_guarded(tmp_path: Path) -> None:
    found = event_sql(program(tmp_path, "event_time: (payload ->> 'at')::timestamp"))
    assert found is not None
    assert found.startswith("(case when ")
    assert found.endswith(" end)")


def test_what_is_missing_as_text(tmp_path: Path) -> None:
    assert missing_words(program(tmp_path, "")) == {
        "id": ["-999"],
        "plan": ["?", "it's"],
        "score": ["NaN", "-999"],
    }
