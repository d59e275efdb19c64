"""The few settings that are needed where there is no Django: what listens where, and what is ours to start.

`settings` takes them from here, so each has one default.
"""

from config import env, paths

PORT = env.port("PORT", 8000)
BIND = env.text("BIND", "127.0.0.1")
REDIS_URL = env.text("REDIS_URL", f"unix://{paths.VALKEY_SOCKET}")
# Which backend new sandboxes get: local (real Kafka processes on this machine) or memory (a dict, for tests).
SANDBOX_BACKEND = env.text("SANDBOX_BACKEND", "local")

OWN_VALKEY = REDIS_URL.removeprefix("unix://") == str(paths.VALKEY_SOCKET)
LOCAL = SANDBOX_BACKEND == "local"
EVERYWHERE = frozenset({"0.0.0.0", "::", ""})  # noqa: S104 - compared with, not listened on
ADDRESS = f"http://{'127.0.0.1' if BIND in EVERYWHERE else BIND}:{PORT}/"
