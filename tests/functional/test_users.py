"""A user's own account."""

from collections.abc import Iterable
from typing import Any

import boto3
import pytest

from cryptopulse import wiring
from cryptopulse.api import renderings
from cryptopulse.aws.accounts import Accounts
from cryptopulse.aws.dynamodb import Table
from cryptopulse.aws.grants import Client
from cryptopulse.domain.accounts import API_TOKENS, Account
from cryptopulse.domain.subscriptions import Connection
from cryptopulse.domain.times import rfc3339
from cryptopulse.domain.users import email_key
from cryptopulse.errors import UnauthenticatedError
from functions.users import app as users
from functions.wipe_accounts import app as wipe_accounts
from tests.functional.web import ADDRESS, EMAIL, PASSWORD, Person, Reply, Web

NEW = "another good passphrase"
DAY = 86_400_000
DEFAULTS = {"base_currency": "USD", "cost_basis": "fifo", "watchlist": ["BTC-USD"], "theme": "system"}


@pytest.fixture
def ann(web: Web) -> Person:
    return web.person()


def field(reply: Reply) -> tuple[int, str]:
    (error,) = reply.body["errors"]
    return reply.status, error["field"]


def token(web: Web, person: Person, *scopes: str, **more: Any) -> Reply:
    return web("POST", "/users/me/tokens", {"name": "bot", "scopes": list(scopes), **more}, token=person.access)


# --- profile ---


def test_the_profile_is_what_was_registered(web: Web, ann: Person) -> None:
    reply = web("GET", "/users/me", token=ann.access)
    assert reply.status == 200
    assert reply.body == {
        "id": ann.id,
        "email": EMAIL,
        "display_name": None,
        "created_at": reply.body["created_at"],
    }
    assert reply.headers["Cache-Control"] == "no-store"


def test_the_name_changes_and_goes(web: Web, ann: Person) -> None:
    assert web("PATCH", "/users/me", {"display_name": "Ann"}, token=ann.access).body["display_name"] == "Ann"
    assert web("PATCH", "/users/me", {}, token=ann.access).body["display_name"] == "Ann"
    assert web("PATCH", "/users/me", {"display_name": None}, token=ann.access).body["display_name"] is None


@pytest.mark.parametrize(
    ("body", "at_fault"),
    [
        ({"id": "x"}, "id"),
        ({"password": PASSWORD}, "password"),
        ({"created_at": "2020-01-01T00:00:00Z"}, "created_at"),
        ({"email": "bob"}, "email"),
        ({"email": "bob@example.com"}, "current_password"),
        ({"email": "bob@example.com", "current_password": "wrong password, quite"}, "current_password"),
        ({"display_name": "\x00"}, "display_name"),
    ],
)
def test_a_bad_change_names_the_field_and_changes_nothing(
    web: Web, ann: Person, body: dict[str, Any], at_fault: str
) -> None:
    before = web("GET", "/users/me", token=ann.access).body
    assert field(web("PATCH", "/users/me", body, token=ann.access)) == (422, at_fault)
    assert web("GET", "/users/me", token=ann.access).body == before


def test_the_e_mail_changes_with_the_password_and_frees_the_old_one(web: Web, ann: Person) -> None:
    change = {"email": "Ann.New@example.com", "current_password": PASSWORD}
    assert web("PATCH", "/users/me", change, token=ann.access).body["email"] == "Ann.New@example.com"
    assert web.sign_in("ann.new@example.com").status == 200
    assert web.sign_in().status == 401
    assert web.register().status == 201
    change = {"email": EMAIL, "current_password": PASSWORD}
    assert web("PATCH", "/users/me", change, token=ann.access).status == 409
    assert web("GET", "/users/me", token=ann.access).body["email"] == "Ann.New@example.com"


def test_the_e_mail_may_be_written_otherwise(web: Web, ann: Person) -> None:
    change = {"email": "ANN@example.com", "current_password": PASSWORD}
    assert web("PATCH", "/users/me", change, token=ann.access).body["email"] == "ANN@example.com"
    assert web.sign_in().status == 200


# --- password ---


