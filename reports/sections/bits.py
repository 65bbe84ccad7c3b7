"""Shows what crossed the air: payload, in unicast and multicast, frames, and the same vectors as raw float32."""

from reports.document import Block, Cell, Column, Paragraph, Section, Table
from reports.sections.provisioning import provisioning_notes
from reports.sections.shadows import shadow_table
from reports.tables import lookup
from reports.tables.columns import METHOD_BITS, meaning
from reports.tables.read import Tables
from reports.texts import phrases
from reports.texts.numbers import absent, percent, scale

_QUANTITIES = (*METHOD_BITS, "frame_bits", "reference_bits")
_MODES = {"total_bits": "unicast", "multicast_total_bits": "multicast"}


def bits(tables: Tables) -> Section:
    """Bits per method, counted on the payloads that the receiver decoded."""
    names = lookup.methods(tables)
    means = {name: {key: lookup.mean(tables, name, key) for key in _QUANTITIES} for name in names}
    factor, unit = scale([e.value for row in means.values() for e in row.values() if e], "bit")
    columns = (
        Column("method", "Method", is_number=False),
        *(Column(key, meaning(key).label, _unit(key, unit), meaning(key).better) for key in _QUANTITIES),
        *(Column(f"{key}_change", "Total, change", f"{mode}, to reference", "lower") for key, mode in _MODES.items()),
        Column("share_of_raw", "Total, share of raw", "unicast", "lower"),
        Column("frame_share", "Frames, share of total", "unicast", "lower"),
    )
    rows = []
    for name in names:
        row = means[name]
        rows.append(
            (
                Cell(name),
                *(phrases.bits(row[key], factor) for key in _QUANTITIES),
                *(_change(tables, name, key) for key in _MODES),
                _share(row["total_bits"], row["reference_bits"]),
                _share(row["frame_bits"], row["total_bits"]),
            )
        )
    notes = (
        "Bits are 8 × the bytes of the payloads that the receiver decoded, frame (version, codec, length, checksum) "
        "included; no codec reports its own size. “As raw float32” is the same vectors, in unicast, without codec and "
        "frame.",
        "Unicast: a downlink payload counts once for every client that receives it. Multicast: a payload that several "
        "clients of a round receive alike counts once, as on a radio that can broadcast it. Receivers spend the same "
        "in both modes, so device joules do not depend on the mode.",
        *provisioning_notes(tables),
    )
    text = (
        "Bits are counted on the payloads, not computed from a formula. Fixed-rate codecs send the same number at "
        "every seed; where seeds differ, the range below a number is its 95 % t interval."
    )
    title = "Bits on the air, one training run of the whole fleet, mean over seeds"
    table = Table("bits", title, columns, tuple(rows), notes)
    blocks: list[Block] = [Paragraph(text), table]
    shadows = shadow_table(tables)
    blocks += [shadows] if shadows else []
    return Section("bits", "Bits", tuple(blocks))


def _unit(key: str, unit: str) -> str:
    """Unit of a column; a total, and what it adds up, says in which mode it was counted."""
    if key.startswith("multicast_"):
        return f"{unit}, multicast"
    return f"{unit}, unicast" if key in ("downlink_bits", "total_bits") else unit


def _change(tables: Tables, name: str, key: str) -> Cell:
    if name in lookup.references(tables):
        return absent("reference")
    return phrases.change(lookup.pair(tables, name, key), is_fact=True)


def _share(part: lookup.Estimate | None, whole: lookup.Estimate | None) -> Cell:
    if part is None or whole is None or part.value is None or not whole.value:
        return absent(phrases.NOT_FINISHED)
    return Cell(percent(part.value / whole.value), value=part.value / whole.value)
