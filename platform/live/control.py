"""Control events of the site (a stage, a verdict, a fault), from sandboxes.announce to a hub's channel."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from typing import Any
from uuid import UUID

from channels.layers import get_channel_layer

from live.news import MISSED
from sandboxes.announce import group_name
from sandboxes.layer import member_of

logger = logging.getLogger(__name__)

Tell = Callable[[Mapping[str, Any]], None]

_AGAIN_S = 1.0
# Within this we must hear ourselves, or we are not in the group.
_ECHO_S = 2.0


async def follow(hex_id: str, tell: Tell) -> None:
    """Hand on every event about one sandbox until cancelled; while Redis is away there are none.

    `MISSED` comes first, and again after every interruption: what happened before was told to nobody here.
    """
    while True:
        try:
            await _listen(group_name(UUID(hex_id)), tell)
        except Exception as error:  # noqa: BLE001  a channel layer may fail in its own way
            logger.info("live.control.lost", extra={"sandbox": hex_id, "why": type(error).__name__})
        await asyncio.sleep(_AGAIN_S)


async def _listen(group: str, tell: Tell) -> None:
    layer: Any = get_channel_layer()
    async with member_of(group) as name:
        await _hear_ourselves(layer, group, name, tell)
        tell({"kind": MISSED, "data": {}})
        while True:
            _hand_on(await layer.receive(name), tell)


async def _hear_ourselves(layer: Any, group: str, name: str, tell: Tell) -> None:
    """To be added is only to have asked Redis for it. Raises TimeoutError when nothing comes back."""
    async with asyncio.timeout(_ECHO_S):
        await layer.group_send(group, {"type": "control.echo", "of": name})
        while (event := await layer.receive(name)).get("of") != name:
            _hand_on(event, tell)


def _hand_on(event: Mapping[str, Any], tell: Tell) -> None:
    """All but the echo of another web process."""
    if event["type"] == "control.event":
        tell(event)
