"""The real settings for a site in a test; without a Redis of its own it has none, and misses none."""

import os

from config.settings import *  # noqa: F403

if "REDIS_URL" not in os.environ:
    CACHES = {"default": {"BACKEND": "config.cache.MemoryCache"}}
    CHANNEL_LAYERS = {"default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}}
    CELERY_BROKER_URL = "memory://localhost/"
