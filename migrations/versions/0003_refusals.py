"""How a write is refused."""

from __future__ import annotations

from mlguard.runtime import run_sql

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Run the up half of the pair."""
    run_sql("0003_refusals.up")


def downgrade() -> None:
    """Run the down half of the pair."""
    run_sql("0003_refusals.down")
