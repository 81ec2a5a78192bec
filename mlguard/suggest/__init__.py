"""Propose an SLO file from data: profile, propose from one part, validate on the rest, write with the evidence.

Path: a source (`duck`, `postgres`) → `profile` → `propose_*`, `windows` → `validate` → `fold` → `write` or `update`.
"""

from __future__ import annotations

from mlguard.suggest.run import Options, Suggestion, suggest

__all__ = ["Options", "Suggestion", "suggest"]
