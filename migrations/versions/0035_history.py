"""What grows with history, and who waits for whom."""

from __future__ import annotations

from mlguard.runtime import run_sql

revision = "0035"
down_revision = "0034"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Run the up half of the pair."""
    run_sql("0035_history.up")


def downgrade() -> None:
    """Run the down half of the pair."""
    run_sql("0035_history.down")
