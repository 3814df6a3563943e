"""Options with several values: `--status a b`, `--status a,b`, `--status a --status b`, or which of them is meant."""

from collections.abc import Callable, Collection, Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import click

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    Kind = click.ParamType[Any]
else:
    Kind = click.ParamType  # has no type of its values before click 8.2

Command = TypeVar("Command", bound=Callable[..., Any])


class Listed(Kind):
    """Values apart by commas, each of the kind; for what has no commas in it."""

    def __init__(self, each: Kind = click.STRING) -> None:
        self.name = each.name
        self.each = each

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[Any, ...]:
        # Nothing but commas is not no filter: the value is refused as it is.
        parts = [part.strip() for part in value.split(",") if part.strip()] or [value]
        return tuple(self.each.convert(part, param, ctx) for part in parts)

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> "list[CompletionItem]":
        head, comma, last = incomplete.rpartition(",")
        found = self.each.shell_complete(ctx, param, last)
        for item in found:
            item.value = f"{head}{comma}{item.value}"
        return found


def list_option(*names: str, each: Kind = click.STRING, **settings: Any) -> Callable[[Command], Command]:
    """An option that may come more than once, each time with values apart by commas; the command gets all of them."""
    return click.option(*names, type=Listed(each), multiple=True, callback=_flat, **settings)


def _flat(_context: click.Context, _option: click.Parameter, values: Sequence[Sequence[Any]]) -> tuple[Any, ...]:
    return tuple(value for part in values for value in part)


class SeveralValues(click.Command):
    """A command whose repeatable options may have several values at once: `--status a b`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        strays = {stray.at: stray.option for stray in _strays(args, repeatable(self))}
        repeated = ([strays[at], arg] if at in strays else [arg] for at, arg in enumerate(args))
        return super().parse_args(ctx, [part for parts in repeated for part in parts])


class ArgumentsFirst(SeveralValues):
    """A command with arguments. Only when they come first an option may have several values at once.

    Otherwise it has one, since what follows may be an argument (a run, where an option has a choice of values); what
    looks like another value is refused with a hint.
    """

    like_arguments: frozenset[str] = frozenset()
    """Options that name what the arguments name."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if args and (not args[0].startswith("-") or args[0].partition("=")[0] in self.like_arguments):
            return super().parse_args(ctx, args)
        options = repeatable(self)
        for stray in _strays(args, options):
            if _looks_like_value(options[stray.option], args[stray.at]):
                raise click.UsageError(_hint(args, stray), ctx)
        return click.Command.parse_args(self, ctx, args)


class _Stray(NamedTuple):
    """What follows a value of this option, by its place among the arguments."""

    option: str
    at: int


def repeatable(command: click.Command) -> dict[str, click.Option]:
    """The options that may come more than once, by each of their names."""
    return {
        name: option
        for option in command.params
        if isinstance(option, click.Option) and option.multiple
        for name in option.opts
    }


def _strays(args: Sequence[str], options: Collection[str]) -> Iterator[_Stray]:
    option, has_value = "", False
    for at, arg in enumerate(args):
        if arg == "--":
            return
        if arg.startswith("-"):
            name, equals, _ = arg.partition("=")
            option, has_value = (name if name in options else ""), bool(equals)
        elif option and has_value:
            yield _Stray(option, at)
        else:
            has_value = True


def _looks_like_value(option: click.Option, value: str) -> bool:
    kind = option.type.each if isinstance(option.type, Listed) else option.type
    return isinstance(kind, click.Choice) and value.lower() in {str(choice).lower() for choice in kind.choices}


def _hint(args: Sequence[str], stray: _Stray) -> str:
    value, name = args[stray.at], stray.option
    before = args[stray.at - 1].removeprefix(f"{name}=")
    return (
        f"{value!r} looks like another value of {name}: write {name} {before},{value}. A run of that name goes before "
        "the options."
    )
