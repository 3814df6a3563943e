"""Severities: what goes before what, and how checkers are found that the packaged map does not have."""

from importlib.resources import files

import pytest

from storaged.store.severities import Severities, Severity, packaged_map


def test_an_override_of_the_analyzers_checker_goes_before_one_of_the_checker_and_both_before_the_map() -> None:
    overrides = {"clangsa:core.DivideZero": "low", "core.DivideZero": "critical"}
    assert Severities(overrides).of("clangsa", "core.DivideZero") is Severity.LOW
    assert Severities(overrides).of("spotter", "core.DivideZero") is Severity.CRITICAL
    assert Severities().of("clangsa", "core.DivideZero") is Severity.HIGH


@pytest.mark.parametrize("analyzer", ["clangsa", "spotter", "unknown"])
def test_the_map_knows_a_checker_under_any_analyzers_name(analyzer: str) -> None:
    assert Severities().of(analyzer, "core.DivideZero") is Severity.HIGH


@pytest.mark.parametrize(
    ("checker", "severity"),
    [
        ("clang-diagnostic-of-tomorrow", Severity.MEDIUM),
        ("clang-diagnostic-error", Severity.CRITICAL),
        ("clang-diagnostic-error-of-tomorrow", Severity.MEDIUM),
        ("core.DivideZeroAgain", Severity.HIGH),
        ("core.Divide", Severity.UNSPECIFIED),
        ("no.such.Checker", Severity.UNSPECIFIED),
        ("", Severity.UNSPECIFIED),
    ],
)
def test_a_checker_that_the_map_has_not_is_as_grave_as_the_first_that_its_name_starts_with(
    checker: str, severity: Severity
) -> None:
    assert Severities().of("clang-tidy", checker) is severity


def test_the_map_has_each_checker_once() -> None:
    lines = (files("storaged") / "severity.tsv").read_text(encoding="utf-8").splitlines()[1:]
    assert len(packaged_map()) == len(lines)
