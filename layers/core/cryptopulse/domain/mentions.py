"""Which assets a text names: by names and tickers, and by what stands beside those that are words too.

An asset that is missed costs less than one that is wrong. Names count by their capitals, tickers in capitals. What more
a mention needs depends on what else it could mean:

- nothing else (Bitcoin, BTC): it counts;
- something that is hardly written so in a text about crypto (Polygon, LINK): the text must be about crypto;
- something that is (Optimism, DOT): what stands beside it must belong to an asset too: a price, a token, another asset.
"""

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Final, Literal, NamedTuple

from cryptopulse.domain.coins import NAMES

type _Needs = Literal[0, 1, 2]
NOTHING: Final[_Needs] = 0
CRYPTO: Final[_Needs] = 1
BESIDE: Final[_Needs] = 2

_CHAINS: Final = "blockchain|mainnet|testnet|ecosystem|foundation|network|protocol|chain"
_NAMES: Final[Mapping[str, tuple[str, _Needs, str]]] = {
    "Aave": ("AAVE", NOTHING, ""),
    "Algorand": ("ALGO", NOTHING, ""),
    "Aptos": ("APT", CRYPTO, ""),
    "Arbitrum": ("ARB", NOTHING, ""),
    "Avalanche": ("AVAX", BESIDE, f"{_CHAINS}|subnets?|tokens?|c-chain|l1s?|yield|vaults?|funds?|bridge|defi"),
    "BNB": ("BNB", NOTHING, ""),
    "Binance Coin": ("BNB", NOTHING, ""),
    "Bitcoin": ("BTC", NOTHING, ""),
    "Bitcoin Cash": ("BCH", NOTHING, ""),
    "Bitcoins": ("BTC", NOTHING, ""),
    "Cardano": ("ADA", NOTHING, ""),
    "Chainlink": ("LINK", NOTHING, ""),
    "Cosmos": ("ATOM", BESIDE, f"{_CHAINS}|hub|sdk|tokens?|validators?"),
    "Dai": ("DAI", BESIDE, "stablecoins?|savings rate"),
    "Dogecoin": ("DOGE", NOTHING, ""),
    "Ether": ("ETH", CRYPTO, ""),
    "Ethereum": ("ETH", NOTHING, ""),
    "Ethereum Classic": ("ETC", NOTHING, ""),
    "Filecoin": ("FIL", NOTHING, ""),
    "Hedera": ("HBAR", NOTHING, ""),
    "Hedera Hashgraph": ("HBAR", NOTHING, ""),
    "Injective": ("INJ", CRYPTO, ""),
    "Internet Computer": ("ICP", CRYPTO, ""),
    "Litecoin": ("LTC", NOTHING, ""),
    "Maker": ("MKR", BESIDE, "foundation|protocol|governance"),
    "MakerDAO": ("MKR", NOTHING, ""),
    "Monero": ("XMR", NOTHING, ""),
    "Near": ("NEAR", BESIDE, "protocol|foundation|blockchain"),
    "NEAR Protocol": ("NEAR", NOTHING, ""),
    "Optimism": ("OP", BESIDE, f"{_CHAINS}|superchain|rollup|collective|tokens?|sequencer"),
    "Pepe": ("PEPE", BESIDE, "coins?|tokens?|memecoins?|meme coin"),
    "PepeCoin": ("PEPE", NOTHING, ""),
    "Polkadot": ("DOT", NOTHING, ""),
    "Polygon": ("POL", CRYPTO, ""),
    "Shiba Inu": ("SHIB", CRYPTO, ""),
    "Solana": ("SOL", NOTHING, ""),
    "Stellar": ("XLM", BESIDE, f"{_CHAINS}|lumens?|development foundation|tokens?|xlm"),
    "Stellar Lumens": ("XLM", NOTHING, ""),
    "Sui": ("SUI", CRYPTO, ""),
    "Tether": ("USDT", NOTHING, ""),
    "Tezos": ("XTZ", NOTHING, ""),
    "The Graph": ("GRT", BESIDE, f"{_CHAINS}|tokens?|grt|indexers?|subgraphs?"),
    "The Open Network": ("TON", CRYPTO, ""),
    "Toncoin": ("TON", NOTHING, ""),
    "TRON": ("TRX", NOTHING, ""),
    "Tron": ("TRX", CRYPTO, ""),
    "Uniswap": ("UNI", NOTHING, ""),
    "USD Coin": ("USDC", NOTHING, ""),
    "VeChain": ("VET", NOTHING, ""),
    "Zcash": ("ZEC", NOTHING, ""),
}
_SMALL: Final = frozenset(
    {
        "Bitcoin",
        "Bitcoins",
        "Ether",
        "Ethereum",
        "Litecoin",
        "Dogecoin",
        "Toncoin",
        "Monero",
        "Zcash",
        "Solana",
        "Filecoin",
    }
)
"""Names that are also written small: `bitcoin falls`."""
_OTHERS: Final = (
    *(
        "Bitcoin SV",
        "Bitcoin Gold",
        "Bitcoin Diamond",
        "Bitcoin Private",
        "Bitcoin God",
        "Bitcoin Hyper",
        "Bitcoin Satoshi Vision",
    ),
    *(
        "Bitcoin.com",
        "Bitcoin Magazine",
        "Bitcoin.org",
        "Bitcoin Depot",
        "Ethereum Name Service",
        "EthereumPoW",
        "Ethereum PoW",
    ),
    *(
        "ETH Zurich",
        "ETH Zürich",
        "ETH Zuerich",
        "ETH Library",
        "BTC pipeline",
        "BTC Pipeline",
        "BTC Digital",
        "Solana Beach",
    ),
    *(
        "Gerolamo Cardano",
        "Girolamo Cardano",
        "Jerome Cardano",
        "Hedera helix",
        "Hedera Helix",
        "Sui generis",
        "Sui Generis",
    ),
    *(
        "Chainlink fence",
        "Chainlink Fence",
        "Chainlink fences",
        "Chainlink Fences",
        "Chainlink fencing",
        "Chainlink Fencing",
    ),
    *(
        "Tron: Legacy",
        "Tron: Ares",
        "Tron: Uprising",
        "Tron Legacy",
        "Tron Ares",
        "TRON: Legacy",
        "TRON: Ares",
        "TRON Legacy",
        "Aptos, California",
        "Aptos, Calif",
    ),
    *(
        "Tether your",
        "Tether Your",
        "Tether the",
        "Tether The",
        "Tether Tools",
        "Tether to",
        "Tether To",
        "Tether ball",
        "Solana Imani",
    ),
    *(
        "Polygon.com",
        "Polygon Pictures",
        "Terra Classic",
        "Baby Dogecoin",
        "Baby Doge Coin",
        "XRP Healthcare",
        "Pepe the Frog",
    ),
)
"""What begins or ends as an asset is called, and is another thing."""

