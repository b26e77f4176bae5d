"""Fuzz target: whatever is in a file, `probe` and `decode` end with a result or with the fault of that file."""

import random
import shutil
import sys
import tempfile
from pathlib import Path

import atheris

sys.path.insert(0, str(Path(__file__).parent.parent))
from conftest import cut_speech
from fuzzing import FOLDER, fuzz
from sound_files import record

with atheris.instrument_imports(include=["tasks.load_audio", "tasks.audio.container"]):
    from tasks.audio.container import UnreadableAudio
    from tasks.load_audio import decode, probe

LONGEST_S = 3600
"""What a header of so many seconds takes is the budget's affair."""
WINDOW = 512
"""Bytes in which a mutation happens: anywhere, it would hardly ever hit a header."""

FILE = Path(tempfile.mkdtemp()) / "fuzzed"
SEEDS: list[bytes] = []


def target(content: bytes) -> None:
    """Let out nothing but UnreadableAudio: the storage is sound."""
    FILE.write_bytes(content)
    try:
        probed = probe(str(FILE))
        if probed.duration_s < LONGEST_S:
            decode(str(FILE), probed.duration_s)
    except UnreadableAudio:
        pass


def mutate(content: bytes, longest: int, seed: int) -> bytes:
    """Change a few bytes, mostly at an end, where headers and indexes are; or cut; or go on as another file does."""
    dice = random.Random(seed)
    cut = dice.randrange(len(content) + 1)
    match dice.randrange(8):
        case 0:
            return content[:cut]
        case 1:
            other = dice.choice(SEEDS)
            return (content[:cut] + other[dice.randrange(len(other)) :])[:longest]
        case way:
            begin = 0 if way < 5 else max(len(content) - WINDOW, 0) if way < 7 else cut
            end = begin + dice.choice((16, 64, WINDOW))
            changed: bytes = atheris.Mutate(content[begin:end], max(end - begin, 1))
            return (content[:begin] + changed + content[end:])[:longest]


def recordings() -> dict[str, bytes]:
    """Return a second in every format; made once."""
    folder = FOLDER / "recordings"
    if not folder.exists():
        with tempfile.TemporaryDirectory() as draft:
            speech = cut_speech(Path(draft), "speech.wav", seconds=1) / "speech.wav"
            (made := Path(draft) / "made").mkdir()
            record(speech, made)
            FOLDER.mkdir(exist_ok=True)
            shutil.move(made, folder)
    return {path.name: path.read_bytes()[:65536] for path in folder.iterdir()}


if __name__ == "__main__":
    seeds = recordings()
    SEEDS.extend(seeds.values())
    fuzz("decoder", target, seeds, custom_mutator=mutate)
