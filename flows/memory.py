"""How the processes that compute keep the memory that they have freed, instead of asking the system for it again."""

import os

KEEP_MEMORY = {"MALLOC_ARENA_MAX": "1", "MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": str(10**9)}
"""Variables that glibc reads when a process begins; other C libraries pass over them.

The networks take tens of megabytes and free them again, thousands of times for each file. By default each time they
come from the system and go back to it, and every page is cleared and mapped anew: on a CPU a sixth of all that voice
activity detection and Whisper take. With these up to 1 GB that is free stays with the process.
"""


def runtime_env() -> dict[str, dict[str, str]]:
    """Return what an actor's process needs of a Ray that others have started, in Ray's form.

    A Ray that this process has started has it, and workers with it that are ready.
    """
    return {} if os.environ.items() >= KEEP_MEMORY.items() else {"env_vars": KEEP_MEMORY}
