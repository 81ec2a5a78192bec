"""Words and events as JSON lines on stderr, for collectors of logs: --log-format json, or MLGUARD_LOG=json.

Every line is one object with `at` (UTC), `event`, and what belongs to the event:

said    message              words that would else stand on stderr as they are
sql     sql, seconds         a statement, under -v; without its parameters
step    what, done, of       progress of long work
error   kind, message        why a verb ended; `problems` where there are several
ended   verb, exit_code, seconds
"""

from __future__ import annotations

import json
import os
import re
import sys
from datetime import UTC, datetime
from typing import Any

VARIABLE = "MLGUARD_LOG"
FORMATS = ("text", "json")
# Passwords of DSNs, in both spellings, whoever wrote them into a message.
_SECRET = re.compile(r"(://[^\s:/@]*:)[^\s@]*(?=@)|(\bpassword\s*=\s*)(?:'(?:[^'\\]|\\.)*'|\S+)", re.IGNORECASE)

_chosen: list[str] = []


def choose(style: str | None) -> None:
    """Set the format for this process; None leaves it to the environment."""
    _chosen[:] = [style] if style else []


def is_json() -> bool:
    """Say whether lines are JSON."""
    return (_chosen[0] if _chosen else os.environ.get(VARIABLE, "")) == "json"


def log(event: str, **fields: Any) -> None:
    """Write one line, where lines are JSON; else nothing."""
    if not is_json():
        return
    line = {"at": datetime.now(UTC).isoformat(timespec="milliseconds"), "event": event, **fields}
    sys.stderr.write(without_secrets(json.dumps(line, ensure_ascii=False, default=str)) + "\n")
    sys.stderr.flush()


def without_secrets(text: str) -> str:
    """Return the text with passwords of DSNs in it replaced by ***."""
    return _SECRET.sub(lambda found: f"{found[1] or found[2]}***", text)
