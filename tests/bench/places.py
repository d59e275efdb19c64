"""How many may start at the same time on a running site.

python -m tests.bench.places <count>   with that site's environment
"""

from __future__ import annotations

import json
import sys


def give(count: int) -> int:
    """Whatever the number of its cores."""
    import django

    django.setup()
    from sandboxes.models import Cluster
    from sandboxes.placement import choose_cluster

    return Cluster.objects.filter(pk=choose_cluster().pk).update(starts_at_once=count)


if __name__ == "__main__":
    print(json.dumps(give(int(sys.argv[1]))))
