"""Builds the tables of an audit for page and terminal: what crosses the air, what is lost, what it costs the client."""

from reports.audit.data import Audit, CodecAudit
from reports.document import Cell, Column, Table
from reports.texts.numbers import MINUS, NBSP, absent, fixed, signed, significant

_NAME = Column("codec", "Codec", is_number=False)


def audit_tables(audit: Audit) -> tuple[Table, Table, Table]:
    """What crosses the air, what is lost, and what it costs the client; narrow enough for 80 columns."""
    return _rate_table(audit), _error_table(audit), _cost_table(audit)


def _rate_table(audit: Audit) -> Table:
    columns = (
        _NAME,
        Column("wire", "Sent", "bit/param", "lower"),
        Column("nominal", "Nominal", "bit/param"),
        Column("entropy", "Entropy", "bit/param"),
        Column("side", "Side info", "byte"),
        Column("over", "Beyond", is_number=False),
    )
    rows = tuple(
        (
            Cell(one.label),
            _number(one.wire_bits, 4),
            _number(one.nominal_bits, 4),
            _number(one.entropy_bits, 4),
            Cell(MINUS, tone="muted") if one.side_bytes is None
            else Cell(fixed(one.side_bytes, 0), value=one.side_bytes),
            Cell("entropy" if one.is_side_over_entropy else "nominal", tone="muted"),
        )
        for one in audit.codecs
    )  # fmt: skip
    notes = (
        "Sent: the payload with its 12-byte frame. Nominal: what papers quote, without headers, codebooks and padding.",
        "Entropy: of the distinct values that each tensor decodes to; a dash where these are numbers rather than "
        "symbols (more than an eighth of the entries, most of them once only, or more than was sent).",
        "Side info: what the payload takes beyond its nominal bits, or, if its length follows the content, beyond that "
        "entropy.",
    )
    left_out = f"Not measured, because they need settings: {', '.join(audit.left_out)}." if audit.left_out else ""
    return Table("rate", f"On the air: {audit.source}", columns, rows, (*notes, left_out) if left_out else notes)


def _error_table(audit: Audit) -> Table:
    columns = (
        _NAME,
        Column("nmse", "nMSE", "share", "lower"),
        Column("bound", "Reference" if audit.bound == "Gaussian reference" else "Bound", "bit/param"),
        Column("gap", "Gap", "bit/param", "lower"),
        Column("bias", "Bias", "share", "lower"),
        Column("gain", f"Gain{NBSP}{MINUS}{NBSP}1", "%"),
        Column("worst", "Worst", "sigma", "lower"),
    )
    rows = tuple(
        (
            Cell(one.label),
            share_cell(one.nmse),
            _number(one.bound_bits, 3, 2),
            _number(one.gap_bits, 3, 2, with_sign=audit.bound == "Gaussian reference"),
            _bias_cell(one),
            _MISSING if one.gain is None else Cell(signed(100 * (one.gain - 1), 1), value=100 * (one.gain - 1)),
            share_cell(one.worst_sigmas),
        )
        for one in audit.codecs
    )
    notes: tuple[str, ...] = (
        "nMSE: squared error over the energy of the update. Worst: the largest error of an entry, in standard "
        "deviations.",
        _bound_note(audit),
        f"Bias: energy of the mean error over {audit.draws} payloads with other random numbers, as a share of the "
        "update's, corrected for their number; after < it cannot be told from none. Of a codec that does not round at "
        "random, the error itself. Gain: the mean decoded update projected on the update. An unbiased codec pays for "
        "it in nMSE.",
    )
    if any(one.nmse is not None and one.nmse > 2 for one in audit.codecs):
        notes += (
            "An nMSE above 1 is worse than sending nothing. A codec without a scale, such as sign, leaves the step to "
            "the server rule.",
        )
    return Table("error", f"What is lost: {audit.source}", columns, rows, notes)


def _bound_note(audit: Audit) -> str:
    if audit.distribution == "gaussian":
        return "Bound: the least rate of any codec at this nMSE (Shannon). Gap: bits sent above it."
    if audit.distribution == "laplace":
        return (
            "Bound: Shannon's lower bound on the rate at this nMSE; the least rate itself is visibly above it only "
            "below 1 bit. Gap: bits sent above it."
        )
    return (
        "Reference: what independent Gaussian entries of the same energy in each tensor would need at this nMSE. Real "
        "updates have heavier tails and need less: this is no lower bound, and a gap below zero is no mistake."
    )


def _cost_table(audit: Audit) -> Table:
    columns = (
        _NAME,
        Column("state", "Memory", "B/param", "lower"),
        Column("encode_ns", "Encode", "ns/param", "lower"),
        Column("encode_rate", "Encode", "MB/s", "higher"),
        Column("decode_ns", "Decode", "ns/param", "lower"),
        Column("decode_rate", "Decode", "MB/s", "higher"),
    )
    rows = tuple(
        (
            Cell(one.label),
            _number(one.state_bytes, 3),
            *_speed(one.encode_ns),
            *_speed(one.decode_ns),
        )
        for one in audit.codecs
    )
    notes = (
        "Memory: what a client keeps between rounds after its first payload. Times: CPU time of one thread, frame "
        "included, median; MB/s are megabytes of float32 parameters.",
        f"Times were taken on {audit.machine}.",
    )
    return Table("cost", f"At the client: {audit.source}", columns, rows, notes)


_MISSING = Cell(MINUS, tone="muted")


def _speed(ns: float) -> tuple[Cell, Cell]:
    """Nanoseconds a parameter, and megabytes of float32 a second."""
    if ns <= 0:
        return absent("too short"), _MISSING
    rate = 4000 / ns
    return Cell(significant(ns, 3), value=ns), Cell(significant(rate, 3), value=rate)


def _number(value: float | None, digits: int, decimals: int | None = None, *, with_sign: bool = False) -> Cell:
    """Significant digits, or fixed decimals where they are given."""
    if value is None:
        return _MISSING
    if decimals is None:
        return Cell(significant(value, digits), value=value)
    return Cell(signed(value, decimals) if with_sign else fixed(value, decimals), value=value)


def _bias_cell(one: CodecAudit) -> Cell:
    if one.bias is not None and not one.is_random and one.nmse:
        return Cell("= nMSE", value=one.bias, tone="muted")
    if one.bias is not None and one.bias < one.bias_floor:
        return Cell(f"<{NBSP}{share_cell(one.bias_floor).text}", value=one.bias, tone="muted")
    return share_cell(one.bias)


def share_cell(value: float | None) -> Cell:
    """Three digits, with a power of ten where zeros would hide them."""
    if value is None:
        return _MISSING
    if value == 0 or 1e-3 <= abs(value) < 1e4:
        return Cell(significant(value, 3), value=value)
    mantissa, exponent = f"{value:.1e}".split("e")
    return Cell(f"{mantissa}e{int(exponent)}".replace("-", MINUS), value=value)
