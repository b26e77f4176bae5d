"""What is replaced inside pyannote.audio 4's diarization, so that it takes less time and memory for the same turns.

All that depends on its internals is here, and tests/tasks/diarization/test_pyannote_internals.py compares it with the
original. Import it only where a pipeline is loaded: it imports PyTorch.
"""

import hashlib
import math
import warnings
from collections.abc import Sequence
from functools import cache, partial
from typing import Any

import numpy as np
import torch
from pyannote.audio import Inference
from pyannote.audio.models.embedding import XVectorMFCC, XVectorSincNet
from pyannote.audio.models.embedding.wespeaker import BaseWeSpeakerResNet
from pyannote.audio.pipelines import SpeakerDiarization
from pyannote.core import Segment, SlidingWindow, SlidingWindowFeature

from tasks.audio.types import SAMPLE_RATE, Samples, as_float
from tasks.diarization.campplus import CAMPPlus
from tasks.diarization.long_files import add_up, most_active, thin
from tasks.diarization.mixed_windows import PIECES, MixedWindows, Windows
from tasks.diarization.separable import SeparableNetwork, batched, embed_windows, in_pieces, used_masks

WINDOWS_FOR_A_THREAD = 2
"""Windows that a thread of a CPU computes at a time. Each activation of a ResNet's first layers takes 10 MB a window
of 10 s, and those of many leave the cache. Measured with one thread, core-s a window in pieces of 2, 4 and 8
windows: ResNet34 0.28, 0.47, 0.55; CAM++ 0.15, 0.20, 0.26."""


