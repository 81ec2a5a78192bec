"""States of single rows, appended to a table without an index."""

from __future__ import annotations

from mlguard.runtime import run_sql

revision = "0036"
down_revision = "0035"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Run the up half of the pair."""
    run_sql("0036_single.up")


def downgrade() -> None:
    """Run the down half of the pair."""
    run_sql("0036_single.down")
