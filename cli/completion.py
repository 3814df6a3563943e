"""Completion in the shell, by click's machinery: what it does not know is asked from the daemon, for a moment only."""

import os
import shlex
import threading
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import TYPE_CHECKING, Any

import click
from click.shell_completion import (
    CompletionItem,
    FishComplete,
    ShellComplete,
    add_completion_class,
    get_completion_class,
    split_arg_string,
)

from .address import DEFAULT_URL, URL_VARIABLE, Address, parse_address
from .errors import Refused, StorectlError
from .options import TLS_OPTIONS, tls_of
from .several import Listed
from .typos import Choice

if TYPE_CHECKING:
    from .client import Client

SHELLS = ("bash", "zsh", "fish")
PATIENCE_SECONDS = 1.0
"""Then the shell gets what has come so far: nobody waits longer for a key."""
QUOTES = {"'", '"'}
MOST = 200
"""More are of no help on a screen."""

Ask = Callable[["Client", click.Context, str], Iterator[CompletionItem]]
"""Of the daemon, with what stands on the line before, what may begin so."""


class BashCompletion(ShellComplete):
    """Bash splits words at `:` and `=`, and click's own script leaves it so: a URL would be three words."""

    name = "bash"
    source_template = """\
%(complete_func)s() {
    local IFS=$'\\n' type value
    COMPREPLY=()
    while IFS=, read -r type value; do
        case $type in
            dir) compopt -o plusdirs 2>/dev/null ;;
            file) compopt -o default 2>/dev/null ;;
            *) COMPREPLY+=("$value") ;;
        esac
    done < <(COMP_LINE="${COMP_LINE:0:COMP_POINT}" COMP_WORD="$2" %(complete_var)s=bash_complete "$1")
}
complete -o nosort -F %(complete_func)s %(prog_name)s
"""

    def get_completion_args(self) -> tuple[list[str], str]:
        line = os.environ["COMP_LINE"]
        words = split_arg_string(line)
        incomplete = words.pop() if len(words) > 1 and not line[-1:].isspace() else ""
        return words[1:], incomplete

    def complete(self) -> str:
        args, incomplete = self.get_completion_args()
        # Of the word that is typed bash replaces only what stands behind the last `:` or `=`.
        typed = os.environ.get("COMP_WORD", "")
        kept = len(incomplete) - len(typed) if typed and incomplete.endswith(typed) else 0
        if not typed and incomplete[-1:] in {":", "="}:
            kept = len(incomplete)
        quote = open_quote(os.environ["COMP_LINE"])
        return "\n".join(
            f"{item.type},{item.value if item.type != 'plain' else _escape(str(item.value)[kept:], quote)}"
            for item in self.get_completions(args, incomplete)
        )


class FishCompletion(FishComplete):
    """Click's own script cuts a value at its first comma."""

    source_template = """\
function %(complete_func)s
    set -l asking %(complete_var)s=fish_complete COMP_WORDS=(commandline -cp) COMP_CWORD=(commandline -t)
    for line in (env $asking %(prog_name)s)
        set -l found (string split --max 1 -- , $line)
        switch $found[1]
            case dir
                __fish_complete_directories $found[2]
            case file
                __fish_complete_path $found[2]
            case plain
                printf '%%s\\n' $found[2]
        end
    end
end
complete --no-files --command %(prog_name)s --arguments '(%(complete_func)s)'
"""


def open_quote(line: str) -> str:
    """The quote in which the line of a shell ends; empty when in none."""
    quote = ""
    marks = iter(line)
    for mark in marks:
        if mark == "\\" and quote != "'":
            next(marks, "")
        elif mark == quote:
            quote = ""
        elif not quote and mark in QUOTES:
            quote = mark
    return quote


def _escape(value: str, quote: str) -> str:
    """As it must be typed, in an open quote or in none: bash puts it into the line as it is, and closes the quote."""
    if quote == "'":
        return value.replace("'", "'\\''")
    if quote:
        return "".join(f"\\{mark}" if mark in '"\\$`' else mark for mark in value)
    if shlex.quote(value) == value:
        return value
    return "".join(mark if mark.isalnum() or mark in "/._-:=@%+," else f"\\{mark}" for mark in value)


