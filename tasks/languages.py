"""Languages by Whisper's codes and names, and by the tags of tracks in films."""

from collections.abc import Mapping
from functools import cache
from types import MappingProxyType

TAGS = """
    en=eng zh=zho,chi,cmn de=deu,ger es=spa ru=rus ko=kor fr=fra,fre ja=jpn pt=por tr=tur pl=pol ca=cat nl=nld,dut
    ar=ara,arb sv=swe it=ita id=ind,in hi=hin fi=fin vi=vie he=heb,iw uk=ukr el=ell,gre ms=msa,may,zsm cs=ces,cze
    ro=ron,rum,mol,mo da=dan hu=hun ta=tam no=nor,nob,nb th=tha ur=urd hr=hrv,scr bg=bul lt=lit la=lat mi=mri,mao
    ml=mal cy=cym,wel sk=slk,slo te=tel fa=fas,per,pes lv=lav,lvs bn=ben sr=srp,scc az=aze,azj sl=slv kn=kan
    et=est,ekk mk=mkd,mac br=bre eu=eus,baq is=isl,ice hy=hye,arm ne=nep,npi mn=mon,khk bs=bos kk=kaz
    sq=sqi,alb,als sw=swa,swh gl=glg mr=mar pa=pan si=sin km=khm sn=sna yo=yor so=som af=afr oc=oci ka=kat,geo
    be=bel tg=tgk sd=snd gu=guj am=amh yi=yid,ydd,ji lo=lao uz=uzb,uzn fo=fao ht=hat ps=pus,pbt tk=tuk nn=nno mt=mlt
    sa=san lb=ltz my=mya,bur bo=bod,tib tl=tgl,fil mg=mlg,plt as=asm tt=tat haw=haw ln=lin ha=hau ba=bak jw=jav,jv
    su=sun yue=yue
"""
"""For each code of Whisper's the other tags of the language: ISO 639-2 (both kinds), 639-3, and outdated codes."""


@cache
def _codes_by_tag() -> dict[str, str]:
    pairs = [pair.partition("=") for pair in TAGS.split()]
    return {tag: code for code, _, tags in pairs for tag in (code, *tags.split(","))}


def code_of_tag(tag: str | None) -> str | None:
    """Return Whisper's code for a language tag such as `deu`, `ger`, `de` or `de-AT`; None if Whisper has none."""
    primary = (tag or "").strip().lower().replace("_", "-").partition("-")[0]
    return _codes_by_tag().get(primary)


def language_code(language: str) -> str:
    """Return the code of a language that is given as a code or a name. Raises ValueError."""
    from whisperx.utils import LANGUAGES, TO_LANGUAGE_CODE

    code: str = TO_LANGUAGE_CODE.get(language.lower(), language.lower())
    if code not in LANGUAGES:
        raise ValueError(f"Whisper knows no language {language!r}; give a code such as 'en' or a name")
    return code


@cache
def by_language(models: str | None) -> Mapping[str, str]:
    """Parse `MODEL`, whose key is '', or `LANGUAGE=MODEL,LANGUAGE=MODEL`; each text once. Raises ValueError.

    A folder with = in its name needs a / before it, such as ./a=b.
    """
    if not models:
        return MappingProxyType({})
    if "=" not in models or "/" in models.partition("=")[0]:
        return MappingProxyType({"": models})
    found: dict[str, str] = {}
    for pair in models.split(","):
        language, equals, model = (part.strip() for part in pair.partition("="))
        if not (language and equals and model):
            raise ValueError(f"{pair.strip()!r} is not LANGUAGE=MODEL, as in de=NAME,ja=FOLDER")
        code = language_code(language)
        if code in found:
            raise ValueError(f"two models for the language {code!r}: {found[code]} and {model}")
        found[code] = model
    return MappingProxyType(found)
