"""Turns a folder of tables into a report: `tables` reads, `sections` write, `build` assembles, the writers render.

A writer (`html`, `markdown`) sees a `document.Report` and knows nothing of energy; a section sees tables and knows
nothing of formats.
"""