def test_a_new_password_ends_all_other_sessions(web: Web, ann: Person) -> None:
    other = web.again(ann.id)
    body = {"current_password": PASSWORD, "new_password": NEW}
    assert web("POST", "/users/me/password", body, token=ann.access).status == 204
    assert web("GET", "/users/me", token=ann.access).status == 200
    assert web("GET", "/users/me", token=other.access).status == 401
    assert web("POST", "/auth/refresh", {"refresh_token": other.refresh}).status == 401
    assert web("POST", "/auth/refresh", {"refresh_token": ann.refresh}).status == 200
    assert web.sign_in().status == 401
    assert web.sign_in(password=NEW).status == 200
    assert len(web("GET", "/users/me/sessions", token=ann.access).body["items"]) == 2


@pytest.mark.parametrize(
    ("body", "at_fault"),
    [
        ({"current_password": "wrong password, quite", "new_password": NEW}, "current_password"),
        ({"current_password": PASSWORD, "new_password": "short"}, "new_password"),
        ({"current_password": PASSWORD, "new_password": "Password2026!!"}, "new_password"),
        ({"current_password": PASSWORD, "new_password": EMAIL}, "new_password"),
        ({"new_password": NEW}, "current_password"),
        ({"current_password": PASSWORD}, "new_password"),
    ],
)
def test_a_bad_password_change_names_the_field(web: Web, ann: Person, body: dict[str, Any], at_fault: str) -> None:
    assert field(web("POST", "/users/me/password", body, token=ann.access)) == (422, at_fault)
    assert web.sign_in().status == 200


def test_two_equal_changes_of_the_e_mail_are_one(web: Web, ann: Person) -> None:
    change = {"email": "ann.new@example.com", "current_password": PASSWORD}
    before, accounts = wiring.accounts().require(ann.id), wiring.accounts()
    assert web("PATCH", "/users/me", change, token=ann.access).status == 200
    reads = iter([before])

    class Late(Accounts):
        def get(self, user: str) -> Account | None:
            return next(reads, None) or super().get(user)

    def again(account: Account) -> None:
        account.email, account.email_key = change["email"], email_key(change["email"])

    late = Late(accounts._table)
    assert late.change(ann.id, again).email == "ann.new@example.com"


def test_a_new_password_leaves_the_sockets_of_api_tokens_alone(web: Web, ann: Person) -> None:
    bot = token(web, ann, "read").body
    other = web.again(ann.id)
    now = wiring.now()
    for number, credential in enumerate((ann.access, bot["token"], other.access)):
        bound = wiring.tickets().redeem(web("POST", "/auth/ws-ticket", token=credential).body["ticket"], now)
        assert bound is not None
        wiring.connections().open(Connection(f"c{number}=", ADDRESS, now, now, user=bound.user, grant=bound.grant))
    body = {"current_password": PASSWORD, "new_password": NEW}
    assert web("POST", "/users/me/password", body, token=ann.access).status == 204
    found = [wiring.connections().find(f"c{number}=", now) for number in range(3)]
    assert [each.is_ended for each in found if each] == [False, False, True]


