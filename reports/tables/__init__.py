"""Reads the tables of a report, and answers the queries of sections."""
