"""Requests to retrain as text. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlguard.report.columns import Paint, aligned, one_line, plain
from mlguard.report.when import minute

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mlguard.operate.retrain import RetrainRequest

NONE = "-"


def requests_text(requests: Sequence[RetrainRequest], paint: Paint = plain) -> str:
    """Return a line a request, and under it what speaks against training now and what came of it."""
    head = ("REQUEST", "MODEL", "STATE", "SINCE", "BY", "WHY")
    rows = [
        (str(one.id), one.model, one.state, minute(one.requested_at) or NONE, _who(one), one.why) for one in requests
    ]
    first, *lines = aligned([head, *rows], paint)
    shown = [first]
    for line, request in zip(lines, requests, strict=True):
        shown.append(line)
        shown += [f"    vetoed: {one_line(veto.why)}" for veto in request.against]
        shown += [f"    {one_line(request.outcome)}"] if request.outcome else []
    return "\n".join(shown)


def _who(request: RetrainRequest) -> str:
    if request.state == "claimed":
        return f"{request.claimed_by}, until {minute(request.lease_until)}"
    return f"version {request.version}" if request.version else NONE
