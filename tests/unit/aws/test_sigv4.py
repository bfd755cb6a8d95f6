"""Our signatures are botocore's."""

from datetime import UTC, datetime
from urllib.parse import quote

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials as BotoCredentials
from hypothesis import given
from hypothesis import strategies as st

from cryptopulse.aws.sigv4 import Credentials, PostSigner, sign

CONNECTIONS = st.one_of(
    st.text(st.characters(codec="utf-8"), min_size=1, max_size=12),
    st.text(st.sampled_from("Za0=+-_~.%@/ "), min_size=1, max_size=16),
).filter(lambda connection: connection not in (".", ".."))  # as segments of a path these have a meaning
VISIBLE = st.characters(min_codepoint=0x21, max_codepoint=0x7E)


@given(
    method=st.sampled_from(["POST", "GET", "DELETE"]),
    segments=st.lists(
        st.text(st.characters(codec="utf-8", exclude_characters="/"), min_size=1, max_size=12), max_size=4
    ),
    body=st.binary(max_size=200),
    service=st.sampled_from(["dynamodb", "kinesis", "execute-api"]),
    token=st.text(VISIBLE, max_size=30),
    extra=st.dictionaries(
        st.sampled_from(["content-type", "x-amz-target", "x-custom"]), st.text(VISIBLE, min_size=1, max_size=20)
    ),
    moment=st.datetimes(datetime(2020, 1, 1), datetime(2040, 1, 1)),  # noqa: DTZ001
)
def test_random_requests_are_signed_as_botocore_signs_them(
    method: str,
    segments: list[str],
    body: bytes,
    service: str,
    token: str,
    extra: dict[str, str],
    moment: datetime,
) -> None:
    path = "/" + "/".join(quote(segment, safe="~") for segment in segments if segment not in (".", ".."))
    headers = {"host": "abc.example.com", **extra}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("botocore.auth.get_current_datetime", lambda: moment)
        request = AWSRequest(method=method, url=f"https://abc.example.com{path}", data=body, headers=dict(headers))
        SigV4Auth(BotoCredentials("AKID", "secret", token or None), service, "eu-west-1").add_auth(request)
    ours = sign(
        method,
        path,
        headers,
        body,
        service=service,
        region="eu-west-1",
        credentials=Credentials("AKID", "secret", token),
        now=moment.replace(tzinfo=UTC),
    )
    assert ours["authorization"] == request.headers["Authorization"]
    assert ours["x-amz-date"] == request.headers["X-Amz-Date"]


@given(
    prefix=st.sampled_from(["", "/ws", "/_aws/execute-api/a1~b2/ws", "/st%C3%A4ge"]),
    host=st.sampled_from(["abc.execute-api.eu-west-1.amazonaws.com", "127.0.0.1:4566"]),
    posts=st.lists(
        st.tuples(
            CONNECTIONS,
            st.binary(max_size=200),
            st.datetimes(datetime(2020, 1, 1), datetime(2040, 1, 1)),  # noqa: DTZ001
        ),
        min_size=1,
        max_size=4,
    ),
    token=st.text(VISIBLE, max_size=30),
)
def test_random_posts_are_signed_as_botocore_signs_them(
    prefix: str, host: str, posts: list[tuple[str, bytes, datetime]], token: str
) -> None:
    credentials = Credentials("AKID", "secret", token)
    signer = PostSigner(host, f"{prefix}/@connections/", "execute-api", "eu-west-1", credentials)
    for connection, body, moment in posts:
        method = "POST" if body else "DELETE"
        request = AWSRequest(
            method=method,
            url=f"https://{host}{prefix}/@connections/{quote(connection, safe='')}",
            data=body,
            headers={"host": host, "content-type": "application/json"},
        )
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("botocore.auth.get_current_datetime", lambda moment=moment: moment)
            SigV4Auth(BotoCredentials("AKID", "secret", token or None), "execute-api", "eu-west-1").add_auth(request)
        second = int(moment.replace(tzinfo=UTC).timestamp())
        head, _, sent = signer.request(connection, body, second, method).partition(b"\r\n\r\n")
        first, *lines = head.decode().split("\r\n")
        wanted = {name.lower(): value for name, value in request.headers.items()} | {"content-length": str(len(body))}
        assert first == f"{method} {prefix}/@connections/{quote(connection, safe='')} HTTP/1.1"
        assert dict(line.split(": ", 1) for line in lines) == wanted
        assert sent == body


def test_secrets_are_not_shown() -> None:
    assert repr(Credentials("AKID", "secret", "token")) == "Credentials(AKID)"
