"""The Kafka protocol, as little of it as the live view and the judges need, on asyncio.

It reads topics and groups, and removes a group. It speaks to one named broker at a time and every question
has a time limit, so that a hung broker costs one second and not the picture. No Django here, and nothing of
sandboxes or frames.
"""
