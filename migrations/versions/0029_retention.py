"""How long records are kept."""

from __future__ import annotations

from mlguard.runtime import run_sql

revision = "0029"
down_revision = "0028"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Run the up half of the pair."""
    run_sql("0029_retention.up")


def downgrade() -> None:
    """Run the down half of the pair."""
    run_sql("0029_retention.down")
