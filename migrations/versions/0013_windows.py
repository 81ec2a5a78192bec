"""Windows: folding, judging, re-judging."""

from __future__ import annotations

from mlguard.runtime import run_sql

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Run the up half of the pair."""
    run_sql("0013_windows.up")


def downgrade() -> None:
    """Run the down half of the pair."""
    run_sql("0013_windows.down")
