"""The simulated newsrooms' words: patterns by what is told and how it went, and the lists that fill their gaps.

A gap is `{name}`, which the teller gives, or a list below, of which one entry is drawn. Firms, courts and people are
invented.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

type Tone = Literal[-1, 0, 1]
"""Bad news, neither, good news for the asset it is about."""


class Pattern(NamedTuple):
    """A headline with gaps, and the sentence that follows it."""

    kind: str
    title: str
    description: str


def _table(rows: str) -> tuple[Pattern, ...]:
    """The lines `kind | title | description`."""
    return tuple(Pattern(*(cell.strip() for cell in row.split("|"))) for row in rows.strip().splitlines())


def _list(entries: str) -> tuple[str, ...]:
    return tuple(entry.strip() for entry in entries.split("·"))


_RISES = _table("""
move | {name} {rises} {percent} {as} {cheer} | {Buyers} {return} as {cheer}.
move | {name} {rises} above {level} {as} {cheer} | The token {rises} to {price}, and {buyers} expect more.
move | {cheer}: {name} {rises} to {price} | {name} is up {percent} within the hour, {analysts} say.
move | Bulls are back as {cheer}: {name} {rises} {percent} | {Buyers} {return}, {analysts} say.
move | {name} rally gathers pace: {buyers} {return} {as} {cheer} | A gain of {percent} brought it to {price}.
move | Why {name} is up {percent} today: {cheer} | {Buyers} {return}; the price reached {price}.
move | {name}’s rebound beats the market {as} {cheer} | It {rises} {percent} to {price}, helped by {buyers}.
move | {name} extends winning streak, {rises} {percent} to {price} {as} {buyers} {return} | {Cheer}, say {analysts}.
move | From {other} to {name}: {buyers} switch {as} {cheer} | It {rises} {percent} to {price}.
""")
_FALLS = _table("""
move | {name} {falls} {percent} {as} {fear} | {Sellers} {leave} as {fear}.
move | {name} {falls} below {ceiling} {as} {fear} | The token {falls} to {price}, and {sellers} fear worse.
move | {fear}: {name} {falls} to {price} | {name} is down {percent} within the hour, {analysts} warn.
move | Bears take control as {fear}: {name} {falls} {percent} | {Sellers} {leave}, {analysts} warn.
move | {name} selloff deepens: {sellers} {leave} {as} {fear} | A loss of {percent} brought it to {price}.
move | Why {name} is down {percent} today: {fear} | {Sellers} {leave}; the price sank to {price}.
move | {name}’s decline drags on the market {as} {fear} | It {falls} {percent} to {price}, hurt by {sellers}.
move | {name} extends losing streak, {falls} {percent} to {price} {as} {sellers} {leave} | {Fear}, {analysts} warn.
move | {Sellers} abandon {name} for {other} {as} {fear} | It {falls} {percent} to {price}.
""")
_FLAT = _table("""
move | {name} {holds} near {price} {as} {wait} | The token has hardly moved in the hour, {analysts} say.
move | {name} {holds} ahead of {event} {as} {wait} | Volume is about average at {price}, according to {analysts}.
move | {wait}: {name} {holds} at {price} | Most participants wait for {event}.
move | What to watch in {name} at {price} before {event} | The token changes hands at {price}, {as} {wait}.
move | {name} price today: {price}, little changed before {event} | {wait}, {analysts} say.
move | {name} or {other}? {Analysts} compare them before {event} | The answer depends on {project}.
move | {name} {holds} between two levels {as} {wait} | The range has been the same for days, {analysts} say.
""")
MOVES: dict[Tone, tuple[Pattern, ...]] = {1: _RISES, -1: _FALLS, 0: _FLAT}

_GOOD = _table("""
listing | {exchange} lists {name} for customers in {place} | Trading opens {soon}; deposits are already accepted.
listing | {name} gains access to {place} through new {exchange} listing | Pairs with local money open {soon}.
adoption | {firm} adds {name} to its treasury, buying {millions} | The firm calls it a success of {project}.
adoption | {firm} will accept {name} payments at {shops} in {place} | Adoption is growing, it says.
adoption | {place} approves {name} for {purpose} | Officials praise lower costs and faster settlement.
funding | {firm} raises {millions} to build on {name} | The round was oversubscribed; {project} will benefit.
partnership | {firm} and {name} developers announce partnership on {project} | It is to go live {soon}.
upgrade | {name}’s {codename} upgrade goes live and cuts fees by {share} | {project} runs faster, users report.
upgrade | {name} developers celebrate successful {codename} launch | Testers found no faults in {project}.
regulation | Regulator in {place} clears {name} fund after {months} of review | {firm} welcomes the approval.
regulation | Court in {place} dismisses charges against {name} foundation over {project} | It ends {months} of doubt.
inflows | {name} funds attract record {millions} of inflows in {place} | Demand improved, {analysts} say.
network | {name} active addresses hit all-time high, up {share} in {months} | Growth came from {project}.
security | {name} passes security audit of {project} with top marks | {firm} found it robust and safe.
""")
_BAD = _table("""
hack | Hackers drain {millions} from {name} {protocol} | {firm} confirms the exploit and halts withdrawals.
hack | {name} wallets compromised in {codename} breach, {millions} stolen | Users in {place} report losses.
hack | {protocol} on {name} suffers {millions} exploit | The attacker abused a flaw in {project}, {firm} says.
outage | {name} network halts for {number} hours after {codename} bug in {project} | Validators blame {firm}.
regulation | {place} bans {name} for {purpose} over {project} {protocol} | Officials warn of fraud and risk to savers.
regulation | Regulator in {place} sues {firm} over {name} sales | It alleges that investors were misled.
regulation | {place} opens investigation into {name} {protocol} | {firm} denies wrongdoing.
lawsuit | Investors in {place} file lawsuit against {name} foundation over {project} | They claim losses of {millions}.
fraud | Police in {place} arrest {number} over {millions} {name} scam | Victims lost savings to {project}.
delisting | {exchange} delists {name} in {place}, citing weak demand | Holders must withdraw {soon}.
bankruptcy | {firm} files for bankruptcy with {millions} of {name} frozen | Creditors in {place} fear the worst.
outflows | {name} funds bleed {millions} as outflows hit worst level in {months} | Demand fell, {analysts} warn.
liquidations | {millions} of {name} longs liquidated in crash on {exchange} {as} {fear} | Panic hit {sellers}.
departure | {name} lead developer quits, leaving {project} in doubt | The dispute over {codename} had lasted {months}.
""")
_NEITHER = _table("""
explainer | A guide to {project} on {name} in {number} steps, with figures from {place} | First comes {codename}.
explainer | {name} explained: what {codename} and its {number} parts mean for {project} | With answers from {place}.
schedule | {name} {codename} upgrade, which concerns {project}, is due {soon} | The steps are published.
schedule | {name} foundation publishes agenda of its {place} conference on {project} | It begins {soon}.
report | {firm} publishes study on {name} users and {project} in {place} | It asked users for {months}.
report | {name} by the numbers: {number} charts on {project} by {firm} | The data covers {months}.
proposal | {name} community votes on {codename} proposal for {project} | The vote closes {soon}.
appointment | {firm} names head of {name} research in {place} and {project} | The work begins {soon}.
regulation | {place} asks public for views on {name}, {purpose} and {project} | There are {number} questions.
interview | {firm} executive talks about {name}, {project} and {place} | They met in {place}.
""")
EVENTS: dict[Tone, tuple[Pattern, ...]] = {1: _GOOD, -1: _BAD, 0: _NEITHER}

ELSEWHERE = _table("""
elsewhere | One startup in {place} wants to link near field chips and {project} to {shops} | It took {months}.
elsewhere | Sand, sun and {number} servers: {firm} data centre in {place} opens {soon} | One link comes later.
elsewhere | {firm} appoints finance chief for {shops} in {place} | Ada Algood comes from a bank near the coast.
elsewhere | Central bank of {place} leaves rates as they are, {firm} and {analysts} say | The dot plot is unchanged.
elsewhere | Stellar skies over {place}, seen from {firm} offices and {shops} | The cosmos can be watched until dawn.
elsewhere | Waves of cloud spending reach {place}, says {firm} | The report has {number} pages and a link.
""")
"""About no asset, though words in them are names and tickers elsewhere."""

ABROAD: dict[str, dict[Tone, tuple[Pattern, ...]]] = {
    "de": {
        1: _table("move | {name} steigt um {percent} auf {price} | Käufer kehren zurück, sagen Händler in Frankfurt."),
        -1: _table("move | {name} fällt um {percent} auf {price} | Anleger fürchten größere Verluste."),
        0: _table("move | {name} bleibt vor der Entscheidung bei {price} | Die Händler warten ab."),
    },
    "es": {
        1: _table("move | {name} sube un {percent} hasta {price} | Los compradores vuelven, según los analistas."),
        -1: _table("move | {name} cae un {percent} hasta {price} | Los inversores temen más pérdidas."),
        0: _table("move | {name} se mantiene en {price} antes de la decisión | Los operadores esperan."),
    },
    "fr": {
        1: _table("move | {name} grimpe de {percent} à {price} | Les acheteurs reviennent, selon les analystes."),
        -1: _table("move | {name} chute de {percent} à {price} | Les investisseurs craignent d’autres pertes."),
        0: _table("move | {name} reste à {price} avant la décision | Les opérateurs attendent."),
    },
}

WORDS: dict[str, tuple[str, ...]] = {
    "as": _list("as · while · after"),
    "rises": _list("rises · climbs · gains · advances · ticks up · recovers"),
    "soars": _list("soars · surges · jumps · rallies · leaps"),
    "falls": _list("falls · slips · drops · declines · ticks down · weakens"),
    "plunges": _list("plunges · tumbles · crashes · slumps · sinks · plummets"),
    "holds": _list("holds · trades flat · stays · is little changed · moves sideways · pauses"),
    "buyers": _list("""large buyers · funds from Asia · retail buyers · pension money · corporate treasuries ·
        long-term holders · market makers · options traders"""),
    "return": _list("return in force · add to their positions · step in · cheer · celebrate · turn bullish"),
    "sellers": _list("""nervous holders · leveraged traders · early miners · retail investors · funds from Europe ·
        option writers · big wallets · short-term traders"""),
    "leave": _list("rush to exits · cut their positions · panic · capitulate · sell at a loss · turn bearish"),
    "analysts": _list("""analysts · strategists at {firm} · traders in {place} · chart watchers · desk notes ·
        the {firm} research desk"""),
    "cheer": _list("""inflation cools more than hoped · {firm} reveals a {millions} purchase · miners report profits ·
        funds in {place} see strong demand · optimism about rates grows · short sellers get squeezed on {exchange} ·
        {place} drafts friendly rules · hopes rise for fund approval in {place} · usage of {project} booms ·
        reserves on {exchange} hit a low · {firm} upgrades its outlook · stocks in {place} reach a record ·
        a large holder pledges support · {codename} tests succeed · stablecoin supply expands by {millions} ·
        {firm} wins a licence in {place} · confidence in {project} improves · {shops} in {place} embrace payments ·
        volumes on {exchange} strengthen · a {months} downtrend breaks"""),
    "fear": _list("""inflation worries return · {firm} dumps {millions} of tokens · fear about rates spreads ·
        funds in {place} suffer withdrawals · miners are forced to sell · longs get liquidated on {exchange} ·
        {place} threatens a crackdown · hopes fade for fund approval in {place} · usage of {project} collapses ·
        {exchange} struggles with an outage · {firm} downgrades its outlook · stocks in {place} slide ·
        a large holder defaults · {codename} tests fail · stablecoin supply shrinks by {millions} ·
        {firm} loses its licence in {place} · doubts about {project} mount · {shops} in {place} drop payments ·
        volumes on {exchange} dry up · a {months} uptrend breaks"""),
    "wait": _list("""traders wait for {event} · volumes on {exchange} stay average · desks in {place} are closed ·
        {firm} keeps its forecast · attention turns to {project} · options on {exchange} expire"""),
    "event": _list("""the {place} rate decision · the {codename} vote · minutes from the bank of {place} ·
        {firm} figures · the {place} jobs report · the monthly expiry on {exchange} · a hearing in {place} ·
        the {project} conference"""),
    "firm": _list("""Harbor Ridge Bank · Northgate Capital · Tallis Payments · Quillon Labs ·
        Brightwater Asset Management · Osprey Ledger · Meridian Custody · Fennel Street · Kestrel Ventures ·
        Larkspur Insurance · Redwood Telecom · Aldermoor · Pinecrest Mining ·
        Violet Systems · Sundial Energy · Cobalt Retail"""),
    "exchange": _list("Tidemarket · Bourse Nine · Orbitrade · Coinharbor · Vaultex · Pacific Spot"),
    "place": _list("""Brazil · Japan · Nigeria · Germany · South Korea · Texas · Singapore · Argentina ·
        Britain · Dubai · Canada · India · Switzerland · Kenya · Portugal · Australia"""),
    "project": _list("""staking · cross-border payments · tokenised bonds · private lending · in-game items ·
        data storage · carbon trading · supply chains · prediction markets · identity checks · rollups ·
        stablecoin transfers"""),
    "protocol": _list("bridge · lending protocol · yield vault · wallet service · exchange · staking pool"),
    "codename": _list("""Aurora · Basalt · Cedar · Driftwood · Ember · Falcon · Granite · Horizon · Iris · Juniper ·
        Kodiak · Lantern"""),
    "shops": _list("supermarkets · petrol stations · airlines · hotels · online shops · universities"),
    "purpose": _list("tax payments · public pensions · retail sales · bank custody · remittances · advertising"),
    "millions": _list("""$12 million · $27 million · $45 million · $80 million · $130 million · $210 million ·
        $340 million · $600 million · €35 million · £90 million"""),
    "share": _list("9% · 14% · 22% · 31% · 40% · 55%"),
    "months": _list("three months · five months · a year · eighteen months · ten weeks · six weeks"),
    "number": _list("three · four · six · seven · nine · twelve"),
    "soon": _list("next week · on Monday · on Thursday · next month · this quarter · in spring"),
}

AUTHORS = _list("Mira Holt · Tomas Velde · Ines Aragão · Daniel Okoro · Yuki Tanabe · Petra Lindqvist")

_GAP = re.compile(r"\{(\w+)\}")
_SAID_AGAIN = {
    "rises": "climbs", "climbs": "rises", "falls": "drops", "drops": "falls", "slips": "dips",
    "soars": "surges", "surges": "soars", "plunges": "tumbles", "tumbles": "plunges", "as": "while", "while": "as",
    "raises": "secures", "lists": "adds", "publishes": "releases",
}  # fmt: skip


class Chance:
    """Draws one after the other from numbers between 0 and 1."""

    def __init__(self, numbers: Sequence[float]) -> None:
        self._numbers = iter(numbers)

    def share(self) -> float:
        """A number from [0, 1)."""
        return next(self._numbers)

    def of[T](self, options: Sequence[T]) -> T:
        """One of the options."""
        return options[int(next(self._numbers) * len(options))]


def filled(pattern: str, given: Mapping[str, str], chance: Chance) -> str:
    """The pattern with its gaps filled, the first letter a capital; gaps inside what fills them too."""

    def fill(gap: re.Match[str]) -> str:
        name = gap[1]
        if name in given:
            return given[name]
        text = _GAP.sub(fill, chance.of(WORDS[name.lower()]))
        return text if name.islower() else _capital(text)

    return _capital(_GAP.sub(fill, pattern))


def said_again(title: str, chance: Chance) -> str:
    """The same headline as another newsroom words it: a word changed, or one put in front."""
    words = title.split(" ")
    at = next((at for at, word in enumerate(words) if at and word in _SAID_AGAIN), None)
    if at is None or chance.share() < 0.3:
        return f"{chance.of(('Breaking', 'Update', 'Just in'))}: {title}"
    return " ".join([*words[:at], _SAID_AGAIN[words[at]], *words[at + 1 :]])


def in_capitals(title: str) -> str:
    """A headline with the first letter of its longer words a capital."""
    words = title.split(" ")
    return " ".join(word if len(word) < 4 or word in ("after", "while", "with") else _capital(word) for word in words)


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
