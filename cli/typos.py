"""Commands, options and words that are not there are told with what may be meant."""

from collections.abc import Mapping
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    Words = click.Choice[str]
else:
    Words = click.Choice


class Choice(Words):
    """One of some words; another is told with the close ones."""

    def get_invalid_choice_message(self, value: Any, ctx: click.Context | None) -> str:
        close = get_close_matches(str(value).lower(), map(str.lower, self.choices))
        meant = f" Did you mean {' or '.join(map(repr, close))}?" if close else ""
        return f"{super().get_invalid_choice_message(value, ctx)}{meant}"


class SuggestingGroup(click.Group):
    """Unknown commands are told with the close ones, by any click: it does so itself since 8.4, of loaded ones only."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0]
        if ctx.resilient_parsing or name.startswith("-") or self.get_command(ctx, name) is not None:
            return super().resolve_command(ctx, args)
        known = self.list_commands(ctx)
        close = get_close_matches(name, known) or [one for one in known if name and one.startswith(name)]
        meant = f" Did you mean {' or '.join(close)}?" if close else ""
        raise click.UsageError(f"No such command {name!r}.{meant}", ctx)


class MovedOptions(click.Command):
    """A command that says of some options which it has not what to do instead: those that others know it with."""

    instead: Mapping[str, str] = {}

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        try:
            return super().parse_args(ctx, args)
        except click.NoSuchOption as error:
            if error.option_name not in self.instead:
                raise
            advice = self.instead[error.option_name]
            raise click.UsageError(f"There is no {error.option_name} here. {advice}", ctx) from None
