"""The project itself: settings, addresses and processes; the only package that knows all the others."""
