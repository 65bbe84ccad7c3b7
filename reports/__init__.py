"""From a folder of tables to a report: `schema` reads, `sections` write, `build` assembles, the writers render.

A writer (`html`, `markdown`) sees a `document.Report` and knows nothing of energy; a section sees tables and knows
nothing of formats.
"""
