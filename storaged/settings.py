"""All settings: one frozen model, from flags, then `STORAGED_*` variables, then a TOML file, then the defaults."""

import os
import re
import tomllib
from collections.abc import Collection, Iterator, Mapping
from contextvars import ContextVar
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import platformdirs
from pydantic import BeforeValidator, Field, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, EnvSettingsSource, PydanticBaseSettingsSource, SettingsConfigDict

from storaged.errors import SettingsError

GIB = 1 << 30
PREFIX = "STORAGED_"
# The file; what is told to tests is no business of a daemon that one of their shells starts.
CONFIG_VARIABLE, TEST_PREFIX = "STORAGED_CONFIG", "STORAGED_TEST_"
LOOPBACK = ("127.0.0.1", "::1", "localhost")


class TomlSource(PydanticBaseSettingsSource):
    """The file that `--config` or STORAGED_CONFIG names."""

    path: ClassVar[ContextVar[Path | None]] = ContextVar("toml_file", default=None)

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        value = self().get(field_name)
        return value, field_name, False

    def __call__(self) -> dict[str, Any]:
        path = self.path.get()
        return {} if path is None else read_toml(path)


class Variables(EnvSettingsSource):
    """The variables, without those that are Kubernetes' (see `is_service_link`)."""

    def __init__(self, settings_cls: type[BaseSettings]) -> None:
        super().__init__(settings_cls)
        self.env_vars = {
            name: value for name, value in self.env_vars.items() if not is_service_link(name.upper(), value or "")
        }


# Kubernetes gives every pod such variables of each service: of storaged and storaged-postgresql they begin as ours do.
_SERVICE_LINK = re.compile(rf"{PREFIX}(\w+_)?(SERVICE_(HOST|PORT\w*)|PORT_\d+_(TCP|UDP|SCTP)\w*)")
_SERVICE_ADDRESS = re.compile(r"(tcp|udp|sctp)://")


def is_service_link(name: str, value: str) -> bool:
    """Whether it is what Kubernetes tells of a service, such as STORAGED_PORT=tcp://10.0.0.1:8001."""
    is_port = name.startswith(PREFIX) and name.endswith("_PORT")
    return bool(_SERVICE_LINK.fullmatch(name) or (is_port and _SERVICE_ADDRESS.match(value)))


def _named(folder: Any) -> Any:
    """An empty text would be the current folder: what a variable that is not set gives."""
    if folder == "":
        raise ValueError("is empty")
    return folder


class Settings(BaseSettings):
    """Each field is a TOML key, a variable `STORAGED_<FIELD>`, and, for those of `storaged serve`, a flag."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="forbid")

    host: str = Field("127.0.0.1", description="Address to listen on.")
    port: int = Field(8001, ge=0, le=65535, description="TCP port to listen on; 0 takes a free one.")
    insecure_open: bool = Field(
        False, description="Allow a host other than loopback, although whoever reaches it may do everything."
    )
    data_dir: Annotated[Path, BeforeValidator(_named)] = Field(
        default_factory=lambda: Path(platformdirs.user_data_path("storaged")),
        description="Folder of the embedded database and the spool.",
    )
    database_url: str | None = Field(
        None, description="PostgreSQL to use (postgresql://...), version 14 to 18; none: the embedded one."
    )
    database_connections: int = Field(10, ge=4, description="Connections to the database that the daemon keeps.")
    pg_bindir: Path | None = Field(
        None, description="Folder with the programs of PostgreSQL for the embedded database; none: the packaged ones."
    )
    node_id: str | None = Field(
        None, min_length=1, max_length=200, description="Name of this daemon among others; none: host:port."
    )
    workers: int = Field(
        default_factory=lambda: os.cpu_count() or 1, ge=1, description="Processes that parse result files."
    )
    concurrent_jobs: int = Field(4, ge=1, description="Jobs that the daemon runs at the same time.")
    on_orphan: Literal["drop", "retry"] = Field(
        "drop", description="What becomes of a running job whose daemon is gone: dropped, or enqueued again."
    )
    max_attempts: int = Field(3, ge=1, description="Attempts of a job under on_orphan=retry before it is dropped.")
    max_crashes: int = Field(3, ge=1, description="Worker processes that a job may kill before it is failed.")
    grace_seconds: float = Field(30, ge=0, description="How long a stopping daemon lets its running jobs go on.")
    poll_seconds: float = Field(2, gt=0, description="How often the queue is looked at when no notification comes.")
    heartbeat_seconds: float = Field(5, gt=0, description="How often running jobs and the node are marked alive.")
    dead_after_seconds: float = Field(
        30, gt=0, description="Age of the last heartbeat from which a node without its lock counts as gone."
    )
    max_upload_bytes: int = Field(4 * GIB, ge=1, description="Largest body of a store.")
    max_unpacked_bytes: int = Field(16 * GIB, ge=1, description="Largest sum of the unpacked entries of an upload.")
    max_entries: int = Field(1_000_000, ge=1, description="Most entries of an upload.")
    report_limit: int = Field(500_000, ge=0, description="Most reports of one store; a product may have its own.")
    run_limit: int | None = Field(None, ge=0, description="Most runs of a product; a product may have its own.")
    keep_jobs_days: float = Field(30, gt=0, description="How long ended jobs can be asked for.")
    keep_uploads_days: float = Field(
        7, ge=0, description="How long the upload of a failed or dropped job is kept, so that it can be retried."
    )
    max_wait_seconds: float = Field(300, gt=0, description="Longest wait that a status request may ask for.")
    keep_alive_seconds: float = Field(
        15, gt=0, description="How often a stream of events shows life while nothing changes; proxies cut silent ones."
    )
    analysis_statistics_dir: Annotated[Path | None, BeforeValidator(_named)] = Field(
        None, description="Folder for what CodeChecker's clients send of failed analyses; none: they send nothing."
    )
    severities: dict[str, Literal["unspecified", "style", "low", "medium", "high", "critical"]] = Field(
        default_factory=dict, description="Severity by `checker` or `analyzer:checker`, before the packaged map."
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="Least level that is logged.")
    log_format: Literal["console", "json"] = Field("console", description="Log lines for people or for machines.")
    testing: bool = Field(False, description="Allow what only tests need: the `dummy` kind of job.")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Flags go before variables, both before the file."""
        return init_settings, Variables(settings_cls), TomlSource(settings_cls)

    @property
    def spool_dir(self) -> Path:
        return self.data_dir / "spool"

    @property
    def postgres_dir(self) -> Path:
        return self.data_dir / "postgres"


