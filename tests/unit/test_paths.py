"""Trimming, skipping, and relative paths; the cases were tried with CodeChecker 6.29.1."""

import posixpath

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from storaged.ingest.paths import read_skip_file, resolve, trimmer

PATH = st.text("ab/", max_size=10).map(lambda text: posixpath.normpath("/" + text.lstrip("/")))
PREFIX = st.text("ab/*?[]", max_size=5).map(lambda text: "/" + text)


@pytest.mark.parametrize(
    ("path", "origin", "resolved"),
    [
        ("/a/b.c", "/reports", "/a/b.c"),
        ("/a/../b//./c.c", None, "/b/c.c"),
        ("b.c", "/reports", "/reports/b.c"),
        ("../b.c", "/home/reports", "/home/b.c"),
        ("../../../../b.c", "/reports", "/b.c"),
        ("x/../b.c", None, "b.c"),
        ("../b.c", None, "../b.c"),
    ],
)
def test_a_path_is_resolved_against_the_folder_its_result_file_came_from(
    path: str, origin: str | None, resolved: str
) -> None:
    assert resolve(path, origin) == resolved


@pytest.mark.parametrize(
    ("path", "prefixes", "trimmed"),
    [
        ("/a/b/c.c", [], "/a/b/c.c"),
        ("/a/b/c.c", ["/a"], "b/c.c"),
        ("/a/b/c.c", ["/a/"], "b/c.c"),
        ("/a/b/c.c", ["/a", "/a/b"], "c.c"),
        ("/a/b/c.c", ["/a/b", "/a"], "c.c"),
        ("/a/b/c.c", ["/*"], "c.c"),
        ("/a/b/c/d.c", ["/*/c"], "d.c"),
        ("/a/b/c.c", ["*"], "c.c"),
        ("/a/b/c.c", ["/?/b"], "c.c"),
        ("/a/b/c.c", ["/[ax]"], "b/c.c"),
        ("/a.b/c", ["/a?b"], "c"),
        ("/a+b/c.c", ["/a+b"], "c.c"),
        ("/a\nb/c.c", ["/a*"], "c.c"),
        ("a/b", ["a"], "b"),
        ("/a/b/c.c", ["/"], "/a/b/c.c"),
        ("/a/b/c.c", [""], "/a/b/c.c"),
        ("/a/b/c.c", ["a"], "/a/b/c.c"),
        ("/a/b/c.c", ["/A"], "/a/b/c.c"),
        ("/a/b/c.c", ["/a/b/c.c"], "/a/b/c.c"),
        ("/ab/c", ["/a"], "/ab/c"),
    ],
)
def test_the_longest_match_of_the_prefixes_is_cut_off(path: str, prefixes: list[str], trimmed: str) -> None:
    assert trimmer(prefixes)(path) == trimmed


@settings(deadline=None)
@given(PATH, st.lists(PREFIX, max_size=3))
def test_trimming_leaves_the_end_of_a_path_that_starts_after_a_slash(path: str, prefixes: list[str]) -> None:
    trimmed = trimmer(prefixes)(path)
    assert path == trimmed or path.endswith("/" + trimmed)


@settings(deadline=None)
@given(PATH, st.lists(PREFIX, max_size=3), PREFIX)
def test_another_prefix_never_leaves_more_of_a_path(path: str, prefixes: list[str], another: str) -> None:
    assert len(trimmer([*prefixes, another])(path)) <= len(trimmer(prefixes)(path))


@settings(deadline=None)
@given(PATH, PATH)
def test_a_folder_that_a_path_is_in_is_cut_off_whole(folder: str, below: str) -> None:
    path = posixpath.join(folder, below.strip("/") or "f.c")
    assert trimmer([folder])(path) == (path if folder == "/" else path.removeprefix(folder).lstrip("/"))


@pytest.mark.parametrize(
    ("lines", "skipped", "kept"),
    [
        ("-/a", ["/a", "/a/b", "/a/b/c"], ["/ab", "/x/a"]),
        ("-/a/", ["/a", "/a/b"], ["/ab"]),
        ("-/a*", ["/a", "/a/b", "/ab"], ["/x/a"]),
        ("-/a/*", ["/a/b"], ["/a"]),
        ("-a", [], ["/a", "/x/a"]),
        ("-*a", ["/a", "/x/a", "/x/a/b"], ["/x/ab"]),
        ("-*", ["/a"], []),
        ("-/", [], ["/a"]),
        ("-/[ab]", ["/a", "/b"], ["/c"]),
        ("-/[!a]", ["/b"], ["/a"]),
        ("-/a/*/c", ["/a/x/y/c", "/a/x/y/c/d"], ["/a/c"]),
        ("-/a/../b\n-/c//d", ["/b", "/c/d"], ["/a"]),
        ("+/a/b\n-/a", ["/a", "/a/c"], ["/a/b", "/a/b/c"]),
        ("-/a\n+/a/b", ["/a", "/a/b"], []),
        (" -/a  \r\n- /b\r\n", ["/a", "/b"], []),
        ("#-/a\n\n-/b", ["/b"], ["/a"]),
        ("", [], ["/a"]),
    ],
)
def test_the_first_line_of_a_skip_file_that_matches_decides(lines: str, skipped: list[str], kept: list[str]) -> None:
    matches = read_skip_file(lines).matcher()
    assert [path for path in [*skipped, *kept] if matches(path)] == skipped


def test_lines_of_a_skip_file_that_are_no_rules_are_told() -> None:
    rules = read_skip_file("x/a\n# fine\n\n-/b # c\n+\n")
    assert rules.rules == ((False, "/b # c"),)
    assert rules.ignored == ((1, "x/a"), (5, "+"))


@settings(deadline=None)
@given(PATH, PATH)
def test_a_skipped_folder_takes_all_below_it(folder: str, below: str) -> None:
    skipped = read_skip_file(f"-{folder}").matcher()
    assert skipped(folder)
    if folder != "/":
        assert skipped(posixpath.normpath(folder + below))
