"""What fuzzing needs: requests that reach the functions in process, and a table that can be put back as it was."""

import importlib
import re
from base64 import b64decode
from collections.abc import Callable, Mapping
from io import BytesIO
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit
from zipfile import ZipFile

from aws_lambda_powertools.utilities.typing import LambdaContext
from requests import PreparedRequest, Response
from requests.adapters import HTTPAdapter
from urllib3 import HTTPHeaderDict, HTTPResponse

from tests.functional.web import SERVING

type Key = tuple[str, str]


class Gateway(HTTPAdapter):
    """Brings requests to the function that serves their path, as the HTTP API does, and counts them.

    Args:
        event: Makes an event, as the fixture `http_event` does.
        context: Of the invocations.
    """

    def __init__(self, event: Callable[..., dict[str, Any]], context: LambdaContext) -> None:
        super().__init__()
        self._event = event
        self._context = context
        self.requests = 0
        self.bodies = 0
        """Requests that had a body."""
        self.server_errors = 0

    def send(self, request: PreparedRequest, *_: Any, **__: Any) -> Response:
        """The function's answer."""
        url = urlsplit(request.url or "")
        path = unquote(url.path)
        query = {name: ",".join(values) for name, values in parse_qs(url.query, keep_blank_values=True).items()}
        headers = {name.lower(): value for name, value in request.headers.items()}
        event = self._event(request.method, path, query, headers, request.body)
        event["rawQueryString"] = url.query
        name = next(name for pattern, name in SERVING.items() if re.fullmatch(pattern, path, re.DOTALL))
        answer = importlib.import_module(f"functions.{name}.app").handler(event, self._context)
        self.requests += 1
        self.bodies += bool(request.body)
        self.server_errors += answer["statusCode"] >= 500
        told = HTTPHeaderDict(answer["headers"])
        for cookie in answer.get("cookies", ()):
            told.add("Set-Cookie", cookie)
        body = b64decode(answer["body"]) if answer["isBase64Encoded"] else (answer["body"] or "").encode()
        raw = HTTPResponse(BytesIO(body), told, answer["statusCode"], preload_content=False)
        return self.build_response(request, raw)

    def figures(self) -> str:
        """What was counted, in lines."""
        counted = {"requests": self.requests, "bodies": self.bodies, "server_errors": self.server_errors}
        return "\n".join(f"figure fuzz.{name} {number}" for name, number in counted.items())


def told(response: Any) -> str:
    """All that an answer of Schemathesis says, an XLSX workbook unpacked."""
    content: bytes = response.content
    if content.startswith(b"PK"):
        with ZipFile(BytesIO(content)) as packed:
            content = b"".join(map(packed.read, packed.namelist()))
    return f"{response.headers} {content.decode(errors='replace')}"


class Kept:
    """A table's items as they are now.

    Args:
        table: Of boto3.
    """

    def __init__(self, table: Any) -> None:
        self._table = table
        self._items = self._read()

    def restore(self) -> set[Key]:
        """Puts the table back; returns the keys of the items that had changed."""
        found = self._read()
        changed = {key for key in found.keys() | self._items.keys() if found.get(key) != self._items.get(key)}
        with self._table.batch_writer() as batch:
            for key in changed:
                if key in self._items:
                    batch.put_item(Item=self._items[key])
                else:
                    batch.delete_item(Key={"pk": key[0], "sk": key[1]})
        return changed

    def _read(self) -> Mapping[Key, dict[str, Any]]:
        return {(item["pk"], item["sk"]): item for item in self._table.scan()["Items"]}
