"""Describes what was priced: radios and fleets with their caveats, and grids with what their grams mean."""

from collections.abc import Mapping
from typing import Any

from harness.core.errors import UsageError
from harness.core.notes import Kind, Note, notes_from
from reports.tables import lookup
from reports.tables.read import Tables

FLEET_GRIDS = "own grids"
"""What tables call the grids of a fleet, where each group brings its own."""


def radios(tables: Tables) -> list[str]:
    """Radios and fleets that were priced, in the order of the tables."""
    return [name for name in tables.scenarios[0] if name]


def grids(tables: Tables) -> list[str]:
    """Grids that were priced, in the order of the tables."""
    return [name for name in tables.scenarios[1] if name]


def grids_of(tables: Tables, radio: str) -> list[str]:
    """Grids that a radio was priced with: all, or those that a fleet brings."""
    return [name for name in tables.places.get(radio, []) if name]


def first_grid(tables: Tables, radio: str) -> str:
    """The grid that represents all where a table has room for one; empty if none was priced."""
    return next(iter(grids_of(tables, radio)), "")


def grid_title(grid: str) -> str:
    """A grid in a sentence.

    >>> grid_title("NOR"), grid_title("own grids")
    ('grid NOR', 'its own grids')
    """
    return f"its {grid}" if grid == FLEET_GRIDS else f"grid {grid}"


def grid_kinds(tables: Tables) -> list[str]:
    """Kinds of the intensities that grams follow from, each once."""
    found = [str(entry.get("kind") or "") for entry in lookup.mappings(tables.context.get("grids"))]
    return [kind for kind in dict.fromkeys(found) if kind]


def settings(tables: Tables) -> Mapping[str, Any]:
    """The scenarios in ``context.json``; empty if there are none."""
    found = tables.context.get("scenarios")
    return found if isinstance(found, Mapping) else {}


def included(tables: Tables) -> list[str]:
    """Optional parts that are in totals."""
    found = settings(tables).get("included")
    return [str(part) for part in found] if isinstance(found, list) else []


def is_fleet(tables: Tables, radio: str) -> bool:
    """Whether a deployment has groups of several kinds."""
    return _radio(tables, radio).get("is_fleet") is True


def kinds(tables: Tables, radio: str) -> list[str]:
    """Kinds of the radios of a deployment."""
    found = _radio(tables, radio).get("kinds")
    return list(dict.fromkeys(map(str, found))) if isinstance(found, list) else [radio]


def radio_title(tables: Tables, radio: str) -> str:
    """Full name of a radio where the context gives one, with what disqualifies it."""
    kinds = {note.kind for note in radio_notes(tables, radio)}
    marks = [kind for kind in ("infeasible", "unvalidated") if kind in kinds]
    named = bare_title(tables, radio)
    return f"{named} ({', '.join(marks)})" if marks else named


def bare_title(tables: Tables, radio: str) -> str:
    """Full name of a radio and nothing else."""
    return str(_radio(tables, radio).get("title") or radio)


def radio_notes(tables: Tables, radio: str) -> tuple[Note, ...]:
    """Caveats of a radio."""
    return _notes(_radio(tables, radio))


def noted(tables: Tables, radio: str, kind: Kind) -> list[str]:
    """Texts of the notes of a radio that are of a kind."""
    return [note.text for note in radio_notes(tables, radio) if note.kind == kind]


def supply_notes(tables: Tables) -> tuple[Note, ...]:
    """Caveats of the power supplies."""
    return _notes(settings(tables))


def study_notes(tables: Tables) -> tuple[Note, ...]:
    """What must be said before any number."""
    return _notes(tables.context)


def _notes(entry: Mapping[str, Any]) -> tuple[Note, ...]:
    """The notes of a part of ``context.json``; those of its version 1 are texts."""
    found = entry.get("notes")
    try:
        return notes_from(found) if isinstance(found, list) else ()
    except (TypeError, ValueError) as error:
        raise UsageError(f"context.json: notes: {error}; build the tables again with this version") from error


def headline_radios(tables: Tables) -> list[str]:
    """Radios that first sentences may name: possible, and compared with a published whole."""
    return [radio for radio in feasible_radios(tables) if not noted(tables, radio, "unvalidated")]


def feasible_radios(tables: Tables) -> list[str]:
    """Radios that such transfers are possible with."""
    return [radio for radio in radios(tables) if not noted(tables, radio, "infeasible")]


def shown_radios(tables: Tables) -> list[str]:
    """All radios, those for first sentences first, then those that are possible: for what has room for a few."""
    return list(dict.fromkeys([*headline_radios(tables), *feasible_radios(tables), *radios(tables)]))


def _radio(tables: Tables, radio: str) -> Mapping[str, Any]:
    entries = lookup.mappings(settings(tables).get("radios"))
    return next((entry for entry in entries if radio in (entry.get("name"), entry.get("kind"))), {})
