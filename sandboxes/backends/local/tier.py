"""How well this machine can hold untrusted code: found out by doing it once, both levels, at the start.

A kernel or a security module may allow one level of user namespaces and refuse the second, so nothing less
than the real thing is a proof.
"""

from __future__ import annotations

import asyncio
import logging
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from sandboxes.backends.base import Tier
from sandboxes.backends.local import records, seccomp
from sandboxes.backends.local.sandbox import LocalSandbox
from sandboxes.backends.local.surroundings import Surroundings

logger = logging.getLogger(__name__)

_PROBE_S = 10.0
_QUESTIONS = """
import os, sys
status = open("/proc/self/status").read()
told = ("CapEff:\\t0000000000000000", "NoNewPrivs:\\t1", "Seccomp:\\t2")
wrong = [word for word in told if word not in status]
wrong += [path for path in ("/root", "/home", "/var", "/data", "/run") if os.path.exists(path)]
wrong += ["other processes"] if len([one for one in os.listdir("/proc") if one.isdigit()]) > 4 else []
print(wrong or "well held")
sys.exit(1 if wrong else 0)
"""


@dataclass(frozen=True, slots=True)
class Found:
    """tier: how well programs are held; said: what stands in the way of STRONG, in the system's words."""

    tier: Tier
    said: str = ""


async def find_out(around: Surroundings, sandbox_dir: Path, taken: Callable[[], set[int]]) -> Found:
    """Run a program through a whole sandbox without Kafka; what it cannot do decides."""
    said = "no numbers of system calls are known for this processor"
    if seccomp.machine_is_known():
        # Twice: a busy machine's late answer must not close the tier for the life of the host.
        said = await _try(around, sandbox_dir, taken()) and await _try(around, sandbox_dir, taken())
    if not said:
        return Found(Tier.STRONG)
    logger.error("sandbox.tier", extra={"said": said})
    tier = Tier.LIMITS_ONLY if around.settings.allow_unsandboxed else Tier.OFF
    return Found(tier, said)


async def _try(around: Surroundings, sandbox_dir: Path, taken: set[int]) -> str:
    """The reason why not; empty when all is well."""
    folder = Path(tempfile.mkdtemp(prefix=".probe-", dir=sandbox_dir))
    record = records.new_record(
        sandbox_id="0" * 32,
        profile="kafka-1",
        generation=1,
        number=records.free_number(sandbox_dir, taken),
    )
    limits = replace(around.limits, program_wall_s=_PROBE_S)
    probe = LocalSandbox(replace(around, limits=limits), records.Home(folder), record)
    try:
        async with asyncio.timeout(_PROBE_S):
            return await _ask(probe)
    except Exception as error:  # noqa: BLE001 - whatever goes wrong is the answer
        return str(error) or type(error).__name__
    finally:
        await probe.remove_now()


async def _ask(probe: LocalSandbox) -> str:
    await probe.housing.have()
    (probe.home.work / "probe.py").write_text(_QUESTIONS)
    (probe.home.work / "probe.py").chmod(0o644)
    run = await probe.programs.start(path="probe.py", args=(), label="")
    until = time.monotonic() + _PROBE_S
    while time.monotonic() < until:
        seen = probe.programs.history.get(run.program_id)
        if seen and not seen.running:
            return "" if seen.exit_code == 0 else f"the probe saw too much: {seen}"
        await asyncio.sleep(0.005)
    return "the probe did not end"