def test_an_e_mail_does_not_change_with_a_password_that_has_just_changed(
    web: Web, ann: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    confirm = users._confirm

    def overtaken(*args: Any) -> Account:
        account = confirm(*args)
        wiring.accounts().change_password(wiring.accounts().require(ann.id), "another hash", args[0].grant)
        return account

    monkeypatch.setattr(users, "_confirm", overtaken)
    change = {"email": "ann.new@example.com", "current_password": PASSWORD}
    assert web("PATCH", "/users/me", change, token=ann.access).status == 409
    assert wiring.accounts().require(ann.id).email == EMAIL


def test_stored_preferences_may_hold_what_is_not_known_yet(web: Web, ann: Person, aws: boto3.Session) -> None:
    table = aws.resource("dynamodb").Table("Accounts")
    key = {"pk": f"USER#{ann.id}", "sk": "ACCOUNT"}
    table.update_item(Key=key, UpdateExpression="SET preferences.locale = :l", ExpressionAttributeValues={":l": "de"})
    assert web("GET", "/users/me/preferences", token=ann.access).body == DEFAULTS


def test_a_thief_of_a_session_cannot_guess_the_password(web: Web, ann: Person) -> None:
    guess = {"current_password": "wrong password, quite"}
    statuses = [web("DELETE", "/users/me", guess, token=ann.access).status for _ in range(7)]
    assert statuses == [422] * 5 + [429, 429]
    right = {"current_password": PASSWORD, "new_password": NEW}
    assert web("POST", "/users/me/password", right, token=ann.access).status == 429


def test_a_sign_in_that_races_with_a_new_password_opens_nothing(web: Web, ann: Person) -> None:
    before = wiring.accounts().require(ann.id)
    body = {"current_password": PASSWORD, "new_password": NEW}
    assert web("POST", "/users/me/password", body, token=ann.access).status == 204
    with pytest.raises(UnauthenticatedError):
        wiring.grants().open_session(before, Client(ADDRESS, ""), wiring.now())


# --- preferences ---


def test_preferences_begin_with_defaults_and_are_replaced(web: Web, ann: Person) -> None:
    assert web("GET", "/users/me/preferences", token=ann.access).body == DEFAULTS
    mine = {"base_currency": "EUR", "cost_basis": "hifo", "watchlist": ["ETH-EUR", "SOL-USDT"], "theme": "dark"}
    assert web("PUT", "/users/me/preferences", mine, token=ann.access).body == mine
    assert web("GET", "/users/me/preferences", token=ann.access).body == mine
    assert web("PUT", "/users/me/preferences", {"theme": "light"}, token=ann.access).body == DEFAULTS | {
        "theme": "light"
    }


@pytest.mark.parametrize(
    ("body", "at_fault"),
    [
        ({"base_currency": "usd"}, "base_currency"),
        ({"cost_basis": "average"}, "cost_basis"),
        ({"watchlist": ["btc-usd"]}, "watchlist"),
        ({"watchlist": ["BTC"]}, "watchlist"),
        ({"watchlist": ["BTC-USD\n"]}, "watchlist"),
        ({"watchlist": ["BTC-USD", "BTC-USD"]}, "watchlist"),
        ({"watchlist": [f"A{number}-USD" for number in range(201)]}, "watchlist"),
        ({"watchlist": "BTC-USD"}, "watchlist"),
        ({"theme": None}, "theme"),
        ({"locale": "de"}, "locale"),
    ],
)
def test_bad_preferences_name_the_field(web: Web, ann: Person, body: dict[str, Any], at_fault: str) -> None:
    assert field(web("PUT", "/users/me/preferences", body, token=ann.access)) == (422, at_fault)
    assert web("GET", "/users/me/preferences", token=ann.access).body == DEFAULTS


# --- sessions ---


def test_sessions_are_listed_and_ended(web: Web, ann: Person) -> None:
    other = web.again(ann.id)
    items = web("GET", "/users/me/sessions", token=ann.access).body["items"]
    assert sorted(items[0]) == ["address", "created_at", "current", "id", "last_used_at", "user_agent"]
    assert sorted(item["current"] for item in items) == [False, True]
    assert {item["address"] for item in items} == {ADDRESS}
    (theirs,) = [item["id"] for item in items if not item["current"]]
    assert web("DELETE", f"/users/me/sessions/{theirs}", token=ann.access).status == 204
    assert web("GET", "/users/me", token=other.access).status == 401
    assert [item["current"] for item in web("GET", "/users/me/sessions", token=ann.access).body["items"]] == [True]
    assert web("DELETE", "/users/me/sessions/nonsense", token=ann.access).status == 404


def test_sessions_come_in_pages(web: Web, ann: Person) -> None:
    for _ in range(4):
        web.again(ann.id)
    first = web("GET", "/users/me/sessions", token=ann.access, query={"limit": "3"}).body
    rest = web("GET", "/users/me/sessions", token=ann.access, query={"limit": "3", "cursor": first["next_cursor"]}).body
    assert len({item["id"] for item in first["items"] + rest["items"]}) == 5
    assert rest["next_cursor"] is None


def test_an_access_token_outlives_its_session_but_not_here(web: Web, ann: Person) -> None:
    web("POST", "/auth/logout", {"refresh_token": ann.refresh})
    for method, path in (("GET", "/users/me"), ("GET", "/users/me/export"), ("POST", "/auth/ws-ticket")):
        assert web(method, path, token=ann.access).status == 401


# --- API tokens ---


def test_an_api_token_is_shown_once_and_works(web: Web, ann: Person) -> None:
    made = token(web, ann, "read", "trade")
    assert made.status == 201
    text = made.body["token"]
    shown = {name: value for name, value in made.body.items() if name != "token"}
    assert shown == {
        "id": made.body["id"],
        "name": "bot",
        "scopes": ["read", "trade"],
        "created_at": made.body["created_at"],
        "expires_at": None,
        "last_used_at": None,
    }
    assert web("GET", "/users/me/tokens", token=ann.access).body == {"items": [shown], "next_cursor": None}
    assert web("GET", "/users/me", token=text).body["id"] == ann.id
    (used,) = web("GET", "/users/me/tokens", token=ann.access).body["items"]
    assert used["last_used_at"] is not None
    assert web("DELETE", f"/users/me/tokens/{made.body['id']}", token=ann.access).status == 204
    assert web("GET", "/users/me", token=text).status == 401
    assert web("DELETE", f"/users/me/tokens/{made.body['id']}", token=ann.access).status == 404


def test_scopes_bound_what_an_api_token_may(web: Web, ann: Person) -> None:
    read, trade, admin = (token(web, ann, scope).body["token"] for scope in ("read", "trade", "admin"))
    assert [web("GET", "/users/me", token=each).status for each in (read, trade, admin)] == [200, 403, 403]
    change = {"display_name": "Bot"}
    assert [web("PATCH", "/users/me", change, token=each).status for each in (read, trade, admin)] == [403, 403, 200]
    everything = token(web, ann, "read", "trade", "admin").body["token"]
    for method, path, body in (
        ("POST", "/users/me/tokens", {"name": "more", "scopes": ["read"]}),
        ("DELETE", "/users/me/tokens/x", None),
        ("POST", "/users/me/password", {"current_password": PASSWORD, "new_password": NEW}),
        ("PATCH", "/users/me", {"email": "x@example.com", "current_password": PASSWORD}),
        ("DELETE", "/users/me", {"current_password": PASSWORD}),
    ):
        reply = web(method, path, body, token=everything)
        assert reply.status == 403
        assert reply.headers["WWW-Authenticate"] == 'Bearer error="insufficient_scope", scope="session"'


def test_its_end_may_be_told_in_unix_milliseconds(web: Web, ann: Person) -> None:
    end = wiring.now() // 1000 * 1000 + DAY
    assert token(web, ann, "read", expires_at=end).body["expires_at"] == rfc3339(end)
    for wrong in (-1, True, 1.5, 10**400):
        assert field(token(web, ann, "read", expires_at=wrong)) == (422, "expires_at")


def test_an_api_token_ends_when_it_says(web: Web, ann: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    end = wiring.now() + DAY
    made = token(web, ann, "read", expires_at=rfc3339(end))
    assert made.body["expires_at"] == rfc3339(end)
    monkeypatch.setattr(wiring, "now", lambda: end - 1)
    fresh = web.again(ann.id)
    assert web("GET", "/users/me", token=made.body["token"]).status == 200
    monkeypatch.setattr(wiring, "now", lambda: end)
    assert web("GET", "/users/me", token=made.body["token"]).status == 401
    assert web("GET", "/users/me/tokens", token=fresh.access).body["items"] == []


@pytest.mark.parametrize(
    ("body", "at_fault"),
    [
        ({"scopes": ["read"]}, "name"),
        ({"name": "bot"}, "scopes"),
        ({"name": "bot", "scopes": []}, "scopes"),
        ({"name": "bot", "scopes": ["session"]}, "scopes"),
        ({"name": "bot", "scopes": ["read", "read"]}, "scopes"),
        ({"name": "bot", "scopes": ["read"], "expires_at": "2020-01-01"}, "expires_at"),
        ({"name": "bot", "scopes": ["read"], "expires_at": "soon"}, "expires_at"),
        ({"name": "bot", "scopes": ["read"], "token": "cp_mine"}, "token"),
    ],
)
def test_a_bad_api_token_names_the_field(web: Web, ann: Person, body: dict[str, Any], at_fault: str) -> None:
    assert field(web("POST", "/users/me/tokens", body, token=ann.access)) == (422, at_fault)


def test_a_user_has_so_many_api_tokens(web: Web, ann: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    assert API_TOKENS == 50
    monkeypatch.setattr("cryptopulse.aws.grants.API_TOKENS", 2)
    assert [token(web, ann, "read").status for _ in range(3)] == [201, 201, 409]


def test_the_same_request_for_an_api_token_is_done_once(web: Web, ann: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    def make(name: str) -> Reply:
        body = {"name": name, "scopes": ["read"]}
        return web("POST", "/users/me/tokens", body, token=ann.access, headers={"idempotency-key": "one"})

    assert make("bot").status == 201
    again = make("bot")
    assert (again.status, again.body["detail"]) == (
        409,
        "This request was done before; what it showed is shown once.",
    )
    assert field(make("other")) == (422, "Idempotency-Key")
    assert len(web("GET", "/users/me/tokens", token=ann.access).body["items"]) == 1
    ahead = wiring.now() + DAY + 1_000
    monkeypatch.setattr(wiring, "now", lambda: ahead)
    ann = web.again(ann.id)
    assert make("bot").status == 201


# --- export and end ---


def test_the_export_holds_everything_and_no_secret(web: Web, ann: Person) -> None:
    made = token(web, ann, "read").body
    portfolio = web("POST", "/portfolios", {"name": "Main"}, token=ann.access).body
    bought = {"type": "buy", "asset": "XYZ", "quantity": "1", "price": "2", "time": "2024-01-01"}
    path = f"/portfolios/{portfolio['id']}/transactions"
    transactions = [web("POST", path, bought, token=ann.access).body for _ in range(2)]
    found = web("GET", "/users/me/export", token=ann.access)
    assert found.status == 200
    assert sorted(found.body) == [
        "alerts",
        "alerts_fired",
        "exported_at",
        "portfolios",
        "preferences",
        "profile",
        "sessions",
        "tokens",
    ]
    assert found.body["portfolios"] == [portfolio | {"transactions": transactions}]
    assert found.body["profile"]["email"] == EMAIL
    assert found.body["preferences"] == DEFAULTS
    assert [each["id"] for each in found.body["tokens"]] == [made["id"]]
    assert len(found.body["sessions"]) == 1
    text = str(found.body)
    for secret in (made["token"], ann.refresh, "argon2", "digest"):
        assert secret not in text


def test_a_long_export_is_packed(web: Web, ann: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    accepts = {"accept-encoding": "gzip"}
    whole = web("GET", "/users/me/export", token=ann.access, headers=accepts)
    assert "Content-Encoding" not in whole.headers
    monkeypatch.setattr(renderings, "PACKED_FROM", 100)
    assert web("GET", "/users/me/export", token=ann.access, headers={"accept-encoding": "br"}).status == 200
    packed = web("GET", "/users/me/export", token=ann.access, headers=accepts)
    assert packed.headers["Content-Encoding"] == "gzip"
    assert packed.body | {"exported_at": ""} == whole.body | {"exported_at": ""}
    monkeypatch.setattr(renderings, "LARGEST", 250)
    assert web("GET", "/users/me/export", token=ann.access, headers=accepts).status == 413
    assert web("GET", "/users/me/export", token=ann.access, headers={"accept-encoding": "br"}).status == 413


def test_more_than_one_answer_holds_is_refused_before_it_is_read(
    web: Web, ann: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    portfolio = web("POST", "/portfolios", {"name": "Main"}, token=ann.access).body
    bought = {"type": "buy", "asset": "XYZ", "quantity": "1", "price": "2", "time": "2024-01-01"}
    web("POST", f"/portfolios/{portfolio['id']}/transactions", [bought] * 3, token=ann.access)
    monkeypatch.setattr(users, "EXPORTED", 3)
    assert web("GET", "/users/me/export", token=ann.access).status == 200
    monkeypatch.setattr(users, "EXPORTED", 2)
    assert web("GET", "/users/me/export", token=ann.access).status == 413


def everything_of(aws: boto3.Session, user: str) -> list[str]:
    """Keys of all items of all tables that name a user."""
    tables = [aws.client("dynamodb").scan(TableName=table)["Items"] for table in ("Accounts", "Connections", "Market")]
    return sorted(
        f"{item['pk']['S']} {item['sk']['S']}"
        for items in tables
        for item in items
        if user in str(item) and not item["pk"]["S"].startswith(("RATE#", "ATTEMPTS#"))
    )


def test_an_account_ends_at_once_and_is_wiped_whole(web: Web, ann: Person, aws: boto3.Session, context: Any) -> None:
    other, bot = web.again(ann.id), token(web, ann, "read").body["token"]
    bob = web.person("bob@example.com")
    assert field(web("DELETE", "/users/me", {"current_password": "wrong password, quite"}, token=ann.access)) == (
        422,
        "current_password",
    )
    assert web("DELETE", "/users/me", {"current_password": PASSWORD}, token=ann.access).status == 204
    for credential in (ann.access, other.access, bot):
        assert web("GET", "/users/me", token=credential).status == 401
    assert web("POST", "/auth/refresh", {"refresh_token": other.refresh}).status == 401
    assert web.sign_in().status == 401
    again = web.register()
    assert again.status == 201
    assert again.body["id"] != ann.id

    assert everything_of(aws, ann.id)
    wipe_accounts.handler({}, context)
    assert everything_of(aws, ann.id) == []
    assert web("GET", "/users/me", token=bob.access).status == 200
    assert web.sign_in().status == 200
    wipe_accounts.handler({}, context)
    assert everything_of(aws, bob.id)


def test_sockets_that_the_end_missed_are_ended_by_the_wipe(web: Web, ann: Person, context: Any) -> None:
    account, now = wiring.accounts().require(ann.id), wiring.now()
    wiring.connections().open(Connection("c=", ADDRESS, now, now, user=ann.id, grant="g"))
    wiring.accounts().end(account, now)
    wipe_accounts.handler({}, context)
    connection = wiring.connections().find("c=", now)
    assert connection is not None
    assert connection.is_ended


def test_changes_of_the_profile_meanwhile_hold_up_neither_the_end_nor_a_new_password(web: Web, ann: Person) -> None:
    accounts = wiring.accounts()
    account = accounts.require(ann.id)
    session = web("GET", "/users/me/sessions", token=ann.access).body["items"][0]["id"]
    assert web("PATCH", "/users/me", {"display_name": "Ann"}, token=ann.access).status == 200
    accounts.change_password(account, "a new hash", session)
    later = accounts.require(ann.id)
    assert (later.password, later.epoch, later.display_name) == ("a new hash", 2, "Ann")
    assert web("PATCH", "/users/me", {"display_name": "Ann again"}, token=ann.access).status == 200
    accounts.end(later, wiring.now())
    assert accounts.get(ann.id) is None


def test_a_leaked_token_does_not_use_up_what_its_owner_needs(
    web: Web, ann: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = token(web, ann, "read").body
    monkeypatch.setenv("REQUESTS_PER_MINUTE", "5")
    following = wiring.now() // 60_000 * 60_000 + 75_000
    monkeypatch.setattr(wiring, "now", lambda: following)
    wiring.clear()
    assert 429 in [web("GET", "/users/me", token=made["token"]).status for _ in range(12)]
    assert web("DELETE", f"/users/me/tokens/{made['id']}", token=ann.access).status == 204


def test_a_wipe_that_is_broken_off_goes_on(
    web: Web, ann: Person, aws: boto3.Session, context: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(3):
        web.again(ann.id)
    web("DELETE", "/users/me", {"current_password": PASSWORD}, token=ann.access)
    before = len(everything_of(aws, ann.id))
    delete = Table.delete_many

    def two(self: Table, keys: Iterable[tuple[str, str]]) -> None:
        delete(self, list(keys)[:2])
        raise TimeoutError("broken off")

    with monkeypatch.context() as patch:
        patch.setattr(Table, "delete_many", two)
        with pytest.raises(TimeoutError):
            wipe_accounts.handler({}, context)
    assert len(everything_of(aws, ann.id)) == before - 2
    wipe_accounts.handler({}, context)
    assert everything_of(aws, ann.id) == []
