"""A student's files and programs: the websocket that shows programs at work, and what cleans their output."""
