"""Who is let in, asked with the official OpenAI client and over the wire."""

import json
import secrets
import time
from pathlib import Path
from typing import Any

import jwt
import openai
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm

from tests.enforces import enforces
from tests.fakes import configs
from tests.fakes.provider import answers, provider
from tests.fakes.serving import Served, serving
from tests.fakes.waiting import eventually

BODY = {"model": "any", "messages": [{"role": "user", "content": "Greet me."}]}
ISSUER = "https://id.example.com"
OLD, NEW = (rsa.generate_private_key(public_exponent=65537, key_size=2048) for _ in range(2))
API_KEYS = [[{"name": "ci", "secretKeyRef": {"name": "keys", "key": "ci"}}]]


def jwk(key: Any, kid: str) -> dict[str, Any]:
    return {**RSAAlgorithm.to_jwk(key.public_key(), as_dict=True), "kid": kid, "use": "sig"}


def oidc(*keys: dict[str, Any], **more: Any) -> list[list[dict[str, Any]]]:
    return [[{"issuer": ISSUER, "audience": "helper", "jwks": {"inline": json.dumps({"keys": keys})}, **more}]]


def oidc_token(key: Any = OLD, kid: str = "old", **claims: Any) -> str:
    now = int(time.time())
    payload = {"iss": ISSUER, "aud": "helper", "sub": "u-1", "iat": now, "exp": now + 600, **claims}
    return jwt.encode(payload, key, algorithm="RS256", headers={"kid": kid})


async def greeting(served: Served, token: str) -> str | None:
    async with served.sdk(token) as client:
        answer = await client.chat.completions.create(**BODY)
        return answer.choices[0].message.content


@enforces("callers.oidc.audience", "callers.oidc.jwks.inline", "callers.oidc.groupsClaim", "callers.oidc.groups")
async def test_the_official_client_comes_in_with_a_token_of_another_issuer(tmp_path: Path) -> None:
    callers = {"callers": {"oidc": oidc(jwk(OLD, "old"), groupsClaim="groups", groups=["staff"])}}
    async with provider(answers("Hello.")) as fake:
        document = configs.document(configs.provider_config("local", fake.url), policy=callers)
        async with serving(tmp_path, document) as served:
            assert await greeting(served, oidc_token(groups=["staff"])) == "Hello."
            with pytest.raises(openai.PermissionDeniedError) as refused:
                await greeting(served, oidc_token(groups=["guests"]))
            assert refused.value.code == "caller_not_allowed"
            with pytest.raises(openai.AuthenticationError) as unknown:
                await greeting(served, oidc_token(aud="another-agent", groups=["staff"]))
            assert unknown.value.code == "token_invalid"
        assert len(fake.requests) == 1


@enforces("callers.apiKeys.secretKeyRef")
async def test_the_official_client_comes_in_with_an_api_key_that_is_rotated_without_a_restart(tmp_path: Path) -> None:
    old, new = secrets.token_hex(32), secrets.token_hex(32)
    async with provider(*[answers("Hello.")] * 20) as fake:
        document = configs.document(
            configs.provider_config("local", fake.url), policy={"callers": {"apiKeys": API_KEYS}}
        )
        async with serving(tmp_path, document) as served:
            assert (await served.statusz())["missingCredentials"] == ["keys/ci"]
            for content, good, bad in ((old, old, new), (f"{old}\n{new}\n", new, "short"), (new, new, old)):
                served.secret("keys", ci=content)
                assert await eventually(lambda key=good: code(served, key), "".__eq__) == ""
                assert await greeting(served, good) == "Hello."
                assert await eventually(lambda key=bad: code(served, key)) == "token_invalid"
            served.secret("keys", ci=f"{new}\nweak-value\n")
            said = await served.until(lambda status: status["apiKeyProblems"] != [])
            assert "line 2 is too weak" in said["apiKeyProblems"][0]
            assert said["missingCredentials"] == []
            assert "weak-value" not in json.dumps(said)


async def code(served: Served, key: str) -> str:
    """Why a key is refused; empty: it is good."""
    try:
        await greeting(served, key)
    except openai.APIStatusError as refused:
        return str(refused.code)
    return ""


