"""What a session says of itself changes no verdict, and verdicts cost it no load."""

from __future__ import annotations

from mlguard.runtime import run_sql

revision = "0034"
down_revision = "0033"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Run the up half of the pair."""
    run_sql("0034_sessions.up")


def downgrade() -> None:
    """Run the down half of the pair."""
    run_sql("0034_sessions.down")
