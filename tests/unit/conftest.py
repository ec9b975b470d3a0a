"""Laws are checked as long as they take: a slow machine is no failure."""

from hypothesis import HealthCheck, settings

settings.register_profile("regent", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("regent")
