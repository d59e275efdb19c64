"""Control events of the site (a stage, a verdict, a fault), from sandboxes.announce to a hub's channel."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Mapping
from typing import Any
from uuid import UUID

from channels.layers import get_channel_layer

from sandboxes.announce import group_name

logger = logging.getLogger(__name__)

_AGAIN_S = 1.0


async def follow(hex_id: str, tell: Callable[[Mapping[str, Any]], None]) -> None:
    """Hand on every event about one sandbox until cancelled; while Redis is away there are none."""
    while True:
        try:
            await _listen(group_name(UUID(hex_id)), tell)
        except Exception as error:  # noqa: BLE001  a channel layer may fail in its own way
            logger.info("live.control.lost", extra={"sandbox": hex_id, "why": type(error).__name__})
        await asyncio.sleep(_AGAIN_S)


async def _listen(group: str, tell: Callable[[Mapping[str, Any]], None]) -> None:
    layer: Any = get_channel_layer()
    name = await layer.new_channel()
    await layer.group_add(group, name)
    try:
        while True:
            tell(await layer.receive(name))
    finally:
        with contextlib.suppress(Exception):  # Redis may be away; the group forgets us by itself
            await layer.group_discard(group, name)
