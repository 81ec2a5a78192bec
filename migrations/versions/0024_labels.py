"""Labels: errors and tallies as states, pairs that nobody saw, windows that wait for labels."""

from __future__ import annotations

from mlguard.runtime import run_sql

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Run the up half of the pair."""
    run_sql("0024_labels.up")


def downgrade() -> None:
    """Run the down half of the pair."""
    run_sql("0024_labels.down")