_PLAIN: Final = frozenset(
    {"BTC", "XBT", "ETH", "XRP", "USDT", "USDC", "BNB", "AVAX", "HBAR", "SHIB", "XMR", "XLM", "XTZ", "ZEC"}
)
"""Tickers that stand for nothing else in the news."""
_WORDS: Final = frozenset(
    {"LINK", "NEAR", "ATOM", "PEPE", "SUI", "ARB", "ALGO", "MKR", "INJ", "FIL", "TRX", "BCH", "MATIC"}
)
"""Tickers that are words or rare, not the initials of other things: capitals in a text about crypto tell them."""
_FORMER: Final = {"MATIC": "POL", "XBT": "BTC"}
"""Tickers that were, or are elsewhere."""
_MOODS: Final = frozenset({"OP", "NEAR", "MKR"})
"""Assets whose names move and stand in lists as words too: `Bitcoin up, Optimism rises`."""
_ROLLUPS: Final = frozenset({"ARB", "POL"})
"""Beside these Optimism is one of them."""

_CRYPTO: Final = re.compile(
    r"(?<![\w.@])(?:crypto\w*|(?:alt|stable|meme)[ -]?coins?|bitcoin(?:er|ist)s?|block-?chains?|defi|nfts?|web3"
    r"|on-?chain|tokeni[sz]\w+|tokens?|digital assets?|staking|stakers?|staked|validators?|mainnet|testnet|airdrops?"
    r"|dapps?|smart contracts?|daos?|satoshis?|hodl\w*|hashrate|halving|layer[- ][12]s?|l[12]s?|rollups?|dex(?:es)?|tvl"
    r"|coinbase|binance|kraken|bitfinex|bybit|okx|coindesk|cointelegraph|bitget|bitstamp|metamask|grayscale)(?!\w)",
    re.IGNORECASE,
)
_NOUN: Final = re.compile(
    r"(?:['’]s)?[ -](?:native )?(?:tokens?|coins?|stablecoins?|memecoins?|prices?|holders?|staking|stakers?|futures"
    r"|options|perps?|et[fp]s?|whales?|bulls?|bears?|trading|traders?|liquidations?|market cap|treasury|validators?"
    r"|wallets?|supply|pairs?|longs?|shorts?|inflows|outflows)(?!\w)",
    re.IGNORECASE,
)
_MOVE: Final = re.compile(
    r"(?:['’]s)? (?:gain(?:s|ed)?|rises?|rose|climb(?:s|ed)?|jump(?:s|ed)?|surge[sd]?|soar(?:s|ed)?|rall(?:y|ies|ied)"
    r"|spike[sd]?|advance[sd]?|rebound(?:s|ed)?|bounce[sd]?|recover(?:s|ed)?|add(?:s|ed)?|sinks?|sank|falls?|fell|drop(?:s|ped)?|slides?"
    r"|slid|slip(?:s|ped)?|dip(?:s|ped)?|tumble[sd]?|plunge[sd]?|crash(?:es|ed)?|decline[sd]?|retreat(?:s|ed)?|loses?|lost"
    r"|trade[sd]?|hits?|breaks?|broke|test(?:s|ed)?|leads?|led|lag(?:s|ged)?|(?:out|under)perform(?:s|ed)?|eyes|stay(?:s|ed)?|holds?|held"
    r"|extend(?:s|ed)?|tick(?:s|ed)?|move[sd]?"
    r"|(?:is |was )?(?:up|down)|at|above|below|to)(?!\w)",
    re.IGNORECASE,
)
_PRICE: Final = re.compile(
    r"\d ?%|\d per ?cent\b|[$€£]\d|\b(?:support|resistance|all-time high|record high)\b", re.IGNORECASE
)
_HELD: Final = re.compile(
    r"(?:\b(?:tokens?|altcoins?|memecoins?|stablecoin|cryptocurrency|buys?|bought|buying|sells?|sold|selling|stakes?|staked"
    r"|staking|wrapped|holds?|holding|worth of|native token,?)|\b\d[\d,.]*(?:[kmb]| thousand| million| billion)?) \(?$",
    re.IGNORECASE,
)
_TAKEN: Final = re.compile(
    r"\b(?:(?:de-?)?list(?:s|ed|ing)?|suspend(?:s|ed)?|support(?:s|ed)?(?: for)?|add(?:s|ed)?|buys?|bought|sells?|sold)"
    r" $",
    re.IGNORECASE,
)
_CLOSED: Final = re.compile(r"\W*$|[^\w\s-]| (?:in|on|to|for|from|as|after|and|or|with|at)(?!\w)")
"""What is done with an asset, and what may stand after it then."""
_KIND: Final = re.compile(
    r"\b(?:blockchain|network|protocol|token|stablecoin|memecoin|altcoin|coin|rollup|layer[- ]2|L2) $"
)
"""What a name says of itself, small: in a title of capitals it may belong to what stands before."""
_JOINT: Final = re.compile(r",? (?:and|or|vs\.?|versus|&) |, | ?/ ?")
_ENDS: Final = re.compile(rf"\W*$|[^\w\s]| (?:and|or|&) |{_MOVE.pattern}", re.IGNORECASE)
_STOCK: Final = re.compile(r"\b(?:NYSE|NASDAQ|Nasdaq|AMEX|American|Arca|TSXV?|LSE|ASX|CSE|OTC\w*|HKEX|Cboe)\)? ?: ?$")
_GOVERNMENT: Final = re.compile(
    r"\b(?:efficiency|federal|agency|agencies|government|layoffs|department|spending|congress|white house)\b",
    re.IGNORECASE,
)
"""What DOGE is about where it is no coin."""
_LINKS: Final = re.compile(r"(?:https?://|www\.)\S+|\S+@\S+|\b[\w-]+(?:\.[\w-]+)*\.(?:com|org|net|io|info|co|xyz)/\S*")
_ARTICLES: Final = frozenset({"of", "the", "and", "for", "with", "in", "on"})


