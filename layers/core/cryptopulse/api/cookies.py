"""The cookie that keeps a browser's refresh token out of its scripts' reach."""

from typing import Final
from urllib.parse import urlsplit

from aws_lambda_powertools.shared.cookies import Cookie, SameSite
from aws_lambda_powertools.utilities.data_classes import APIGatewayProxyEventV2

from cryptopulse import wiring
from cryptopulse.domain.tokens import REFRESH_LIFETIME
from cryptopulse.errors import DeniedError

NAME: Final = "refresh_token"
WEB_PATH: Final = "/api"
"""Where the API stands on the dashboard's origin."""


def refresh_cookie(event: APIGatewayProxyEventV2) -> str | None:
    """The refresh token that the request's cookie holds, if it comes from a page of our own.

    Raises:
        DeniedError: There is such a cookie, and the request does not say that it comes from our own origin.
    """
    # AWS takes cookies out of the headers; the local cloud leaves them there.
    pairs = [*(event.cookies or ()), *event.headers.get("cookie", "").split(";")]
    found: list[str] = [value for name, _, value in (pair.strip().partition("=") for pair in pairs) if name == NAME]
    if not found:
        return None
    if not _is_own(event):
        raise DeniedError("The cookie is taken from pages of our own Origin only.")
    return found[0]


def keep(event: APIGatewayProxyEventV2, token: str) -> Cookie:
    """What makes a browser keep the token."""
    return _cookie(event, token, REFRESH_LIFETIME)


def drop(event: APIGatewayProxyEventV2) -> Cookie:
    """What makes a browser forget it."""
    return _cookie(event, "", 0)


def _cookie(event: APIGatewayProxyEventV2, token: str, kept: int) -> Cookie:
    own = urlsplit(wiring.settings().ISSUER).path
    base = WEB_PATH if _origin(event) in wiring.settings().web_origins else own
    return Cookie(
        NAME,
        token,
        path=f"{base}/auth",
        secure=True,
        http_only=True,
        max_age=kept,
        same_site=SameSite.STRICT_MODE,
    )


def _origin(event: APIGatewayProxyEventV2) -> str:
    return event.headers.get("origin", "")


def _is_own(event: APIGatewayProxyEventV2) -> bool:
    """Whether the page that sends the request is the dashboard, or on the API's own host."""
    origin = _origin(event)
    if origin in wiring.settings().web_origins:
        return True
    parts = urlsplit(wiring.settings().ISSUER)
    return origin == f"{parts.scheme}://{parts.netloc}"
