"""Which certificates the tools of set-up trust: those that the user, else the system, has chosen.

Behind a proxy that opens TLS only these hold its issuer, and each tool has a variable of its own for them.
"""

import ssl
from collections.abc import Mapping, MutableMapping
from pathlib import Path

_NAMES = ("SSL_CERT_FILE", "PIP_CERT", "REQUESTS_CA_BUNDLE", "NODE_EXTRA_CA_CERTS")


def _system_bundle() -> str:
    return ssl.get_default_verify_paths().cafile or ""


def settings(environ: Mapping[str, str], system: str | None = None) -> dict[str, str]:
    """The variables to add to `environ`, none of which it sets already. system: the system's bundle, if any.

    A bundle named for one tool is named for all: for OpenSSL and uv, pip, requests, and Node.
    """
    named = (environ.get(name, "") for name in _NAMES[:-1])
    bundle = next((place for place in named if place and Path(place).is_file()), "")
    bundle = bundle or (_system_bundle() if system is None else system)
    if not bundle:
        return {}
    wanted = dict.fromkeys(_NAMES, bundle) | {"UV_SYSTEM_CERTS": "1"}
    return {name: value for name, value in wanted.items() if not environ.get(name)}


def choose_for_requests(environ: MutableMapping[str, str]) -> None:
    """Have this process's own `requests` trust the same: inside jgo there is no other way to it."""
    name = "REQUESTS_CA_BUNDLE"
    environ.update({key: value for key, value in settings(environ).items() if key == name})
