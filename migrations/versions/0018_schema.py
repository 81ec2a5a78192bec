"""Columns that change under a guarded table."""

from __future__ import annotations

from mlguard.runtime import run_sql

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Run the up half of the pair."""
    run_sql("0018_schema.up")


def downgrade() -> None:
    """Run the down half of the pair."""
    run_sql("0018_schema.down")
