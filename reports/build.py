"""Builds the neutral document from a folder of tables."""

from collections.abc import Callable, Sequence
from pathlib import Path

from reports.document import Report, Section
from reports.page.what_if import what_if_data
from reports.sections.accuracy import accuracy
from reports.sections.assumptions import assumptions
from reports.sections.bits import bits
from reports.sections.carbon import carbon
from reports.sections.cards import cards
from reports.sections.contrasts import contrasts
from reports.sections.deployment import deployment
from reports.sections.fleets import fleets
from reports.sections.formulas import formulas
from reports.sections.headline import headline
from reports.sections.least_carbon import least_carbon
from reports.sections.method import method
from reports.sections.missing import missing
from reports.sections.optional_parts import optional_parts
from reports.sections.pareto import pareto
from reports.sections.power import power
from reports.sections.provenance import provenance
from reports.sections.reaching import reaching
from reports.sections.robustness import robustness
from reports.sections.testbed import testbed
from reports.sections.timing import timing
from reports.sections.update_statistics import update_statistics
from reports.tables.read import Tables, read_tables

SECTIONS: tuple[Callable[[Tables], Section | None], ...] = (
    headline,
    bits,
    accuracy,
    pareto,
    contrasts,
    power,
    reaching,
    update_statistics,
    deployment,
    timing,
    carbon,
    optional_parts,
    least_carbon,
    fleets,
    robustness,
    formulas,
    testbed,
    assumptions,
    cards,
    method,
    missing,
    provenance,
)
"""The order of a report. A new section is one module and one line here; one that has nothing to say gives None."""


def build_report(tables_folder: Path) -> Report:
    """Build the report of `tables_folder`.

    Raises:
        UsageError: a file or column is missing, or the folder is of another schema version.
    """
    return report_of(read_tables(tables_folder))


def report_of(tables: Tables, others: Sequence[Callable[[Tables], Section | None]] = ()) -> Report:
    """What tables that are read already say.

    Args:
        tables: what is reported.
        others: sections of plug-ins; they follow the results, before what is on this host.
    """
    place = SECTIONS.index(testbed)
    chosen = (*SECTIONS[:place], *others, *SECTIONS[place:])
    return Report(
        title=str(tables.context["name"]),
        subtitle="Federated learning in bits, joules, grams and accuracy",
        sections=tuple(built for section in chosen if (built := section(tables))),
        what_if=what_if_data(tables),
    )
