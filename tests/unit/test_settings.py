"""Settings: where they come from, what goes before what, and how faults are told."""

from pathlib import Path

import pytest
from storaged_cli.address import VARIABLES

from storaged.errors import SettingsError
from storaged.settings import Settings, load_settings, unknown_variables

DOCS = Path(__file__).parents[2] / "docs" / "settings.md"


@pytest.fixture(autouse=True)
def _no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in Settings.model_fields:
        monkeypatch.delenv(f"STORAGED_{name.upper()}", raising=False)
    monkeypatch.delenv("STORAGED_CONFIG", raising=False)


def test_flags_go_before_variables_and_variables_before_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tmp_path / "storaged.toml"
    config.write_text("port = 1\nworkers = 1\nconcurrent_jobs = 1\n")
    monkeypatch.setenv("STORAGED_WORKERS", "2")
    monkeypatch.setenv("STORAGED_CONCURRENT_JOBS", "2")
    settings = load_settings(config, concurrent_jobs="3", port=None)
    assert (settings.port, settings.workers, settings.concurrent_jobs) == (1, 2, 3)


def test_the_file_may_be_named_by_a_variable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = tmp_path / "storaged.toml"
    config.write_text('[severities]\n"my.Checker" = "high"\n')
    monkeypatch.setenv("STORAGED_CONFIG", str(config))
    assert load_settings().severities == {"my.Checker": "high"}


def test_an_empty_data_folder_is_not_the_current_one() -> None:
    with pytest.raises(SettingsError, match="is empty"):
        load_settings(data_dir="")


def test_all_faults_are_told_together(tmp_path: Path) -> None:
    config = tmp_path / "storaged.toml"
    config.write_text('port = "high"\nworkers = 0\nwrokers = 3\n')
    with pytest.raises(SettingsError) as caught:
        load_settings(config)
    assert all(name in str(caught.value) for name in ("port", "workers", "wrokers"))


def test_a_key_of_the_file_that_is_no_setting_is_told_with_the_one_that_may_be_meant(tmp_path: Path) -> None:
    config = tmp_path / "storaged.toml"
    config.write_text("prot = 1\ncolour = 'red'\n")
    with pytest.raises(SettingsError) as raised:
        load_settings(config)
    assert str(raised.value).splitlines()[1:] == ["  prot: is no setting; is port meant?", "  colour: is no setting"]


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"missing\.toml"):
        load_settings(tmp_path / "missing.toml")


def test_a_file_that_is_not_toml_is_named(tmp_path: Path) -> None:
    config = tmp_path / "storaged.toml"
    config.write_text("port: 8001")
    with pytest.raises(SettingsError, match=r"storaged\.toml"):
        load_settings(config)


def test_another_address_than_loopback_needs_a_word() -> None:
    with pytest.raises(SettingsError, match="--insecure-open"):
        load_settings(host="0.0.0.0")
    assert load_settings(host="0.0.0.0", insecure_open=True).host == "0.0.0.0"


def test_every_setting_is_documented_with_its_default() -> None:
    text = DOCS.read_text(encoding="utf-8")
    missing = [
        name for name, field in Settings.model_fields.items() if f"| `{name}` |" not in text or not field.description
    ]
    assert missing == []


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("STORAGED_WORKER", "STORAGED_WORKERS"),
        ("STORAGED_NODEID", "STORAGED_NODE_ID"),
        ("storaged_databse_url", "STORAGED_DATABASE_URL"),
        ("STORAGED_CONFG", "STORAGED_CONFIG"),
        ("STORAGED_ZZZ", None),
        ("STORAGED_", None),
    ],
)
def test_a_variable_that_is_no_setting_is_told_with_the_one_that_may_be_meant(name: str, meant: str | None) -> None:
    assert list(unknown_variables({name: ""}, VARIABLES)) == [(name, meant)]


def test_variables_of_settings_of_the_client_of_tests_and_of_others_are_not_told() -> None:
    settings = [f"STORAGED_{name}".upper() for name in Settings.model_fields]
    client = [f"STORAGED_{name}" for name in ("URL", "CA_FILE", "CLIENT_CERT", "CLIENT_KEY", "INSECURE")]
    others = [
        "STORAGED_CONFIG",
        "storaged_port",
        "STORAGED_TEST_DATABASE_URL",
        "STORAGEDX",
        "_STORAGED_COMPLETE",
        "PATH",
    ]
    assert list(unknown_variables(dict.fromkeys([*settings, *client, *others], ""), VARIABLES)) == []


def test_what_kubernetes_tells_of_a_service_named_storaged_is_no_setting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    links = {
        "STORAGED_PORT": "tcp://10.0.0.1:8001",
        "STORAGED_PORT_8001_TCP": "tcp://10.0.0.1:8001",
        "STORAGED_PORT_8001_TCP_ADDR": "10.0.0.1",
        "STORAGED_SERVICE_HOST": "10.0.0.1",
        "STORAGED_SERVICE_PORT_HTTP": "8001",
        "STORAGED_POSTGRESQL_PORT": "tcp://10.0.0.2:5432",
        "STORAGED_POSTGRESQL_PORT_5432_TCP_PROTO": "tcp",
        "STORAGED_POSTGRESQL_SERVICE_HOST": "10.0.0.2",
    }
    for name, value in links.items():
        monkeypatch.setenv(name, value)
    config = tmp_path / "storaged.toml"
    config.write_text("port = 1\n")
    assert load_settings(config).port == 1
    assert list(unknown_variables(links, VARIABLES)) == []
    assert [name for name, _ in unknown_variables({"STORAGED_METRICS_PORT": "9"}, VARIABLES)] == [
        "STORAGED_METRICS_PORT"
    ]
    monkeypatch.setenv("STORAGED_PORT", "2")
    assert load_settings(config).port == 2
