"""Sleeps in place of models, in the real stages of real actors; on the PYTHONPATH of a test's Ray.

WHISPERX_BATCH_TEST_SLEEPS is a folder: `sleeps.json` says how long each stage takes for a file, and `log` gets a line
with the time, the machine, the stage and the digest of the samples each time that one has worked. The file whose digest
is `kills` there kills its machine while it is transcribed: the parent of an actor's process is Ray's process there.

A stage that takes `[python, device]` seconds has them in turn, in steps: those of Python in one thread of a process at
a time, those of the device in one thread of all that share a GPU, in as many threads of a process as may compute.
"""

import fcntl
import hashlib
import importlib.abc
import importlib.util
import json
import os
import signal
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

PYTHON = threading.Lock()
STEPS = 4


def _work(stage, samples):
    import ray

    folder, digest = Path(os.environ["WHISPERX_BATCH_TEST_SLEEPS"]), hashlib.sha256(samples).hexdigest()[:8]
    orders = json.loads((folder / "sleeps.json").read_text())
    if stage == "transcribe" and orders.get("kills") == digest:
        time.sleep(0.5)  # while others run
        os.kill(os.getppid(), signal.SIGKILL)
        time.sleep(60)  # Ray ends this process soon
    _spend(orders.get(stage, 0.0), folder)
    with (folder / "log").open("a") as log:
        log.write(f"{time.time()} {ray.get_runtime_context().get_node_id()} {stage} {digest}\n")
    return digest


def _spend(cost, folder):
    if isinstance(cost, float | int):
        time.sleep(cost)
        return
    from tasks.models.compute_limits import compute_limits

    python, device = (seconds / STEPS for seconds in cost)
    gpu = folder / f"gpu-{os.environ.get('CUDA_VISIBLE_DEVICES')}"
    with compute_limits.slots:
        for _ in range(STEPS):
            with PYTHON:
                time.sleep(python)
            with gpu.open("w") as turn:
                fcntl.flock(turn, fcntl.LOCK_EX)
                time.sleep(device)


def _decode(module):
    decode_audio = module.decode_audio

    def decoded(*arguments):
        audio = decode_audio(*arguments)
        _work("load-audio", audio.samples)
        return audio

    module.decode_audio = decoded


def _transcribe(module):
    def transcribe_samples(samples, options, models):
        text = _work("transcribe", samples)
        segments = [{"start": 0.0, "end": 1.0, "text": text}]
        return module.Transcript("en", {"segments": segments, "language": "en"})

    module.transcribe_samples = transcribe_samples


def _align(module):
    def align_transcript(transcript, samples, options, transcribe, models):
        _work("align", samples)
        (segment,) = transcript.result["segments"]
        words = [{"word": segment["text"], "start": 0.1, "end": 0.9, "score": 0.5}]
        result = {"segments": [{**segment, "words": words}], "word_segments": words, "language": "en"}
        return replace(transcript, result=result, aligned_by="sleep")

    module.align_transcript = align_transcript


def _load_nothing(module):
    module.StageProcess._load = staticmethod(lambda stages, options: None)


CHANGES = {
    "tasks.audio.decoding": _decode,
    "tasks.transcribe": _transcribe,
    "tasks.align": _align,
    "flows.pools.worker": _load_nothing,
}


class _Finder(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name not in CHANGES:
            return None
        change = CHANGES.pop(name)
        spec = importlib.util.find_spec(name)
        execute = spec.loader.exec_module

        def exec_module(module):
            execute(module)
            change(module)

        spec.loader.exec_module = exec_module
        return spec


if "WHISPERX_BATCH_TEST_SLEEPS" in os.environ and any("default_worker" in part for part in sys.orig_argv):
    sys.meta_path.insert(0, _Finder())
