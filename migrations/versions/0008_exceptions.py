"""Exceptions to SLOs, housekeeping."""

from __future__ import annotations

from mlguard.runtime import run_sql

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Run the up half of the pair."""
    run_sql("0008_exceptions.up")


def downgrade() -> None:
    """Run the down half of the pair."""
    run_sql("0008_exceptions.down")
