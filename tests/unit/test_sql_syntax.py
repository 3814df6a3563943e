"""All SQL that the project keeps in files is read by PostgreSQL's own parser."""

from pathlib import Path

import pytest
from pglast import parse_sql

from storaged.database.sql import parse_queries, sql_folder

WHOLE = sorted(
    [sql_folder() / "schema.sql", *sql_folder().glob("migrations/*.sql"), *sql_folder().glob("dashboard/*.sql")]
)
QUERIES = sorted(sql_folder().glob("queries/*.sql"))


@pytest.mark.parametrize("path", WHOLE, ids=lambda path: path.name)
def test_a_script_is_of_statements(path: Path) -> None:
    assert parse_sql(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("path", QUERIES, ids=lambda path: path.name)
def test_named_queries_are_statements(path: Path) -> None:
    queries = parse_queries(path.read_text(encoding="utf-8"))
    assert queries
    assert all(parse_sql(query.text) for query in queries.values())
