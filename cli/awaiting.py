"""Wait for a job from Python: `await_job`, and `await_job_async` for an event loop. docs/library.md shows them."""

import asyncio
import os
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote

from .address import DEFAULT_URL, URL_VARIABLE, Address, parse_address
from .answers import check_job, explain_name, explain_tls, read_answer
from .client import CONNECT_SECONDS, Client, JsonObject
from .errors import StorectlError, Unreachable
from .patience import GIVE_UP_SECONDS, Deadline, Patience
from .transport import proxy_for, tls_context
from .version import client_name
from .waiting import LOST, Following, Question, follow_quietly

if TYPE_CHECKING:
    from aiohttp import ClientConnectorCertificateError, ClientSession, ClientSSLError

OnChange = Callable[[JsonObject], None]


def await_job(
    token: str,
    *,
    url: str | None = None,
    timeout: float | None = None,
    give_up: float | None = GIVE_UP_SECONDS,
    on_change: OnChange | None = None,
) -> JsonObject:
    """The job as it ended, in whatever way: look at its `status`.

    `url` is as storectl's `--url` (default: STORAGED_URL, else localhost:8001/Default). Broken connections, restarts of
    the daemon and of its database are sat through. `timeout` bounds the wait, `give_up` the time without any answer,
    both in seconds; None: without end. `on_change` is called with the job at first and after each of its changes.

    Raises WaitTimedOut (its `job` is how it stood; None when nobody answered), GaveUp, UnknownHost for a name that
    is not known at the first question, and Refused, for a token that is not known, or any other StorectlError of
    `storaged_cli.errors`.
    """
    address = _address(url)
    return follow_quietly(Client(address), _following(address, token, timeout, give_up, on_change))


async def await_job_async(
    token: str,
    *,
    url: str | None = None,
    timeout: float | None = None,
    give_up: float | None = GIVE_UP_SECONDS,
    on_change: OnChange | None = None,
) -> JsonObject:
    """As `await_job`, without a thread; cancelling it ends it at once, and the job goes on."""
    import aiohttp  # noqa: PLC0415 - storectl does not need it, and it takes long to import

    address = _address(url)
    proxy = proxy_for(address)
    secure = any(url.startswith("https:") for url in (address.base, proxy or ""))
    connector = aiohttp.TCPConnector(ssl=tls_context(address.tls) if secure else True)
    login = aiohttp.BasicAuth(*address.login) if address.login else None
    async with aiohttp.ClientSession(proxy=proxy, connector=connector, auth=login) as session:
        questions = _Questions(session, address, token)
        return await _follow(questions, _following(address, token, timeout, give_up, on_change))


def _following(
    address: Address, token: str, timeout: float | None, give_up: float | None, on_change: OnChange | None
) -> Following:
    return Following(address, token, Deadline(Patience(timeout, give_up)), _Changes(on_change))


class _Changes:
    """Tells of each state of a job once."""

    def __init__(self, on_change: OnChange | None) -> None:
        self._on_change = on_change
        self._sequence: int | None = None

    def show(self, job: JsonObject) -> None:
        if self._on_change is not None and job["sequence"] != self._sequence:
            self._on_change(job)
        self._sequence = job["sequence"]

    def lost(self, error: StorectlError) -> None:
        """It is asked again."""

    def found(self) -> None:
        """What changed is shown."""


@dataclass(frozen=True, slots=True)
class _Read:
    """An answer that was read to its end."""

    status: int
    headers: Mapping[str, str]
    data: bytes


@dataclass(frozen=True, slots=True)
class _Questions:
    """About one job, by aiohttp; raises the same errors as `Client`."""

    session: "ClientSession"
    address: Address
    token: str

    async def ask(self, question: Question) -> JsonObject:
        import aiohttp  # noqa: PLC0415 - imported already

        url = f"{self.address.base}/api/v1/jobs/{quote(self.token, safe='')}"
        asked = {"wait": question.wait, "since": question.since}
        query = {name: value for name, value in asked.items() if value is not None}
        timeout = aiohttp.ClientTimeout(total=question.seconds, sock_connect=min(CONNECT_SECONDS, question.seconds))
        headers = {"User-Agent": client_name().replace(" ", "/"), "Accept": "application/json"}
        try:
            async with self.session.get(
                url, params=query, headers=headers, timeout=timeout, allow_redirects=False
            ) as answer:
                read = _Read(answer.status, answer.headers, await answer.read())
        except (aiohttp.ClientSSLError, aiohttp.ClientConnectorCertificateError) as error:
            raise explain_tls(self.address.base, _tls_error(error)) from error
        except aiohttp.ClientConnectorDNSError as error:
            raise explain_name(self.address.base) from error
        except (aiohttp.ClientError, OSError) as error:
            why = str(error) or "it did not answer in time"
            raise Unreachable(f"No answer from {self.address.base}: {why}.") from error
        return check_job(self.address.base, read_answer(self.address, read))


def _tls_error(error: "ClientConnectorCertificateError | ClientSSLError") -> ssl.SSLError:
    inner = getattr(error, "certificate_error", None) or getattr(error, "os_error", None)
    return inner if isinstance(inner, ssl.SSLError) else ssl.SSLError(str(error))


async def _follow(questions: _Questions, following: Following) -> JsonObject:
    while following.end is None:
        await asyncio.sleep(following.pause)
        question = following.question()
        try:
            job = await questions.ask(question)
        except LOST as error:
            following.lost(error)
        else:
            following.answered(job)
    return following.end


def _address(url: str | None) -> Address:
    return parse_address(url or os.environ.get(URL_VARIABLE) or DEFAULT_URL)
