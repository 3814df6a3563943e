"""Tables, plain lines and JSON."""

import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from storaged_cli.notices import tell, wrap
from storaged_cli.render import Column, cut, display_width, one_line, severity_name, tabulate, write_json_list

COLUMNS = (Column("NAME", 6), Column("FILE", 8, tail=True), Column("COUNT", 5, right=True))


def test_a_table_that_fits_is_as_wide_as_its_cells() -> None:
    assert list(tabulate(COLUMNS, [["shop", "/a/b.c", 7]], 80)) == [
        "NAME  FILE    COUNT",
        "shop  /a/b.c      7",
    ]


def test_a_wide_table_is_cut_at_the_side_that_says_least() -> None:
    rows = [["a very long name", "/a/very/long/path/file.c:12", 7]]
    assert list(tabulate(COLUMNS, rows, 30)) == [
        "NAME        FILE         COUNT",
        "a very lo…  …/file.c:12      7",
    ]


def test_what_goes_on_below_a_row_is_cut_to_the_width_too() -> None:
    lines = list(tabulate(COLUMNS, [["shop", "/a/b.c", 7, "a message that is too long for the terminal"]], 24))
    assert lines[2:] == ["    a message that is t…"]


def test_where_all_is_wanted_what_is_cut_stands_below_and_the_rest_is_wrapped() -> None:
    rows = [["shop", "/a/very/long/path/to/some/file.c:12", 7, "a message that is too long for the terminal", ""]]
    lines = list(tabulate(COLUMNS, rows, 24, whole=True))
    assert lines[1:] == [
        "shop  …/file.c:12      7",
        "    /a/very/long/path/to/some/file.c:12",
        "    a message that is",
        "      too long for the",
        "      terminal",
    ]


@given(st.lists(st.tuples(st.text(), st.text(), st.integers(0, 10**6), st.text()), max_size=5), st.integers(24, 120))
def test_no_line_of_a_table_is_wider_than_the_terminal(rows: list[tuple[str, str, int, str]], width: int) -> None:
    lines = list(tabulate(COLUMNS, rows, width))
    assert len(lines) == (1 + 2 * len(rows) if rows else 0)
    assert all(display_width(line) <= width for line in lines)
    assert all(line.isprintable() for line in lines)


@given(st.text(), st.integers(1, 20), st.booleans())
def test_a_cut_text_fits(text: str, width: int, tail: bool) -> None:
    shown = cut(text, width, tail=tail)
    assert display_width(shown) <= width
    kept = shown.strip("…")
    assert text.endswith(kept) if tail else text.startswith(kept)


def test_wide_characters_take_two_columns() -> None:
    assert display_width("日本") == 4
    assert cut("日本語", 5) == "日本…"
    assert display_width("e\N{COMBINING ACUTE ACCENT}") == 1


def test_a_text_cannot_steer_the_terminal() -> None:
    assert one_line("a\x1b[31m\nb\tc") == "a [31m b c"


@pytest.mark.parametrize(
    ("number", "name"), [(0, "UNSPECIFIED"), (10, "STYLE"), (30, "MEDIUM"), (45, "HIGH"), (50, "CRITICAL")]
)
def test_severities_have_names(number: int, name: str) -> None:
    assert severity_name(number) == name


@pytest.mark.parametrize("count", [0, 1, 3])
def test_a_list_written_bit_by_bit_is_valid_json(capsys: pytest.CaptureFixture[str], count: int) -> None:
    values = [{"name": f"ü{number}"} for number in range(count)]
    write_json_list(values)
    assert json.loads(capsys.readouterr().out) == values


def test_wrapping_breaks_neither_paths_nor_tokens_nor_commands() -> None:
    token = "c0ffee" * 15
    assert wrap(f"  It is the job {token} of /var/lib/a-folder.", 20) == [
        "  It is the job",
        f"    {token}",
        "    of",
        "    /var/lib/a-folder.",
    ]
    assert wrap(f"  storectl jobs wait {token}", 40) == [f"  storectl jobs wait {token}"]
    assert wrap("There is no run 'x'. `storectl runs --url x` lists the runs.", 30) == [
        "There is no run 'x'.",
        "  `storectl runs --url x`",
        "  lists the runs.",
    ]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_notice_breaks_between_words_on_a_terminal_and_keeps_its_empty_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "24")
    terminal, log = Terminal(), io.StringIO()
    text = "\nAll that it keeps is in /var/lib/a-folder.\n\n  export A=b"
    for stream in (terminal, log):
        tell(text, stream)
    assert terminal.getvalue() == "\nAll that it keeps is in\n  /var/lib/a-folder.\n\n  export A=b\n"
    assert log.getvalue() == text + "\n"