class LeanDiarization(SpeakerDiarization):
    """pyannote.audio's pipeline, which takes 16-bit samples as its waveform; see `make_lean`."""

    mixed: MixedWindows | None = None
    """What computes its windows together with those of other files; None: each file's are computed by itself."""

    def get_embeddings(
        self,
        file: Any,
        binary_segmentations: SlidingWindowFeature,
        exclude_overlap: bool = False,  # noqa: FBT001, FBT002 - its signature
        hook: Any = None,
    ) -> Any:
        """Return an embedding for each speaker of each window, shape (windows, speakers, dimension), as NumPy array.

        The original runs the network once more for each speaker of a window.
        """
        network = separate(getattr(self._embedding, "model_", None))
        if network is None:
            return super().get_embeddings(file, binary_segmentations, exclude_overlap, hook)
        windows, frames, speakers = binary_segmentations.data.shape
        embedding, place, size = self._embedding, binary_segmentations.sliding_window, self.embedding_batch_size
        least = None
        if exclude_overlap:
            least = math.ceil(frames * embedding.min_num_samples / (place.duration * embedding.sample_rate))

        def inputs(numbers: Sequence[int]) -> tuple[torch.Tensor, torch.Tensor]:
            samples = torch.stack([self._audio.crop(file, place[n], mode="pad")[0] for n in numbers])
            masks = torch.from_numpy(used_masks(binary_segmentations.data[numbers], least))
            return _sent(samples, embedding.device), _sent(masks, embedding.device)

        heard = np.flatnonzero(binary_segmentations.data.any(axis=(1, 2))).tolist()
        compute = network.statistics_of_several if size > 1 else network.statistics
        with torch.inference_mode():
            if self.mixed:
                pieces = list(batched(heard, max(1, size // PIECES)))
                statistics = self.mixed.each(Windows("embedding", compute, inputs(piece), size) for piece in pieces)
            else:
                pieces = in_pieces(heard, min(size, WINDOWS_FOR_A_THREAD * torch.get_num_threads()))
                statistics = (compute(*inputs(piece)) for piece in pieces)
            found = embed_windows(network, inputs, pieces, statistics, (windows, speakers), size)
        return found.reshape(windows, speakers, -1).cpu().numpy()

    def reconstruct(
        self, segmentations: SlidingWindowFeature, hard_clusters: Any, count: SlidingWindowFeature
    ) -> SlidingWindowFeature:
        """Return who speaks in each frame, shape (frames, speakers), from the speakers of each window.

        The original makes an array of all windows, frames and speakers: 4 GB for a day with ten speakers.
        """
        windows, frames = segmentations.sliding_window, count.sliding_window
        frames = SlidingWindow(start=windows.start, duration=frames.duration, step=frames.step)
        summed = add_up(segmentations.data, windows, frames, hard_clusters)
        missing = max(0, int(np.max(count.data)) - summed.shape[1])
        activity = SlidingWindowFeature(np.pad(summed, ((0, 0), (0, missing))), frames)
        extent = activity.extent & count.extent
        activity, count = activity.crop(extent, return_data=False), count.crop(extent, return_data=False)
        return SlidingWindowFeature(most_active(activity.data, count.data), activity.sliding_window)


def make_lean(pipeline: Any, mixed: MixedWindows | None = None) -> None:
    """Turn a SpeakerDiarization pipeline of pyannote.audio into a LeanDiarization; leave any other as it is.

    Pipelines of the same weights may share `mixed`.
    """
    if type(pipeline) is not SpeakerDiarization or not hasattr(pipeline, "_embedding"):
        return
    segmentation: Any = pipeline._segmentation
    audio: Any = pipeline._audio
    segmentation.infer = partial(_infer, segmentation, mixed)
    audio.crop = partial(_crop, audio.crop)
    thin(pipeline.clustering)
    pipeline.__class__ = LeanDiarization
    pipeline.mixed = mixed
    if mixed and segmentation.device.type == "cuda":
        fill_gpu(pipeline, mixed.batch_size(round(segmentation.duration * SAMPLE_RATE)))
    # Samples in Ray's object store are read-only, and are only read.
    warnings.filterwarnings("ignore", message="The given NumPy array is not writable")


def fill_gpu(pipeline: Any, windows: int) -> None:
    """Let a pipeline embed so many windows at a time, segment twice as many, and measure which convolution is fastest.

    By itself cuDNN 9 convolves many shapes of a ResNet34's layers by Fourier transforms: on an H100 an hour of sound
    took 36 s so, and 11 s when it had measured. CAM++, of many shapes, then takes 30 s instead of 10. A window to
    segment takes 1.3 ms in batches of 8 and 0.26 ms in batches of 64, since an LSTM's steps follow one another.
    """
    pipeline.segmentation_batch_size = max(2 * windows, pipeline.segmentation_batch_size)
    network = getattr(pipeline._embedding, "model_", None)
    if network is not None and separate(network):
        pipeline.embedding_batch_size = windows
    torch.backends.cudnn.benchmark = isinstance(network, BaseWeSpeakerResNet)


def in_memory(pipeline: Any, samples: Samples) -> dict[str, Any]:
    """Return 16 kHz mono samples as a file of pyannote.audio, without a copy if the pipeline is a LeanDiarization.

    A day of samples is 2.8 GB, of floats 5.5 GB.
    """
    waveform = samples if isinstance(pipeline, LeanDiarization) else as_float(samples)
    return {"waveform": torch.from_numpy(waveform)[None], "sample_rate": SAMPLE_RATE}


def separate(network: Any) -> SeparableNetwork | None:
    """Return the three steps of one of an embedding network; None if it has not just these."""
    if isinstance(network, BaseWeSpeakerResNet) and type(network).forward is BaseWeSpeakerResNet.forward:
        resnet: Any = network.resnet
        if not resnet.two_emb_layer and not network.fbank_only:
            return SeparableNetwork(network.forward_frames, resnet.pool, resnet.seg_1)
    if type(network) is XVectorSincNet:
        return SeparableNetwork(partial(_tdnn_frames, network, network.sincnet), network.stats_pool, network.embedding)
    if type(network) is XVectorMFCC:
        return SeparableNetwork(partial(_tdnn_frames, network, network.mfcc), network.stats_pool, network.embedding)
    if type(network) is CAMPPlus:
        return SeparableNetwork(network.forward_frames, network.pool, network.project)
    return None


def _tdnn_frames(network: Any, features: Any, samples: torch.Tensor) -> torch.Tensor:
    """Return the frames of an x-vector, shape (windows, channels, frames), as its `forward` does before it pools."""
    frames: torch.Tensor = features(samples).squeeze(dim=1)
    for layer in network.tdnns:
        frames = layer(frames)
    return frames


@cache
def embedding_digest(embedding: Any) -> str:
    """Return a digest of the weights of a pipeline's embedding model; empty for a kind whose weights are not PyTorch's.

    Voices of different weights cannot be compared, whatever pipeline or folder the weights come from.
    """
    network = getattr(embedding, "model_", None)
    if not isinstance(network, torch.nn.Module):
        return ""
    digest = hashlib.blake2b(digest_size=8)
    for name, values in sorted(network.state_dict().items()):
        digest.update(name.encode())
        digest.update(values.cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def _sent(tensor: torch.Tensor, device: torch.device) -> torch.Tensor:
    """Return the tensor on this device, without waiting for a GPU."""
    if device.type == "cuda":
        tensor = tensor.contiguous().pin_memory()  # windows to segment overlap in memory, which cannot be pinned
    return tensor.to(device, non_blocking=True)


def _scaled(samples: torch.Tensor) -> torch.Tensor:
    """Return 16-bit samples as float32 in [-1, 1), as `tasks.audio.types.as_float`."""
    return samples.to(torch.float32) / 32768.0 if samples.dtype == torch.int16 else samples


def _infer(inference: Inference, mixed: MixedWindows | None, chunks: torch.Tensor) -> Any:
    """Segment 16-bit windows. 0 and 1, which a model with classes for overlap gives, are kept in a byte each."""
    sent = _sent(chunks, inference.device)
    if mixed:
        windows = Windows("segmentation", partial(_segmented, inference), (sent,), inference.batch_size)
        found = mixed.submit(windows).result()
    else:
        found = _segmented(inference, sent)
    specifications: Any = inference.model.specifications
    return found.cpu().numpy().astype(np.int8 if specifications.powerset else np.float32, copy=False)


@torch.inference_mode()
def _segmented(inference: Any, chunks: torch.Tensor) -> torch.Tensor:
    """Return who speaks in each frame of some windows, shape (windows, frames, speakers)."""
    found: torch.Tensor = inference.conversion(inference.model(_scaled(chunks)))
    return found


def _crop(crop: Any, file: Any, segment: Segment, mode: str = "raise") -> tuple[torch.Tensor, int]:
    """Crop 16-bit samples."""
    samples, rate = crop(file, segment, mode=mode)
    return _scaled(samples), rate
