"""`python -m storaged` is the console script."""

from storaged.commands import main

main()