class _Form(NamedTuple):
    """One way to write an asset."""

    asset: str
    needs: _Needs
    is_ticker: bool
    followers: re.Pattern[str] | None = None
    """What may stand after a name that is an everyday word."""


class _Mention(NamedTuple):
    start: int
    end: int
    form: _Form


class _Forms(NamedTuple):
    pattern: re.Pattern[str]
    names: dict[str, _Form | None]
    """By how they are written; None is another thing."""
    tickers: dict[str, _Form]


@lru_cache(maxsize=4)
def _forms(known: tuple[tuple[str, str], ...]) -> _Forms:
    names: dict[str, _Form | None] = dict.fromkeys((*_OTHERS, *map(str.upper, _OTHERS)))
    for name, (asset, needs, followers) in _NAMES.items():
        after = re.compile(rf"(?:['’]s)?[ -](?:{followers})(?!\w)", re.IGNORECASE) if followers else None
        names[name] = _Form(asset, needs, False, after)
        names.setdefault(name.upper(), names[name])
        if name in _SMALL:
            names[name.lower()] = names[name]
    codes = {*NAMES, *_FORMER}
    for code, name in known:
        if code not in codes:
            codes.add(code)
            names.setdefault(name, _Form(code, CRYPTO, False))
    tickers = {
        code: _Form(_FORMER.get(code, code), NOTHING if code in _PLAIN else CRYPTO if code in _WORDS else BESIDE, True)
        for code in codes
    }
    for code in codes:
        names.pop(code, None)  # a name in capitals that is the ticker too
    name = "|".join(map(re.escape, sorted(names, key=len, reverse=True)))
    code = "|".join(map(re.escape, sorted(codes, key=len, reverse=True)))
    quote = "USDT|USDC|BUSD|FDUSD|USD|EUR|GBP|KRW|JPY"
    return _Forms(
        re.compile(
            rf"(?<![\w.@&+])(?:(?P<name>{name})(?!\w|&|\.(?:com|org|net|io|info)\b)|\$(?P<cash>{code})(?![\w.]?\w)"
            rf"|(?P<base>{code})(?:[/-]?(?:{quote})|[/-](?P<quote>BTC|ETH))(?!\w)|(?P<ticker>{code})(?!\w|&|\.(?:com|org|net|io|info)\b))"
        ),
        names,
        tickers,
    )


