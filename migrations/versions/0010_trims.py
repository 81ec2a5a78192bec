"""Kept rows cost less; exceptions can be ended early."""

from __future__ import annotations

from mlguard.runtime import run_sql

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Run the up half of the pair."""
    run_sql("0010_trims.up")


def downgrade() -> None:
    """Run the down half of the pair."""
    run_sql("0010_trims.down")
