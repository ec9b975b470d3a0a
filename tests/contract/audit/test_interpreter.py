"""The CEL interpreter is one in a process, whoever imports it first."""

import subprocess
import sys

import pytest

ALONE = "from regent_api.audit.alert import Expression; Expression(\"record.code == 'x'\")"
WHOLE = "import cel; assert cel.evaluate('1 + 1') == 2"


@pytest.mark.parametrize("program", [f"{ALONE}; {WHOLE}", f"{WHOLE}; {ALONE}"])
def test_both_ways_to_import_it_go_together(program: str) -> None:
    subprocess.run([sys.executable, "-c", program], check=True)


def test_alone_it_brings_no_command_line() -> None:
    program = f"{ALONE}; import sys; assert not {{'typer', 'rich', 'cel.cli'}} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", program], check=True)
