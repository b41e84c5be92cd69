"""The fixtures of the fast tests."""

from __future__ import annotations

from tests.conftest import *  # noqa: F403
