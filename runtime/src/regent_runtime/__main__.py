"""`python3 -I -m regent_runtime`: one agent under its effective policy."""

# ruff: noqa: E402
from regent_api.ending import end_on_sigterm

end_on_sigterm()

from regent_runtime.main import main

main()
