"""NLTK's sentence data (`punkt_tab`), which alignment needs, from an installed package instead of a download."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

from tasks.models.cache import warm
from tasks.storage.atomic import new_draft

if TYPE_CHECKING:
    from nltk.tokenize import PunktTokenizer


def cache_folder() -> Path:
    """Return where this program keeps what it can make again."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "whisperx-batch"


def ensure_sentence_data(language: str) -> None:
    """Let NLTK find the Punkt model that WhisperX splits `language` (a code) with; data already there is preferred.

    WhisperX downloads it otherwise, in the middle of a file, and fails where there is no network.
    """
    import nltk
    import punkt
    from nltk.tokenize.punkt import save_punkt_params
    from whisperx.utils import PUNKT_LANGUAGES

    name = PUNKT_LANGUAGES.get(language, "english")
    data = cache_folder() / "nltk_data"
    if str(data) not in nltk.data.path:
        nltk.data.path.append(str(data))
    try:
        nltk.data.find(f"tokenizers/punkt_tab/{name}/")
    except LookupError:
        models = data / "tokenizers" / "punkt_tab"
        models.mkdir(parents=True, exist_ok=True)
        draft = new_draft(models)  # other threads, and processes on machines with the same home, may be at it too
        save_punkt_params(punkt.load_model(name), str(draft))
        try:
            draft.rename(models / name)
        except OSError:  # another process was first
            for part in draft.iterdir():
                part.unlink()
            draft.rmdir()


@warm("sentences")
def sentence_splitter(language: str) -> "PunktTokenizer":
    """Load what splits a text of `language` into sentences, the same as WhisperX does."""
    from nltk.tokenize import PunktTokenizer
    from whisperx.utils import PUNKT_LANGUAGES

    ensure_sentence_data(language)
    return PunktTokenizer(PUNKT_LANGUAGES.get(language, "english"))
