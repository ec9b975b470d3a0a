"""For every tier."""

import signal

# A script that starts the tests in the background ignores SIGINT for them, and every program that they start would too:
# some are ended by it.
signal.signal(signal.SIGINT, signal.default_int_handler)
