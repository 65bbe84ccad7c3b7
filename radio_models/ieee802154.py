"""Models IEEE 802.15.4 at 2.4 GHz: frames up to 127 bytes, CSMA-CA, acknowledgement and turnaround, on a bare radio.

Before each frame the radio waits a random number of backoff periods of 320 us, 3.5 on average at the first attempt,
listens for 128 us whether the channel is clear, and turns round for 192 us. The acknowledgement comes 192 us after the
frame and takes 352 us; 640 us pass before the next one (long interframe space).

References:
    IEEE Standard 802.15.4, O-QPSK PHY at 2450 MHz: 16 us a symbol, 4 bits a symbol.
    Texas Instruments, data sheets of CC2420 and CC2538: currents.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal, get_args

import numpy as np

from harness.core.coefficients import combine
from harness.core.notes import Note
from harness.core.prices import Carriage, Coefficient
from harness.core.types import Direction, Float64, Int64
from harness.core.units import BITS_PER_BYTE, BITS_PER_MBIT
from radio_models.coefficients import absent, row
from radio_models.settings import check_choice, check_range, check_share
from radio_models.validation import compared, transfer

Chip = Literal["cc2420", "cc2538"]
"""A bare radio at 0 dBm; a system on chip with its processor."""

_BYTE_S = 32e-6
_LONGEST_PSDU_BYTES = 127
_PHY_BYTES = 6  # preamble 4, start of frame 1, length 1
_ACK_BYTES = 5
_TURNAROUND_S = 192e-6
_ASSESSMENT_S = 128e-6
_BACKOFF_PERIOD_S = 320e-6
_MEAN_BACKOFF_PERIODS = (2**3 - 1) / 2  # macMinBE of 3
_LONG_INTERFRAME_S, _SHORT_INTERFRAME_S = 640e-6, 192e-6
_LONGEST_SHORT_PSDU_BYTES = 18


def frame_s(psdu_bytes: Int64) -> Float64:
    """Seconds on the air of frames, synchronisation included.

    Args:
        psdu_bytes: shape (n,), bytes behind the length field, at most 127.

    >>> frame_s(np.array([127])) * 1e3
    array([4.256])
    """
    return np.asarray((np.asarray(psdu_bytes, dtype=np.int64) + _PHY_BYTES) * _BYTE_S, dtype=np.float64)


@dataclass(frozen=True)
class Ieee802154:
    """IEEE 802.15.4 node in reach of its gateway.

    Attributes:
        chip: whose currents are charged.
        mac_bytes: MAC header, checksum, security and adaptation layer in each frame, 9 to 100; 25 leave 102 of payload.
        csma: whether the channel is assessed before each frame.
        listens_in_backoff: whether the receiver stays on through the backoff, as in many stacks.
        acknowledged: whether each frame is acknowledged.
        retransmission_share: share of frames that are sent again, 0 to below 1.
    """

    kind: ClassVar[str] = "ieee802154"
    title: ClassVar[str] = "IEEE 802.15.4 node"
    access: ClassVar[Literal["mobile", "fixed"]] = "fixed"

    chip: Chip = "cc2420"
    mac_bytes: int = 25
    csma: bool = True
    listens_in_backoff: bool = True
    acknowledged: bool = True
    retransmission_share: float = 0.0

    def __post_init__(self) -> None:
        """Refuse settings out of range."""
        check_choice("chip", self.chip, get_args(Chip))
        check_range("mac_bytes", self.mac_bytes, 9, 100)
        check_share("retransmission_share", self.retransmission_share)

    @property
    def tail_s(self) -> float:
        """None: the radio goes to sleep after its last frame."""
        return 0.0

    def carry(self, payload_bytes: Int64, direction: Direction) -> Carriage:
        """Frames with what comes before and after each; the sender of a frame is the one that assesses the channel."""
        sizes = np.asarray(payload_bytes, dtype=np.int64)
        per_frame = _LONGEST_PSDU_BYTES - self.mac_bytes
        n_full, rest = np.divmod(sizes, per_frame)
        n_rest = (rest > 0) | (sizes == 0)
        tries = 1 / (1 - self.retransmission_share)
        last_psdu = rest + self.mac_bytes
        n_frames = tries * (n_full + n_rest)
        data_s = tries * (n_full * frame_s(np.array(_LONGEST_PSDU_BYTES)) + n_rest * frame_s(last_psdu))
        spaces_s = tries * (n_full * _LONG_INTERFRAME_S + n_rest * _interframe_s(last_psdu))
        answer_s = n_frames * float(frame_s(np.array(_ACK_BYTES))) * self.acknowledged
        turning_s = n_frames * _TURNAROUND_S * (self.csma + self.acknowledged)
        backoff_s = n_frames * _MEAN_BACKOFF_PERIODS * _BACKOFF_PERIOD_S * self.csma
        assessment_s = n_frames * _ASSESSMENT_S * self.csma
        idle_s = spaces_s if self.listens_in_backoff else spaces_s + backoff_s
        listening_s = backoff_s if self.listens_in_backoff else np.zeros_like(backoff_s)
        if direction == "uplink":
            up_s, down_s = data_s, answer_s + turning_s + assessment_s + listening_s
        else:
            # Who waits for a frame listens all the while: to the gateway's backoff, too.
            up_s, down_s, idle_s = answer_s, data_s + turning_s + assessment_s + backoff_s, spaces_s
        data_bytes = tries * (sizes + (n_full + n_rest) * (self.mac_bytes + _PHY_BYTES))
        answer_bytes = n_frames * (_ACK_BYTES + _PHY_BYTES) * self.acknowledged
        up_bytes, down_bytes = (data_bytes, answer_bytes) if direction == "uplink" else (answer_bytes, data_bytes)
        mbit_per_byte = BITS_PER_BYTE / BITS_PER_MBIT
        return Carriage(
            seconds=up_s + down_s + idle_s,
            uplink_s=up_s,
            downlink_s=down_s,
            wait_s=idle_s,
            uplink_mbit=up_bytes * mbit_per_byte,
            downlink_mbit=down_bytes * mbit_per_byte,
            frames=np.zeros_like(data_s),
        )

    def obstacle(self, payload_bytes: int, direction: Direction) -> str:
        """Nothing: payloads of any size are cut into frames."""
        del payload_bytes, direction
        return ""

    def coefficients(self) -> Mapping[str, Coefficient]:
        """The coefficient of each quantity."""
        supply_v, tx_ma, rx_ma, idle_ma, sleep_ua = self.inputs()
        prices = {
            name: combine(f"{self.kind}.{name}", "W", lambda volts, ma: volts * ma / 1e3, supply_v, current_ma)
            for name, current_ma in (("uplink_w", tx_ma), ("downlink_w", rx_ma), ("wait_w", idle_ma))
        }
        rest_w = combine(f"{self.kind}.rest_w", "W", lambda volts, ua: volts * ua / 1e6, supply_v, sleep_ua)
        return {
            "session_j": absent(self.kind, "session_j", "J", "the node has joined its network"),
            "tail_w": absent(self.kind, "tail_w", "W", "there is no tail"),
            **prices,
            "uplink_j_per_mbit": absent(self.kind, "uplink_j_per_mbit", "J/Mbit"),
            "downlink_j_per_mbit": absent(self.kind, "downlink_j_per_mbit", "J/Mbit"),
            "frame_j": absent(self.kind, "frame_j", "J"),
            "rest_w": rest_w,
        }

    def inputs(self) -> tuple[Coefficient, ...]:
        """Supply, transmitting, receiving, idle, sleep: the table rows of the chip."""
        names = ("supply_v", "tx_ma", "rx_ma", "idle_ma", "sleep_ua")
        return tuple(row(self.kind, f"{self.chip}_{name}") for name in names)

    def notes(self) -> tuple[Note, ...]:
        """How it compares with a measurement, and what is left out."""
        frame = transfer(Ieee802154(chip=self.chip, csma=False), uplink_bytes=_LONGEST_PSDU_BYTES - 25)
        left_out = (
            "one hop to a gateway; beacons, listening for frames at rest, second attempts at a busy channel and the "
            "processor beside a bare radio are not modelled"
        )
        return compared("ieee802154.acknowledged_frame_j", frame), Note("remark", left_out)


def _interframe_s(psdu_bytes: Int64) -> Float64:
    return np.where(psdu_bytes > _LONGEST_SHORT_PSDU_BYTES, _LONG_INTERFRAME_S, _SHORT_INTERFRAME_S)
