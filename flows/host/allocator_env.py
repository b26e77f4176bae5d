"""Memory settings of the processes that compute: freed memory is kept, caches are bounded."""

import os

KEEP_MEMORY = {
    "MALLOC_ARENA_MAX": "1",
    "MALLOC_MMAP_MAX_": "0",
    "MALLOC_TRIM_THRESHOLD_": str(10**9),
    "ONEDNN_PRIMITIVE_CACHE_CAPACITY": "16",
    "LRU_CACHE_CAPACITY": "16",
}
"""Variables that glibc (other C libraries ignore them) and PyTorch read when a process starts.

The networks allocate and free tens of megabytes thousands of times for each file. By default that memory is returned
to the system each time, and every page is cleared and mapped anew: on a CPU a sixth of the time of voice activity
detection and Whisper. With these, the process keeps up to 1 GB of free memory.

On a CPU PyTorch caches what oneDNN has compiled for each length of input, by default for the last thousand lengths,
and hardly two segments of an aligner have the same. Scattered over the heap they leave gaps into which the next segment
does not fit: two threads came to hold 7 GB (github.com/pytorch/pytorch/issues/98688). For networks whose input has one
length, 16 are enough.
"""


def runtime_env() -> dict[str, dict[str, str]]:
    """Return Ray's `runtime_env` with these variables for an actor of a Ray that others have started.

    Empty where this process has started Ray: its workers, some of which are already running, have them.
    """
    return {} if os.environ.items() >= KEEP_MEMORY.items() else {"env_vars": KEEP_MEMORY}
