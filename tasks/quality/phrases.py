"""What Whisper writes over silence, from the subtitles that it was trained on.

Collected in https://github.com/openai/whisper/discussions/928 and https://github.com/Vexa-ai/vexa/issues/617; here cut
down to the part that nobody says aloud. Phrases that people also say, such as "Thank you.", are left to the other
rules.
"""

import re

FRAGMENTS = {
    "any": [r"amara\.org", r"opensubtitles\.org", r"subtitles by \w"],
    "en": [
        r"thank(?:s| you)\b.{0,20}\bfor watching",
        r"hope you enjoyed this video",
        r"(?:like and|don't forget to) subscribe",
        r"see you in the next video",
        r"www\.mooji\.org",
        r"transcribed by https?://",
    ],
    "de": [r"untertitel\w* (?:im auftrag )?des zdf", r"untertitel von stephanie geiges", r"copyright wdr \d{4}"],
    "fr": [
        r"sous-titrage (?:st|soci[eé]t[eé] radio)",
        r"sous-?titr\w* (?:par|fait|r[eé]alis[eé]s)",
        r"soustitreur\.com",
    ],
    "es": [r"subt[ií]tulos (?:por|realizados)", r"gracias por ver el v[ií]deo", r"suscr[ií]bete al canal"],
    "it": [r"sottotitoli (?:creati|e revisione|a cura)", r"\bqtss\b"],
    "pt": [r"legendas? (?:pela comunidade|por \w)", r"obrigad[oa] por assistir", r"inscreva-se no canal"],
    "nl": [r"ondertitel\w* (?:ingediend )?door", r"tv gelderland"],
    "pl": [r"napisy (?:stworzone|wykonane) ", r"dzi[eę]ki za obejrzenie", r"zdj[eę]cia i monta[zż]"],
    "ru": [r"субтитры (?:сделал|создавал|делал|подогнал)", r"продолжение следует", r"редактор субтитров"],
    "uk": [r"дякую за перегляд"],
    "tr": [r"altyaz[ıi] m\.\s?k", r"abone olmay[ıi] unutmay[ıi]n", r"izledi[gğ]iniz i[cç]in te[sş]ekk[uü]r"],
    "sv": [r"undertext(?:er|ning) (?:fr[aå]n|av)"],
    "da": [r"danske tekster af"],
    "no": [r"teksting av nicolai winther"],
    "hu": [r"k[oö]sz[oö]n[oö]m,? hogy megn[eé]zt"],
    "ja": [r"ご視聴ありがとうございま", r"チャンネル登録", r"次の動画でお会い"],
    "ko": [r"시청해\s?주셔서", r"구독과\s?좋아요", r"(?:mbc|kbs) 뉴스"],
    "zh": [
        r"字幕(?:由|by|製作|制作|組|组|志愿|志願)",
        r"请不吝点赞",
        r"請不吝點贊",
        r"(?:谢谢|謝謝)(?:观看|觀看|收看)",
    ],
    "ar": [r"ترجمة نانسي", r"اشتركوا في القناة"],
}
"""By the language in which they are seen; looked for in all, for an invented phrase need not be in the file's."""

PHRASES = re.compile(
    "|".join(fragment for of_language in FRAGMENTS.values() for fragment in of_language), re.IGNORECASE
)