def assets_in(title: str, description: str, known: Mapping[str, str], *, is_crypto: bool = False) -> tuple[str, ...]:
    """The assets that an article names.

    Args:
        title: Plain text.
        description: The same; may be empty.
        known: The names of the assets that count, by code; others are recognised so as not to be taken for these.
        is_crypto: Whether it is about crypto, whatever it says: where it was found all is.

    Returns:
        Codes, the first named first, those of the title before those of the description.
    """
    text = _LINKS.sub(" ", f"{title}\n{description}")
    mentions = list(_mentions(text, _forms(tuple(known.items()))))
    is_crypto = is_crypto or _CRYPTO.search(text) is not None or any(each.form.needs == NOTHING for each in mentions)
    found = [
        each.form.asset
        for at, each in enumerate(mentions)
        if _counts(text, is_crypto, each, mentions[max(at - 1, 0) : at + 2])
    ]
    return tuple(asset for asset in dict.fromkeys(found) if asset in known)


def _mentions(text: str, forms: _Forms) -> Iterator[_Mention]:
    for found in forms.pattern.finditer(text):
        start, end = found.span()
        if found["name"]:
            if form := forms.names[found["name"]]:
                yield _Mention(start, end, form)
        elif found["cash"] or found["base"]:
            for code in filter(None, (found["cash"], found["base"], found["quote"])):
                yield _Mention(start, end, forms.tickers[code]._replace(needs=NOTHING))
        elif not _STOCK.search(text, max(start - 20, 0), start):
            yield _Mention(start, end, forms.tickers[found["ticker"]])


