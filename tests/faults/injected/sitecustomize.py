"""Faults in real actors, for files whose names ask for them; on the PYTHONPATH of a test's Ray.

A file named `<anything> <stage>-<fault>.wav` meets the fault when that stage has it, in whichever process that is:
`kill` and `kill-once` (SIGKILL in the middle of the work), `cut-once` (SIGKILL when a draft is to replace a file),
`hang`, `busy-once` (an error that passes), `cuda-once` (an error that leaves the process without its GPU).
"""

import importlib.abc
import importlib.util
import os
import re
import signal
import sys
import threading
import time
from functools import wraps
from pathlib import Path

FAULT = re.compile(r"(load audio|transcribe|align|diarize|write)-([a-z]+)(-once)?\.")


def _meet(file, stage):
    asked = FAULT.search(getattr(file, "name", ""))
    if not asked or asked[1] != stage:
        return
    met = Path(os.environ["WHISPERX_BATCH_TEST_FAULTS"], file.name.replace("/", "_"))
    again = met.exists()
    with met.open("a") as log:
        log.write(f"{os.getpid()}\n")
    if asked[3] and again:
        return
    if asked[2] == "kill":
        # Late enough that the process has told Prefect of the task before: what it has not told dies with it.
        threading.Timer(0.25, os.kill, (os.getpid(), signal.SIGKILL)).start()
    elif asked[2] == "cut":
        Path.replace = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
    elif asked[2] == "hang":
        time.sleep(3600)
    elif asked[2] == "busy":
        raise OSError(16, "Device or resource busy")
    elif asked[2] == "cuda":
        raise RuntimeError("CUDA error: an illegal memory access was encountered")


def _inject(module):
    of = module.Sessions.of

    @wraps(of)
    def with_faults(self, ticket):
        context, task = of(self, ticket)
        if not hasattr(task.fn, "with_faults"):
            work = task.fn

            @wraps(work)
            def run(*args, **kwargs):
                _meet(kwargs.get("file", args[0] if args else None), task.name)
                return work(*args, **kwargs)

            run.with_faults = True
            task.fn = run
        return context, task

    module.Sessions.of = with_faults


class _Finder(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name != "flows.pools.task_engine":
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        execute = spec.loader.exec_module

        def exec_module(module):
            execute(module)
            _inject(module)

        spec.loader.exec_module = exec_module
        return spec


if "WHISPERX_BATCH_TEST_FAULTS" in os.environ and any("default_worker" in part for part in sys.orig_argv):
    sys.meta_path.insert(0, _Finder())
