"""How good or bad news is for those who hold what it is about: VADER's rules with words and phrases of the trade.

C. Hutto, E. Gilbert, VADER: A Parsimonious Rule-based Model for Sentiment Analysis of Social Media Text, ICWSM 2014.
The lexicon and constants are vaderSentiment's. The rules are written anew, because there they take longer than they
need to; they give the same scores. What is added to them is in sentiment.toml; docs/sentiment.md has the figures.
"""

import re
from collections.abc import Iterator
from functools import cache
from itertools import product
from math import sqrt
from pathlib import Path
from string import punctuation
from typing import Final, Literal, NamedTuple

import msgspec
from msgspec import Struct
from vaderSentiment.vaderSentiment import (
    BOOSTER_DICT,
    C_INCR,
    N_SCALAR,
    NEGATE,
    SPECIAL_CASES,
    SentimentIntensityAnalyzer,
)

from cryptopulse.domain.asset_sentiment import Label, label

DESCRIPTION: Final = 0.25
"""What a word of a description weighs against one of the title: there are some four times as many."""
QUESTION: Final = 0.05
"""What the words of a title that asks weigh."""

_ALPHA: Final = 15
"""VADER's: valences with the sum s are a score of s / √(s² + α)."""
_DAMPED: Final = 1, 0.95, 0.9
"""VADER's: how much of a booster counts one, two and three words before."""
_DENSITY: Final = 10
"""In how many words one of markets must be, for a text to be about them."""
_GAP: Final = 3
"""How many words there may be at most where a phrase has a gap."""

_MONEY: Final = "<money>"
_PERCENT: Final = "<percent>"
_NUMBER: Final = "<number>"
"""What numbers are looked up as."""
_FIGURE: Final = re.compile(
    r"""[("'~+-]*(?P<currency>(?:US|[ACS]|HK)?[$€£¥₿])?\d[\d.,]*(?:[kmbt]|[mb]n)?(?P<percent>%)?\+?[)"',;:.!?]*""",
    re.IGNORECASE,
)
_CASHTAG: Final = re.compile(r"\$[A-Za-z]{2,6}\b")
_UNITS: Final = {
    **dict.fromkeys(("million", "billion", "trillion", "mn", "mln", "bn", "bln", "m", "b"), _MONEY),
    **dict.fromkeys(("%", "percent", "pct"), _PERCENT),
}
_CURRENCIES: Final = {"eur", "usd", "gbp", "us$"}
_NUMERIC: Final = frozenset("0123456789$€£¥₿~+-(USACH")
_CLAUSE_ENDS: Final = frozenset(",;:.!?")
_CLAUSE_STARTS: Final = frozenset(
    ("after", "amid", "as", "because", "but", "despite", "if", "that", "when", "which", "while", "who")
)
_MARKS: Final = ",;:.!?'\"()"
type _Split = tuple[list[str], list[str], list[str]]
"""A text in words: with the punctuation round them, without it, and in lower case, as they are looked up."""


class Score(NamedTuple):
    """What a text says.

    Attributes:
        score: -1 to 1.
        label: Its class, as that of an asset's mean.
        words: What moved the score, as it is written, and by how much, the strongest first: their sum is the score.
    """

    score: float
    label: Label
    words: list[tuple[str, float]]


class Words(Struct, frozen=True, forbid_unknown_fields=True):
    """A class of words, which phrases name."""

    words: tuple[str, ...] = ()
    verbs: tuple[str, ...] = ()


class Group(Struct, frozen=True, forbid_unknown_fields=True):
    """Words, verbs and phrases that mean much the same: sentiment.toml says what each field is."""

    name: str
    reason: str
    weight: float = 0.0
    role: Literal["feeling", "neutral", "negation", "booster", "frame"] = "feeling"
    words: tuple[str, ...] = ()
    verbs: tuple[str, ...] = ()
    phrases: tuple[str, ...] = ()


class Field(Struct, frozen=True, forbid_unknown_fields=True):
    """What a text must have in it for the vocabulary to be used: sentiment.toml says how."""

    stems: tuple[str, ...] = ()
    crypto: frozenset[str] = frozenset()
    markets: frozenset[str] = frozenset()


