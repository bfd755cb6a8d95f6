"""Assets in texts: names, tickers, and the words that they are too."""

import pytest

from cryptopulse.domain.coins import NAMES
from cryptopulse.domain.mentions import assets_in

SENTENCES = {
    # names
    "Bitcoin slides to a two-week low": "BTC",
    "Why bitcoin miners are moving to Paraguay": "BTC",
    "BITCOIN PASSES A MILESTONE": "BTC",
    "Thousands of bitcoins left the exchange": "BTC",
    "Bitcoin's hashrate and Ethereum’s gas fees both fell": "BTC ETH",
    "Ether climbs 4% to $3,100": "ETH",
    "Traders rotate from bitcoin into ether": "BTC ETH",
    "A Solana-based exchange opens": "SOL",
    "Chainlink signs a bank in Qatar": "LINK",
    "Tether mints another billion": "USDT",
    "Cardano founder answers critics": "ADA",
    "Polkadot, Tezos and Algorand publish roadmaps": "DOT XTZ ALGO",
    "USD Coin leaves a network": "USDC",
    "Toncoin and Litecoin trade sideways": "TON LTC",
    "MakerDAO votes on a new vault": "MKR",
    "Binance Coin reaches a record": "BNB",
    "Filecoin, Monero, Zcash: privacy and storage": "FIL XMR ZEC",
    # one name within another
    "Bitcoin Cash forks again": "BCH",
    "Bitcoin Cash and Bitcoin part ways": "BCH BTC",
    "Ethereum Classic suffers a reorganisation": "ETC",
    "Ethereum, Ethereum Classic and their common past": "ETH ETC",
    "Bitcoin SV is delisted": "",
    "Bitcoin Gold developers give up": "",
    "Ethereum Name Service sells a three-letter domain": "",
    "A report in Bitcoin Magazine": "",
    "Read it on Bitcoin.com": "",
    "See https://bitcoin.org/en and www.solana.com": "",
    "Write to satoshi@bitcoin.org": "",
    "EthereumMax promoters settle": "",
    "Researchers at ETH Zurich build a walking robot": "",
    "Fire closes part of Solana Beach": "",
    "The BTC pipeline carries oil to Ceyhan": "",
    "Gerolamo Cardano wrote about dice": "",
    "A Chainlink fence around the school": "",
    "Tether your phone to your laptop": "",
    "WBTC supply shrinks": "",
    # names that are words: in a text about crypto
    "Polygon moves its blockchain to a new proof": "POL",
    "A polygon has at least three sides": "",
    "Polygon reviews the new Zelda": "",
    "Sui mainnet halts for two hours": "SUI",
    "A case sui generis for crypto courts": "",
    "Tron hosts most stablecoins now": "TRX",
    "Tron: Ares opens in cinemas": "",
    "TRON: Legacy returns": "",
    "TRON hosts a hackathon in Seoul": "TRX",
    "Avalanche holds at $30": "",
    "Avalanche holds at $30 with other tokens": "AVAX",
    "Shiba Inu burns tokens": "SHIB",
    "A Shiba Inu wins the dog show": "",
    "The Internet Computer hosts a DeFi exchange": "ICP",
    "Injective adds an on-chain order book": "INJ",
    # names that are words: beside what belongs to an asset
    "Optimism mainnet pauses withdrawals for crypto users": "OP",
    "The layer-2 Optimism hands out tokens": "OP",
    "Arbitrum and Optimism share a sequencer": "ARB OP",
    "Optimism returns to crypto markets": "",
    "Optimism returns to the housing market": "",
    "Bitcoin up 3%, optimism spreads": "BTC",
    "Bitcoin, Optimism Rise After Fed Decision": "BTC",
    "Stellar earnings lift crypto broker": "",
    "Coinbase posts stellar quarter": "",
    "The Stellar network adds smart contracts": "XLM",
    "Stellar (XLM) gains a payments partner": "XLM",
    "Stellar gains 8% as altcoins rally": "XLM",
    "Market maker pulls out of crypto": "",
    "Wallet Maker Hacked, Crypto Stolen": "",
    "Maker governance raises the stablecoin's rate": "MKR",
    "Near Protocol hires a cryptographer": "NEAR",
    "Near record high, bitcoin pauses": "BTC",
    "Bitcoin Trades Near $90,000": "BTC",
    "The graph shows how crypto fell": "",
    "The Graph token (GRT) is listed": "GRT",
    "The Graph adds support for NEAR, Solana and Polkadot": "GRT NEAR SOL DOT",
    "An avalanche of crypto liquidations": "",
    "Stablecoin issuer picks the Avalanche blockchain": "AVAX",
    "Pepe and Ronaldo launch an NFT": "",
    "The memecoin Pepe doubles in a day": "PEPE",
    "Cosmos Hub validators reject a proposal": "ATOM",
    "A journey through the cosmos, paid in crypto": "",
    "Dai Nippon tests a stablecoin": "",
    "The stablecoin Dai loses its peg": "DAI",
    # tickers
    "BTC and ETH drift lower": "BTC ETH",
    "XRP holders wait for a ruling": "XRP",
    "$LINK and $ADA lead": "LINK ADA",
    "Chainlink's token (LINK) rebounds": "LINK",
    "LINK/USD breaks a trend line": "LINK",
    "SOL-USD, DOTUSDT and ETH/BTC on watch": "SOL DOT ETH BTC",
    "A link to our crypto newsletter": "",
    "LINK and SOL lead altcoin gains": "LINK SOL",
    "SOL price tests $150 as crypto recovers": "SOL",
    "Whale moves 40,000 SOL to Binance": "SOL",
    "The sol is Peru's currency; crypto is not": "",
    "Peru's SOL and the crypto ban": "",
    "BTC, ETH, SOL and ADA all fell": "BTC ETH SOL ADA",
    "DOT sinks 2% with other tokens": "DOT",
    "DOT plans blockchain trials for air freight": "",
    "Department of Transportation (DOT) studies blockchain": "",
    "Americans with Disabilities Act (ADA) and crypto kiosks": "",
    "NEAR jumps as AI tokens rally": "NEAR",
    "CRYPTO CRASH NEAR ITS END": "",
    "PLEASE LINK YOUR CRYPTO WALLET NOW": "",
    "One near sand link: crypto poems": "",
    "OP token unlock worries traders": "OP",
    "Op-ed: crypto needs rules": "",
    "Elon Musk's DOGE cuts staff; crypto shrugs": "",
    "DOGE price falls after Department of Government Efficiency closes": "",
    "DOGE and SHIB surge with memecoins": "DOGE SHIB",
    "REIT (NYSE: SUI) buys blockchain firm": "",
    "TRX workouts for beginners": "",
    "MATIC becomes POL token on Monday, crypto exchanges say": "POL",
    "UNI students hold a crypto fair": "",
    "Insane Clown Posse, or ICP, sells an NFT": "",
    "Tell your vet, pol or apt neighbour about crypto": "",
    "ETC.: the week in crypto": "",
    "AAVE speakers study language": "",
    "AT&T and S&P face crypto rules": "",
}


