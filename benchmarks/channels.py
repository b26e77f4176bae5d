"""Calibrate `--channels auto`: which recordings it splits, and how far they are from its limits.

    python benchmarks/channels.py

Prints for each recording of cases/stereo.py how long each channel is heard alone, which share of the active time is of
one source, and the decision; then how many decisions are wrong, and the CPU seconds for an hour.
"""

import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np
from cases.stereo import Stereo, one_sound, two_parties
from imageio_ffmpeg import get_ffmpeg_exe

from tasks.audio.decoding import decode_channels
from tasks.audio.types import SAMPLE_RATE, Samples
from tasks.channels import parties


def recorded(case: Stereo) -> list[Samples]:
    """Return the channels of a case, encoded and decoded."""
    both = np.clip(np.stack([case.left, case.right], axis=1), -1, 1 - 2**-15)
    with tempfile.TemporaryDirectory() as folder:
        out = str(Path(folder, "coded"))
        source = ["-f", "s16le", "-ar", str(SAMPLE_RATE), "-ac", "2", "-i", "-"]
        command = [get_ffmpeg_exe(), "-loglevel", "error", *source, *case.codec.split(), out]
        subprocess.run(command, input=(both * 32768).astype("<i2").tobytes(), check=True)
        return decode_channels(out)


def main() -> None:
    """Print the table."""
    wrong, cases, slowest_s = 0, [*two_parties(), *one_sound()], 0.0
    for case in cases:
        channels = recorded(case)
        began = time.process_time()
        split = parties.two_parties(channels)
        slowest_s = max(slowest_s, (time.process_time() - began) * 3600 * SAMPLE_RATE / len(channels[0]))
        found = parties.difference(*map(parties.channel_of, channels))
        wrong += split != case.parties
        decision = ("split" if split else "mixed") + ("" if split == case.parties else ", WRONG")
        print(f"{case.name:60} {found.alone_s:5.1f} s alone {found.common:5.0%} common  {decision}")
    print(f"{wrong} of {len(cases)} wrong; at most {slowest_s:.1f} CPU seconds for an hour")


if __name__ == "__main__":
    main()
