"""Lists technologies that stay out of rankings: why, and how well their published figures can be reproduced.

Some no longer run (3G and GSM handsets of the 2000s), some cannot carry a model in useful time (Sigfox, Iridium), some
count no device that could be bought (the first-order radio, Shannon's capacity), and a base station is no client's.
"""

from dataclasses import dataclass

from harness.core.prices import Coefficient
from radio_models.coefficients import default, table
from radio_models.reproductions import (
    first_order_crossover_m,
    handset_2009_j,
    iridium_mah,
    iridium_messages,
    iridium_years,
    macro_w,
    shannon_upload_j,
    sigfox_bytes_per_day,
    sigfox_days,
    sigfox_duty_cycle_messages_per_day,
    sigfox_messages,
    umts_packet_j,
)

_MB = 1_000_000


@dataclass(frozen=True)
class Verdict:
    """One technology that no ranking names.

    Attributes:
        kind: short name.
        title: name for a table.
        why_not: why it stays out, with the numbers that say so.
        figure: what was published of the whole model, in words.
        published: that figure, in `unit`; None if nothing was published of the whole model.
        reproduced: what `radio_models.reproductions` gives for it, in `unit`.
        unit: of both.
        source: key of the BibTeX entry that the figure is from.
        is_verified: whether the figure was read in that source.
        is_independent: whether the figure had no part in making the constants.
    """

    kind: str
    title: str
    why_not: str
    figure: str
    published: float | None
    reproduced: float
    unit: str
    source: str
    is_verified: bool
    is_independent: bool

    @property
    def error(self) -> float | None:
        """Reproduced over published, less 1; None if nothing was published."""
        return None if self.published is None else self.reproduced / self.published - 1


def verdicts() -> tuple[Verdict, ...]:
    """The table, in the order in which it is printed.

    >>> [verdict.kind for verdict in verdicts()]
    ['umts', 'g3', 'gsm', 'sigfox', 'iridium', 'first_order', 'shannon', 'macro']
    """
    return (*_handsets(), *_messengers(), *_abstract())


def inputs() -> tuple[Coefficient, ...]:
    """The rows that the table rests on."""
    return tuple(row for name, row in table().items() if name.startswith("verdict."))


def _handsets() -> tuple[Verdict, ...]:
    return (
        Verdict(
            kind="umts",
            title="3G handset (2012)",
            why_not="3G networks have been or are being switched off",
            figure="one packet with its promotion and tails",
            published=7.38,
            reproduced=umts_packet_j(),
            unit="J",
            source="huang2012",
            is_verified=False,
            is_independent=False,
        ),
        *(
            Verdict(
                kind=kind,
                title=f"{name} handset (2009)",
                why_not="a handset and a network of 2009; only its tail is still of interest",
                figure="50 kB with the whole tail",
                published=published_j,
                reproduced=handset_2009_j(kind, 50),
                unit="J",
                source="balasubramanian2009",
                is_verified=False,
                is_independent=False,
            )
            for kind, name, published_j in (("g3", "3G", 12.5), ("gsm", "GSM", 5.0))
        ),
    )


def _messengers() -> tuple[Verdict, ...]:
    return (
        Verdict(
            kind="sigfox",
            title="Sigfox",
            why_not=f"at most {sigfox_bytes_per_day():g} B a day: 1 MB takes {sigfox_messages(_MB)} messages and "
            f"{sigfox_days(_MB):.0f} days",
            figure="messages a day, from duty cycle and time of a message",
            published=default("verdict", "sigfox_messages_per_day"),
            reproduced=sigfox_duty_cycle_messages_per_day(),
            unit="1/day",
            source="sigfox",
            is_verified=True,
            is_independent=True,
        ),
        Verdict(
            kind="iridium",
            title="Iridium Short Burst Data",
            why_not=f"at most {default('verdict', 'iridium_message_bytes'):g} B a message: 1 MB takes "
            f"{iridium_messages(_MB)} messages and up to {iridium_mah(_MB):.0f} mAh",
            figure="battery life at 2400 mAh and a message of 100 B every 100 min",
            published=0.95,
            reproduced=iridium_years(2400, 100),
            unit="years",
            source="gomez2021",
            is_verified=True,
            is_independent=False,
        ),
    )


def _abstract() -> tuple[Verdict, ...]:
    return (
        Verdict(
            kind="first_order",
            title="First-order radio (Heinzelman)",
            why_not="a textbook's radio without protocol, idle power or real parts; not comparable with measured ones",
            figure="distance beyond which the loss is of the fourth power, from heights and wavelength",
            published=86.2,
            reproduced=first_order_crossover_m(),
            unit="m",
            source="heinzelman2002",
            is_verified=False,
            is_independent=True,
        ),
        Verdict(
            kind="shannon",
            title="Shannon capacity (Yang et al.)",
            why_not="counts radiated power only, one to three orders of magnitude below what a device takes",
            figure="28.1 kbit over 0.4 MHz at 10 dBm and 250 m, by the published set-up",
            published=None,
            reproduced=shannon_upload_j(28_100, 0.4e6, 0.01, 250),
            unit="J",
            source="yang2021",
            is_verified=False,
            is_independent=False,
        ),
        Verdict(
            kind="macro",
            title="Macro base station (EARTH)",
            why_not="no client's radio; a network's share is priced by its own coefficients",
            figure="power at full load, as a sum of components",
            published=1350.0,
            reproduced=macro_w(1),
            unit="W",
            source="auer2011",
            is_verified=False,
            is_independent=True,
        ),
    )
