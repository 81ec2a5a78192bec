"""Baselines and distances from them."""

from __future__ import annotations

from mlguard.runtime import run_sql

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Run the up half of the pair."""
    run_sql("0014_baselines.up")


def downgrade() -> None:
    """Run the down half of the pair."""
    run_sql("0014_baselines.down")
