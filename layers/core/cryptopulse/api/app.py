"""What every API function does alike: routes, errors as problem+json, conditional requests, a line in the log."""

import re
import time
from collections.abc import Callable, Mapping
from hashlib import sha256
from http import HTTPStatus
from typing import Annotated, Any, Final, get_type_hints

import msgspec
from aws_lambda_powertools.event_handler import APIGatewayHttpResolver, Response
from aws_lambda_powertools.event_handler.api_gateway import Route
from aws_lambda_powertools.event_handler.exceptions import NotFoundError as NoRouteError
from aws_lambda_powertools.utilities.data_classes import APIGatewayProxyEventV2
from aws_lambda_powertools.utilities.typing import LambdaContext
from msgspec import UNSET, Meta, Struct, UnsetType

from cryptopulse.errors import ConflictError, CryptoPulseError, InvalidError, NotFoundError, ThrottledError
from cryptopulse.telemetry import logger

STATUSES: Final[Mapping[type[CryptoPulseError], HTTPStatus]] = {
    InvalidError: HTTPStatus.UNPROCESSABLE_ENTITY,
    NotFoundError: HTTPStatus.NOT_FOUND,
    ConflictError: HTTPStatus.CONFLICT,
    ThrottledError: HTTPStatus.SERVICE_UNAVAILABLE,
}
PUBLIC_PROBLEMS: Final = (HTTPStatus.UNPROCESSABLE_ENTITY, HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT)
"""Statuses whose errors are worded for clients."""
JSON: Final = "application/json"
PROBLEM: Final = "application/problem+json"


class FieldError(Struct):
    """What is wrong with one field or parameter."""

    field: str
    message: str


class Problem(Struct, kw_only=True):
    """What went wrong, as RFC 9457 has it."""

    type: str = "about:blank"
    title: Annotated[str, Meta(description="The status in words")]
    status: int
    detail: str
    request_id: Annotated[str, Meta(description="Tell it when you ask us about this answer")]
    errors: list[FieldError] | UnsetType = UNSET


class Given:
    """Marks what a route asks for beside its path's parameters: `Annotated[int, Given(how it is made of the event)]`.

    Powertools' Depends reads all annotations again at each request, a quarter of our time for one.
    """

    def __init__(self, make: Callable[[APIGatewayProxyEventV2], Any]) -> None:
        self.make = make


class Answer[Body](Response[str]):
    """A JSON answer.

    Args:
        body: A struct, or anything else that msgspec encodes.
        max_age: Seconds for which anybody may keep it; 0: nobody may.
        status: The HTTP status.
    """

    def __init__(self, body: Body, *, max_age: int = 0, status: HTTPStatus = HTTPStatus.OK) -> None:
        super().__init__(status, JSON, msgspec.json.encode(body).decode(), {"Cache-Control": cache_control(max_age)})


class File(Response[str]):
    """A text file that changes with a deployment only.

    Args:
        content_type: Its media type.
        text: What is in it.
    """

    def __init__(self, content_type: str, text: str) -> None:
        super().__init__(HTTPStatus.OK, content_type, text, {"Cache-Control": cache_control(3600)})


def cache_control(max_age: int) -> str:
    """The header's value."""
    return f"public, max-age={max_age}" if max_age else "no-store"


