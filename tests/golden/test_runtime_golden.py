"""The runtime as installed is the one that was reviewed."""

from __future__ import annotations

import difflib

from tests.golden.dump import GOLDEN, REFRESH, runtime_dump
from tests.servers import TestServer


def test_the_runtime_is_the_golden_one(server18: TestServer) -> None:
    found = runtime_dump(server18)
    wanted = GOLDEN.read_text(encoding="utf-8")
    difference = "\n".join(
        difflib.unified_diff(wanted.splitlines(), found.splitlines(), "golden", "installed", lineterm="")
    )
    assert not difference, f"the runtime differs from {GOLDEN.name}; {REFRESH}\n{difference}"
