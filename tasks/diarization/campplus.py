"""CAM++, a network that turns speech into speaker embeddings, as a model of pyannote.audio.

Wang et al., "CAM++: A fast and efficient network for speaker verification using context-aware masking", Interspeech
2023, https://arxiv.org/abs/2303.00332. The layers have the names that the weights of 3D-Speaker (Apache 2.0,
https://github.com/modelscope/3D-Speaker) give them. Checkpoints name this module and class: moving it breaks them.
"""

from collections import OrderedDict
from functools import partial

import torch
import torch.nn.functional as F  # noqa: N812, the usual abbreviation
from pyannote.audio.core.model import Model
from pyannote.audio.core.task import Task
from pyannote.audio.models.blocks.pooling import StatsPool
from torch import Tensor, nn
from torchaudio.compliance import kaldi

MEL_BINS = 80
DIMENSION = 192
HEAD_CHANNELS = 32
GROWTH = 32
BOTTLENECK = 128
SEGMENT = 100
"""Length of the segments whose averages the masks depend on, in frames of 20 ms."""
BLOCKS = ((12, 1), (24, 2), (16, 2))
"""(layers, dilation) of each dense block."""


class CAMPPlus(Model):
    """Embeddings of 192 numbers, compared by their cosine, of 16 kHz mono waveforms.

    The network runs on a whole window, and only what is pooled depends on the speaker, so it runs once for all speakers
    of a window. Its masks then also see the speech of others: measured on six recordings, the diarization error rate is
    half a point above that of the network run on the frames of each speaker alone.
    """

    def __init__(self, sample_rate: int = 16_000, num_channels: int = 1, task: Task | None = None) -> None:
        super().__init__(sample_rate=sample_rate, num_channels=num_channels, task=task)
        self.save_hyperparameters("sample_rate", "num_channels")
        self.head = Head()
        layers: dict[str, nn.Module] = {"tdnn": TimeDelay(HEAD_CHANNELS * MEL_BINS // 8, BOTTLENECK)}
        channels = BOTTLENECK
        for i, (count, dilation) in enumerate(BLOCKS, 1):
            layers[f"block{i}"] = DenseBlock(channels, count, dilation)
            channels += count * GROWTH
            layers[f"transit{i}"] = _transit(channels)
            channels //= 2
        layers["out_nonlinear"] = _normalised(channels)
        layers["dense"] = nn.Sequential(
            OrderedDict(
                linear=nn.Conv1d(2 * channels, DIMENSION, 1, bias=False),
                nonlinear=nn.Sequential(OrderedDict(batchnorm=nn.BatchNorm1d(DIMENSION, affine=False))),
            )
        )
        self.xvector = nn.ModuleDict(layers)
        self.pool = StatsPool()
        self._fbank = partial(kaldi.fbank, num_mel_bins=MEL_BINS, sample_frequency=sample_rate, dither=0.0)

    @property
    def dimension(self) -> int:
        """Return the length of an embedding."""
        return DIMENSION

    def forward_frames(self, waveforms: Tensor) -> Tensor:
        """Return what is pooled, shape (batch, 512, frames of 20 ms), of waveforms, shape (batch, 1, samples)."""
        features = torch.vmap(self._fbank)(waveforms)  # (batch, frames of 10 ms, 80)
        found: Tensor = self.head((features - features.mean(dim=1, keepdim=True)).transpose(1, 2))
        for name, layer in self.xvector.items():
            if name != "dense":
                found = layer(found)
        return found

    def forward_embedding(self, frames: Tensor, weights: Tensor | None = None) -> Tensor:
        """Return embeddings of what `forward_frames` returns, of the whole or of the frames with `weights`.

        Weights of shape (batch, frames) give embeddings of shape (batch, 192); (batch, speakers, frames) give
        (batch, speakers, 192). The number of their frames may differ.
        """
        return self.project(self.pool(frames, weights=weights))

    def project(self, pooled: Tensor) -> Tensor:
        """Return embeddings, shape (…, 192), of the frames' mean and standard deviation, shape (…, 1024)."""
        found: Tensor = self.xvector["dense"](pooled.reshape(-1, pooled.shape[-1], 1))
        return found.reshape(*pooled.shape[:-1], DIMENSION)

    def forward(self, waveforms: Tensor, weights: Tensor | None = None) -> Tensor:  # type: ignore[override]
        """Return the embeddings of waveforms, as `forward_embedding` does."""
        return self.forward_embedding(self.forward_frames(waveforms), weights)


def _normalised(channels: int) -> nn.Sequential:
    return nn.Sequential(OrderedDict(batchnorm=nn.BatchNorm1d(channels), relu=nn.ReLU(inplace=True)))


def _transit(channels: int) -> nn.Sequential:
    """Halve the channels between two dense blocks."""
    halve = nn.Conv1d(channels, channels // 2, 1, bias=False)
    return nn.Sequential(OrderedDict(nonlinear=_normalised(channels), linear=halve))


class Residual(nn.Module):
    """Two convolutions over (frequency, time) and a shortcut; `stride` is in frequency."""

    def __init__(self, stride: int) -> None:
        super().__init__()
        channels = HEAD_CHANNELS
        self.conv1 = nn.Conv2d(channels, channels, 3, stride=(stride, 1), padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self.shortcut = nn.Sequential()
        if stride > 1:
            self.shortcut.append(nn.Conv2d(channels, channels, 1, stride=(stride, 1), bias=False))
            self.shortcut.append(nn.BatchNorm2d(channels))

    def forward(self, maps: Tensor) -> Tensor:
        """Return maps of shape (batch, 32, frequencies / stride, time)."""
        found = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(maps)))))
        return F.relu(found + self.shortcut(maps))


