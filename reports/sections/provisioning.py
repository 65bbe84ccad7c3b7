"""Shows what clients receive before round 1, and both of its prices: from the factory, and over the air."""

from reports.document import Block, Cell, Column, Paragraph, Table
from reports.tables import lookup, priced
from reports.tables.lookup import Range
from reports.tables.read import Tables
from reports.texts import phrases
from reports.texts.numbers import (
    FACT_DIGITS,
    NBSP,
    TABLE_HEADROOM,
    absent,
    percent_estimate,
    scale,
    significant,
    with_unit,
)


def is_charged(tables: Tables) -> bool:
    """Whether what clients have before round 1 comes over the air, and so is part of the totals."""
    return priced.settings(tables).get("provisioning") == "over_the_air"


def has_provisioning(tables: Tables) -> bool:
    """Whether clients of any method were given something before round 1."""
    return bool((tables.cells["provisioning_bits"] > 0).any())


def provisioning_notes(tables: Tables) -> tuple[str, ...]:
    """Below a table of bits: what is not in them. Methods that were given equally much are grouped."""
    found: dict[str, list[str]] = {}
    for name in lookup.methods(tables):
        given = lookup.mean(tables, name, "provisioning_bits")
        if given is not None and given.value:
            found.setdefault(with_unit(given.value, "bit", FACT_DIGITS), []).append(name)
    return tuple(f"{phrases.some(names)}: + {bits} before round 1, not included." for bits, names in found.items())


def provisioning_blocks(tables: Tables) -> list[Block]:
    """A paragraph and a table; nothing where no client is given anything."""
    rows = tables.provisioning
    if rows.empty:
        return []
    if is_charged(tables):
        note = "The definition has it come over the air: the joules and grams of this report include it."
    else:
        note = "The definition has it come from the factory: no joule and no gram of this report includes it."
    text = (
        "Before round 1 the clients of some methods are given something that the rounds build on. From the factory "
        f"that costs 0{NBSP}J; over the air it costs each client one download in a radio session of its own. {note} It "
        "is in no bits of a round, and so in no pass-through."
    )
    return [Paragraph(text), _table(tables)]


def _table(tables: Tables) -> Table:
    rows = tables.provisioning
    radios = [str(radio) for radio in rows["radio"].drop_duplicates()]
    amounts = lookup.means(rows, ("method", "radio"), ("n_clients", "bits"))
    energies = {
        key: Range(*ends)
        for key, ends in lookup.means(rows, ("method", "radio"), ("energy_low_j", "energy_j", "energy_high_j")).items()
    }
    b_factor, b_unit = scale([bits for _, bits in amounts.values()], "bit")
    j_factor, j_unit = scale([joules.typical for joules in energies.values()], "J", TABLE_HEADROOM)
    columns = (
        Column("method", "Method", is_number=False),
        Column("clients", "Clients", "given something"),
        Column("bits", "Given", b_unit, "lower"),
        *(
            column
            for radio in radios
            for column in (
                Column(
                    radio, priced.radio_title(tables, radio), f"{j_unit} over the air, {phrases.PROJECTED}", "lower"
                ),
                Column(f"{radio}_share", "Of the rounds", "share of device energy", "lower"),
            )
        ),
    )
    printed = []
    for name in (name for name in lookup.methods(tables) if (rows["method"] == name).any()):
        n_clients, bits = amounts[name, radios[0]]
        cells = [
            Cell(name),
            Cell(f"{n_clients:,.0f}", value=n_clients),
            Cell(significant(bits / b_factor, FACT_DIGITS), value=bits / b_factor),
        ]
        for radio in radios:
            joules = energies[name, radio]
            cells += [phrases.assumed(joules, j_factor), _share(tables, name, radio, joules)]
        printed.append(tuple(cells))
    return Table("provisioning", "Given before round 1, whole fleet, mean over seeds", columns, tuple(printed))


def _share(tables: Tables, name: str, radio: str, joules: Range) -> Cell:
    parts = lookup.of_clients(lookup.energy(tables, name, radio))
    rounds = lookup.total({key: part for key, part in parts.items() if key not in ("provisioning", "standby")})
    if rounds is None or not rounds.typical > 0:
        return absent("not known")
    share = joules.typical / rounds.typical
    return Cell(percent_estimate(share), value=share)
