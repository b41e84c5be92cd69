"""The four vendors, served on this machine, over invented people."""

from __future__ import annotations
