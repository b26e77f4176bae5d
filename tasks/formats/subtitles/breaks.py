"""The cost of a break between two tokens, for cues and for lines.

The order is that of the guides: after a sentence, after a clause, before a preposition or a conjunction; not between an
article and its noun, a preposition and its object, a number and what it counts, a first name and a last name (Netflix
Timed Text Style Guide, "Line Treatment"; BBC Subtitle Guidelines, "Break at natural points").
"""

import re
from unicodedata import category, name

from tasks.formats.subtitles.tokens import Token
from tasks.formats.writers import WITHOUT_SPACES

CLAUSE, BEFORE_LINK, PLAIN, IN_NAME, AFTER_LINK, IN_WORD, FORBIDDEN = 1.0, 3.0, 6.0, 11.0, 12.0, 30.0, 300.0
PAUSE_S = 0.6
"""A pause this long shows where a phrase ends; breaks there cost a third."""
ENDS_SENTENCE = re.compile(r"[.!?…。！？؟।॥۔።៕।][\"'”’»)\]」』）]*$")
ENDS_CLAUSE = re.compile(r"[,;:—–،؛、，；：)\]）」』»”][\"'”’»]*$")
ABBREVIATION = re.compile(r"(?i)^(mr|mrs|ms|dr|prof|st|nr|no|vs|bzw|ca|sra?|mme|m|\w|(\w\.)+\w)\.$")
LINKS = {
    "de": "der die das den dem des ein eine einen einem einer und oder aber weil dass wenn von mit zu zum zur in im an "
    "am auf für bei aus nach vor über unter durch ohne mein dein sein ihr unser ist sind war hat haben wird nicht",
    "en": "a an the and or but because that if when while who which of to in on at by for with from into about than as "
    "my your his her its our their this these is are was were be been has have had will would can could not i",
    "es": "el la los las un una unos unas y e o u pero porque que si cuando de del a al en con por para sin sobre mi "
    "tu su nuestro es son era ha han se no me te le lo",
    "fr": "le la les un une des et ou mais parce que qui si quand de du à au aux en dans sur avec pour par sans mon ma "
    "mes ton ta son sa ses notre votre est sont était a ont se ne je tu il elle on nous vous",
    "it": "il lo la i gli le un uno una e o ma perché che se quando di del della a al alla da in nel con su per tra "
    "mio tuo suo è sono era ha hanno si non mi ti",
    "nl": "de het een en of maar omdat dat als wanneer van met naar in op aan bij uit voor door zonder mijn jouw zijn "
    "haar ons is was heeft hebben niet ik",
    "pt": "o a os as um uma e ou mas porque que se quando de do da em no na com por para sem sobre meu seu nosso é são "
    "era tem não me te se",
}
"""Words that belong to what follows them: articles, prepositions, conjunctions, possessives, auxiliaries."""
LINK_WORDS = {language: frozenset(words.split()) for language, words in LINKS.items()}
SHORT = 3
"""In languages without a list, words of at most so many letters are taken for such words."""
NO_START = frozenset(
    "、。，．・：；？！゛゜ヽヾゝゞ々ーぁぃぅぇぉっゃゅょゎァィゥェォッャュョヮヵヶ’”）〕］｝〉》」』】,.!?:;)]}%…"
)
NO_END = frozenset("‘“（〔［｛〈《「『【([{")
"""Characters that begin, or end, no line in Japanese and Chinese (JIS X 4051; W3C, clreq)."""
IN_PHRASE, IN_HIRAGANA = 15.0, 12.0
"""Breaks inside a Japanese phrase, which ends where hiragana, its endings and particles, end.

In Chinese, which has no hiragana, all breaks inside a clause cost the same.
"""


def ends_sentence(left: Token, right: Token) -> bool:
    """Return whether a sentence ends between two tokens."""
    return bool(ENDS_SENTENCE.search(left.text)) and (right.opens or not ABBREVIATION.match(left.text))


def break_cost(left: Token, right: Token, language: str) -> float:
    """Return the cost of a break between two tokens of one speaker: 0 after a sentence, more where it disturbs."""
    if ends_sentence(left, right):
        return 0
    cost = _of_text(left, right, language)
    pause = min(max(right.start - left.end, 0) / PAUSE_S, 1)
    return cost if cost >= IN_WORD else cost * (1 - pause * 2 / 3)


def _of_text(left: Token, right: Token, language: str) -> float:
    if right.within_word:
        return IN_WORD
    if language in WITHOUT_SPACES:
        return _without_spaces(left.text[-1], right.text[0])
    if ENDS_CLAUSE.search(left.text):
        return CLAUSE
    if _links(left.text, language) or left.text.isdigit():
        return AFTER_LINK
    if language != "de" and left.text[0].isupper() and right.text[0].isupper():  # German nouns are capitals too
        return IN_NAME
    return BEFORE_LINK if _links(right.text, language) else PLAIN


def _links(word: str, language: str) -> bool:
    words = LINK_WORDS.get(language)
    if words is None:
        return len(word) <= SHORT and word.isalpha()
    return word.lower() in words


def _without_spaces(left: str, right: str) -> float:
    if right in NO_START or left in NO_END:
        return FORBIDDEN
    if left in "、，；：":
        return CLAUSE
    before, after = _script(left), _script(right)
    if before == after and after in {"katakana", "latin"}:
        return IN_WORD
    if after == "hiragana":
        return IN_HIRAGANA if before == after else IN_PHRASE
    return IN_PHRASE if before == after == "kanji" else PLAIN


def _script(character: str) -> str:
    known = name(character, "")
    if known.startswith("CJK"):
        return "kanji"
    kana = next((script for script in ("HIRAGANA", "KATAKANA") if script in known), None)
    return kana.lower() if kana else "latin" if category(character)[0] in "LN" else "other"
