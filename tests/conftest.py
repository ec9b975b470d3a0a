"""For every tier. Laws are checked as long as they take: a slow machine is no failure."""

import signal

from hypothesis import HealthCheck, settings

# A script that starts the tests in the background ignores SIGINT for them, and every program that they start would too:
# some are ended by it.
signal.signal(signal.SIGINT, signal.default_int_handler)

settings.register_profile("regent", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("regent")
