"""Reads of usage. Page, fragment, CSV, API and alert take a number from here."""
