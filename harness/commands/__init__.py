"""Implements the commands, one module per verb: run, price, render, forecast, check, examine."""
