"""`storectl completion`: the script that makes a shell complete storectl."""

from ..completion import completion_command

completion = completion_command("storectl")
