"""What tests of several files need.

Hypothesis draws the same examples in every run, so that a red one repeats; HYPOTHESIS_PROFILE=new draws others.
"""

import os
import shutil

import pytest
from hypothesis import settings

settings.register_profile("same", derandomize=True)
settings.register_profile("new", derandomize=False)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "same"))


@pytest.fixture(scope="module")
def browser():
    """Debian's chromium; without it the test is skipped, and fails under CI, whose script installs it."""
    from playwright.sync_api import sync_playwright

    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.fail("there is no chromium") if os.environ.get("CI") else pytest.skip("there is no chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield browser
        browser.close()
