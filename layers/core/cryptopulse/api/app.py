"""What every API function does alike: who may ask, how often, errors as problem+json, a line in the log."""

import time
from collections.abc import Callable, Iterable, Mapping
from functools import cached_property, partial
from http import HTTPStatus
from typing import Annotated, Any, Final, Literal, get_type_hints, override

import msgspec
from aws_lambda_powertools.event_handler import APIGatewayHttpResolver, Response
from aws_lambda_powertools.event_handler.api_gateway import ResponseBuilder, Route
from aws_lambda_powertools.event_handler.exceptions import NotFoundError as NoRouteError
from aws_lambda_powertools.shared.cookies import Cookie
from aws_lambda_powertools.utilities.data_classes import APIGatewayProxyEventV2
from aws_lambda_powertools.utilities.typing import LambdaContext
from msgspec import UNSET, Meta, Struct, UnsetType

from cryptopulse import wiring
from cryptopulse.api.addresses import address, network
from cryptopulse.api.renderings import NO_STORE, Rendered, cache_control, entity_tag, sent
from cryptopulse.aws.kept import Repeatable
from cryptopulse.domain.limits import Standing
from cryptopulse.domain.renderings import Rendering
from cryptopulse.domain.times import Moment, rfc3339
from cryptopulse.domain.tokens import Caller, Scope
from cryptopulse.errors import (
    ConflictError,
    CryptoPulseError,
    DeniedError,
    InvalidError,
    LimitedError,
    MalformedError,
    MediaTypeError,
    NotFoundError,
    ServiceError,
    ShortError,
    StaleError,
    ThrottledError,
    TooLargeError,
    UnauthenticatedError,
)
from cryptopulse.telemetry import logger, noted, user_hash

STATUSES: Final[Mapping[type[CryptoPulseError], HTTPStatus]] = {
    MalformedError: HTTPStatus.BAD_REQUEST,
    UnauthenticatedError: HTTPStatus.UNAUTHORIZED,
    DeniedError: HTTPStatus.FORBIDDEN,
    NotFoundError: HTTPStatus.NOT_FOUND,
    ConflictError: HTTPStatus.CONFLICT,
    StaleError: HTTPStatus.PRECONDITION_FAILED,
    TooLargeError: HTTPStatus.CONTENT_TOO_LARGE,
    MediaTypeError: HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    InvalidError: HTTPStatus.UNPROCESSABLE_CONTENT,
    LimitedError: HTTPStatus.TOO_MANY_REQUESTS,
}
"""What clients are told in the errors' own words."""
JSON: Final = "application/json"
PROBLEM: Final = "application/problem+json"
CACHE_STATUSES: Final = {
    "hit": "CryptoPulse; hit",
    "shared": "CryptoPulse; hit; detail=shared",
    "stale": "CryptoPulse; hit; detail=stale",
    "miss": "CryptoPulse; fwd=miss",
}
"""The header Cache-Status (RFC 9211) of answers that came so."""


class FieldError(Struct):
    """What is wrong with one field or parameter."""

    field: Annotated[str, Meta(description="Its name; `[3].price`: in the fourth item of an array")]
    message: str


class Conflict(Struct):
    """The disposal that would have less to take than it takes, or even less than it has."""

    portfolio_id: Annotated[str, Meta(description="Where it is: a transfer may leave the other portfolio short")]
    transaction_id: Annotated[str | None, Meta(description="null: what the request would enter")]
    asset: str
    time: Moment
    missing: Annotated[str, Meta(description="How much of the asset would not be there then, in its units")]


class Problem(Struct, kw_only=True):
    """What went wrong, as RFC 9457 has it."""

    type: Annotated[str, Meta(description="What kind: `about:blank`, the status says it all")] = "about:blank"
    title: Annotated[str, Meta(description="The status in words")]
    status: Annotated[int, Meta(description="The HTTP status")]
    detail: Annotated[str, Meta(description="What went wrong, for who reads it")]
    request_id: Annotated[str, Meta(description="Tell it when you ask us about this answer")]
    errors: Annotated[list[FieldError], Meta(description="Of a 422: what is wrong with what was sent")] | UnsetType = (
        UNSET
    )
    conflict: Conflict | UnsetType = UNSET


