"""Sentiment: VADER's scores without our vocabulary, what the vocabulary is to do, and what its scores are worth."""

import csv
import json
from itertools import combinations
from pathlib import Path
from random import Random
from statistics import correlation, fmean

import msgspec
import pytest
from vaderSentiment.vaderSentiment import BOOSTER_DICT, NEGATE, SPECIAL_CASES, SentimentIntensityAnalyzer

from cryptopulse.domain import sentiment
from cryptopulse.domain.asset_sentiment import Label
from cryptopulse.domain.sentiment import Analyzer, Group, Vocabulary, Words, analyzer

RECORDED = Path(__file__).parents[4] / "shared/data/sentiment"
VADER = SentimentIntensityAnalyzer()
PLAIN = Analyzer(Vocabulary())
SHIPPED = msgspec.toml.decode(Path(sentiment.__file__).with_suffix(".toml").read_bytes(), type=Vocabulary)
LABELS: tuple[Label, ...] = ("positive", "neutral", "negative")


def rows(name: str) -> list[dict[str, str]]:
    path = RECORDED / name
    if not path.exists():
        pytest.skip("not recorded here")
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def compound(text: str) -> float:
    found: float = VADER.polarity_scores(text)["compound"]
    return found


# --- VADER itself ---


@pytest.mark.parametrize(
    "text",
    [
        "VADER is VERY SMART, uber handsome, and FRIGGIN FUNNY!!!",
        "The plot was good, but the characters are uncompelling and the dialog is not great.",
        "good good but bad bad bad",
        "Today only kinda sux! But I'll get by, lol :)",
        "Catch utf-8 emoji such as 💘 and 💋 and😁",
        "It was never so good, never this good, never in life good",
        "Without a doubt excellent, without doubt very good",
        "At least it was good; the least good; very least good",
        "no good, no great or nice, and No",
        "There is no",
        "The bomb was the shit, kind of a bad ass to die for, yeah right",
        "That is a badass",
        "Is it good?? Is it bad??? Is it??? Is it good????",
        "It isn't bad, it ain't GOOD, so nice, this good",
        "BAD",
        "  ",
        "",
        "!?",
    ],
)
def test_without_vocabulary_scores_are_vaders(text: str) -> None:
    assert PLAIN.score(text).score == compound(text)


def test_without_vocabulary_any_words_in_any_order_score_as_vaders() -> None:
    chosen = Random(6)
    special = {word for phrase in SPECIAL_CASES for word in phrase.split()}
    modifiers = [
        *BOOSTER_DICT,
        *NEGATE,
        *special,
        "no",
        "No",
        "least",
        "at",
        "so",
        "this",
        "without",
        "doubt",
        "or",
        "nor",
        "kind",
        "of",
    ]
    feelings = ["good", "GREAT", "bad", "horrible", "Ugly", "kind", ":)", "no", "joke", "GREAT!", "fine?", "(sad)"]
    fillers = ["the", "a", "BTC", "price", "but", "But", "was", "x"]
    for _ in range(3_000):
        picked = [chosen.choice(chosen.choice((modifiers, feelings, fillers))) for _ in range(chosen.randrange(1, 12))]
        text = " ".join(picked)
        assert PLAIN.score(text).score == compound(text), text


@pytest.mark.parametrize("name", ["cryptolin_headlines", "surge_crypto_reddit", "vader_gt_tweets"])
def test_without_vocabulary_recorded_texts_score_as_vaders(name: str) -> None:
    for row in rows(f"{name}.csv")[::4]:
        assert PLAIN.score(row["text"]).score == compound(row["text"]), row["text"]


def test_what_vaders_readme_tells() -> None:
    path = RECORDED / "vader_readme_golden.json"
    if not path.exists():
        pytest.skip("not recorded here")
    golden = json.loads(path.read_text("utf-8"))
    for text, told in ((each["text"], each["compound"]) for each in golden):
        assert PLAIN.score(text).score == told


# --- what our words and phrases are to do ---