@pytest.mark.parametrize(("text", "expected"), SENTENCES.items(), ids=[each[:40] for each in SENTENCES])
def test_assets_are_those_that_a_text_names(text: str, expected: str) -> None:
    assert assets_in(text, "", NAMES) == tuple(expected.split())
    assert assets_in("", text, NAMES) == tuple(expected.split())


def test_assets_of_the_title_come_first() -> None:
    assert assets_in("Solana overtakes a rival", "Ethereum and Solana, says Bitcoin's inventor", NAMES) == (
        "SOL",
        "ETH",
        "BTC",
    )


def test_a_description_may_tell_what_a_title_means() -> None:
    assert assets_in("DOT Sinks 2% After Losing Support", "The Polkadot token gave back its gains.", NAMES) == ("DOT",)
    assert assets_in("Sui gets a new bridge", "Validators approved the upgrade.", NAMES) == ("SUI",)


def test_only_known_assets_are_told_but_all_are_recognised() -> None:
    assert assets_in("Bitcoin Cash and Solana", "", {"BTC": "Bitcoin", "SOL": "Solana"}) == ("SOL",)


@pytest.mark.parametrize(
    "text",
    [
        "Avalanche Extends Winning Streak, Climbs 0.1% to $20.05",
        "Avalanche moves sideways at $20.07",
        "Hackers Drain €35 Million From Avalanche Yield Vault",
        "Orbitrade Delists Avalanche in Nigeria, Citing Weak Demand",
    ],
)
def test_where_all_is_about_crypto_an_everyday_word_needs_less(text: str) -> None:
    assert assets_in(text, "", NAMES, is_crypto=True) == ("AVAX",)
    assert assets_in(text, "", NAMES) == ()


def test_even_there_an_everyday_word_may_be_one() -> None:
    for text in ("Avalanche of lawsuits hits banks", "Lender adds Stellar Team in Nigeria", "Cosmos of small orders"):
        assert assets_in(text, "", NAMES, is_crypto=True) == (), text


def test_others_may_be_known_too() -> None:
    known = NAMES | {"CELO": "Celo", "BAT": "Basic Attention Token", "QNT": "QNT"}
    assert assets_in("Celo becomes a rollup; Basic Attention Token (BAT) does not", "", known) == ("CELO", "BAT")
    assert assets_in("Cricket: new BAT rules, crypto sponsor leaves; QNT price up 3%", "", known) == ("QNT",)