class Request(APIGatewayProxyEventV2):
    """A request, and as far as it has come: its route, who makes it, how they stand with their rate limit, what its
    repeats are known by, and which headers choose the answer's form."""

    route: str | None = None
    caller: Caller | None = None
    standing: Standing | None = None
    repeatable: Repeatable | None = None
    vary: tuple[str, ...] = ()

    @cached_property
    def headers(self) -> dict[str, str]:  # made once, not whenever it is asked for
        return super().headers


class Given:
    """Marks what a route asks for beside its path's parameters: `Annotated[int, Given(how it is made of the request)]`.

    Powertools' Depends reads all annotations again at each request, a quarter of our time for one.

    Args:
        make: Makes it.
        is_personal: Whether it takes a caller, whom public routes do not have.
    """

    def __init__(self, make: Callable[[Request], Any], *, is_personal: bool = False) -> None:
        self.make = make
        self.is_personal = is_personal


CALLER: Final = Given(lambda request: request.caller, is_personal=True)
"""Who makes the request; public routes have nobody."""

type Guard = Callable[[APIGatewayProxyEventV2], Caller]
"""Tells who makes a request, or raises UnauthenticatedError."""
type Need = Scope | Literal["public"]
"""What a route asks of its caller."""


def public[Function: Callable[..., Any]](function: Function) -> Function:
    """Opens a route to anybody; stands below the route's own decorator."""
    return _needs("public", function)


def scoped[Function: Callable[..., Any]](scope: Scope) -> Callable[[Function], Function]:
    """Asks for a scope on a route; stands below the route's own decorator."""
    return partial(_needs, scope)


def _needs[Function: Callable[..., Any]](need: Need, function: Function) -> Function:
    vars(function)["need"] = need
    return function


def need_of(route: Route) -> Need:
    """What a route of an `Api` asks of its caller."""
    need: Need = vars(route.func)["need"]
    return need


class Answer[Body](Response[str]):
    """A JSON answer.

    Args:
        body: A struct, or anything else that msgspec encodes.
        max_age: Seconds for which anybody may keep it; 0: nobody may.
        status: The HTTP status.
        headers: More headers.
        cookies: Cookies to set.
        is_tagged: Whether it tells its ETag, though it must not be kept: for `If-Match`.
    """

    def __init__(
        self,
        body: Body,
        *,
        max_age: int = 0,
        status: HTTPStatus = HTTPStatus.OK,
        headers: Mapping[str, str] | None = None,
        cookies: Iterable[Cookie] = (),
        is_tagged: bool = False,
    ) -> None:
        text = msgspec.json.encode(body)
        kept = {"Cache-Control": cache_control(max_age), **(headers or {})}
        if is_tagged:
            kept["ETag"] = entity_tag(text)
        super().__init__(status, JSON, text.decode(), kept, list(cookies))


class Created[Body](Answer[Body]):
    """The JSON answer that shows what has been made: 201.

    Args:
        body: What it is.
        path: Where it is from now on, below the API's URL; then it tells its ETag too.
    """

    def __init__(self, body: Body, *, path: str | None = None) -> None:
        headers = {} if path is None else {"Location": f"{wiring.settings().ISSUER}{path}"}
        super().__init__(body, status=HTTPStatus.CREATED, headers=headers, is_tagged=path is not None)


class Empty(Response[str]):
    """The answer that has nothing to say: 204.

    Args:
        cookies: Cookies to set.
    """

    def __init__(self, *, cookies: Iterable[Cookie] = ()) -> None:
        kept = {"Cache-Control": cache_control(0)}
        super().__init__(HTTPStatus.NO_CONTENT, None, "", kept, list(cookies))


class File(Rendered[str]):
    """A text file that changes with a deployment only."""

    def __init__(self, rendering: Rendering) -> None:
        super().__init__(rendering, 3600)


