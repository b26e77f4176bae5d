"""How the programs of this Python environment are typed."""

import os
import shlex
import shutil
import sys
from contextlib import suppress
from pathlib import Path


def typed(line: str) -> str:
    """Return a command line as it can be typed here: its program by name if PATH leads to ours, else by path."""
    program, *arguments = line.split(" ")
    own, found = Path(sys.executable).parent / program, shutil.which(program)
    with suppress(OSError):
        if found and os.path.samefile(found, own):
            return line
    return " ".join([shlex.quote(str(own)), *arguments])
