"""Whether a student is here, judged by what they last did; pure."""

from dataclasses import dataclass

HERE_S = 10 * 60.0
AWAY_S = 8 * 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Presence:
    """name: in addresses and styles; word: for people."""

    name: str
    word: str


HERE = Presence(name="here", word="here")
AWAY = Presence(name="away", word="away")
ABSENT = Presence(name="absent", word="absent")
ALL = (HERE, AWAY, ABSENT)


def presence(acted_at: float | None, now: float) -> Presence:
    """Here for ten minutes after anything they did, away for a working day, absent after that or before."""
    if acted_at is None or now - acted_at > AWAY_S:
        return ABSENT
    return HERE if now - acted_at <= HERE_S else AWAY
