"""storectl whose long polls are short, so that it soon finds out that one of them went silent."""

from typing import Final

from storaged_cli import waiting

LONG_POLL_SECONDS: Final = 3
MARGIN_SECONDS: Final = 2.0

if __name__ == "__main__":
    from storaged_cli.main import main

    waiting.LONG_POLL_SECONDS, waiting.MARGIN_SECONDS = LONG_POLL_SECONDS, MARGIN_SECONDS
    main(prog_name="storectl")