class Vocabulary(Struct, frozen=True, forbid_unknown_fields=True):
    """What is added to VADER: sentiment.toml as it is, or nothing."""

    field: Field = Field()
    irregular: dict[str, tuple[str, ...]] = {}
    classes: dict[str, Words] = {}
    groups: tuple[Group, ...] = ()

    def forms(self, verb: str) -> set[str]:
        """A verb's inflections; a particle (`roll out`) stays as it is."""
        stem, *particle = verb.split()
        past = self.irregular.get(stem) or (_with(stem, "ed"),)
        return {" ".join([form, *particle]) for form in (stem, _with(stem, "s"), *past, _with(stem, "ing"))}

    def patterns(self, group: Group) -> list[str]:
        """All that a group holds, verbs inflected."""
        return [*group.words, *sorted(set().union(*map(self.forms, group.verbs))), *group.phrases]

    def phrases(self, pattern: str) -> Iterator[list[tuple[int, frozenset[str]]]]:
        """What a pattern stands for, with and without what may be missing.

        Yields:
            One word after another: how many others may be before it, and which words it may be.
        """
        steps, gap = [], 0
        for part in pattern.split():
            if part == "..":
                gap = _GAP
            else:
                steps.append((gap, self._alternatives(part.rstrip("?")), part.endswith("?")))
                gap = 0
        for kept in product(*((True, False) if is_optional else (True,) for _, _, is_optional in steps)):
            yield [(gap, words) for (gap, words, _), is_kept in zip(steps, kept, strict=True) if is_kept]

    def _alternatives(self, part: str) -> frozenset[str]:
        if part.startswith("{"):
            named = self.classes[part[1:-1]]
            return frozenset(named.words).union(*map(self.forms, named.verbs))
        found = {form for word in part.split("|") for form in (self.forms(word[1:]) if word[0] == "~" else {word})}
        return frozenset(found | {_MONEY} if _NUMBER in found else found)


def _with(verb: str, ending: Literal["s", "ed", "ing"]) -> str:
    """A regular inflection of a verb; the last consonant is doubled where it has one syllable."""
    if re.search("[^aeiou]y$", verb) and ending != "ing":
        return verb[:-1] + {"s": "ies", "ed": "ied"}[ending]
    if ending == "s":
        return verb + ("es" if verb.endswith(("s", "x", "z", "ch", "sh", "o")) else "s")
    if verb.endswith("e") and not (ending == "ing" and verb.endswith(("ee", "oe"))):
        return verb[:-1] + ending
    return verb + (verb[-1] if re.fullmatch("[^aeiou]*[aeiou][bdgmnprt]", verb) else "") + ending


