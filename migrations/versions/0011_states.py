"""States of written rows, and how they merge."""

from __future__ import annotations

from mlguard.runtime import run_sql

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Run the up half of the pair."""
    run_sql("0011_states.up")


def downgrade() -> None:
    """Run the down half of the pair."""
    run_sql("0011_states.down")
