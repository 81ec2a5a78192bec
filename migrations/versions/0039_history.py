"""What grows with history, and who waits for whom."""

from __future__ import annotations

from mlguard.runtime import run_sql

revision = "0039"
down_revision = "0038"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Run the up half of the pair."""
    run_sql("0039_history.up")


def downgrade() -> None:
    """Run the down half of the pair."""
    run_sql("0039_history.down")
