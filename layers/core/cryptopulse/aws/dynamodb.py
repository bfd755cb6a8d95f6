"""A DynamoDB table whose items have the keys `pk` and `sk`."""

import time
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from itertools import batched
from secrets import token_hex
from typing import Any, Final, NamedTuple

from cryptopulse.aws.client import Client
from cryptopulse.errors import ThrottledError

WRITES: Final = 25
"""Items that one call writes."""
FIRST_DELAY: Final = 0.05
LONGEST_DELAY: Final = 5.0
"""Seconds until what a call left over is asked for again, doubled each time, and after which it is not."""

type Item = dict[str, Any]
"""Attribute names to str, int, Decimal, bytes, bool, None, list or dict."""


class Write(NamedTuple):
    """A put of one item that holds only if its stored `version` is `previous` (0: only if it does not exist)."""

    item: Item
    previous: int


class Check(NamedTuple):
    """Holds only if the item is there and these attributes of it have these values; changes nothing."""

    pk: str
    sk: str
    attributes: Mapping[str, Any]


class Removal(NamedTuple):
    """Removes an item that must be there, with these values in these attributes."""

    pk: str
    sk: str
    attributes: Mapping[str, Any]


class Table:
    """Reads and writes items; numbers come back as int where they are whole, else Decimal."""

    def __init__(self, client: Client, name: str, *, sleep: Callable[[float], None] = time.sleep) -> None:
        self._client = client
        self._name = name
        self._sleep = sleep

    def get(self, pk: str, sk: str, *, consistent: bool = False) -> Item | None:
        """The item, or None."""
        answer = self._call("GetItem", Key=_key(pk, sk), ConsistentRead=consistent)
        return _item(answer["Item"]) if "Item" in answer else None

    def get_many(self, keys: Iterable[tuple[str, str]], *, consistent: bool = False) -> dict[tuple[str, str], Item]:
        """Those of the items that exist, by key; any number, in calls of 100.

        Raises:
            ThrottledError: The table left keys unread again and again.
        """
        wanted = [_key(*key) for key in dict.fromkeys(keys)]
        found: dict[tuple[str, str], Item] = {}
        delay = FIRST_DELAY
        while wanted:
            page = {"Keys": wanted[:100], "ConsistentRead": consistent}
            answer = self._client.call("BatchGetItem", {"RequestItems": {self._name: page}})
            for raw in answer["Responses"].get(self._name, ()):
                item = _item(raw)
                found[item["pk"], item["sk"]] = item
            unread = answer.get("UnprocessedKeys", {}).get(self._name, {}).get("Keys", [])
            wanted = unread + wanted[100:]
            if unread:
                delay = self._wait(delay, f"{len(wanted)} keys left unread")
        return found

    def put(self, item: Item) -> None:
        """Writes the item, whatever was there."""
        self._call("PutItem", Item=_attributes(item))

    def put_version(self, item: Item, previous: int) -> None:
        """Writes the item, whose `version` is the new one, over the version `previous` (0: nothing) only.

        Raises:
            ConditionError: Another version is stored.
        """
        self._call("PutItem", Item=_attributes(item), **_condition(previous))

    def transact(self, writes: Sequence[Write | Check | Removal]) -> None:
        """Up to 100 writes, all or none; tried again after a lost answer they count once.

        Raises:
            ConditionError: One of the conditions did not hold.
        """
        items = [self._transacted(write) for write in writes]
        self._client.call("TransactWriteItems", {"TransactItems": items, "ClientRequestToken": token_hex(16)})

    def query(
        self,
        pk: str,
        start: str = " ",
        end: str = "~",
        *,
        consistent: bool = False,
        is_backwards: bool = False,
        page: int | None = None,
        attributes: Sequence[str] = (),
    ) -> Iterator[Item]:
        """The items of one partition with `start` <= sk <= `end`, in order of sk, over all pages.

        A page is read when its first item is asked for: `page` items, or up to 1 MB. Of each item come these
        `attributes`, or all.
        """
        request: dict[str, Any] = {
            "KeyConditionExpression": "pk = :pk AND sk BETWEEN :start AND :end",
            "ExpressionAttributeValues": {":pk": {"S": pk}, ":start": {"S": start}, ":end": {"S": end}},
            "ConsistentRead": consistent,
            "ScanIndexForward": not is_backwards,
        }
        if page is not None:
            request["Limit"] = page
        if attributes:
            request["ProjectionExpression"] = ", ".join(f"#{name}" for name in attributes)
            request["ExpressionAttributeNames"] = {f"#{name}": name for name in attributes}
        while True:
            answer = self._call("Query", **request)
            for raw in answer["Items"]:
                yield _item(raw)
            if "LastEvaluatedKey" not in answer:
                return
            request["ExclusiveStartKey"] = answer["LastEvaluatedKey"]

    def update(
        self,
        pk: str,
        sk: str,
        *,
        set: Mapping[str, Any] | None = None,  # noqa: A002 (DynamoDB's own word)
        add: Mapping[str, int] | None = None,
        condition: str | None = None,
        values: Mapping[str, Any] | None = None,
    ) -> Item:
        """Changes attributes of the item, made if it does not exist, and returns it as it is then.

        Args:
            set: Attributes to set.
            add: Numbers to add to attributes.
            condition: A condition expression; names of attributes in it are written `#name`.
            values: Its values by name, without the colon.

        Raises:
            ConditionError: The condition did not hold.
        """
        to_set, to_add = set or {}, add or {}
        parts = []
        if to_set:
            parts.append("SET " + ", ".join(f"#{name} = :{name}" for name in to_set))
        if to_add:
            parts.append("ADD " + ", ".join(f"#{name} :{name}" for name in to_add))
        names = {f"#{name}": name for name in (*to_set, *to_add)}
        request: dict[str, Any] = {
            "Key": _key(pk, sk),
            "UpdateExpression": " ".join(parts),
            "ExpressionAttributeValues": {
                f":{name}": _attribute(value) for name, value in {**to_set, **to_add, **(values or {})}.items()
            },
            "ReturnValues": "ALL_NEW",
        }
        if condition is not None:
            request["ConditionExpression"] = condition
            names |= {
                word: word[1:] for word in condition.replace("(", " ").replace(")", " ").split() if word[0] == "#"
            }
        request["ExpressionAttributeNames"] = names
        return _item(self._call("UpdateItem", **request)["Attributes"])

    def delete(self, pk: str, sk: str) -> None:
        """Removes the item if it is there."""
        self._call("DeleteItem", Key=_key(pk, sk))

    def put_many(self, items: Iterable[Item]) -> None:
        """Writes items, whatever was there, in calls of 25; should one fail, those before it are written.

        Raises:
            ThrottledError: The table left items unwritten again and again.
        """
        self._write_many({"PutRequest": {"Item": _attributes(item)}} for item in items)

    def delete_many(self, keys: Iterable[tuple[str, str]]) -> None:
        """Removes those of the items that are there, in calls of 25; as `put_many`."""
        self._write_many({"DeleteRequest": {"Key": _key(*key)}} for key in keys)

    def _write_many(self, requests: Iterable[dict[str, Any]]) -> None:
        for batch in batched(requests, WRITES, strict=False):
            left: Sequence[dict[str, Any]] = batch
            delay = FIRST_DELAY
            while left:
                answer = self._client.call("BatchWriteItem", {"RequestItems": {self._name: list(left)}})
                left = answer.get("UnprocessedItems", {}).get(self._name, [])
                if left:
                    delay = self._wait(delay, f"{len(left)} items left unwritten")

    def _wait(self, delay: float, reason: str) -> float:
        """Waits for so many seconds; returns for how many the next time."""
        if delay > LONGEST_DELAY:
            raise ThrottledError("Unprocessed", reason)
        self._sleep(delay)
        return 2 * delay

    def take(self, pk: str, sk: str) -> Item | None:
        """Removes the item and returns it as it was, or None: of those who take it at once, at most one gets it."""
        answer = self._call("DeleteItem", Key=_key(pk, sk), ReturnValues="ALL_OLD")
        return _item(answer["Attributes"]) if "Attributes" in answer else None

    def delete_all(self, pk: str) -> int:
        """Removes all items of a partition; returns how many there were."""
        keys = [(pk, item["sk"]) for item in self.query(pk, consistent=True)]
        self.delete_many(keys)
        return len(keys)

    def _transacted(self, write: Write | Check | Removal) -> dict[str, Any]:
        match write:
            case Write(item, previous):
                return {"Put": {"TableName": self._name, "Item": _attributes(item), **_condition(previous)}}
            case Removal(pk, sk, attributes):
                return {"Delete": {"TableName": self._name, "Key": _key(pk, sk), **_expected(attributes)}}
            case Check(pk, sk, attributes):
                return {"ConditionCheck": {"TableName": self._name, "Key": _key(pk, sk), **_expected(attributes)}}

    def _call(self, operation: str, **request: Any) -> dict[str, Any]:
        return self._client.call(operation, {"TableName": self._name, **request})


