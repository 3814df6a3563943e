"""`python -m storaged_cli` is `storectl`."""

from .main import main

main()
