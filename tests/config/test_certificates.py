"""Certificates for set-up's tools: one choice for all of them, and a sentence of its own when it is wrong."""

from pathlib import Path

import pytest

from config.install import certificates, faults

# What each says, shortened, of a proxy whose issuer it does not know.
UV = "error sending request for url: client error (Connect): invalid peer certificate: UnknownIssuer"
PIP = "SSLError(SSLCertVerificationError(1, '[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed'))"
NPM = "npm error code SELF_SIGNED_CERT_IN_CHAIN"


@pytest.mark.parametrize("name", ["SSL_CERT_FILE", "PIP_CERT", "REQUESTS_CA_BUNDLE"])
def test_a_bundle_named_for_one_tool_is_named_for_all(tmp_path: Path, name: str) -> None:
    mine = tmp_path / "ca.pem"
    mine.touch()

    found = {name: str(mine)} | certificates.settings({name: str(mine)}, system="/elsewhere.pem")

    assert {found[one] for one in ("SSL_CERT_FILE", "PIP_CERT", "NODE_EXTRA_CA_CERTS")} == {str(mine)}


def test_without_a_choice_the_systems_certificates_count() -> None:
    found = certificates.settings({}, system="/system.pem")

    assert found["PIP_CERT"] == "/system.pem"
    assert found["UV_SYSTEM_CERTS"] == "1"


def test_a_machine_without_certificates_leaves_each_tool_its_own() -> None:
    assert certificates.settings({}, system="") == {}


def test_what_is_set_already_is_left_alone(tmp_path: Path) -> None:
    mine = tmp_path / "ca.pem"
    mine.touch()

    found = certificates.settings({"PIP_CERT": str(mine), "UV_SYSTEM_CERTS": "0"}, system="")

    assert "PIP_CERT" not in found
    assert "UV_SYSTEM_CERTS" not in found


@pytest.mark.parametrize("words", [UV, PIP, NPM])
def test_an_unknown_issuer_is_told_apart_from_a_silent_network(words: str) -> None:
    fault = faults.from_output(words, what="the packages", source="the package index", log="here.log")

    assert fault.sentence == "The package index shows a certificate that is not trusted here."
    assert "SSL_CERT_FILE=" in fault.next_step
    assert "here.log" in fault.next_step
