"""Short forms: deadlines of arrivals, in the gate and the sweep; what an assertion says of its rows."""

from __future__ import annotations

from mlguard.runtime import run_sql

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Run the up half of the pair."""
    run_sql("0020_forms.up")


def downgrade() -> None:
    """Run the down half of the pair."""
    run_sql("0020_forms.down")