def _counts(text: str, is_crypto: bool, own: _Mention, around: list[_Mention]) -> bool:
    """Whether a mention is one of an asset; `around` it are the mentions before and after, and itself."""
    form = own.form
    if form.needs == NOTHING:
        return True
    after = text[own.end : own.end + 60].partition("\n")[0]
    before = text[max(own.start - 60, 0) : own.start].rpartition("\n")[2]
    is_moving = _MOVE.match(after) is not None and _PRICE.search(text) is not None
    if form.is_ticker:
        if form.asset == "DOGE" and _GOVERNMENT.search(text):
            return False
        if before.endswith("(") and after.startswith(")"):
            is_named = any(each.end == own.start - 2 and each.form.asset == form.asset for each in around)
            return is_named or (is_crypto and not _are_initials(before[:-1], form.asset))
        if not is_crypto or _is_shouted(text, own.start):
            return False
        is_beside = _NOUN.match(after) or is_moving or _HELD.search(before)
        return form.needs == CRYPTO or bool(is_beside) or any(_are_joined(text, own, each) for each in around)
    if any(each.start == own.end + 2 and each.form.asset == form.asset for each in around) and after.startswith(" ("):
        return True
    if form.needs == CRYPTO:
        return is_crypto or is_moving or _NOUN.match(after) is not None
    if not is_crypto:
        return False
    if (form.followers and form.followers.match(after)) or _KIND.search(before):
        return True
    neighbours = [each for each in around if _are_joined(text, own, each)]
    if form.asset in _MOODS:
        return form.asset == "OP" and any(each.form.asset in _ROLLUPS for each in neighbours)
    is_taken = _TAKEN.search(before) is not None and _CLOSED.match(after) is not None
    return (
        is_moving
        or is_taken
        or (_ENDS.match(after) is not None and any(each.form.needs == NOTHING for each in neighbours))
    )


def _are_joined(text: str, one: _Mention, other: _Mention) -> bool:
    """Whether nothing but `and`, a comma or the like stands between two mentions."""
    first, second = sorted((one, other))
    return _JOINT.fullmatch(text, first.end, second.start) is not None


def _are_initials(before: str, code: str) -> bool:
    """Whether the words before a ticker in brackets are what it abbreviates: `Department of Transportation (DOT)`."""
    words = re.findall(r"\w+", before)
    named = [word for word in words if word.lower() not in _ARTICLES]
    return any("".join(word[0] for word in each[-len(code) :]).upper() == code for each in (words, named))


def _is_shouted(text: str, at: int) -> bool:
    """Whether the line is in capitals, so that they tell nothing."""
    line = text[text.rfind("\n", 0, at) + 1 :].partition("\n")[0]
    words = [word for word in re.findall(r"[^\W\d_]{2,}", line) if word not in NAMES]
    return 2 * sum(map(str.isupper, words)) > len(words) > 1
