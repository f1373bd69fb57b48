"""What all tests share."""

from hypothesis import settings

# The machines that run these tests are shared and noisy: no deadline, the same examples each run.
settings.register_profile("causerie", deadline=None, derandomize=True)
settings.load_profile("causerie")
