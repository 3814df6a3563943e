"""Several values of an option: apart by spaces or commas, one by one, or refused where it is not clear."""

import click
import pytest
from click.shell_completion import ShellComplete
from storaged_cli.several import ArgumentsFirst, SeveralValues, list_option

Found = tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]
COLOURS = click.Choice(["red", "green", "blue"], case_sensitive=False)


class PotsFirst(ArgumentsFirst):
    like_arguments = frozenset({"-n", "--name"})


@click.command(cls=PotsFirst)
@click.argument("pots", nargs=-1)
@list_option("-c", "--colour", each=COLOURS)
@click.option("--text", multiple=True)
@click.option("-n", "--name", multiple=True)
def paint(pots: tuple[str, ...], colour: tuple[str, ...], text: tuple[str, ...], name: tuple[str, ...]) -> Found:
    return (*pots, *name), colour, text


def painted(*args: str) -> Found:
    found: Found = paint.main(list(args), standalone_mode=False)
    return found


@pytest.mark.parametrize(
    "args",
    [
        ["pot", "--colour", "red", "blue"],
        ["pot", "--colour=red", "blue"],
        ["pot", "--colour", "red,blue"],
        ["--colour", "red,blue", "pot"],
        ["pot", "-c", "red", "--colour", "BLUE"],
        ["-c", " red , blue,", "pot"],
        ["-n", "pot", "-c", "red", "blue"],
        ["--name=pot", "-c", "red", "blue"],
    ],
)
def test_several_values_are_taken_in_each_form(args: list[str]) -> None:
    assert painted(*args) == (("pot",), ("red", "blue"), ())


def test_a_text_is_not_taken_apart_at_its_commas() -> None:
    assert painted("pot", "--text", "a, b", "c,") == (("pot",), (), ("a, b", "c,"))


def test_what_follows_a_value_is_an_argument_when_none_came_before() -> None:
    assert painted("--colour", "red", "pot", "other") == (("pot", "other"), ("red",), ())
    assert painted("--text", "a", "red") == (("red",), (), ("a",))
    assert painted("--colour", "red", "--", "blue") == (("blue",), ("red",), ())


@pytest.mark.parametrize("args", [["--colour", "red", "blue", "pot"], ["--colour=red", "Blue"], ["-c", "red", "blue"]])
def test_what_looks_like_a_forgotten_value_is_refused_with_what_to_write(args: list[str]) -> None:
    with pytest.raises(click.UsageError, match=r"looks like another value of (-c|--colour): write .* red,[bB]lue\."):
        painted(*args)


@pytest.mark.parametrize("value", ["", ",", "red,pink"])
def test_a_value_that_is_none_is_refused_and_no_filter_is_lost(value: str) -> None:
    with pytest.raises(click.BadParameter, match="is not one of"):
        painted("--colour", value, "pot")


def test_a_command_without_arguments_takes_several_values_anywhere() -> None:
    @click.command(cls=SeveralValues)
    @list_option("--colour", each=COLOURS)
    def mix(colour: tuple[str, ...]) -> tuple[str, ...]:
        return colour

    assert mix.main(["--colour", "red,green", "blue"], standalone_mode=False) == ("red", "green", "blue")


def test_the_last_of_the_values_is_completed() -> None:
    shell = ShellComplete(paint, {}, "paint", "_PAINT_COMPLETE")
    assert [item.value for item in shell.get_completions(["--colour"], "red,gr")] == ["red,green"]
