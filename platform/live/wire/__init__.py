"""The Kafka protocol, as little of it as the live view needs, on asyncio.

Read only: the newest records, log ends, groups and their commits. It speaks to one named broker at a time
and every question has a time limit, so that a hung broker costs one second and not the picture.
No Django here, and nothing of sandboxes or frames.
"""
