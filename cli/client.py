"""The daemon's HTTP API as the client uses it."""

import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from http import HTTPStatus
from itertools import count
from typing import Any, TypeAlias
from urllib.parse import quote, urlencode

import urllib3
from urllib3.util.timeout import Timeout

from .address import Address
from .answers import check_job, check_object, explain, read_answer
from .errors import NotADaemon, Refused
from .limits import USUAL, Attempt, Limit
from .transport import open_pool, proxy_for
from .version import client_name

JsonObject: TypeAlias = dict[str, Any]
Query: TypeAlias = Sequence[tuple[str, str]]

CONNECT_SECONDS = 10.0
UPLOAD_ANSWER_SECONDS = 120.0
"""After the last byte the daemon makes the upload durable, which takes its time on a slow disk."""
PAGES = (500, 5000, 20_000)
"""Sizes of the first pages of reports, the last one of all that follow. Each page of a sorted list is sorted anew, so
few large ones cost less; but the first one is to be seen at once."""
DETAILED_PAGES = (250, 2000, 5000)
"""The same with bug paths, which are large."""
COMPARISON_SECONDS = 600.0
"""An archive is parsed before the answer comes, and others may be before it."""
OVERVIEW_SECONDS = 10.0
HASHES_PER_QUESTION = 10_000
STORE_LIMITS = frozenset(
    {
        *("upload_bytes", "unpacked_bytes", "entries", "entry_bytes", "reports", "runs", "result_files"),
        *("product_runs", "run_exists"),
    }
)


