"""A group of commands that says which one was meant when there is none of the name."""

from difflib import get_close_matches

import click


class SuggestingGroup(click.Group):
    """Unknown commands are told with the close ones; click (8.4) looks only at commands that are loaded already."""

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
