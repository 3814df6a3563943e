"""`python -m storaged` is the console script."""

import sys


def run() -> None:
    """The console script; Ctrl-C while it is still imported ends it without a traceback."""
    try:
        from storaged.commands import main  # noqa: PLC0415 - so that Ctrl-C is heard meanwhile

        main(prog_name="storaged")
    except KeyboardInterrupt:
        sys.stderr.write("Interrupted.\n")
        sys.exit(130)


if __name__ == "__main__":
    run()