class Client:
    """One daemon and one product of it. Every method may raise what `errors` has for the network and for refusals."""

    def __init__(self, address: Address) -> None:
        self.address = address
        self._proxy = proxy_for(address)
        self._pool = open_pool(address, self._proxy)
        self._product = _product_path(address.product)
        self._headers = {"User-Agent": client_name().replace(" ", "/"), "Accept": "application/json"}
        if address.login is not None:
            self._headers.update(urllib3.make_headers(basic_auth=":".join(address.login)))

    def missing_contents(self, digests: Sequence[str], limit: Limit = USUAL) -> set[str]:
        """Which of these SHA-256 (hex) the daemon lacks. Asks even about none: it tells whether the product exists.

        `limit` is that of each request; there is one for each HASHES_PER_QUESTION.
        """
        missing: set[str] = set()
        for start in range(0, len(digests) or 1, HASHES_PER_QUESTION):
            batch = digests[start : start + HASHES_PER_QUESTION]
            answer = self._request("POST", f"{self._product}/contents/missing", content=list(batch), limit=limit)
            missing.update(self._member(answer, "missing"))
        return missing

    def store_limits(self, query: Query, limit: Limit = USUAL) -> JsonObject:
        """What a store with these parameters may have (STORE_LIMITS); refused as the store would be."""
        answer = self._request("GET", f"{self._product}/stores/limits", query, limit=limit)
        return check_object(self.address.base, answer, "the limits of a store", STORE_LIMITS)

    def store(self, query: Query, archive: Iterable[bytes], key: str, seconds: float = math.inf) -> JsonObject:
        """Stream an archive and return its job. `key` makes a second try the same store.

        It is left when it takes more than `seconds`; what was sent then is no whole upload.
        """
        headers = {"Content-Type": "application/zip", "Idempotency-Key": key}
        path = f"{self._product}/stores"
        limit = Limit(UPLOAD_ANSWER_SECONDS, seconds)
        try:
            answer = self._request("POST", path, query, body=archive, headers=headers, limit=limit)
        finally:
            # An answer that came before the end of the body leaves a connection that nothing else may use.
            self._pool.clear()
        return self._job(answer)

    def job(self, token: str, *, wait: int | None = None, since: int | None = None, limit: Limit = USUAL) -> JsonObject:
        """A job as it is; with `wait` (seconds) as it is after its next change, or when the time is over.

        With `wait` the limit must leave the answer a margin.
        """
        query = [(name, str(value)) for name, value in (("wait", wait), ("since", since)) if value is not None]
        return self._job(self._request("GET", f"/jobs/{quote(token, safe='')}", query, limit=limit))

    def cancel(self, token: str, comment: str | None) -> JsonObject:
        content = {} if comment is None else {"comment": comment}
        return self._job(self._request("POST", f"/jobs/{quote(token, safe='')}/cancel", content=content))

    def retry(self, token: str) -> JsonObject:
        return self._job(self._request("POST", f"/jobs/{quote(token, safe='')}/retry"))

    def jobs(self, query: Query) -> Iterator[JsonObject]:
        """Jobs of all products, the newest first."""
        return self._pages("/jobs", "jobs", query)

    def products(self) -> list[JsonObject]:
        return self._member(self._request("GET", "/products"), "products")

    def product(self, endpoint: str) -> JsonObject:
        return self._product_object(self._request("GET", _product_path(endpoint)))

    def add_product(self, values: JsonObject) -> JsonObject:
        return self._product_object(self._request("POST", "/products", content=values))

    def edit_product(self, endpoint: str, values: JsonObject) -> JsonObject:
        return self._product_object(self._request("PATCH", _product_path(endpoint), content=values))

    def remove_product(self, endpoint: str) -> None:
        self._request("DELETE", _product_path(endpoint))

    def overview(self) -> JsonObject:
        """What an operator looks at first; an answer that takes long is none."""
        answer = self._request("GET", "/ops", limit=Limit(OVERVIEW_SECONDS))
        return check_object(self.address.base, answer, "an overview", {"node", "queue", "running"})

    def runs(self, query: Query = ()) -> Iterator[JsonObject]:
        return self._pages(f"{self._product}/runs", "runs", query)

    def run(self, name: str) -> JsonObject:
        answer = self._request("GET", f"{self._product}/runs/{quote(name, safe='')}")
        return check_object(self.address.base, answer, "a run", {"name"})

    def has_run(self, name: str) -> bool:
        try:
            self.run(name)
        except Refused as error:
            if error.status == HTTPStatus.NOT_FOUND:
                return False
            raise
        return True

    def delete_run(self, name: str) -> JsonObject:
        """The job that deletes the run, after what is in its line already."""
        return self._job(self._request("DELETE", f"{self._product}/runs/{quote(name, safe='')}"))

    def summary(self, by: str, query: Query) -> list[JsonObject]:
        """What each of the `checkers`, `severities` or `files` has."""
        return self._member(self._request("GET", f"{self._product}/summary", query), by)

    def reviews(self, query: Query = ()) -> Iterator[JsonObject]:
        """Reviews of report hashes, the newest first."""
        return self._pages(f"{self._product}/reviews", "reviews", query)

    def set_review(self, report_hash: str, status: str, message: str) -> JsonObject:
        path = f"{self._product}/reviews/{quote(report_hash, safe='')}"
        answer = self._request("PUT", path, content={"status": status, "message": message})
        return check_object(self.address.base, answer, "a review", {"report_hash"})

    def remove_review(self, report_hash: str) -> None:
        self._request("DELETE", f"{self._product}/reviews/{quote(report_hash, safe='')}")

    def history(self, run: str) -> Iterator[JsonObject]:
        return self._pages(f"{self._product}/runs/{quote(run, safe='')}/history", "stores")

    def reports(self, query: Query) -> Iterator[JsonObject]:
        return self._pages(f"{self._product}/reports", "reports", query, _page_sizes(query))

    def diff(self, query: Query) -> Iterator[JsonObject]:
        """The reports of one set of a diff of runs; each page costs the daemon the whole comparison."""
        return self._pages(f"{self._product}/diff", "reports", query, _page_sizes(query)[-1:])

    def diff_archive(self, query: Query, archive: Iterable[bytes]) -> list[JsonObject]:
        """As `diff`, the archive being the side that the query does not name."""
        headers = {"Content-Type": "application/zip"}
        path = f"{self._product}/diff"
        try:
            answer = self._request("POST", path, query, body=archive, headers=headers, limit=Limit(COMPARISON_SECONDS))
        finally:
            self._pool.clear()  # as in `store`
        return self._member(answer, "reports")

    def _pages(self, path: str, member: str, query: Query = (), sizes: Sequence[int] = ()) -> Iterator[JsonObject]:
        after: list[tuple[str, str]] = []
        limits = [[("limit", str(size))] for size in sizes] or [[]]
        for number in count():
            limit = limits[min(number, len(limits) - 1)]
            answer = self._request("GET", path, [*query, *limit, *after])
            yield from self._member(answer, member)
            cursor = answer.get("next")
            if cursor is None:
                return
            after = [("after", str(cursor))]

    def _request(
        self,
        method: str,
        path: str,
        query: Query = (),
        *,
        body: Iterable[bytes] | None = None,
        headers: dict[str, str] | None = None,
        limit: Limit = USUAL,
        content: object = None,
    ) -> Any:
        sent = self._headers | (headers or {})
        attempt = Attempt()
        data: Iterable[bytes] | bytes | None = None if body is None else attempt.guard(body)
        if content is not None:
            data = json.dumps(content).encode()
            sent["Content-Type"] = "application/json"
        url = f"{self.address.base}/api/v1{path}" + (f"?{urlencode(query)}" if query else "")
        exchange = partial(self._exchange, method, url, data, sent, limit.silence)
        try:
            answer = attempt.run(exchange, limit.whole)
        except (urllib3.exceptions.HTTPError, OSError) as error:
            # A connection that was left may be in use yet.
            self._pool.clear()
            raise explain(self.address.base, error, self._proxy) from error
        return read_answer(self.address, answer)

    def _exchange(
        self, method: str, url: str, body: Iterable[bytes] | bytes | None, headers: Mapping[str, str], silence: float
    ) -> urllib3.BaseHTTPResponse:
        timeout = Timeout(connect=min(CONNECT_SECONDS, silence), read=silence)
        return self._pool.request(
            method, url, body=body, headers=headers, timeout=timeout, retries=False, redirect=False
        )

    def _member(self, answer: Any, name: str) -> list[Any]:
        content = answer.get(name) if isinstance(answer, dict) else None
        if isinstance(content, list):
            return content
        raise NotADaemon(f"The answer of {self.address.base} has no list {name!r}: is it a storaged daemon?")

    def _product_object(self, answer: Any) -> JsonObject:
        return check_object(self.address.base, answer, "a product", {"endpoint"})

    def _job(self, answer: Any) -> JsonObject:
        return check_job(self.address.base, answer)


def _page_sizes(query: Query) -> Sequence[int]:
    return DETAILED_PAGES if ("details", "true") in query else PAGES


def _product_path(endpoint: str) -> str:
    return f"/products/{quote(endpoint, safe='')}"
