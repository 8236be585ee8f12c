"""The test suite: one folder per app or subject, shared helpers in `support`."""

from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