@pytest.mark.parametrize(
    ("title", "moved", "expected"),
    [
        ("Lender raises $15 million", "raises $15 million", "positive"),
        ("Lender raises another €15m in equity", "raises another €15m", "positive"),
        ("Hack raises questions over bridge token", "raises questions", "negative"),
        ("Bitcoin hits new all-time high", "hits new all-time high", "positive"),
        ("Bitcoin hits six-month low", "hits six-month low", "negative"),
        ("Ether slides to $1,200, below $1,300", "slides", "negative"),
        ("Ether climbs above $4,000", "above $4,000", "positive"),
        ("Solana up 5 % on the day", "up 5 %", "positive"),
        ("Solana down 5 percent on the day", "down 5 percent", "negative"),
        ("Coinbase sales up from USD 3.5 mn", "sales up", "positive"),
        ("Ethereum fees fall by half", "fees fall", "positive"),
        ("Exchange cuts its trading fees", "cuts its trading fees", "positive"),
        ("Bitcoin futures: liquidations surge", "liquidations surge", "negative"),
        ("Record low fees for Bitcoin users", "Record low fees", "positive"),
        ("Miner slashes its 2023 guidance as Bitcoin waits", "slashes its 2023 guidance", "negative"),
        ("Bitcoin fails to rally", "rally", "negative"),
        ("Regulator rejects spot Bitcoin ETF", "rejects spot Bitcoin ETF", "negative"),
        ("Regulator approves spot Bitcoin ETF", "approves", "positive"),
        ("Bitcoin bear market goes on", "bear market", "negative"),
        ("Short squeeze in Bitcoin futures", "Short squeeze", "positive"),
        ("Bitcoin sell-off in Asia", "sell-off", "negative"),
        ("Bitcoin loses ground", "loses ground", "negative"),
        ("Attackers drained a DeFi vault", "drained", "negative"),
        ("Exchange halts withdrawals of tokens", "halts withdrawals", "negative"),
        ("Bank now accepts Bitcoin", "now accepts", "positive"),
        ("Team patches bug in Ethereum client", "patches bug", "positive"),
        ("Bitcoin isn’t falling", "falling", "positive"),
        ("Hopes fade for Bitcoin ETF approval", "Hopes fade for Bitcoin ETF approval", "negative"),
        ("Judge dismisses lawsuit against crypto exchange", "dismisses lawsuit", "positive"),
        ("Bitcoin nears $70,000", "nears $70,000", "positive"),
    ],
)
def test_phrases_of_the_trade(title: str, moved: str, expected: Label) -> None:
    found = analyzer().score(title)
    assert found.label == expected
    assert moved in [word for word, _ in found.words]


@pytest.mark.parametrize(
    "title",
    [
        "How to profit from a Bitcoin crash",
        "Is Bitcoin about to crash?",
        "Top 5 crypto scams",
        "Shares of a Bitcoin trust",
        "Smart contracts and interest on crypto assets",
        "Bitcoin in New York",
        "Bitcoin trades near $65,313 in Asia",
        "Bitcoin",
        "",
    ],
)
def test_nothing_told_is_neutral(title: str) -> None:
    assert analyzer().score(title).label == "neutral"


def test_what_may_come_counts_less() -> None:
    score = analyzer().score
    assert 0 > score("Bitcoin may crash").score > score("Bitcoin crashes").score


def test_a_phrase_ends_with_its_clause() -> None:
    found = analyzer().score("Bitcoin slumps as losses spread")
    assert [word for word, _ in found.words] == ["slumps", "losses"]
    found = analyzer().score("Bitcoin slumps, losses spread")
    assert [word for word, _ in found.words] == ["slumps", "losses"]


def test_texts_of_another_field_are_read_as_vader_reads_them() -> None:
    text = "We launch our boat at new moon, and the interest in it is great"
    assert analyzer().score(text).score == compound(text)
    assert (
        analyzer().score("The interest is great").words == [("great", 0.6249)] or compound("The interest is great") > 0
    )


def test_a_description_counts_less_than_the_title() -> None:
    good, bad = "Bitcoin rallies", "Bitcoin plunges"
    score = analyzer().score
    assert score(good, bad).score == -score(bad, good).score > 0
    assert score("Bitcoin at noon", bad).label == "negative"
    assert score("At noon", bad).score == score("Bitcoin at noon", bad).score  # one of them says what it is about
    assert score("", "").words == []


@pytest.mark.parametrize("name", ["cryptolin_headlines", "vader_gt_tweets"])
def test_words_add_up_to_the_score(name: str) -> None:
    for row in rows(f"{name}.csv")[::5]:
        found = analyzer().score(row["text"], "They said it was a great success!")
        assert sum(weight for _, weight in found.words) == pytest.approx(found.score, abs=1e-3)
        assert [abs(weight) for _, weight in found.words] == sorted(
            [abs(weight) for _, weight in found.words], reverse=True
        )


def test_an_explanation() -> None:
    found = analyzer().score("Bitcoin plunges below $90K!", "Traders fear more")
    assert found == (
        -0.7809,
        "negative",
        [("below $90K", -0.3387), ("plunges", -0.3064), ("fear", -0.0887), ("!", -0.0471)],
    )


# --- the vocabulary ---