class Named(click.types.StringParamType):
    """A parameter that names something of the daemon: `ask` tells what there is. Files of the `kind` fit, too."""

    def __init__(self, ask: Ask, kind: str | None = None) -> None:
        self._ask = ask
        self._kind = kind

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        found = in_time(lambda: self._ask(_client(ctx), ctx, incomplete))
        known = {item.value: item for item in found if str(item.value).startswith(incomplete)}
        return [*known.values(), *([CompletionItem(incomplete, type=self._kind)] if self._kind else [])]


def in_time(ask: Callable[[], Iterable[CompletionItem]], seconds: float = PATIENCE_SECONDS) -> list[CompletionItem]:
    """What comes within the time; nothing when nobody answers. Names are looked up without a time-out: so, a thread."""
    found: list[CompletionItem] = []

    def collect() -> None:
        try:
            found.extend(islice(ask(), MOST))
        except (StorectlError, LookupError, TypeError):
            # Nobody answers, or it is no daemon: what is on the screen is the line that is being typed.
            found.clear()

    thread = threading.Thread(target=collect, daemon=True)
    thread.start()
    thread.join(seconds)
    return list(found)


def _client(ctx: click.Context) -> "Client":
    """Of the daemon that the line names."""
    from .client import Client  # noqa: PLC0415 - only what is asked of a daemon needs the network

    return Client(_address(ctx))


def _address(ctx: click.Context) -> Address:
    given = ctx.params
    text = given.get("url") or os.environ.get(URL_VARIABLE) or DEFAULT_URL
    return parse_address(text, tls_of(**{name: given.get(name) for name in TLS_OPTIONS}))


def _runs(client: "Client", _ctx: click.Context, incomplete: str) -> Iterator[CompletionItem]:
    for run in client.runs([("name", f"{incomplete}*"), ("limit", str(MOST))]):
        yield CompletionItem(run["name"])


def _runs_at_tags(client: "Client", ctx: click.Context, incomplete: str) -> Iterator[CompletionItem]:
    """RUN, or RUN:TAG once there is a colon; names of runs may have some, too."""
    yield from _runs(client, ctx, incomplete)
    run, colon, _ = incomplete.rpartition(":")
    for tag in _tags_of(client, run) if colon else ():
        yield CompletionItem(f"{run}:{tag}")


def _tags(client: "Client", ctx: click.Context, _incomplete: str) -> Iterator[CompletionItem]:
    """Those of the runs on the line."""
    for name in _runs_on_line(ctx):
        runs = [run["name"] for run in client.runs([("name", name)])] if "*" in name else [name]
        yield from (CompletionItem(tag) for run in runs for tag in _tags_of(client, run))


def _tags_of(client: "Client", run: str) -> Iterator[str]:
    """None of a run that is not there: the name may be half typed."""
    try:
        for store in client.history(run):
            if store["tag"] is not None:
                yield store["tag"]
    except Refused:
        return


def _runs_on_line(ctx: click.Context) -> list[str]:
    # What click has not made parameters of yet, since an option without its value follows, is in `args`.
    return [*(ctx.params.get("names") or ()), *(ctx.params.get("others") or ()), *ctx.args]


def _counted(member: str) -> Ask:
    """What the reports have as this member: those of the runs on the line, or of the product."""

    def ask(client: "Client", ctx: click.Context, incomplete: str) -> Iterator[CompletionItem]:
        runs = [("run", run) for run in _runs_on_line(ctx)]
        for row in client.summary("checkers", [*runs, (member, f"{incomplete}*"), ("files", "0")]):
            yield CompletionItem(row[member])

    return ask


def _products(client: "Client", _ctx: click.Context, _incomplete: str) -> Iterator[CompletionItem]:
    for product in client.products():
        name = product["display_name"]
        yield CompletionItem(product["endpoint"], help=None if name == product["endpoint"] else name)


def _jobs(*statuses: str) -> Ask:
    def ask(client: "Client", _ctx: click.Context, _incomplete: str) -> Iterator[CompletionItem]:
        query = [("status", status) for status in statuses]
        for job in client.jobs([*query, ("limit", str(MOST))]):
            what = f"{job['product']}/{job['run']}" if job["run"] else job["kind"]
            yield CompletionItem(job["token"], help=f"{job['status']} {what}")

    return ask