class _Rules:
    """VADER's rules over a lexicon.

    Args:
        lexicon: Words with their valences, -4 to 4.
        boosters: Words that add to the size of what follows, or take from it.
        negations: Words that turn what follows.
    """

    def __init__(self, lexicon: dict[str, float], boosters: dict[str, float], negations: set[str]) -> None:
        self._lexicon = lexicon
        self._boosters = boosters
        self._negations = negations
        self._feelings = lexicon.keys() - boosters.keys()
        phrases = [*SPECIAL_CASES, *(booster for booster in BOOSTER_DICT if " " in booster)]
        self._special = {max(phrase.split(), key=len) for phrase in phrases}
        self._modifiers = {*boosters, *negations, *self._special, "no", "least", "so", "this"}

    def valences(self, words: list[str], low: list[str]) -> list[tuple[str, float]]:
        """What each word of a text says where it stands.

        Args:
            words: As they are written.
            low: The same in lower case, as they are looked up.

        Returns:
            The words that the lexicon has, in order; some may say nothing here.
        """
        feelings = self._feelings
        hits = [at for at, word in enumerate(low) if word in feelings]
        if not hits:
            return []
        said = [self._valence(words, low, at) for at in hits]
        if "but" in low:
            _contrast(said, hits, low.index("but"))
        return [(words[at], valence) for at, valence in zip(hits, said, strict=True)]

    def _valence(self, words: list[str], low: list[str], at: int) -> float:
        word = low[at]
        valence = self._lexicon[word]
        around = low[at - 3 if at > 3 else 0 : at + 3]
        if self._modifiers.isdisjoint(around) and "n't" not in " ".join(around):
            if words[at].isupper() and _is_emphatic(words):
                valence += C_INCR if valence > 0 else -C_INCR
            return valence
        before = low[max(at - 3, 0) : at][::-1]
        if word == "kind" and low[at + 1 : at + 2] == ["of"]:
            return 0.0
        if word == "no" and at + 1 < len(low) and low[at + 1] in self._lexicon:
            valence = 0.0
        if "no" in before[:2] or (before[2:] == ["no"] and before[0] in ("or", "nor")):
            valence = self._lexicon[word] * N_SCALAR
        if words[at].isupper() and _is_emphatic(words):
            valence += C_INCR if valence > 0 else -C_INCR
        for distance, modifier in enumerate(before):
            if modifier in self._lexicon:
                continue
            if modifier in self._boosters:
                boost = self._boosters[modifier] if valence >= 0 else -self._boosters[modifier]
                if words[at - 1 - distance].isupper() and _is_emphatic(words):
                    boost += C_INCR if valence > 0 else -C_INCR
                valence += boost * _DAMPED[distance]
            valence = self._turned(valence, before, distance)
            if distance == 2 and not self._special.isdisjoint(low):
                valence = _special(valence, low, at)
        if before[:1] == ["least"] and "least" not in self._lexicon and before[1:2] not in (["at"], ["very"]):
            valence *= N_SCALAR
        return valence

    def _turned(self, valence: float, before: list[str], distance: int) -> float:
        """A valence as the word that far before it turns it; `never so good` and `without doubt` do not."""
        word, between = before[distance], before[:distance]
        if (word == "never" and ("so" in between or "this" in between)) or (
            distance == 2 and before[0] in ("so", "this")
        ):
            return valence * 1.25
        if word == "without" and "doubt" in between:
            return valence
        return valence * N_SCALAR if word in self._negations or "n't" in word else valence


def _is_emphatic(words: list[str]) -> bool:
    """Whether some words are in capitals, and not all."""
    return 0 < sum(map(str.isupper, words)) < len(words)


def _special(valence: float, low: list[str], at: int) -> float:
    """VADER's own phrases round a word that has three before it."""
    pairs = [" ".join(low[at - start : at - start + 2]) for start in (1, 2, 3)]
    triples = [" ".join(low[at - start : at - start + 3]) for start in (2, 3)]
    for phrase in (pairs[0], triples[0], pairs[1], triples[1], pairs[2]):
        if phrase in SPECIAL_CASES:
            valence = SPECIAL_CASES[phrase]
            break
    for size in (2, 3):
        if at + size <= len(low):
            valence = SPECIAL_CASES.get(" ".join(low[at : at + size]), valence)
    boost: float = sum(BOOSTER_DICT.get(phrase, 0) for phrase in (triples[1], pairs[2], pairs[1]))
    return valence + boost


def _contrast(said: list[float], places: list[int], middle: int) -> None:
    """What follows `but` counts more. As VADER has it: of words of one valence, the first is changed each time."""
    for valence in said:
        first = said.index(valence)
        said[first] = valence * (0.5 if places[first] < middle else 1.5)


class _Phrases:
    """Phrases of at least two words to look for.

    They are kept by their first and second words, which nearly always tell that there is none.
    """

    def __init__(self) -> None:
        self._index: dict[str, dict[str, list[tuple[str, int, list[tuple[int, frozenset[str]]]]]]] = {}

    def add(self, pattern: str, steps: list[tuple[int, frozenset[str]]]) -> None:
        """Looks for one from now on: `pattern` is the word that will stand for it."""
        (_, first), (gap, second), *rest = steps
        for word, next_ in product(first, second):
            self._index.setdefault(word, {}).setdefault(next_, []).append((pattern, gap, rest))

    def join(self, words: list[str], low: list[str], raw: list[str]) -> None:
        """Makes one word of each phrase in a text: the one with the most words if there are several, else the shortest.

        Args:
            words: As they are written.
            low: The same as they are looked up.
            raw: The same with the punctuation round them: no phrase goes beyond the end of a clause.
        """
        index = self._index
        starts = [start for start, word in enumerate(low) if word in index]
        if not starts:
            return
        ends: list[bool] = []
        found, at = [], 0
        for start in starts:
            if start < at or index[low[start]].keys().isdisjoint(low[start + 1 : start + _GAP + 2]):
                continue
            ends = ends or _clause_ends(low, raw)
            if match := self._longest(low, ends, start):
                found.append((start, *match))
                at = match[0]
        for start, end, pattern in reversed(found):
            words[start:end] = [" ".join(words[start:end])]
            low[start:end] = [pattern]

    def _longest(self, low: list[str], ends: list[bool], start: int) -> tuple[int, str] | None:
        seconds, best, match = self._index[low[start]], (-1, 0), None
        for at in range(start + 1, min(start + _GAP + 2, len(low))):
            if ends[at - 1]:
                break
            for pattern, gap, rest in seconds.get(low[at], ()):
                if (
                    at - start - 1 <= gap
                    and (end := _end(low, ends, at + 1, rest))
                    and (size := (len(rest), -end)) > best
                ):
                    best, match = size, (end, pattern)
        return match


