"""What writing leaves behind: batches, kept rows, violations, holds, freshness."""

from __future__ import annotations

from mlguard.runtime import run_sql

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Run the up half of the pair."""
    run_sql("0002_records.up")


def downgrade() -> None:
    """Run the down half of the pair."""
    run_sql("0002_records.down")
