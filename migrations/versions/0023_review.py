"""Post-prediction steps: versions of step sets, their lines, review."""

from __future__ import annotations

from mlguard.runtime import run_sql

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Run the up half of the pair."""
    run_sql("0023_review.up")


def downgrade() -> None:
    """Run the down half of the pair."""
    run_sql("0023_review.down")