def _clause_ends(low: list[str], raw: list[str]) -> list[bool]:
    """Whether a clause ends after each word."""
    ends = [word[-1] in _CLAUSE_ENDS for word in raw]
    if not _CLAUSE_STARTS.isdisjoint(low):
        for at, word in enumerate(low[1:]):
            if word in _CLAUSE_STARTS:
                ends[at] = True
    return ends


def _end(low: list[str], ends: list[bool], at: int, steps: list[tuple[int, frozenset[str]]]) -> int | None:
    """Where a phrase ends whose next words are to begin at `at`."""
    for gap, words in steps:
        last = min(at + gap, len(low) - 1)
        while at < last and low[at] not in words and not ends[at - 1]:
            at += 1
        if at > last or low[at] not in words or ends[at - 1]:
            return None
        at += 1
    return at


class Analyzer:
    """Scores texts.

    Args:
        vocabulary: What is added to VADER; with nothing, a title's score is vaderSentiment's compound score.
    """

    def __init__(self, vocabulary: Vocabulary) -> None:
        plain = SentimentIntensityAnalyzer()
        self._emojis: dict[str, str] = {sign: told for sign, told in plain.emojis.items() if len(sign) == 1}
        self._plain = _Rules(plain.lexicon, BOOSTER_DICT, set(NEGATE))
        self._is_plain = not vocabulary.groups
        self._crypto, self._markets = vocabulary.field.crypto, vocabulary.field.markets
        self._stems = vocabulary.field.stems
        self._frames: dict[tuple[str, ...], float] = {}
        self._phrases = _Phrases()
        lexicon, boosters, negations = dict(plain.lexicon), dict(BOOSTER_DICT), set(NEGATE)
        for group in vocabulary.groups:
            for pattern in vocabulary.patterns(group):
                for steps in vocabulary.phrases(pattern):
                    if group.role == "frame":
                        self._frames.update(dict.fromkeys(product(*(words for _, words in steps)), group.weight))
                        continue
                    if len(steps) > 1:
                        self._phrases.add(pattern, steps)
                    for word in steps[0][1] if len(steps) == 1 else [pattern]:
                        lexicon.pop(word, None)
                        boosters.pop(word, None)
                        if group.role == "feeling":
                            lexicon[word] = group.weight
                        elif group.role == "booster":
                            boosters[word] = group.weight
                        elif group.role == "negation":
                            negations.add(word)
        self._openings = {opening for opening, *_ in self._frames}
        self._rules = _Rules(lexicon, boosters, negations)

    def score(self, title: str, description: str = "") -> Score:
        """How good or bad a text is.

        Args:
            title: What is scored; all there is, in the simplest case.
            description: More of it, whose words weigh less.
        """
        head = self._split(title)
        if not description:
            moved = self._moved(title, head, self._is_of_field(title, head), 1)
        else:
            rest = self._split(description)
            is_of_field = self._is_of_field(title, head) or self._is_of_field(description, rest)
            moved = self._moved(title, head, is_of_field, 1)
            moved += self._moved(description, rest, is_of_field, DESCRIPTION)
        if not moved:
            return Score(0.0, "neutral", [])
        total = sum([valence for _, valence in moved])
        scale = 1 / sqrt(total * total + _ALPHA)
        score = round(total * scale, 4) + 0.0  # never -0
        if len(moved) > 1:
            moved.sort(key=_size, reverse=True)
        return Score(score, label(score), [(word, round(valence * scale, 4)) for word, valence in moved])

    def _split(self, text: str) -> _Split:
        """A text in words; what punctuation leaves two letters of may be an emoticon, and stays as it is."""
        if not text.isascii():
            if not self._is_plain:
                text = text.replace("’", "'").replace("‘", "'").replace("“", '"').replace("”", '"')
            if not self._emojis.keys().isdisjoint(text):
                text = self._told(text)
        raw = text.split()
        words = [stripped if len(stripped := word.strip(punctuation)) > 2 else word for word in raw]
        return raw, words, [word.lower() for word in words]

    def _told(self, text: str) -> str:
        """A text with emojis in words."""
        told = ""
        for sign in text:
            if sign in self._emojis:
                told += ("" if told[-1:] in ("", " ") else " ") + self._emojis[sign]
            else:
                told += sign
        return told

    def _is_of_field(self, text: str, split: _Split) -> bool:
        low = split[2]
        if self._is_plain:
            return False
        if not self._crypto.isdisjoint(low) or ("$" in text and _CASHTAG.search(text)):
            return True
        lowered = text.lower()
        if any(stem in lowered for stem in self._stems):
            return True
        figures = text.count("$") + text.count("€") + text.count("£") + text.count("%")
        return _DENSITY * (len(self._markets.intersection(low)) + figures) >= len(low)

    def _moved(self, text: str, split: _Split, is_of_field: bool, weight: float) -> list[tuple[str, float]]:
        """The words that say something, with their valences times `weight`; emphasis by punctuation last."""
        raw, words, low = split
        if is_of_field:
            _number(raw, words, low)
            if weight == 1:
                weight = self._framing(low, raw)
            self._phrases.join(words, low, raw)
            said = self._rules.valences(words, low)
        else:
            said = self._plain.valences(words, low)
        moved = [(word, weight * valence) for word, valence in said if valence]
        if ("!" in text or "?" in text) and (total := sum([valence for _, valence in moved])):
            emphasis = weight * _emphasis(text)
            moved.append(("!" if "!" in text else "?", emphasis if total > 0 else -emphasis))
        return moved

    def _framing(self, low: list[str], raw: list[str]) -> float:
        """What the words of a title weigh: less where it asks or explains."""
        if raw and raw[-1].endswith("?"):
            return QUESTION
        if not low or low[0] not in self._openings:
            return 1
        return next((self._frames[start] for size in (1, 2, 3) if (start := tuple(low[:size])) in self._frames), 1)


