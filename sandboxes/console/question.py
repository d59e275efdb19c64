"""What an admin asks of the list: read from an address, and written back into one."""

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlencode

from sandboxes.console.words import NAMED

# name in the address -> (heading, columns to order by); those without columns are readings, the most first.
SORTS: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "sandbox": ("sandbox", ("pk",)),
    "owner": ("owner", ("owner__first_name", "owner__last_name", "owner__username")),
    "state": ("state", ("state", "-state_since")),
    "profile": ("profile", ("profile",)),
    "cluster": ("cluster", ("cluster__name",)),
    "age": ("age", ("-created_at",)),
    "used": ("last use", ("-last_activity_at",)),
    "expires": ("sleeps in", ("expires_at",)),
    "cores": ("cores", ()),
    "memory": ("memory", ()),
}
NUMBERS = frozenset({"age", "used", "expires", "cores", "memory"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What an admin wants to see. sort: a name of SORTS, with "-" the other way round; page: from 1."""

    words: str = ""
    kind: str = ""
    cluster: str = ""
    cause: str = ""
    owner: str = ""
    sort: str = "used"
    page: int = 1

    @classmethod
    def of(cls, asked: Mapping[str, str]) -> "Question":
        """From an address; what makes no sense there is left out."""
        sort, page = asked.get("sort", ""), asked.get("page", "")
        return cls(
            words=asked.get("q", "").strip()[:100],
            kind=asked.get("state", "") if asked.get("state", "") in NAMED else "",
            cluster=asked.get("cluster", "")[:60],
            cause=asked.get("cause", "")[:60],
            owner=asked.get("owner", "")[:150],
            sort=sort if sort.removeprefix("-") in SORTS else "used",
            page=max(1, int(page)) if page.isascii() and page.isdigit() and len(page) < 6 else 1,
        )

    @property
    def address(self) -> str:
        """The query string that asks this again, with "?"; "" for the plain question."""
        given = {
            "q": self.words, "state": self.kind, "cluster": self.cluster, "cause": self.cause,
            "owner": self.owner, "sort": "" if self.sort == "used" else self.sort,
            "page": "" if self.page == 1 else str(self.page),
        }  # fmt: skip
        said = urlencode({name: value for name, value in given.items() if value})
        return f"?{said}" if said else "?"

    @property
    def is_plain(self) -> bool:
        return not (self.words or self.kind or self.cluster or self.cause or self.owner)