class Api(APIGatewayHttpResolver):
    """Routes HTTP API events to functions; GET routes also answer HEAD.

    All routes but those marked `public` are closed: a GET needs the scope `read`, anything else a session, unless
    `scoped` says otherwise.

    Args:
        guard: Tells who makes a request; without one all routes must be public.
    """

    current_event: Request

    def __init__(self, guard: Guard | None = None) -> None:
        super().__init__()
        self._guard = guard
        self._static_paths: set[str] = set()
        self.not_found(self._no_route)
        self.exception_handler(CryptoPulseError)(self._refuse)
        self.exception_handler(Exception)(self._fail)

    def route[Function: Callable[..., Any]](
        self, rule: str, method: Any, *args: Any, **options: Any
    ) -> Callable[[Function], Function]:
        """Registers a route; what its signature marks as `Given` is made for it at each request.

        Raises:
            TypeError: A public route asks for its caller, or there is nobody who could tell that of a closed one.
        """
        register = super().route(rule, method, *args, **options)

        def registered(function: Function) -> Function:
            marks = {
                name: mark
                for name, hint in get_type_hints(function, include_extras=True).items()
                for mark in getattr(hint, "__metadata__", ())
                if isinstance(mark, Given)
            }
            need: Need = vars(function).get("need", "read" if method == "GET" else "session")
            admit = self._admission(need)
            path_shown = rule.replace("<", "{").replace(">", "}")
            if need == "public" and any(mark.is_personal for mark in marks.values()):
                raise TypeError(f"{method} {rule} is public and asks for its caller")

            def answer(**path: str) -> Any:
                request = self.current_event
                if path and request.path in self._static_paths:
                    raise NoRouteError  # by another method it is a path of its own, and no parameter
                request.route = path_shown
                admit()
                made = {name: mark.make(request) for name, mark in marks.items()}
                response = function(**path, **made)
                if need != "public":
                    response.headers["Cache-Control"] = cache_control(0)
                return response

            vars(answer).update(__wrapped__=function, need=need)  # for the OpenAPI document
            register(answer)
            if "<" not in rule:
                self._static_paths.add(rule)
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
        asked, more = self.current_event, noted()
        answer["headers"]["X-Request-Id"] = request["requestId"]
        if "cache" in more:
            answer["headers"]["Cache-Status"] = CACHE_STATUSES[more["cache"]]
        _tell(answer, asked.standing)
        if method == "HEAD":
            answer |= {"body": "", "isBase64Encoded": False}
        logger.info(
            "answered",
            extra={
                "http_request_id": request["requestId"],
                "method": method,
                "route": asked.route,
                "status": answer["statusCode"],
                "ms": round((time.perf_counter() - began) * 1000, 1),
                "bytes": _size(answer),
                **({} if asked.caller is None else {"user_hash": user_hash(asked.caller.user)}),
                **more,
            },
        )
        return answer

    @override
    def _build_response(self, response_builder: ResponseBuilder[Any]) -> dict[str, Any]:
        request, response = self.current_event, response_builder.response
        codings = request.headers.get("Accept-Encoding", "")
        known = request.headers.get("If-None-Match") if request.http_method == "GET" else None
        try:
            return sent(response, codings, known, request.vary)
        except TooLargeError as error:
            return sent(self._refuse(error), codings, None, request.vary)

    def _to_proxy_event(self, event: dict[str, Any]) -> Request:
        return Request(event)

    def _admission(self, need: Need) -> Callable[[], None]:
        """What lets a request to a route in, or raises LimitedError, UnauthenticatedError or DeniedError."""
        if need == "public":
            return self._admit_anybody
        if self._guard is None:
            raise TypeError("An API without a guard has public routes only")
        return partial(self._admit, need, self._guard)

    def _admit_anybody(self) -> None:
        self._count(_origin(self.current_event), wiring.now())

    def _admit(self, need: Scope, guard: Guard) -> None:
        request, now = self.current_event, wiring.now()
        try:
            request.caller = guard(request)
        except UnauthenticatedError:
            self._count(_origin(request), now)
            raise
        self._count(_own(request.caller), now)
        if not request.caller.may(need):
            raise DeniedError(_missing(need), scope=need)

    def _count(self, key: str, now: int) -> None:
        """Counts a request; where the table does not answer, nobody is limited."""
        try:
            standing = wiring.limits().take(key, now)
        except ServiceError:
            logger.exception("not limited")
            return
        self._stand(standing)

    def _stand(self, standing: Standing) -> None:
        self.current_event.standing = standing
        if not standing.is_allowed:
            raise LimitedError(f"At most {standing.limit} requests a minute.", standing.reset)

    @property
    def routes(self) -> list[Route]:
        """All routes, those without parameters first."""
        return [*self._static_routes, *self._dynamic_routes]

    def _routes_at(self, path: str) -> list[Route]:
        routes = self._static_routes if path in self._static_paths else self._dynamic_routes
        return [route for route in routes if route.rule.match(path)]

    def _no_route(self, _: NoRouteError) -> Response[str]:
        """404, or for a known path 405 and what is allowed."""
        self._admit_anybody()
        routes = self._routes_at(self.current_event.path)
        if not routes:
            return self._problem(HTTPStatus.NOT_FOUND, "There is nothing at this path.")
        self.current_event.route = routes[0].openapi_path
        methods = {route.method for route in routes} | {"OPTIONS"}
        methods |= {"HEAD"} if "GET" in methods else set()
        allow = {"Allow": ", ".join(sorted(methods))}
        method = self.current_event.http_method
        if method == "OPTIONS":
            return Response(HTTPStatus.NO_CONTENT, headers=allow)
        return self._problem(HTTPStatus.METHOD_NOT_ALLOWED, f"{method} does nothing here.", headers=allow)

    def _refuse(self, error: CryptoPulseError) -> Response[str]:
        if isinstance(error, ConflictError):
            try:
                if (first := self._first()) is not None:
                    return first
            except (ConflictError, InvalidError) as repeated:
                error = repeated
        if isinstance(error, ThrottledError):
            logger.exception("refused")
            busy = HTTPStatus.SERVICE_UNAVAILABLE
            return self._problem(busy, "Too busy; try again.", headers={"Retry-After": "1"})
        status = next((STATUSES[kind] for kind in type(error).__mro__ if kind in STATUSES), None)
        if status is None:
            return self._fail(error)
        return self._problem(status, str(error), error, _advice(error))

    def _first(self) -> Response[str] | None:
        """The answer that the request got before, where it is a repeat: also one that came too late to be first."""
        request = self.current_event.repeatable
        first = None if request is None else wiring.kept().find(request, wiring.now())
        return None if first is None else Response(HTTPStatus(first.status), JSON, first.body, {**first.headers})

    def _fail(self, error: Exception) -> Response[str]:
        logger.exception("failed", exc_info=error)
        return self._problem(HTTPStatus.INTERNAL_SERVER_ERROR, "Something went wrong on our side.")

    def _problem(
        self,
        status: HTTPStatus,
        detail: str,
        error: Exception | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Response[str]:
        problem = Problem(
            title=status.phrase,
            status=status,
            detail=detail,
            request_id=self.current_event.request_context.request_id,
            errors=[FieldError(error.field, error.message)] if isinstance(error, InvalidError) else UNSET,
            conflict=_conflict(error) if isinstance(error, ShortError) else UNSET,
        )
        body = msgspec.json.encode(problem).decode()
        return Response(status, PROBLEM, body, {"Cache-Control": NO_STORE, **(headers or {})})


def _origin(request: Request) -> str:
    """What a request without good credentials counts for."""
    return f"ip#{network(address(request))}"


def _own(caller: Caller) -> str:
    """What a caller's requests count for: a token that leaked must not use up what its owner needs to be rid of it."""
    return f"user#{caller.user}" if caller.kind == "session" else f"user#{caller.user}#tokens"


def _missing(need: Scope) -> str:
    return "Only a session may do this: sign in." if need == "session" else f"This needs the scope {need}."


def _conflict(error: ShortError) -> Conflict:
    missing = f"{error.missing:f}"
    return Conflict(error.portfolio_id, error.transaction_id, error.asset, rfc3339(error.time), missing)


def _advice(error: CryptoPulseError) -> dict[str, str]:
    """The headers that say what would help."""
    match error:
        case UnauthenticatedError():
            return {"WWW-Authenticate": 'Bearer error="invalid_token"' if error.is_presented else "Bearer"}
        case DeniedError(scope=str(scope)):
            return {"WWW-Authenticate": f'Bearer error="insufficient_scope", scope="{scope}"'}
        case LimitedError():
            return {"Retry-After": str(error.retry_after)}
    return {}


def _tell(answer: dict[str, Any], standing: Standing | None) -> None:
    """Adds how the caller stands, but to what others may be shown from a cache."""
    headers = answer["headers"]
    if standing is not None and headers.get("Cache-Control", NO_STORE) == NO_STORE:
        headers["RateLimit-Limit"] = str(standing.limit)
        headers["RateLimit-Remaining"] = str(standing.remaining)
        headers["RateLimit-Reset"] = str(standing.reset)


def _size(answer: dict[str, Any]) -> int:
    """Bytes of an answer's body, as they go to the client."""
    body: str = answer["body"]
    if answer["isBase64Encoded"]:
        return len(body) // 4 * 3 - body.count("=", -2)
    return len(body) if body.isascii() else len(body.encode())
