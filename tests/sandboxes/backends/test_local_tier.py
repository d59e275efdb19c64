"""A machine that cannot wall programs off starts none, and says what stands in the way."""

from __future__ import annotations

import uuid

import pytest

from sandboxes.backends.base import BackendError, Phase, Spec, Tier
from tests.sandboxes.backends.local_host import running_host

pytestmark = [pytest.mark.kafka, pytest.mark.logs("sandbox.tier", "sandbox.ground")]


@pytest.mark.parametrize(("word", "tier"), [("0", Tier.OFF), ("1", Tier.LIMITS_ONLY)])
def test_without_namespaces_nothing_is_started_and_the_sentence_says_why(word: str, tier: Tier) -> None:
    """The operator's word changes what the tier is called; nothing runs in it yet."""
    with running_host(
        environment={"TEST_NO_NAMESPACES": "1", "ALLOW_UNSANDBOXED": word}, expect=tier
    ) as host:
        sandbox_id = uuid.uuid4().hex
        with pytest.raises(BackendError) as refused:
            host.backend.ensure(Spec(sandbox_id=sandbox_id))

        assert refused.value.sentence.startswith("Sandboxes cannot be walled off on this machine")
        assert "namespace" in refused.value.sentence.partition("The system said:")[2]
        assert not refused.value.retryable
        assert host.backend.observe(sandbox_id).phase is Phase.ABSENT
