"""The admin's room: every sandbox, one sandbox, the clusters; pages over selectors and services."""
