"""`python -m storaged_cli` is `storectl`."""

import sys


def run() -> None:
    """The console script; Ctrl-C while it is still imported ends it as quietly as later."""
    try:
        from .main import main  # noqa: PLC0415 - so that Ctrl-C is heard meanwhile

        main(prog_name=None if sys.argv[0].endswith("storectl") else "storectl")
    except KeyboardInterrupt:
        sys.stderr.write("storectl: Interrupted.\n")
        sys.exit(130)


if __name__ == "__main__":
    run()
