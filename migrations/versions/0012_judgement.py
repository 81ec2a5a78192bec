"""Metrics judged at COMMIT."""

from __future__ import annotations

from mlguard.runtime import run_sql

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Run the up half of the pair."""
    run_sql("0012_judgement.up")


def downgrade() -> None:
    """Run the down half of the pair."""
    run_sql("0012_judgement.down")
