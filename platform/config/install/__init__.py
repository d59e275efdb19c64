"""Set-up: one module per step, each with a cheap look whether it has anything to do.

`deploy/bootstrap.py` runs `ground` and `python` before any package is installed, so these, and the modules
they use (`faults`, `stamps`, `tools`, `certificates`, `progress`, `interpreter`), hold to the standard
library.
"""
