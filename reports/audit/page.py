"""Builds the page of an audit: the answer and the figure first, then the tables, the settings and the sources."""

from collections.abc import Iterable

from reports.audit.data import Audit, CodecAudit
from reports.audit.tables import audit_tables, share_cell
from reports.document import (
    Block,
    Bullets,
    Curve,
    Curves,
    Figure,
    Highlight,
    Highlights,
    Listing,
    Paragraph,
    Report,
    Section,
)
from reports.texts.numbers import MINUS, NBSP, fixed, significant

_LEAST_NMSE, _MOST_NMSE = 1e-5, 2.0
"""Errors within which a codec is in the figure, unless there is none: sending nothing has 1."""
_SOURCES = (
    "Rate-distortion function and lower bound: C. E. Shannon, Coding Theorems for a Discrete Source With a Fidelity "
    "Criterion, IRE National Convention Record, 1959. For Gaussian entries 0.5 log2(1 / nMSE) bits; for Laplace "
    "entries at least 0.5 log2((e / π) / nMSE).",
    "0.25 bit above it, the best scalar quantiser with an ideal entropy coder at high rates: H. Gish and J. N. Pierce, "
    "Asymptotically Efficient Quantizing, IEEE Transactions on Information Theory 14(5), 1968; M. F. Pradier, "
    "P. M. Olmos and F. Perez-Cruz, Entropy-Constrained Scalar Quantization with a Lossy-Compressed Bit, Entropy "
    "18(12):449, 2016. At low rates it comes closer, so the line begins at 2 bits.",
    "Reverse water-filling, for the Gaussian reference: T. M. Cover and J. A. Thomas, Elements of Information Theory, "
    "2006, section 10.3.",
)


def audit_report(audit: Audit) -> Report:
    """The page of an audit."""
    rate, error, cost = audit_tables(audit)
    first: tuple[Block, ...] = (
        Paragraph(_lead(audit), "lead"),
        Paragraph(audit.detail),
        *_figures(audit),
        *_highlights(audit),
    )
    settings = Listing("All settings", "\n".join(f"{one.label}: {one.settings}" for one in audit.codecs), "yaml")
    sections = (
        Section("audit", "Audit", first),
        Section("rate", "On the air", (rate,)),
        Section("error", "What is lost", (error,)),
        Section("cost", "At the client", (cost, settings)),
        Section("sources", "Sources", (Bullets(_SOURCES),)),
    )
    return Report("Codec audit", audit.source, sections)


def _lead(audit: Audit) -> str:
    best, where = _closest(audit)
    if best is None or best.gap_bits is None:
        fewest = min(audit.codecs, key=lambda one: one.wire_bits)
        return f"On {audit.source}, {fewest.label} sends {significant(fewest.wire_bits, 3)} bits a parameter."
    sent = f"{significant(best.wire_bits, 3)} bits a parameter at an nMSE of {share_cell(best.nmse).text}"
    gap = f"{fixed(abs(best.gap_bits), 2)} bit {'above' if best.gap_bits >= 0 else 'below'}"
    if len(audit.codecs) == 1:
        return f"On {audit.source}, {best.label} sends {sent}, {gap} the {audit.bound}."
    return f"On {audit.source}, {best.label} does best against the {audit.bound}{where}: it sends {sent}, {gap} it."


def _highlights(audit: Audit) -> tuple[Highlights, ...]:
    items = []
    closest, where = _closest(audit)
    if closest is not None and closest.gap_bits is not None:
        label = f"Smallest gap to the {audit.bound}{where}"
        text = f"{MINUS if closest.gap_bits < 0 else ''}{fixed(abs(closest.gap_bits), 2)}{NBSP}bit"
        items.append(Highlight("gap", label, text, closest.label))
    smallest = _least((one.nmse, one) for one in audit.codecs if one.wire_bits < 8)
    if smallest is not None:
        items.append(Highlight("nmse", "Smallest nMSE below 8 bits", share_cell(smallest.nmse).text, smallest.label))
    fewest = min(audit.codecs, key=lambda one: one.wire_bits)
    detail = f"{fewest.label}, at nMSE {share_cell(fewest.nmse).text}"
    items.append(Highlight("bits", "Fewest bits a parameter", significant(fewest.wire_bits, 3), detail))
    return (Highlights("best", "At a glance", tuple(items)),)


def _closest(audit: Audit) -> tuple[CodecAudit | None, str]:
    """The codec with the smallest gap from 1 bit up, and the words for that: sending nothing would have no gap."""
    best = _least((one.gap_bits, one) for one in audit.codecs if one.wire_bits >= 1)
    if best is not None:
        return best, " from 1 bit up" if any(one.wire_bits < 1 for one in audit.codecs) else ""
    return _least((one.gap_bits, one) for one in audit.codecs), ""


def _least(pairs: Iterable[tuple[float | None, CodecAudit]]) -> CodecAudit | None:
    known = [(value, one) for value, one in pairs if value is not None]
    return min(known, key=lambda pair: pair[0])[1] if known else None


def _figures(audit: Audit) -> tuple[Figure, ...]:
    """Bits against error: the orientation of a rate-distortion function."""
    lossy = [one for one in audit.codecs if one.nmse]
    shown = [one for one in lossy if _LEAST_NMSE <= (one.nmse or 0.0) <= _MOST_NMSE] or lossy
    if not shown:
        return ()
    least = min(one.nmse or 0.0 for one in shown) / 2
    rules = [
        Curve(line.label, slot, points, is_rule=True)
        for slot, line in enumerate(audit.lines)
        if (points := tuple(point for point in line.points if point[0] >= least))
    ]
    marks = [Curve(one.label, slot, ((one.nmse or 0.0, one.wire_bits),)) for slot, one in enumerate(shown, start=1)]
    hidden = [f"{one.label} (nMSE {share_cell(one.nmse).text})" for one in audit.codecs if one not in shown]
    caption = "Further left is less error, further down fewer bits."
    if rules:
        caption += f" No codec can be below the {audit.bound}"
        caption += "; the best scalar quantisers end on the line above it." if len(rules) > 1 else "."
    if hidden:
        caption += f" Off the scale: {', '.join(hidden)}."
    panel = Curves("nMSE (log scale)", "bits per parameter", (*rules, *marks), is_x_log=True)
    alt = "; ".join(
        f"{one.label}: {significant(one.wire_bits, 3)} bits at nMSE {share_cell(one.nmse).text}" for one in shown
    )
    return (Figure("rate_error", "Bits per parameter against error", caption, alt, (panel,)),)
