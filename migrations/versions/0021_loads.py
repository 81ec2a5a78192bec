"""Loads: batches that span transactions, and publishing from a staging table."""

from __future__ import annotations

from mlguard.runtime import run_sql

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Run the up half of the pair."""
    run_sql("0021_loads.up")


def downgrade() -> None:
    """Run the down half of the pair."""
    run_sql("0021_loads.down")
