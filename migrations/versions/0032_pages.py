"""Alerts of pages alone, for quiet hours."""

from __future__ import annotations

from mlguard.runtime import run_sql

revision = "0032"
down_revision = "0031"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Run the up half of the pair."""
    run_sql("0032_pages.up")


def downgrade() -> None:
    """Run the down half of the pair."""
    run_sql("0032_pages.down")
