"""Who makes a request."""

from aws_lambda_powertools.utilities.data_classes import APIGatewayProxyEventV2

from cryptopulse import wiring
from cryptopulse.domain.access_tokens import verify
from cryptopulse.domain.tokens import SCOPES, ApiToken, Caller
from cryptopulse.errors import UnauthenticatedError


def authenticate(event: APIGatewayProxyEventV2, *, live: bool) -> Caller:
    """The caller whose access token or API token the request carries.

    Args:
        event: The request.
        live: Whether an access token is to be refused once its session has ended; else it is good until it expires, as
            long as the account is there.

    Raises:
        UnauthenticatedError: There is no token, or none that is good.
    """
    now = wiring.now()
    credentials = event.headers.get("authorization", "")
    scheme, _, text = credentials.partition(" ")
    if not credentials:
        raise UnauthenticatedError("This needs a token: Authorization: Bearer …")
    if scheme.lower() != "bearer":
        raise UnauthenticatedError("Authorization takes a Bearer token.", is_presented=True)
    if text.startswith(ApiToken.PREFIX):
        return _program(text, now)
    claims = verify(text, lambda: wiring.keys().public, wiring.settings().ISSUER, now)
    if live:
        wiring.grants().admit_session(claims.sub, claims.sid, now)
    else:
        wiring.accounts().require(claims.sub)
    return Caller(claims.sub, claims.sid, "session", SCOPES.intersection(claims.scope.split()))


def _program(text: str, now: int) -> Caller:
    token = ApiToken.parse(text)
    if token is None:
        raise UnauthenticatedError("The API token is not good.", is_presented=True)
    granted = wiring.grants().admit_token(token, now)
    return Caller(granted.user, granted.id, "token", frozenset(granted.scopes))
