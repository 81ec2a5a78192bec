"""Retrain requests and tickets, rollbacks, withdrawn predictions."""

from __future__ import annotations

from mlguard.runtime import run_sql

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Run the up half of the pair."""
    run_sql("0025_loop.up")


def downgrade() -> None:
    """Run the down half of the pair."""
    run_sql("0025_loop.down")
