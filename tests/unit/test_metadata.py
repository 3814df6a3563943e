"""What metadata.json tells; the cases were tried with CodeChecker 6.29.1."""

import json
from typing import Any

import pytest

from storaged.errors import BadArchive
from storaged.ingest.metadata import FolderMetadata, merge_metadata, read_metadata
from storaged.ingest.values import StoreMetadata

FIRST = {
    "name": "codechecker",
    "run_name": "nightly",
    "version": "6.29.1",
    "command": ["CodeChecker", "analyze"],
    "timestamps": {"begin": 1.5, "end": 4},
    "analyzers": {
        "clangsa": {
            "checkers": {"core.A": True, "core.B": False},
            "analyzer_statistics": {
                "version": "19.1",
                "successful": 2,
                "successful_sources": ["a.c", "b.c"],
                "failed": 1,
                "failed_sources": ["c.c"],
            },
        },
        "clang-tidy": {"checkers": {"misc-x": True}, "analyzer_statistics": {}},
    },
}
SECOND = {
    "name": "codechecker",
    "version": "6.30.0",
    "command": ["CodeChecker", "analyze"],
    "timestamps": {"begin": 10, "end": 11},
    "analyzers": {
        "clangsa": {
            "checkers": {"core.A": False, "core.C": True},
            "analyzer_statistics": {
                "version": "20.0",
                "successful": 2,
                "successful_sources": ["b.c", "d.c"],
                "failed": 1,
                "failed_sources": ["c.c"],
            },
        }
    },
}


def read(content: Any) -> FolderMetadata:
    return read_metadata("reports/0/metadata.json", json.dumps(content).encode())


def version2(*tools: Any, **more: Any) -> FolderMetadata:
    return read({"version": 2, "tools": list(tools), **more})


def test_version_2_tells_of_the_run_the_analyzers_and_their_checkers() -> None:
    merged = merge_metadata([version2(FIRST)])
    assert (merged.run_name, merged.client_version, merged.command) == ("nightly", "6.29.1", "CodeChecker analyze")
    assert merged.duration == 2.5
    assert merged.enabled == {"core.A", "misc-x"}
    assert merged.disabled == {"core.B"}
    clangsa, tidy = merged.analyzers
    assert (clangsa.name, clangsa.version, clangsa.successful, clangsa.failed) == ("clangsa", "19.1", 2, 1)
    assert clangsa.failed_sources == ("c.c",)
    assert clangsa.enabled == {"core.A"}
    assert clangsa.disabled == {"core.B"}
    assert (tidy.name, tidy.version, tidy.successful, tidy.failed) == ("clang-tidy", None, None, None)


def test_version_1_tells_the_same_at_other_places() -> None:
    merged = merge_metadata(
        [
            read(
                {
                    "name": "nightly",
                    "command": ["CodeChecker", "check"],
                    "timestamps": {"begin": 1, "end": 4},
                    "versions": {"codechecker": "6.15", "clang": "11"},
                    "checkers": {"clangsa": {"core.A": True, "core.B": False}, "clang-tidy": ["misc-x"]},
                    "analyzer_statistics": {"clangsa": {"successful": 2, "failed": 1, "version": "11"}},
                }
            )
        ]
    )
    assert (merged.run_name, merged.client_version, merged.command) == ("nightly", "6.15", "CodeChecker check")
    assert merged.duration == 3
    assert merged.enabled == {"core.A", "misc-x"}
    assert merged.disabled == {"core.B"}
    assert [(a.name, a.version, a.successful, a.failed) for a in merged.analyzers] == [
        ("clangsa", "11", 2, 1),
        ("clang-tidy", None, None, None),
    ]


def test_a_tool_without_analyzers_is_an_analyzer_itself() -> None:
    pylint = {"name": "pylint", "version": "3", "command": ["pylint"], "checkers": {"W1": True}}
    folder = version2({**pylint, "analyzer_statistics": {"version": "3.1"}})
    merged = merge_metadata([folder])
    assert [(a.name, a.version) for a in merged.analyzers] == [("pylint", "3.1")]
    assert (merged.client_version, merged.command) == (None, "pylint")
    assert merged.enabled == {"W1"}
    assert folder.checker_to_analyzer() == {"W1": "pylint"}


def test_the_checkers_of_several_folders_are_united() -> None:
    merged = merge_metadata([version2(FIRST), version2(SECOND)])
    assert merged.enabled == {"core.A", "core.C", "misc-x"}
    assert merged.disabled == {"core.A", "core.B"}


def test_within_a_folder_the_last_tool_says_whether_a_checker_is_enabled() -> None:
    merged = merge_metadata([version2(FIRST, SECOND)])
    assert merged.enabled == {"core.C", "misc-x"}
    assert merged.disabled == {"core.A", "core.B"}