@pytest.mark.parametrize(
    ("verb", "forms"),
    [
        ("drop", "drop drops dropped dropping"),
        ("raise", "raise raises raised raising"),
        ("rally", "rally rallies rallied rallying"),
        ("buy", "buy buys bought buying"),
        ("agree", "agree agrees agreed agreeing"),
        ("crash", "crash crashes crashed crashing"),
        ("open", "open opens opened opening"),
        ("veto", "veto vetoes vetoed vetoing"),
    ],
)
def test_verbs_are_inflected(verb: str, forms: str) -> None:
    assert Vocabulary(irregular={"buy": ("bought",)}).forms(verb) == set(forms.split())
    assert Vocabulary().forms("roll out") == {"roll out", "rolls out", "rolled out", "rolling out"}


def test_the_phrase_with_the_most_words_counts_and_the_shortest_of_these() -> None:
    groups = (
        Group("one", "", 1.0, phrases=("alpha beta", "alpha .. gamma", "<number> omega?")),
        Group("two", "", 2.0, phrases=("alpha beta {greek}",)),
    )
    field = sentiment.Field(crypto=frozenset(["bitcoin"]))
    made = Analyzer(Vocabulary(field, {}, {"greek": Words(("gamma", "delta"))}, groups))
    assert [word for word, _ in made.score("Bitcoin alpha beta gamma").words] == ["alpha beta gamma"]
    assert [word for word, _ in made.score("Bitcoin alpha beta x gamma").words] == ["alpha beta"]
    assert [word for word, _ in made.score("Bitcoin alpha x y gamma").words] == ["alpha x y gamma"]
    assert [word for word, _ in made.score("Bitcoin alpha, x gamma").words] == []
    assert [word for word, _ in made.score("Bitcoin alpha x. y gamma").words] == []
    assert [word for word, _ in made.score("Bitcoin alpha x y z w gamma").words] == []
    assert [word for word, _ in made.score("Bitcoin 5 omega $5").words] == ["5 omega", "$5"]
    assert [word for word, _ in made.score("Bitcoin alpha").words] == []


def held(group: Group) -> set[str]:
    """What a group gives a meaning to: words, and phrases as they are written."""
    found = set[str]()
    for pattern in SHIPPED.patterns(group):
        for steps in SHIPPED.phrases(pattern):
            found |= steps[0][1] if len(steps) == 1 else {pattern}
    return found


def test_each_group_has_a_name_a_reason_and_a_weight_in_vaders_scale() -> None:
    assert len({group.name for group in SHIPPED.groups}) == len(SHIPPED.groups)
    for group in SHIPPED.groups:
        assert group.name
        assert group.reason.endswith(".")
        assert -4 <= group.weight <= 4


def test_a_word_or_phrase_belongs_to_one_group() -> None:
    groups = [(group.name, held(group)) for group in SHIPPED.groups if group.role != "frame"]
    assert [(one, other, mine & its) for (one, mine), (other, its) in combinations(groups, 2) if mine & its] == []


def test_only_words_that_vader_feels_are_neutralised() -> None:
    neutral = {word for group in SHIPPED.groups if group.role == "neutral" for word in held(group)}
    assert neutral - VADER.lexicon.keys() == set()


# --- what it is worth ---


def quality(name: str) -> tuple[float, float]:
    """The macro-F1 of the labels there are, and how often the sign is right where there is and should be one."""
    found = rows(name)
    pairs = [(row["label"], analyzer().score(row["text"]).label) for row in found]
    given, told = [one for one, _ in pairs], [other for _, other in pairs]
    classes = [each for each in LABELS if each in given]
    f1 = fmean(2 * pairs.count((each, each)) / (given.count(each) + told.count(each)) for each in classes)
    return f1, fmean(one == other for one, other in pairs if "neutral" not in (one, other))


@pytest.mark.parametrize(
    ("name", "least", "signs"),
    [
        ("cryptolin_headlines", 0.64, 0.9),
        ("surge_crypto_reddit", 0.69, 0.79),
        ("financial_phrasebank", 0.58, 0.84),
        ("semeval2017_task5_headlines", 0.5, 0.79),
        ("fiqa2018_posts", 0.5, 0.87),
    ],
)
def test_labels_of_recorded_texts(name: str, least: float, signs: float) -> None:
    f1, sign_accuracy = quality(f"{name}.csv")
    assert f1 >= least
    assert sign_accuracy >= signs


@pytest.mark.parametrize(("name", "least"), [("vader_gt_tweets", 0.866), ("vader_gt_nyt_editorials", 0.516)])
def test_texts_of_other_fields_are_no_worse_than_with_vader(name: str, least: float) -> None:
    found = rows(f"{name}.csv")
    scores = [analyzer().score(row["text"]).score for row in found]
    assert correlation(scores, [float(row["mean_rating_m4_p4"]) for row in found]) >= least
