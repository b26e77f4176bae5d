"""NLTK's sentence data (`punkt_tab`), which alignment needs, from an installed package instead of a download."""

from typing import TYPE_CHECKING

from tasks.models.cache import cached_model
from tasks.models.local_copies import cache_folder
from tasks.storage.atomic import new_draft

if TYPE_CHECKING:
    from nltk.tokenize import PunktTokenizer


def ensure_sentence_data(language: str) -> None:
    """Make the Punkt model with which WhisperX splits `language` (a code) findable by NLTK, unless it is already.

    Otherwise WhisperX downloads it in the middle of a file, and fails where there is no network.
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
        draft = new_draft(models)  # other threads, and processes on machines with the same home, may write it too
        save_punkt_params(punkt.load_model(name), str(draft))
        try:
            draft.rename(models / name)
        except OSError:  # another process was first
            for part in draft.iterdir():
                part.unlink()
            draft.rmdir()


@cached_model("sentences")
def sentence_splitter(language: str) -> "PunktTokenizer":
    """Load the sentence splitter that WhisperX uses for `language`."""
    from nltk.tokenize import PunktTokenizer
    from whisperx.utils import PUNKT_LANGUAGES

    ensure_sentence_data(language)
    return PunktTokenizer(PUNKT_LANGUAGES.get(language, "english"))