UNFINISHED = ("allocated", "enqueued", "running")
RUN, SIDE, PRODUCT, TAG = Named(_runs), Named(_runs_at_tags, "dir"), Named(_products), Named(_tags)
CHECKER, ANALYZER = Named(_counted("checker")), Named(_counted("analyzer"))
# By the command and the name of its parameter.
PARAMETERS: "dict[tuple[str, str], click.ParamType[Any]]" = {
    ("store", "folders"): click.Path(file_okay=False),
    ("store", "name"): RUN,
    ("runs", "names"): RUN,
    ("runs", "others"): RUN,
    ("runs", "all_before_run"): RUN,
    ("runs", "all_after_run"): RUN,
    ("results", "names"): RUN,
    ("results", "others"): RUN,
    ("results", "tag"): TAG,
    ("results", "checker"): CHECKER,
    ("results", "analyzer"): ANALYZER,
    ("sum", "names"): RUN,
    ("sum", "others"): RUN,
    ("sum", "tag"): TAG,
    ("sum", "checker"): CHECKER,
    ("sum", "analyzer"): ANALYZER,
    ("history", "name"): RUN,
    ("history", "other"): RUN,
    ("diff", "base"): SIDE,
    ("diff", "new"): SIDE,
    ("diff", "checker"): CHECKER,
    ("diff", "analyzer"): ANALYZER,
    ("del", "names"): RUN,
    ("del", "others"): RUN,
    ("del", "all_before_run"): RUN,
    ("del", "all_after_run"): RUN,
    ("product show", "endpoint"): PRODUCT,
    ("product edit", "endpoint"): PRODUCT,
    ("product remove", "endpoint"): PRODUCT,
    ("jobs show", "tokens"): Named(_jobs()),
    ("jobs wait", "tokens"): Named(_jobs(*UNFINISHED)),
    ("jobs cancel", "tokens"): Named(_jobs(*UNFINISHED)),
    ("jobs retry", "tokens"): Named(_jobs("failed", "dropped")),
    ("jobs list", "token"): Named(_jobs()),
    ("jobs list", "product"): PRODUCT,
    ("jobs list", "run"): RUN,
}
FILES = {"ca_file", "client_cert", "client_key"}


def complete_parameters(command: click.Command, name: str) -> None:
    """Let the parameters of a command, and of its subcommands, tell what they stand for."""
    if isinstance(command, click.Group):
        for subcommand in command.commands.values():
            complete_parameters(subcommand, f"{name} {subcommand.name}")
    for param in command.params:
        kind = click.Path() if param.name in FILES else PARAMETERS.get((name, param.name or ""))
        if kind is not None and isinstance(param.type, Listed):
            param.type.each = kind
        elif kind is not None:
            param.type = kind


def prepare() -> None:
    """Before click completes: it shall use these scripts' ways."""
    add_completion_class(BashCompletion)
    add_completion_class(FishCompletion)


def script(shell: str, root: click.Command, name: str) -> str:
    """What the shell must read so that it completes the command of this name."""
    prepare()
    known = get_completion_class(shell)
    if known is None:
        raise click.BadParameter(f"{shell!r} is not one of {', '.join(SHELLS)}")
    return ShellComplete.source(known(root, {}, name, variable(name)))


def variable(name: str) -> str:
    """The variable by which the shell's script asks."""
    return f"_{name.upper()}_COMPLETE"


def completion_command(name: str) -> click.Command:
    """`NAME completion SHELL`, for the command line of this name."""

    @click.command("completion")
    @click.argument("shell", type=Choice(SHELLS), metavar="bash|zsh|fish")
    @click.pass_context
    def completion(ctx: click.Context, shell: str) -> None:
        click.echo(script(shell, ctx.find_root().command, name))

    completion.help = HELP.format(name=name)
    return completion


HELP = """Print the script that makes a shell complete {name}.

\b
bash, in ~/.bashrc:   eval "$({name} completion bash)"
zsh, in ~/.zshrc:     eval "$({name} completion zsh)"   (after compinit)
fish, in ~/.config/fish/config.fish:
                      {name} completion fish | source
"""