def _condition(previous: int) -> dict[str, Any]:
    if previous == 0:
        return {"ConditionExpression": "attribute_not_exists(pk)"}
    return {
        "ConditionExpression": "#version = :previous",
        "ExpressionAttributeNames": {"#version": "version"},
        "ExpressionAttributeValues": {":previous": {"N": str(previous)}},
    }


def _expected(attributes: Mapping[str, Any]) -> dict[str, Any]:
    condition = " AND ".join(["attribute_exists(pk)", *(f"#{name} = :{name}" for name in attributes)])
    if not attributes:
        return {"ConditionExpression": condition}
    return {
        "ConditionExpression": condition,
        "ExpressionAttributeNames": {f"#{name}": name for name in attributes},
        "ExpressionAttributeValues": {f":{name}": _attribute(value) for name, value in attributes.items()},
    }


def _key(pk: str, sk: str) -> dict[str, Any]:
    return {"pk": {"S": pk}, "sk": {"S": sk}}


def _attributes(item: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _attribute(value) for name, value in item.items()}


def _attribute(value: Any) -> dict[str, Any]:
    match value:
        case bool():
            return {"BOOL": value}
        case str():
            return {"S": value}
        case int() | Decimal():
            return {"N": str(value)}
        case bytes():
            return {"B": b64encode(value).decode()}
        case None:
            return {"NULL": True}
        case Mapping():
            return {"M": _attributes(value)}
        case list() | tuple():
            return {"L": [_attribute(each) for each in value]}
    raise TypeError(f"DynamoDB cannot hold a {type(value).__name__}")


def _item(raw: Mapping[str, Any]) -> Item:
    return {name: _value(attribute) for name, attribute in raw.items()}


def _value(attribute: Mapping[str, Any]) -> Any:
    ((kind, value),) = attribute.items()
    match kind:
        case "S" | "BOOL":
            return value
        case "N":
            number = Decimal(value)
            return int(number) if number == number.to_integral_value() else number
        case "B":
            return b64decode(value)
        case "NULL":
            return None
        case "L":
            return [_value(each) for each in value]
        case "M":
            return _item(value)
    raise TypeError(f"unknown DynamoDB type {kind}")
