"""A job that is in every way unlike a store that has just been completed: what keeps the one leaves the other out."""

from tests.acceptance.conftest import run_sql

OTHER = "0dd" * 21 + "0"
NODE, USER = "Elsewhere:1", "Ann"
ADD = """
INSERT INTO job (
    token, kind, product_id, run, username, summary, status, node, node_instance, cancel_requested, consumed,
    enqueued_at, started_at, finished_at, heartbeat_at
)
VALUES (
    $1, 'delete_run', NULL, NULL, $2, 'Other', 'cancelled', $3, gen_random_uuid(), true, false,
    now() - interval '2 days', now() - interval '2 days', now() - interval '2 days', now() - interval '2 days'
)
"""


def add_other_job(database_url: str) -> None:
    """Of another kind, node and user, of no product, asked to stop and cancelled two days ago; nobody was told so."""
    run_sql(database_url, ADD, OTHER, USER, NODE)