@cache
def analyzer() -> Analyzer:
    """The one that scores articles."""
    text = Path(__file__).with_suffix(".toml").read_bytes()
    return Analyzer(msgspec.toml.decode(text, type=Vocabulary))


def _size(moved: tuple[str, float]) -> float:
    return abs(moved[1])


def _number(raw: list[str], words: list[str], low: list[str]) -> None:
    """Makes one word of each number with its currency, scale and unit, and looks it up by its kind from now on."""
    for at in [at for at, word in enumerate(raw) if word[0] in _NUMERIC][::-1]:
        if found := _FIGURE.fullmatch(raw[at]):
            kind = _PERCENT if found["percent"] else _MONEY if found["currency"] else _NUMBER
            start, end = at, at + 1
            if end < len(low) and raw[at][-1] not in _CLAUSE_ENDS and low[end] in _UNITS:
                kind = _UNITS[low[end]]
                end += 1
            if at and low[at - 1] in _CURRENCIES:
                kind = _MONEY
                start -= 1
            words[start:end] = [" ".join(raw[start:end]).strip(_MARKS)]
            raw[start:end] = [raw[end - 1]]
            low[start:end] = [kind]


def _emphasis(text: str) -> float:
    """VADER's: of exclamation marks, and of several question marks."""
    questions = text.count("?")
    return min(text.count("!"), 4) * 0.292 + (0 if questions < 2 else questions * 0.18 if questions < 4 else 0.96)