@pytest.mark.parametrize(
    "folders", [[version2(FIRST), version2(SECOND)], [version2(FIRST, SECOND)]], ids=["two folders", "two tools"]
)
def test_several_analyses_add_up_and_sources_count_once(folders: list[FolderMetadata]) -> None:
    merged = merge_metadata(folders)
    assert merged.client_version == "6.29.1; 6.30.0"
    assert merged.command == "CodeChecker analyze"
    assert merged.duration == 3.5
    clangsa = merged.analyzers[0]
    assert (clangsa.version, clangsa.successful, clangsa.failed) == ("19.1; 20.0", 3, 1)


def test_sources_that_are_not_listed_count_as_their_number() -> None:
    statistics = [{"successful": 9, "failed": 8}, {"successful": 2}]
    merged = merge_metadata([read({"analyzer_statistics": {"gcc": counts}}) for counts in statistics])
    assert [(a.successful, a.failed) for a in merged.analyzers] == [(11, 8)]


def test_metadata_of_several_merged_folders_tells_no_checkers() -> None:
    folder = version2(FIRST, SECOND, num_of_report_dir=2)
    merged = merge_metadata([folder])
    assert (merged.enabled, merged.disabled, folder.checker_to_analyzer()) == (frozenset(), frozenset(), {})
    assert [a.name for a in merged.analyzers] == ["clangsa", "clang-tidy"]
    assert version2(FIRST, num_of_report_dir=1).checker_to_analyzer() != {}


def test_a_checker_that_two_analyzers_have_belongs_to_the_later_one() -> None:
    analyzers = {"a": {"checkers": {"x": True}}, "b": {"checkers": {"x": False}}}
    assert version2({"name": "codechecker", "analyzers": analyzers}).checker_to_analyzer() == {"x": "b"}


def test_an_analysis_that_was_broken_off_has_no_duration() -> None:
    assert merge_metadata([version2({**FIRST, "timestamps": {"begin": 1.5}})]).duration is None


@pytest.mark.parametrize("content", [{}, {"version": 2}, {"version": 2, "tools": []}, {"checkers": None}])
def test_metadata_that_says_nothing_is_fine(content: dict[str, Any]) -> None:
    assert merge_metadata([read(content)]) == StoreMetadata()


def test_text_that_postgresql_cannot_hold_is_replaced() -> None:
    merged = merge_metadata([read({"command": ["a\0b"], "checkers": {"c\0": ["x\0"]}})])
    assert (merged.command, merged.analyzers[0].name) == ("a\ufffdb", "c\ufffd")
    assert merged.enabled == {"x\ufffd"}


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        ([], " is an array, not an object."),
        ({"version": "2"}, ": version is a string, not a whole number."),
        ({"version": -1}, ": version is -1, not between 0 and 2147483647."),
        ({"version": 2, "tools": {"a": 1}}, ": tools is an object, not an array."),
        ({"version": 2, "tools": ["x"]}, ": tools[0] is a string, not an object."),
        ({"version": 2, "tools": [{}]}, ": tools[0]: name is null, not a string."),
        (
            {"version": 2, "tools": [{**FIRST, "timestamps": {"begin": "now", "end": 1}}]},
            ": tools[0]: timestamps: begin is a string, not a number.",
        ),
        ({"command": 5}, ": command is a whole number, not an array."),
        ({"command": ["a", 5]}, ": command[1] is a whole number, not a string."),
        ({"checkers": ["a"]}, ": checkers is an array, not an object."),
        ({"checkers": {"gcc": {"x": 1}}}, ": checkers: gcc: x is a whole number, not true or false."),
        ({"checkers": {"gcc": [1]}}, ": checkers: gcc[0] is a whole number, not a string."),
        (
            {"analyzer_statistics": {"gcc": {"failed": 2**31}}},
            ": analyzer_statistics: gcc: failed is 2147483648, not between 0 and 2147483647.",
        ),
        (
            {"analyzer_statistics": {"gcc": {"failed": True}}},
            ": analyzer_statistics: gcc: failed is true or false, not a whole number.",
        ),
    ],
)
def test_malformed_metadata_is_refused_with_the_place_of_the_fault(content: Any, fault: str) -> None:
    with pytest.raises(BadArchive) as caught:
        read(content)
    assert str(caught.value) == f"reports/0/metadata.json{fault}"


def test_metadata_that_is_no_json_is_refused() -> None:
    with pytest.raises(BadArchive, match=r"^reports/0/metadata\.json is not JSON: "):
        read_metadata("reports/0/metadata.json", b'{"version": 2')
