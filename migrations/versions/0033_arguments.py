"""Arguments that cannot be are refused in words."""

from __future__ import annotations

from mlguard.runtime import run_sql

revision = "0033"
down_revision = "0032"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Run the up half of the pair."""
    run_sql("0033_arguments.up")


def downgrade() -> None:
    """Run the down half of the pair."""
    run_sql("0033_arguments.down")
