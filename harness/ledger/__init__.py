"""Stores what happened: the ledger of a cell, the store of a results folder, runs of other tools."""
