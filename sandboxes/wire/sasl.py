"""Sign-in to a broker: PLAIN (RFC 4616) and SCRAM-SHA-512 (RFC 5802)."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from sandboxes.wire.errors import WireError

Exchange = Callable[[bytes], Awaitable[bytes]]

# A broker asks for 4,096; a student's own could ask for billions, each a round of work for us.
_MOST_ITERATIONS = 20_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """mechanism: "PLAIN" or "SCRAM-SHA-512"."""

    mechanism: str
    username: str
    password: str = field(repr=False)


async def sign_in(credentials: Credentials, exchange: Exchange) -> None:
    """Run the mechanism's messages through `exchange`. Raises WireError when the server cannot prove
    itself.
    """
    if credentials.mechanism == "PLAIN":
        await exchange(b"\x00" + credentials.username.encode() + b"\x00" + credentials.password.encode())
    else:
        await _scram(credentials, exchange)


async def _scram(credentials: Credentials, exchange: Exchange) -> None:
    bare = f"n={_escaped(credentials.username)},r={secrets.token_urlsafe(18)}"
    challenge = (await exchange(b"n,," + bare.encode())).decode()
    asked = dict(pair.split("=", 1) for pair in challenge.split(",") if "=" in pair)
    if not asked.get("r", "").startswith(bare.rpartition("r=")[2]):
        raise WireError("the broker answered another sign-in than ours")
    salted = _salted(credentials.password, asked)
    final = f"c=biws,r={asked['r']}"
    signed = f"{bare},{challenge},{final}".encode()
    proof = base64.b64encode(_proof(salted, signed)).decode()
    verdict = (await exchange(f"{final},p={proof}".encode())).decode()
    expected = base64.b64encode(_hmac(_hmac(salted, b"Server Key"), signed)).decode()
    if not hmac.compare_digest(verdict, f"v={expected}"):
        raise WireError("the broker does not know the password either")


def _salted(password: str, asked: dict[str, str]) -> bytes:
    try:
        iterations, salt = int(asked["i"]), base64.b64decode(asked["s"])
    except (KeyError, ValueError) as error:
        raise WireError("the broker's sign-in challenge cannot be read") from error
    if not 0 < iterations <= _MOST_ITERATIONS:
        raise WireError(f"the broker asks for {iterations} rounds of hashing")
    return hashlib.pbkdf2_hmac("sha512", password.encode(), salt, iterations)


def _proof(salted: bytes, signed: bytes) -> bytes:
    client_key = _hmac(salted, b"Client Key")
    signature = _hmac(hashlib.sha512(client_key).digest(), signed)
    return bytes(a ^ b for a, b in zip(client_key, signature, strict=True))


def _hmac(key: bytes, data: bytes) -> bytes:
    return hmac.new(key, data, hashlib.sha512).digest()


def _escaped(name: str) -> str:
    return name.replace("=", "=3D").replace(",", "=2C")
