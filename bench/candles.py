"""A 30-day chart of hours, handler included: from packed blocks, against an item a candle through boto3's resource."""

import json
import random
import time
from base64 import b64decode
from decimal import Decimal
from statistics import median
from typing import Any

import boto3
from aws_lambda_powertools.utilities.typing import LambdaContext
from boto3.dynamodb.conditions import Key

from bench._cloud import cloud
from bench._memory import Minutes
from cryptopulse import wiring
from cryptopulse.domain.candles import HOUR, MINUTE, floor
from cryptopulse.domain.folding import fold
from cryptopulse.domain.lanes import Lane
from cryptopulse.domain.series import Series, lane_of
from cryptopulse.domain.ticks import Bar, Candles, Clock, Record

BTC = Series("coinbase", "BTC-USD")
HOURS = 720
TURNS, REQUESTS = 8, 12
"""The sides take turns, so that the machine drifts for both; so many requests each, as a warm Lambda answers them."""


def history(now: int) -> list[Bar]:
    """30 days of hours up to the open one, a random walk of cents."""
    chosen, price, bars = random.Random(1), 6_321_297, []
    for start in range(floor(now, HOUR) - HOURS * HOUR, floor(now, HOUR), HOUR):
        close = price + chosen.randrange(-40_000, 40_000)
        high, low = max(price, close) + chosen.randrange(9_000), min(price, close) - chosen.randrange(9_000)
        bars.append(Bar(start, price, high, low, close, chosen.randrange(10**8, 10**11)))
        price = close
    return bars


def store_packed(bars: list[Bar], now: int) -> None:
    """The hours in their blocks, and a live lane beside them as a running system has it."""
    market = wiring.market()
    market.save_series([BTC])
    market.merge(BTC, "1h", Candles(BTC.symbol, 2, 8, bars[0].start, bars[-1].start + HOUR, now, bars))
    minutes = [bars[-1]._replace(start=start) for start in range(floor(now, HOUR), floor(now, MINUTE), MINUTE)]
    told = Candles(BTC.symbol, 2, 8, floor(now, HOUR), max(floor(now, MINUTE), floor(now, HOUR) + MINUTE), now, minutes)
    lane, items = Lane(lane_of(BTC, wiring.settings().LANES)), Minutes()
    fold(lane, items, [Record(BTC.venue, lane.number, [told, Clock(floor(now, MINUTE))])])
    market.write(lane, 0, items.values())


def store_plain(bars: list[Bar]) -> None:
    """One item a candle, numbers as Decimal, as tutorials store them."""
    with boto3.resource("dynamodb").Table("Plain").batch_writer() as batch:
        for start, *prices, volume in bars:
            names = zip(("open", "high", "low", "close"), prices, strict=True)
            row = {name: Decimal(price).scaleb(-2) for name, price in names}
            batch.put_item({"pk": str(BTC), "sk": f"1h#{start}", **row, "volume": Decimal(volume).scaleb(-8)})


def plain_handler(event: dict[str, Any], table: Any) -> dict[str, Any]:
    """The usual handler: query all pages, Decimal to float, json."""
    start, end = event["start"], event["end"]
    condition = Key("pk").eq(str(BTC)) & Key("sk").between(f"1h#{start}", f"1h#{end}")
    answer = table.query(KeyConditionExpression=condition)
    items = answer["Items"]
    while "LastEvaluatedKey" in answer:
        answer = table.query(KeyConditionExpression=condition, ExclusiveStartKey=answer["LastEvaluatedKey"])
        items += answer["Items"]
    rows = [
        [int(item["sk"][3:]), *(float(item[name]) for name in ("open", "high", "low", "close", "volume"))]
        for item in items
    ]
    return {"statusCode": 200, "body": json.dumps({"symbol": BTC.symbol, "candles": rows})}


def chart_event(start: int, end: int) -> dict[str, Any]:
    query = {"interval": "1h", "limit": str(HOURS), "start": str(start), "end": str(end)}
    path = f"/candles/{BTC.symbol}"
    return {
        "version": "2.0",
        "routeKey": "ANY /candles/{proxy+}",
        "rawPath": path,
        "rawQueryString": "&".join(f"{name}={value}" for name, value in query.items()),
        "headers": {"accept": "application/json", "host": "api"},
        "queryStringParameters": query,
        "requestContext": {
            "http": {"method": "GET", "path": path, "sourceIp": "127.0.0.1", "protocol": "HTTP/1.1", "userAgent": "b"},
            "requestId": "bench",
            "stage": "$default",
            "accountId": "1",
            "apiId": "a",
            "domainName": "api",
            "domainPrefix": "api",
            "routeKey": "ANY /candles/{proxy+}",
            "time": "",
            "timeEpoch": 0,
        },
        "isBase64Encoded": False,
    }


def main() -> None:
    with cloud():
        from functions.queries.app import handler

        now = wiring.now()
        bars = history(now)
        store_packed(bars, now)
        store_plain(bars)
        table = boto3.resource("dynamodb").Table("Plain")
        context = LambdaContext()
        context._aws_request_id = "bench"
        start, end = bars[0].start, bars[-1].start + HOUR
        took: dict[str, list[float]] = {"packed": [], "plain": []}
        for _ in range(TURNS):
            for _ in range(REQUESTS):
                began = time.process_time()
                ours = handler(chart_event(start, end), context)
                took["packed"].append(time.process_time() - began)
            for _ in range(REQUESTS):
                began = time.process_time()
                theirs = plain_handler({"start": start, "end": end}, table)
                took["plain"].append(time.process_time() - began)
    body = b64decode(ours["body"]) if ours.get("isBase64Encoded") else ours["body"]
    assert json.loads(body)["candles"] == json.loads(theirs["body"])["candles"]
    assert len(json.loads(theirs["body"])["candles"]) == HOURS
    packed, plain = median(took["packed"]), median(took["plain"])
    print(f"{HOURS} hours: packed {packed * 1e3:.2f} ms of CPU a request, an item each {plain * 1e3:.2f} ms")
    print(f"figure candles.cpu_ratio {plain / packed:.1f}")
    if plain / packed < 15:
        raise SystemExit("candles misses what it promises: 15 times")


if __name__ == "__main__":
    main()
