"""The order in which rows came, whatever the clock says."""

from __future__ import annotations

from mlguard.runtime import run_sql

revision = "0031"
down_revision = "0030"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Run the up half of the pair."""
    run_sql("0031_order.up")


def downgrade() -> None:
    """Run the down half of the pair."""
    run_sql("0031_order.down")