def load_settings(config: Path | None = None, **flags: Any) -> Settings:
    """Settings from all their sources; flags that are None do not count. Raises SettingsError with all faults."""
    named = os.environ.get(CONFIG_VARIABLE)
    token = TomlSource.path.set(config or (Path(named) if named else None))
    try:
        settings = Settings(**{name: value for name, value in flags.items() if value is not None})
    except ValidationError as error:
        raise SettingsError(_tell(error)) from None
    finally:
        TomlSource.path.reset(token)
    check_exposure(settings)
    return settings


def unknown_variables(variables: Mapping[str, str], others: Collection[str]) -> Iterator[tuple[str, str | None]]:
    """Names of variables that look like a setting's and are none, each with a close one that is, or None.

    `others` begin as those of settings do, and are somebody else's: the client's. Case does not count.
    """
    known = {f"{PREFIX}{field}".upper() for field in Settings.model_fields} | {CONFIG_VARIABLE}
    # Without what all have in common, or all would be close.
    tails = [name.removeprefix(PREFIX) for name in sorted(known)]
    for name, value in sorted(variables.items()):
        upper = name.upper()
        if not upper.startswith(PREFIX) or upper.startswith(TEST_PREFIX) or is_service_link(upper, value):
            continue
        if upper not in known | {*others}:
            close = get_close_matches(upper.removeprefix(PREFIX), tails, n=1)
            yield name, f"{PREFIX}{close[0]}" if close else None


def check_exposure(settings: Settings) -> None:
    """Until there are users, only loopback is safe; raises SettingsError."""
    if settings.host not in LOOPBACK and not settings.insecure_open:
        raise SettingsError(
            f"host {settings.host!r} is not loopback, and whoever reaches this daemon may do everything. "
            "Put an authenticating proxy before it, or say --insecure-open."
        )


def read_toml(path: Path) -> dict[str, Any]:
    """The file's table; raises SettingsError when it cannot be read."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SettingsError(f"Cannot read the settings file {path}: {error}") from error


def _tell(error: ValidationError) -> str:
    faults = [f"  {'.'.join(str(part) for part in fault['loc'])}: {_fault(fault)}" for fault in error.errors()]
    return "Settings that cannot be used:\n" + "\n".join(faults)


def _fault(fault: ErrorDetails) -> str:
    if fault["type"] != "extra_forbidden":
        return fault["msg"]
    close = get_close_matches(str(fault["loc"][-1]), Settings.model_fields, n=1)
    return f"is no setting{f'; is {close[0]} meant?' if close else ''}"
