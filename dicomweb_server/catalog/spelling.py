"""Names that are spelled alike or sound alike: the algorithm of fuzzy matching (Q-12, PS3.4 C.2.2.2.1.1).

A name matches when each word asked for is there, in whatever component and order. A word is there when a word of the
name begins with it, or when both sound the same. Case and accents do not count.

How a word of Latin letters sounds: consonants that are confused count as one (b p, d t, c g k q, f v w, s z and the
hissing sch sh ch cz), vowels but the first and silent h and w are left out, doubled letters count once. So Meier is
Mayr, Schmidt is Smith, Johnson is Jonsen. Words of fewer than four letters, or with fewer than two sounds, and other
scripts are compared by their beginning only.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from dicomweb_server.catalog import folding

MOST_WORDS = 16
"""Of one name, stored or asked for; what follows is not looked at."""

LONGEST_WORD = 64
_SHORTEST_SOUND = 4
_SOUND = "~"
"""Before a sound where it stands beside words; no word begins with it."""

_OPEN_END = "\U0010ffff"
_LATIN = str.maketrans({"æ": "ae", "œ": "oe", "ø": "o", "ł": "l", "đ": "d", "ð": "d", "þ": "th", "ı": "i"})
_SPELLINGS = tuple(
    (re.compile(pattern), sound)
    for pattern, sound in (
        (r"^(kn|gn|pn)", "n"),
        (r"^wr", "r"),
        (r"^y(?=[aeiou])", "j"),
        (r"ph", "f"),
        (r"ch(?=[rl])", "k"),
        (r"t?sch|tch|sh|ch|cz|sz|t[sz]|x|c(?=[eiy])", "s"),
        (r"gh(?![aeiouy])", ""),
        (r"ck", "k"),
        (r"(?<=[aeou])w(?![aeiouy])", ""),
        (r"dt", "t"),
        (r"(?<!^)h", ""),
        (r"^[aeiouy]", "a"),
        (r"(?<!^)[aeiouy]+", "."),
    )
)
_CLASSES = str.maketrans("bpdtcgkqfvwsz", "ppttkkkkfffss")
_DOUBLED = re.compile(r"(.)\1+")


@dataclass(frozen=True, slots=True)
class Word:
    """A word asked for: from ``first`` up to ``end`` are the words that begin with it."""

    first: str
    end: str
    sound: str
    """'' when it has none."""


def asked(name: str) -> list[Word]:
    return [Word(word, word + _OPEN_END, _marked(word)) for word in _words(name)]


def kept(name: str) -> set[str]:
    """The words of a stored name and their sounds, as the index keeps them."""
    words = set(_words(name))
    return words | {sound for word in words if (sound := _marked(word))}


def alike(stored: str, wanted: str) -> bool:
    """Whether ``stored`` has all the words of ``wanted``."""
    there = kept(stored)
    return all(
        (word.sound and word.sound in there) or any(other.startswith(word.first) for other in there)
        for word in asked(wanted)
    )


@lru_cache(maxsize=4096)
def sound(word: str) -> str:
    """How a folded word sounds; '' for one that is too short or not Latin."""
    word = word.replace("'", "").replace("’", "").translate(_LATIN)
    if len(word) < _SHORTEST_SOUND or not (word.isascii() and word.isalpha()):
        return ""
    for pattern, replacement in _SPELLINGS:
        word = pattern.sub(replacement, word)
    code = _DOUBLED.sub(r"\1", word.translate(_CLASSES)).replace(".", "")
    return code if len(code) > 1 else ""


def _marked(word: str) -> str:
    return _SOUND + found if (found := sound(word)) else ""


def _words(name: str) -> list[str]:
    words: Iterable[str] = (word[:LONGEST_WORD].replace(_SOUND, "") for word in folding.words(name))
    return list(dict.fromkeys(word for word in words if word))[:MOST_WORDS]
