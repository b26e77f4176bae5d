"""How the processes that compute hold their memory: what they have freed is kept, what they would cache is bounded."""

import os

KEEP_MEMORY = {
    "MALLOC_ARENA_MAX": "1",
    "MALLOC_MMAP_MAX_": "0",
    "MALLOC_TRIM_THRESHOLD_": str(10**9),
    "ONEDNN_PRIMITIVE_CACHE_CAPACITY": "16",
    "LRU_CACHE_CAPACITY": "16",
}
"""Variables that glibc reads when a process begins (other C libraries pass over them), and PyTorch.

The networks take tens of megabytes and free them again, thousands of times for each file. By default each time they
come from the system and go back to it, and every page is cleared and mapped anew: on a CPU a sixth of all that voice
activity detection and Whisper take. With these up to 1 GB that is free stays with the process.

On a CPU PyTorch keeps what oneDNN has compiled for each length of input, by default of the last thousand, and no two
segments that an aligner takes are of one length. Strewn over the heap it leaves gaps into which the next segment does
not fit: two threads came to hold 7 GB (github.com/pytorch/pytorch/issues/98688). Networks whose input has one length
find theirs among 16.
"""


def runtime_env() -> dict[str, dict[str, str]]:
    """Return what an actor's process needs of a Ray that others have started, in Ray's form.

    A Ray that this process has started has it, and workers with it that are ready.
    """
    return {} if os.environ.items() >= KEEP_MEMORY.items() else {"env_vars": KEEP_MEMORY}