class Head(nn.Module):
    """Convolutions over the features as an image; frequencies end an eighth as many, beside the channels."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, HEAD_CHANNELS, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(HEAD_CHANNELS)
        self.layer1 = nn.Sequential(Residual(stride=2), Residual(stride=1))
        self.layer2 = nn.Sequential(Residual(stride=2), Residual(stride=1))
        self.conv2 = nn.Conv2d(HEAD_CHANNELS, HEAD_CHANNELS, 3, stride=(2, 1), padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(HEAD_CHANNELS)

    def forward(self, features: Tensor) -> Tensor:
        """Return shape (batch, 320, frames) for features of shape (batch, 80, frames)."""
        maps = F.relu(self.bn1(self.conv1(features.unsqueeze(1))))
        maps = self.layer2(self.layer1(maps))
        return F.relu(self.bn2(self.conv2(maps))).flatten(1, 2)


class TimeDelay(nn.Module):
    """A convolution over time that halves the frames."""

    def __init__(self, channels: int, out: int) -> None:
        super().__init__()
        self.linear = nn.Conv1d(channels, out, 5, stride=2, padding=2, bias=False)
        self.nonlinear = _normalised(out)

    def forward(self, frames: Tensor) -> Tensor:
        """Return shape (batch, out, frames / 2)."""
        found: Tensor = self.nonlinear(self.linear(frames))
        return found


class Masked(nn.Module):
    """Context-aware masking: a convolution over time, scaled by a mask from averages of the input and its segments."""

    def __init__(self, dilation: int) -> None:
        super().__init__()
        self.linear_local = nn.Conv1d(BOTTLENECK, GROWTH, 3, padding=dilation, dilation=dilation, bias=False)
        self.linear1 = nn.Conv1d(BOTTLENECK, BOTTLENECK // 2, 1)
        self.linear2 = nn.Conv1d(BOTTLENECK // 2, GROWTH, 1)

    def forward(self, frames: Tensor) -> Tensor:
        """Return shape (batch, 32, frames)."""
        segments = F.avg_pool1d(frames, SEGMENT, stride=SEGMENT, ceil_mode=True)
        context = segments.repeat_interleave(SEGMENT, dim=-1)[..., : frames.shape[-1]]
        context = context + frames.mean(dim=-1, keepdim=True)
        mask = torch.sigmoid(self.linear2(F.relu(self.linear1(context))))
        found: Tensor = self.linear_local(frames) * mask
        return found


class DenseBlock(nn.ModuleDict):
    """Densely connected layers: each reads the input and the outputs of all layers before it."""

    def __init__(self, channels: int, count: int, dilation: int) -> None:
        super().__init__({f"tdnnd{i + 1}": self._layer(channels + i * GROWTH, dilation) for i in range(count)})

    @staticmethod
    def _layer(channels: int, dilation: int) -> nn.Sequential:
        return nn.Sequential(
            OrderedDict(
                nonlinear1=_normalised(channels),
                linear1=nn.Conv1d(channels, BOTTLENECK, 1, bias=False),
                nonlinear2=_normalised(BOTTLENECK),
                cam_layer=Masked(dilation),
            )
        )

    def forward(self, frames: Tensor) -> Tensor:
        """Return the input with 32 more channels for each layer."""
        for layer in self.values():
            frames = torch.cat([frames, layer(frames)], dim=1)
        return frames
