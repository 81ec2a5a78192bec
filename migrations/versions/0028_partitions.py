"""Partitions: covered when made, judged when attached, taken out of the states when detached."""

from __future__ import annotations

from mlguard.runtime import run_sql

revision = "0028"
down_revision = "0027"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Run the up half of the pair."""
    run_sql("0028_partitions.up")


def downgrade() -> None:
    """Run the down half of the pair."""
    run_sql("0028_partitions.down")
