"""The peer: WhisperX as a Ray Data pipeline, in the shape of the earlier whisperx-batch.

Written for the benchmark from what its README says (https://github.com/olastor/whisperx-batch): load audio, by tasks;
transcribe, align and diarize, by a pool of actors each that keep their model; outputs written as they come. It is given
files and options as `whisperx` is.
"""

import os
from argparse import Namespace
from typing import Any

from options import parsed

from flows.host.ray_loopback import keep_to_loopback

keep_to_loopback(None)
import ray  # noqa: E402 - it reads that

Row = dict[str, Any]
GPU_SHARES = {"transcribe": 0.4, "align": 0.3, "diarize": 0.1}
"""Of a GPU, as in that README; the diarizer's is what the earlier program has as its default."""
CPUS = {"load audio": 0.25, "transcribe": 0.75, "align": 0.5, "diarize": 0.25}
"""Reserved by each, so that all fit two cores."""


def load_audio(row: Row) -> Row:
    """Decode with the ffmpeg program, as WhisperX does."""
    import whisperx

    return {**row, "audio": whisperx.load_audio(row["path"])}


class Transcribe:
    """An actor with Whisper and the voice activity detection."""

    def __init__(self, given: Namespace) -> None:
        import torch
        import whisperx

        torch.set_num_threads(given.threads)
        self._model = whisperx.load_model(
            given.model, given.device, compute_type=given.compute_type, language=given.language, threads=given.threads
        )

    def __call__(self, row: Row) -> Row:
        """Add the transcript."""
        return {**row, "result": self._model.transcribe(row["audio"], batch_size=8)}


class Align:
    """An actor with the aligner."""

    def __init__(self, given: Namespace) -> None:
        import torch
        import whisperx

        torch.set_num_threads(given.threads)
        self._device = given.device
        self._aligner = whisperx.load_align_model(given.language, given.device, model_name=given.align_model)

    def __call__(self, row: Row) -> Row:
        """Time the words."""
        import whisperx

        return {**row, "result": whisperx.align(row["result"]["segments"], *self._aligner, row["audio"], self._device)}


class Diarize:
    """An actor with the diarizer."""

    def __init__(self, given: Namespace) -> None:
        import torch
        from whisperx.diarize import DiarizationPipeline

        torch.set_num_threads(given.threads)
        self._pipeline = DiarizationPipeline(given.diarize_model, device=given.device)

    def __call__(self, row: Row) -> Row:
        """Label the words with speakers."""
        import whisperx

        return {**row, "result": whisperx.assign_word_speakers(self._pipeline(row["audio"]), row["result"])}


def main(given: Namespace) -> None:
    """Run the pipeline."""
    from whisperx.utils import get_writer

    ray.init(address="local")
    os.makedirs(given.output_dir, exist_ok=True)
    write = get_writer(given.output_format, given.output_dir)
    layout = {"highlight_words": False, "max_line_count": None, "max_line_width": None}
    files = ray.data.from_items([{"path": path} for path in given.audio], override_num_blocks=len(given.audio))
    rows = files.map(load_audio, num_cpus=CPUS["load audio"], compute=ray.data.TaskPoolStrategy(2))
    stages = {"transcribe": Transcribe, "align": Align, "diarize": Diarize}
    for name, stage in stages.items():
        if name == "diarize" and not given.diarize:
            continue
        gpus = GPU_SHARES[name] if given.device == "cuda" else 0
        actors = 2 if gpus and name == "align" else 1
        rows = rows.map(
            stage,
            fn_constructor_args=[given],
            num_cpus=CPUS[name],
            num_gpus=gpus,
            compute=ray.data.ActorPoolStrategy(size=actors),
        )
    for row in rows.iter_rows():
        write({**row["result"], "language": given.language}, row["path"], layout)
    print(rows.stats())


if __name__ == "__main__":
    main(parsed())
