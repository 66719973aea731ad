"""Hypothesis draws the same examples in every run, so that a red one repeats; HYPOTHESIS_PROFILE=new draws others."""

import os

from hypothesis import settings

settings.register_profile("same", derandomize=True)
settings.register_profile("new", derandomize=False)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "same"))
