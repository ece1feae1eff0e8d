"""Settings of all property tests: a machine that is busy with other things fails none of them."""

from hypothesis import HealthCheck, settings

settings.register_profile("otoscope", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("otoscope")
