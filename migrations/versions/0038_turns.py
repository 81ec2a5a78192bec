"""Turns in locks of rows that the owner alone can take."""

from __future__ import annotations

from mlguard.runtime import run_sql

revision = "0038"
down_revision = "0037"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Run the up half of the pair."""
    run_sql("0038_turns.up")


def downgrade() -> None:
    """Run the down half of the pair."""
    run_sql("0038_turns.down")
