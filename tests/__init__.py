"""Tests of the harness. A package, so that tests can share `tests.factories`; never installed."""
