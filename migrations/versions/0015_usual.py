"""Bands learned from history."""

from __future__ import annotations

from mlguard.runtime import run_sql

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Run the up half of the pair."""
    run_sql("0015_usual.up")


def downgrade() -> None:
    """Run the down half of the pair."""
    run_sql("0015_usual.down")