class Api(APIGatewayHttpResolver):
    """Routes HTTP API events to functions; GET routes also answer HEAD."""

    def __init__(self) -> None:
        super().__init__()
        self.not_found(self._no_route)
        self.exception_handler(CryptoPulseError)(self._refuse)
        self.exception_handler(Exception)(self._fail)

    def route[Function: Callable[..., Any]](
        self, rule: str, method: Any, *args: Any, **options: Any
    ) -> Callable[[Function], Function]:
        """Registers a route; what its signature marks as `Given` is made for it at each request."""
        register = super().route(rule, method, *args, **options)

        def registered(function: Function) -> Function:
            makers = {
                name: mark.make
                for name, hint in get_type_hints(function, include_extras=True).items()
                for mark in getattr(hint, "__metadata__", ())
                if isinstance(mark, Given)
            }

            def answer(**path: str) -> Any:
                return function(**path, **{name: make(self.current_event) for name, make in makers.items()})

            answer.__wrapped__ = function  # type: ignore[attr-defined] # for the OpenAPI document
            register(answer)
            return function

        return registered

    def resolve(self, event: Mapping[str, Any], context: LambdaContext) -> dict[str, Any]:
        """The answer to an event; never raises for what a request holds."""
        began = time.perf_counter()
        request = event["requestContext"]
        method = request["http"]["method"]
        if method == "HEAD":
            event = {**event, "requestContext": {**request, "http": {**request["http"], "method": "GET"}}}
        answer = super().resolve(event, context)
        answer["headers"]["X-Request-Id"] = request["requestId"]
        _tag(answer, event.get("headers", {}).get("if-none-match"))
        if method == "HEAD":
            answer |= {"body": "", "isBase64Encoded": False}
        logger.info(
            "answered",
            method=method,
            route=next((route.openapi_path for route in self._routes_at(event["rawPath"])), None),
            status=answer["statusCode"],
            ms=round((time.perf_counter() - began) * 1000, 1),
            http_request_id=request["requestId"],
        )
        return answer

    @property
    def routes(self) -> list[Route]:
        """All routes, those without parameters first."""
        return [*self._static_routes, *self._dynamic_routes]

    def _routes_at(self, path: str) -> list[Route]:
        return [route for route in self.routes if route.rule.match(path)]

    def _no_route(self, _: NoRouteError) -> Response[str]:
        """404, or for a known path 405 and what is allowed."""
        methods = {route.method for route in self._routes_at(self.current_event.path)}
        if not methods:
            return self._problem(HTTPStatus.NOT_FOUND, "There is nothing at this path.")
        methods |= {"OPTIONS"} | ({"HEAD"} if "GET" in methods else set())
        allow = {"Allow": ", ".join(sorted(methods))}
        method = self.current_event.http_method
        if method == "OPTIONS":
            return Response(HTTPStatus.NO_CONTENT, headers=allow)
        return self._problem(HTTPStatus.METHOD_NOT_ALLOWED, f"{method} does nothing here.", headers=allow)

    def _refuse(self, error: CryptoPulseError) -> Response[str]:
        status = next((STATUSES[kind] for kind in type(error).__mro__ if kind in STATUSES), None)
        if status is None:
            return self._fail(error)
        if status not in PUBLIC_PROBLEMS:
            logger.exception("refused", status=status)
            return self._problem(status, "Too busy; try again.", headers={"Retry-After": "1"})
        if isinstance(error, InvalidError):
            return self._problem(status, f"{error.field}: {error.message}", [FieldError(error.field, error.message)])
        return self._problem(status, str(error))

    def _fail(self, error: Exception) -> Response[str]:
        logger.exception("failed", exc_info=error)
        return self._problem(HTTPStatus.INTERNAL_SERVER_ERROR, "Something went wrong on our side.")

    def _problem(
        self,
        status: HTTPStatus,
        detail: str,
        errors: list[FieldError] | UnsetType = UNSET,
        headers: Mapping[str, str] | None = None,
    ) -> Response[str]:
        problem = Problem(
            title=status.phrase,
            status=status,
            detail=detail,
            request_id=self.current_event.request_context.request_id,
            errors=errors,
        )
        body = msgspec.json.encode(problem).decode()
        return Response(status, PROBLEM, body, {"Cache-Control": "no-store", **(headers or {})})


def _tag(answer: dict[str, Any], known: str | None) -> None:
    """Gives what may be kept its ETag, and spares a client the body that it knows."""
    headers = answer["headers"]
    if answer["statusCode"] != HTTPStatus.OK or headers.get("Cache-Control", "no-store") == "no-store":
        return
    headers["ETag"] = f'"{sha256(answer["body"].encode()).hexdigest()[:32]}"'
    if known is not None and _matches(known, headers["ETag"]):
        del headers["Content-Type"]
        answer |= {"statusCode": HTTPStatus.NOT_MODIFIED, "body": "", "isBase64Encoded": False}


def _matches(known: str, tag: str) -> bool:
    """Whether If-None-Match names the tag, weakly compared as RFC 9110 asks."""
    return known.strip() == "*" or tag in re.findall(r'"[^"]*"', known)
