"""Keeping rows out of a table."""

from __future__ import annotations

from mlguard.runtime import run_sql

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Run the up half of the pair."""
    run_sql("0006_quarantine.up")


def downgrade() -> None:
    """Run the down half of the pair."""
    run_sql("0006_quarantine.down")
