"""How requests name indicators, and how far back each looks."""

import pytest

from cryptopulse.domain.candles import DAY, HOUR, INTERVALS, MINUTE
from cryptopulse.domain.indicators import Indicator, parse
from cryptopulse.errors import InvalidError

NAMES = "sma, ema, wma, rsi, macd, bb, atr, adx, stoch, obv, min, max, returns, drawdown, vwap"


def test_parameters_may_be_left_out() -> None:
    assert ",".join(map(str, parse(NAMES.replace(" ", "")))) == (
        "sma:20,ema:20,wma:20,rsi:14,macd:12:26:9,bb:20:2,atr:14,adx:14,stoch:14:3:3,obv,min:20,max:20,returns:1,drawdown,vwap"
    )
    assert parse("macd:5,macd:5:8,bb:30,stoch:5,vwap:7") == [
        Indicator("macd", (5, 26, 9)),
        Indicator("macd", (5, 8, 9)),
        Indicator("bb", (30, 2)),
        Indicator("stoch", (5, 3, 3)),
        Indicator("vwap", (7,)),
    ]


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("sma:500", "sma:500"),
        ("sma:007", "sma:7"),
        ("bb:20:2.0", "bb:20:2"),
        ("bb:2:10", "bb:2:10"),
        ("bb:20:2.500", "bb:20:2.5"),
        ("bb:20:0.001", "bb:20:0.001"),
        ("stoch:1:1:1", "stoch:1:1:1"),
    ],
)
def test_a_name_is_the_same_however_it_is_written(text: str, name: str) -> None:
    (indicator,) = parse(text)
    assert str(indicator) == name
    assert parse(name) == [indicator]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", f"There is no ''; there are {NAMES}"),
        ("sma,", f"There is no ''; there are {NAMES}"),
        ("SMA", f"There is no 'SMA'; there are {NAMES}"),
        ("x" * 99, f"There is no '{'x' * 41}'; there are {NAMES}"),
        ("sma:", "Expected sma:n with n 1 to 500, not 'sma:'"),
        ("sma:0", "Expected sma:n with n 1 to 500, not 'sma:0'"),
        ("sma:-5", "Expected sma:n with n 1 to 500, not 'sma:-5'"),
        ("sma:501", "Expected sma:n with n 1 to 500, not 'sma:501'"),
        ("sma:20.0", "Expected sma:n with n 1 to 500, not 'sma:20.0'"),
        ("sma:٢٠", "Expected sma:n with n 1 to 500, not 'sma:٢٠'"),
        ("rsi:1", "Expected rsi:n with n 2 to 500, not 'rsi:1'"),
        ("rsi:14:2", "Expected rsi:n with n 2 to 500, not 'rsi:14:2'"),
        ("rsi:nan", "Expected rsi:n with n 2 to 500, not 'rsi:nan'"),
        ("obv:5", "Expected obv without parameters, not 'obv:5'"),
        ("vwap:0", "Expected vwap:n with n 1 to 500, not 'vwap:0'"),
        ("bb:20:0", "Expected bb:n:k with n 2 to 500, k above 0 up to 10, not 'bb:20:0'"),
        ("bb:20:10.1", "Expected bb:n:k with n 2 to 500, k above 0 up to 10, not 'bb:20:10.1'"),
        ("bb:20:1e1", "Expected bb:n:k with n 2 to 500, k above 0 up to 10, not 'bb:20:1e1'"),
        ("bb:20:inf", "Expected bb:n:k with n 2 to 500, k above 0 up to 10, not 'bb:20:inf'"),
        ("macd:26:12", "Expected macd:fast:slow:signal with fast less than slow, not 'macd:26:12'"),
        ("macd:30", "Expected macd:fast:slow:signal with fast less than slow, not 'macd:30'"),
        ("ema,sma:20,sma", "sma:20 is there twice"),
        ("bb:20:2.0,bb", "bb:20:2 is there twice"),
        (",".join(f"sma:{n}" for n in range(1, 22)), "Expected 1 to 20 indicators, separated by commas"),
    ],
)
def test_what_is_wrong_is_told(text: str, message: str) -> None:
    with pytest.raises(InvalidError) as raised:
        parse(text)
    assert (raised.value.field, raised.value.message) == ("indicators", message)


def test_twenty_are_not_too_many() -> None:
    assert len(parse(",".join(f"sma:{n}" for n in range(1, 21)))) == 20


@pytest.mark.parametrize("interval", INTERVALS.values(), ids=list(INTERVALS))
def test_the_vwap_of_a_day_looks_back_to_its_start(interval: int) -> None:
    (vwap,) = parse("vwap")
    assert vwap.memory(interval) == (DAY - interval) // interval


def test_only_what_is_of_a_day_depends_on_the_interval() -> None:
    for indicator in parse(NAMES.replace(" ", "").replace("vwap", "vwap:20")):
        assert indicator.memory(MINUTE) == indicator.memory(HOUR)
