"""Text in another language than the file's."""

import unicodedata
from collections import Counter
from collections.abc import Iterator
from functools import cache

from tasks.quality.transcript import Finding, Segment, shortened

SCRIPTS = {
    "CYRILLIC": "ru uk be bg mk sr kk mn tg tt ba",
    "ARABIC": "ar fa ur ps sd",
    "DEVANAGARI": "hi mr ne sa",
    "HEBREW": "he yi",
    "GREEK": "el",
    "HANGUL": "ko",
    "CJK": "zh yue ja ko",
    "HIRAGANA": "ja",
    "KATAKANA": "ja",
    "THAI": "th",
    "LAO": "lo",
    "KHMER": "km",
    "MYANMAR": "my",
    "TIBETAN": "bo",
    "GEORGIAN": "ka",
    "ARMENIAN": "hy",
    "BENGALI": "bn as",
    "GUJARATI": "gu",
    "GURMUKHI": "pa",
    "TAMIL": "ta",
    "TELUGU": "te",
    "KANNADA": "kn",
    "MALAYALAM": "ml",
    "SINHALA": "si",
    "ETHIOPIC": "am",
}
"""The languages of Whisper that are written in each script, by the first word of its characters' Unicode names; all
others, and those written in two scripts, in the Latin one."""
BOTH = frozenset("sr kk mn tg tt az uz bs ms jw su".split())
"""Languages that are also written in the Latin script, or in another than the one here."""
LEAST_LETTERS = 6
OTHER_SCRIPT = 0.6
"""A segment of so many letters is foreign if more than this share is in a script that its language is not written in.
Names and technical terms in Latin letters are usual in every language."""

FUNCTION_WORDS = {
    "en": "the and of to is in that it you was for with this are not have but they what we be on at so as do no me i a",
    "de": "der die und das ist nicht ich sie es ein eine zu den mit auf wir auch sich dem war für wie oder aber",
    "fr": "le la les et est une des que qui pas vous nous dans pour sur avec ce il elle je mais du au sont",
    "es": "el la los las y es que de en un una por con para no se lo como pero más su está muy del",
    "it": "il lo la gli e è che di un una per con non si come ma del della sono questo più anche ho nel",
    "pt": "o a os as e é que de um uma em por com para não se como mas do da no na mais você isso",
    "nl": "de het een en is van niet ik je dat zijn op te voor met maar ook hij we wat er aan naar dit",
    "pl": "i w nie na się jest to że z do jak ale co tak ja o po od przez czy dla był bardzo tylko",
    "sv": "och det att är en som jag på inte för med har av till den vi om men ett var så kan",
}
"""The commonest words, which no text of a dozen words lacks; those of several languages count for none."""
LEAST_WORDS = 6
HITS, TIMES = 3, 3.0
"""So many words of another language, and so many times those of the file's own, make a segment foreign."""


def foreign(segments: list[Segment], language: str) -> Iterator[Finding]:
    """Yield the segments in another language than the file's, as their script or their commonest words show."""
    for segment in segments:
        why = _other_script(segment.text, language) or _other_language(segment, language)
        if why:
            yield Finding("language", why, segment.start, segment.end, shortened(segment.text))


def _other_script(text: str, language: str) -> str | None:
    scripts = Counter(_script(character) for character in text if character.isalpha())
    own = _scripts_of(language)
    foreign = {script: count for script, count in scripts.items() if script not in own}
    if language in BOTH or sum(scripts.values()) < LEAST_LETTERS:
        return None
    if sum(foreign.values()) <= OTHER_SCRIPT * sum(scripts.values()):
        return None
    script = max(foreign, key=lambda script: foreign[script])
    return f"written in {script.capitalize()} letters, the language is {language!r}"


@cache
def _script(character: str) -> str:
    return unicodedata.name(character, "UNKNOWN").split("-")[0].split()[0]


@cache
def _scripts_of(language: str) -> frozenset[str]:
    return frozenset(script for script, codes in SCRIPTS.items() if language in codes.split()) or frozenset(("LATIN",))


@cache
def _own_words() -> dict[str, frozenset[str]]:
    times = Counter(word for common in FUNCTION_WORDS.values() for word in common.split())
    return {
        language: frozenset(word for word in common.split() if times[word] == 1)
        for language, common in FUNCTION_WORDS.items()
    }


def _other_language(segment: Segment, language: str) -> str | None:
    words = Counter(word.text.casefold().strip(".,!?;:¿¡…\"'") for word in segment.words)
    if language not in FUNCTION_WORDS or sum(words.values()) < LEAST_WORDS:
        return None
    hits = {each: sum(words[word] for word in own) for each, own in _own_words().items()}
    likeliest = max(hits, key=lambda each: hits[each])
    if hits[likeliest] >= HITS and hits[likeliest] >= TIMES * max(hits[language], 1):
        return f"reads like {likeliest!r}, the language is {language!r}"
    return None
