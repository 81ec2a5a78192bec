"""The read gate."""

from __future__ import annotations

from mlguard.runtime import run_sql

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Run the up half of the pair."""
    run_sql("0005_gate.up")


def downgrade() -> None:
    """Run the down half of the pair."""
    run_sql("0005_gate.down")