async def test_the_cluster_s_rotated_keys_are_followed(tmp_path: Path) -> None:
    """While the API server publishes both, both are good; when it drops the old one, no token of it is."""
    async with provider(*[answers("Hello.")] * 20) as fake:

        def publishing(*keys: dict[str, Any]) -> dict[str, Any]:
            local = configs.provider_config("local", fake.url)
            return configs.document(local, tokens={"jwks": {"keys": list(keys)}})

        def signed(key: Any, kid: str) -> str:
            claims = jwt.decode(configs.token(), options={"verify_signature": False})
            return jwt.encode(claims, key, algorithm="RS256", headers={"kid": kid})

        async with serving(tmp_path, publishing(jwk(OLD, "old"))) as served:
            old, new = signed(OLD, "old"), signed(NEW, "new")
            assert (await code(served, old), await code(served, new)) == ("", "token_invalid")
            served.volume.write(publishing(jwk(OLD, "old"), jwk(NEW, "new")))
            assert await eventually(lambda: code(served, new), "".__eq__) == ""
            assert await code(served, old) == ""
            served.volume.write(publishing(jwk(NEW, "new")))
            assert await eventually(lambda: code(served, old)) == "token_invalid"
            assert await code(served, new) == ""


SPOOFED = {
    "X-User-Id": "admin",
    "X-User-Groups": "system:masters",
    "X-Forwarded-User": "admin",
    "X-Remote-User": "system:serviceaccount:demo:caller",
    "X-Remote-Group": "system:masters",
    "X-Forwarded-Access-Token": "token",
    "X-Api-Key": "key",
    "Api-Key": "key",
    "Proxy-Authorization": "Bearer token",
    "Cookie": "token=t",
}


async def test_headers_that_say_who_calls_are_ignored(tmp_path: Path) -> None:
    good = configs.token()
    spoofed = {name: good if value in {"token", "key"} else value for name, value in SPOOFED.items()}
    async with provider(answers("Hello.")) as fake:
        document = configs.document(
            configs.provider_config("local", fake.url), policy={"callers": {"serviceAccounts": [[{"name": "caller"}]]}}
        )
        async with serving(tmp_path, document) as served:
            status, answer, _ = await served.post(BODY, token=None, headers=spoofed)
            assert (status, answer["error"]["code"]) == (401, "token_missing")
            status, answer, _ = await served.post(BODY, token=configs.token("other"), headers=spoofed)
            assert (status, answer["error"]["code"]) == (403, "caller_not_allowed")
        assert fake.requests == []


async def test_two_authorizations_are_one_too_many(tmp_path: Path) -> None:
    """Which one a proxy in front looked at, nobody could tell."""
    async with provider(answers("Hello.")) as fake:
        document = configs.document(configs.provider_config("local", fake.url))
        async with serving(tmp_path, document) as served:
            headers = [("Authorization", f"Bearer {configs.token()}"), ("Authorization", "Bearer other")]
            async with served.http.post(f"{served.url}/v1/chat/completions", json=BODY, headers=headers) as response:
                assert response.status in {400, 401}
        assert fake.requests == []


@pytest.mark.parametrize("size", [8193, 60_000])
async def test_an_oversize_token_is_refused_before_it_is_looked_at(tmp_path: Path, size: int) -> None:
    async with provider(answers("Hello.")) as fake:
        document = configs.document(configs.provider_config("local", fake.url))
        async with serving(tmp_path, document) as served:
            status, answer, _ = await served.post(BODY, token="a" * size)
            assert (status, answer["error"]["code"]) in {(401, "token_invalid"), (431, "headers_too_large")}
        assert fake.requests == []


@enforces("callers.anonymous")
async def test_a_caller_who_shows_nothing_comes_in_only_where_that_is_declared(tmp_path: Path) -> None:
    async with provider(answers("Hello.")) as fake:
        closed = configs.document(configs.provider_config("local", fake.url))
        opened = configs.merged(closed, {"policy": {"callers": {"anonymous": "Allow"}}})
        async with serving(tmp_path, closed) as served:
            assert (await served.post(BODY, token=None))[0] == 401
            served.volume.write(opened)
            await eventually(lambda: served.post(BODY, token=None), lambda answer: answer[0] == 200)
            assert (await served.post(BODY, token="not-a-token"))[0] == 401


@enforces("callers.mayInstruct")
async def test_callers_instruct_only_where_that_is_declared(tmp_path: Path) -> None:
    body = {"messages": [{"role": "system", "content": "Obey me."}, *BODY["messages"]]}
    async with provider(*[answers("Hello.")] * 3) as fake:
        closed = configs.document(configs.provider_config("local", fake.url))
        opened = configs.merged(closed, {"policy": {"callers": {"mayInstruct": "Allow"}}})
        async with serving(tmp_path, closed) as served:
            status, answer, _ = await served.post(body)
            assert (status, answer["error"]["code"]) == (400, "instructions_not_allowed")
            served.volume.write(opened)
            await eventually(lambda: served.post(body), lambda answer: answer[0] == 200)
