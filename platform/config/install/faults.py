"""What can stop set-up, each as one plain sentence and the next step."""

import errno


class SetupFault(Exception):
    """Set-up cannot go on. `sentence` says why, `next_step` says what to do about it."""

    def __init__(self, sentence: str, next_step: str) -> None:
        super().__init__(f"{sentence} {next_step}")
        self.sentence = sentence
        self.next_step = next_step


DISK_FULL = SetupFault(
    "The disk filled up while set-up was writing.",
    "Free some space, or set MILLRACE_DATA to a folder on a larger disk, then run the same command again.",
)

_UNREACHABLE = (
    "failed to resolve",
    "name or service not known",
    "temporary failure in name resolution",
    "dns error",
    "connection refused",
    "connection reset",
    "network is unreachable",
    "no route to host",
    "timed out",
    "connect error",
    "connection error",
    "error sending request",
    "failed to establish a new connection",
    "econnrefused",
    "enotfound",
    "etimedout",
    "eai_again",
)
_UNTRUSTED = (
    "certificate verify failed",
    "certificate_verify_failed",
    "invalid peer certificate",
    "unknownissuer",
    "unknown issuer",
    "self-signed certificate",
    "self_signed_cert",
    "unable to get local issuer",
    "unable_to_get_issuer_cert",
    "unable to verify the first certificate",
    "unable_to_verify_leaf_signature",
)
_DISK = ("no space left on device", "enospc", "disk quota exceeded")
_BROKEN = ("hash mismatch", "do not match the hashes", "eintegrity", "sha512 integrity")


def unreachable(what: str, *, log: str) -> SetupFault:
    """`what` is the service that did not answer, "the Python package index" say; log: where it is told."""
    return SetupFault(
        f"{what[0].upper()}{what[1:]} could not be reached.",
        "Check the network and the proxy or mirror settings of your client, then run the same command again: "
        f"what has been fetched is kept. The tool's own words are in {log}.",
    )


def untrusted(what: str, *, log: str) -> SetupFault:
    """`what` answered with a certificate whose issuer nobody here knows."""
    return SetupFault(
        f"{what[0].upper()}{what[1:]} shows a certificate that is not trusted here.",
        "If a proxy of yours opens TLS, name the file that holds its issuer, SSL_CERT_FILE=/path/to/ca.pem, "
        "or add it to the system's certificates, then run the same command again. "
        f"The tool's own words are in {log}.",
    )


def broken_download(name: str) -> SetupFault:
    """`name` arrived with other content than the lock file promises."""
    return SetupFault(
        f"The download of {name} does not have the content that the lock file promises.",
        "Run the same command again; if it stays so, a mirror on the way serves something else.",
    )


def from_output(output: str, *, what: str, source: str, log: str) -> SetupFault:
    """The fault behind a failed tool, read from what it printed.

    what: the step in words ("the Python packages"); source: whom it talks to; log: where the full output is.
    """
    low = output.lower()
    if any(sign in low for sign in _DISK):
        return DISK_FULL
    if any(sign in low for sign in _BROKEN):
        return broken_download(f"one of {what}")
    if any(sign in low for sign in _UNTRUSTED):
        return untrusted(source, log=log)
    if any(sign in low for sign in _UNREACHABLE):
        return unreachable(source, log=log)
    return SetupFault(f"Installing {what} failed.", f"The tool's own words are in {log}.")


def from_os_error(error: OSError) -> SetupFault | None:
    """The fault behind an error of the operating system, or None when it is one we did not foresee."""
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return DISK_FULL
    if error.errno in {errno.EACCES, errno.EPERM, errno.EROFS}:
        return SetupFault(
            f"Set-up may not write {error.filename or 'here'}.",
            "Check who owns the project folder, or set MILLRACE_DATA to a folder you may write.",
        )
    return None
