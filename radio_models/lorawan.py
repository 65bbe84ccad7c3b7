"""Models a LoRaWAN end device: frames, receive windows, silence required by the duty cycle, and what each costs.

A payload is cut into frames of as many bytes as the data rate allows, with 13 bytes of header each. In class A two
receive windows follow each frame from the client, 1 s and 2 s after it; a frame to the client can only come in the
second of them, so that each one costs an empty frame from the client. Both windows are at the data rate of the
downlink, in EU868 in the sub-band where a gateway may send for 10 % of the time. In class C the radio always receives:
the power at rest is that of receiving. Silence is rest, not waiting. Clients of a round share gateways (see
`radio_models.lora_gateway`): that makes rounds longer and not dearer.

References:
    Semtech, AN1200.13, "SX1272/3/6/7/8: LoRa Modem Designer's Guide", 2013.
    Semtech, LoRaMac-node, RegionEU868.h and RegionUS915.h: data rates, payload limits, sub-bands.
    Casals, Mir, Vidal, Gomez, "Modeling the Energy Performance of LoRaWAN", Sensors 2017: currents of a whole board.
    Magrin et al., LoRaWAN module for ns-3: linear current of the transmitter.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal, NamedTuple, get_args

import numpy as np

from harness.core.coefficients import combine
from harness.core.notes import Note, remarks
from harness.core.prices import Carriage, Coefficient, SharedRound
from harness.core.types import Direction, Float64, Int64
from harness.core.units import BITS_PER_BYTE, BITS_PER_MBIT
from radio_models.coefficients import absent, row
from radio_models.lora_airtime import Modulation
from radio_models.lora_gateway import Traffic, phase_s
from radio_models.lora_regions import (
    EMPTY_FRAME_BYTES,
    HEADER_BYTES,
    Region,
    modulation,
    n_data_rates,
    payload_limit,
    uplink_channels,
)
from radio_models.settings import check_choice, check_range, check_share
from radio_models.validation import Joules, compared, reproduced, transfer

DeviceClass = Literal["a", "c"]
"""A: receives only after it has sent. C: always receives."""

Reading = Literal["chip", "board", "linear"]
"""Whose power: the radio chip's, by its data sheet; a whole board's; a transmitter with a constant efficiency."""

_FIRST_WINDOW_S, _SECOND_WINDOW_S = 1.0, 2.0
_CHIP_TX_DBM = (7, 13, 17, 20)


def linear_tx_ma(tx_power_dbm: float, supply_v: float, efficiency: float, standby_ma: float) -> float:
    """Current of a transmitter that turns a constant share of its power into radiation, mA.

    Args:
        tx_power_dbm: radiated power.
        supply_v: supply.
        efficiency: radiated over drawn power, above 0.
        standby_ma: current in standby, which comes on top.

    >>> round(linear_tx_ma(14, 3.3, 0.1, 1.4), 2)
    77.52
    """
    return float(10 ** (tx_power_dbm / 10) / (supply_v * efficiency) + standby_ma)


class _Frames(NamedTuple):
    """What sending frames takes: seconds, bytes on the air, how many are sent; float64 of shape (n,)."""

    uplink_s: Float64
    downlink_s: Float64
    answer_s: Float64
    """The part of `downlink_s` in which the gateway sends."""
    wait_s: Float64
    cycle_s: Float64
    """Until its receive windows have closed."""
    period_s: Float64
    """Until the next frame may be sent."""
    uplink_bytes: Float64
    downlink_bytes: Float64
    frames: Float64
    """From the client."""


@dataclass(frozen=True)
class LoRaWan:
    """LoRaWAN end device.

    Attributes:
        region: the band and its rules.
        data_rate: 0 to 7 in EU868 (SF12 to SF7 in 125 kHz, SF7 in 250 kHz, FSK at 50 kbit/s), 0 to 4 in US915 (SF10 to
            SF7 in 125 kHz, SF8 in 500 kHz). Answers in US915 come in 500 kHz, at DR10 to DR13.
        coding_rate: 1 to 4, for 4/5 to 4/8; LoRaWAN uses 1.
        device_class: when the device receives.
        power: whose power is charged.
        tx_power_dbm: transmit power: 7, 13, 17 or 20 for the chip, -4 to 30 for a linear transmitter; the board was
            measured at one power only.
        fragmentation: whether a payload may be cut into frames.
        acknowledged: whether each frame from the client is answered, in the first window.
        retransmission_share: share of frames that are sent again, 0 to below 1.
        duty_cycle: share of the time that the client may send, above 0 and at most 1; EU868 only: 0.01 in most
            sub-bands, 0.001 and 0.1 in others.
        gateway_duty_cycle: the same for a gateway; EU868 only.
        gateways: gateways that serve the clients of a round together, 1 to 1000.
    """

    kind: ClassVar[str] = "lorawan"
    title: ClassVar[str] = "LoRaWAN end device"
    access: ClassVar[Literal["mobile", "fixed"]] = "fixed"

    region: Region = "eu868"
    data_rate: int = 5
    coding_rate: int = 1
    device_class: DeviceClass = "a"
    power: Reading = "chip"
    tx_power_dbm: float = 13.0
    fragmentation: bool = True
    acknowledged: bool = False
    retransmission_share: float = 0.0
    duty_cycle: float = 0.01
    gateway_duty_cycle: float = 0.1
    gateways: int = 1

    def __post_init__(self) -> None:
        """Refuse settings out of range."""
        check_choice("region", self.region, get_args(Region))
        check_range(f"data_rate of {self.region}", self.data_rate, 0, n_data_rates(self.region) - 1)
        check_range("coding_rate", self.coding_rate, 1, 4)
        check_choice("device_class", self.device_class, get_args(DeviceClass))
        check_choice("power", self.power, get_args(Reading))
        if self.power == "chip" and self.tx_power_dbm not in _CHIP_TX_DBM:
            raise ValueError(f"tx_power_dbm must be 7, 13, 17 or 20 for the chip, got {self.tx_power_dbm:g}")
        check_range("tx_power_dbm", self.tx_power_dbm, -4, 30)
        check_share("retransmission_share", self.retransmission_share)
        for name in ("duty_cycle", "gateway_duty_cycle"):
            value = getattr(self, name)
            if not 0 < value <= 1:
                raise ValueError(f"{name} must be above 0 and at most 1, got {value:g}")
        check_range("gateways", self.gateways, 1, 1000)

    @property
    def tail_s(self) -> float:
        """None: what the device does after a frame belongs to the frame."""
        return 0.0

    def carry(self, payload_bytes: Int64, direction: Direction) -> Carriage:
        """Frames, receive windows and silence; no silence follows the last frame."""
        train, last = self._train(payload_bytes, direction)
        mbit_per_byte = BITS_PER_BYTE / BITS_PER_MBIT
        return Carriage(
            seconds=train.period_s - (last.period_s - last.cycle_s),
            uplink_s=train.uplink_s,
            downlink_s=train.downlink_s,
            wait_s=train.wait_s,
            uplink_mbit=train.uplink_bytes * mbit_per_byte,
            downlink_mbit=train.downlink_bytes * mbit_per_byte,
            frames=train.frames,
        )

    def shared_round(self, downlink_bytes: Int64, uplink_bytes: Int64) -> SharedRound:
        """Gateways that send within their duty cycle and do not receive meanwhile, and collisions of what they receive.

        What is assumed stands in `radio_models.lora_gateway`.
        """
        duty, channels = self._duty_cycles()[1], uplink_channels(self.region, self.data_rate)
        seconds = 0.0
        payloads: dict[Direction, Int64] = {"downlink": downlink_bytes, "uplink": uplink_bytes}
        for direction, sizes in payloads.items():
            train, last = self._train(sizes, direction)
            own_s = train.period_s - (last.period_s - last.cycle_s)
            traffic = Traffic(own_s, train.uplink_s, train.answer_s, last.answer_s)
            seconds += phase_s(traffic, self.gateways, duty, channels)
        medium = "one LoRaWAN gateway" if self.gateways == 1 else f"{self.gateways} LoRaWAN gateways"
        return SharedRound(seconds, medium)

    def obstacle(self, payload_bytes: int, direction: Direction) -> str:
        """A payload beyond one frame, if it may not be cut."""
        limit = self.frame_payload_bytes(direction)
        if self.fragmentation or payload_bytes <= limit:
            return ""
        return (
            f"a payload of {payload_bytes} bytes does not fit into one frame of at most {limit} at DR{self.data_rate} "
            f"of {self.region.upper()}, and fragmentation is off"
        )

    def frame_payload_bytes(self, direction: Direction) -> int:
        """Bytes of payload in a full frame: the limit of the data rate, less where 0.4 s on the air allow less.

        >>> LoRaWan(region="us915", data_rate=0).frame_payload_bytes("uplink")
        11
        """
        return payload_limit(self.region, self.data_rate, self.coding_rate, direction)

    def coefficients(self) -> Mapping[str, Coefficient]:
        """The coefficient of each quantity."""
        downlink_w = self._watts("downlink_w", self._used()["rx_ma"])
        sleep_w = combine(
            f"{self.kind}.rest_w",
            "W",
            lambda supply_v, current_ua: supply_v * current_ua / 1e6,
            self._used()["supply_v"],
            self._used()["sleep_ua"],
        )
        return {
            "session_j": absent(self.kind, "session_j", "J", "each frame has its own wake-up"),
            "tail_w": absent(self.kind, "tail_w", "W", "there is no tail"),
            "uplink_w": self._uplink_w(),
            "downlink_w": downlink_w,
            "wait_w": self._watts("wait_w", self._used()["wait_ma"]),
            "uplink_j_per_mbit": absent(self.kind, "uplink_j_per_mbit", "J/Mbit"),
            "downlink_j_per_mbit": absent(self.kind, "downlink_j_per_mbit", "J/Mbit"),
            "frame_j": self._frame_j(),
            "rest_w": self._watts("rest_w", self._used()["rx_ma"]) if self.device_class == "c" else sleep_w,
        }

    def inputs(self) -> tuple[Coefficient, ...]:
        """The table rows of the reading in use."""
        return tuple(self._used().values())

    def notes(self) -> tuple[Note, ...]:
        """How fast it is, how it compares with measurements, and what is left out."""
        full = self._exchange(np.array([self.frame_payload_bytes("uplink")]), "uplink")
        hourly_bytes = int(3600 / full.period_s[0] + 1e-9) * self.frame_payload_bytes("uplink")
        pace = f"sends at most {hourly_bytes} bytes of payload an hour at DR{self.data_rate} of {self.region.upper()}"
        left_out = (
            "the gateway's own power is not charged; joining, MAC commands and adapting the data rate are not modelled",
            "clients of a round share its gateways, which makes rounds longer; collisions are charged no joules",
            "frames to the client come in the second window at the data rate of the first, which the network must set"
            if self.device_class == "a"
            else "in class C the radio receives at rest, for all of the time",
        )
        return Note("remark", pace), *_comparisons(self.power, self.tx_power_dbm), *remarks(left_out)

    def _modulation(self, direction: Direction) -> Modulation:
        return modulation(self.region, self.data_rate, self.coding_rate, direction)

    def _duty_cycles(self) -> tuple[float, float]:
        """Of the client and of a gateway."""
        return (self.duty_cycle, self.gateway_duty_cycle) if self.region == "eu868" else (1.0, 1.0)

    def _train(self, payload_bytes: Int64, direction: Direction) -> tuple[_Frames, _Frames]:
        """All frames of each payload, sent again as often as must be, and its last frame."""
        sizes = np.asarray(payload_bytes, dtype=np.int64)
        n_full, rest = np.divmod(sizes, self.frame_payload_bytes(direction))
        n_rest = ((rest > 0) | (sizes == 0)).astype(np.int64)
        full = self._exchange(np.array([self.frame_payload_bytes(direction)]), direction)
        end = self._exchange(rest, direction)
        tries = 1 / (1 - self.retransmission_share)
        train = _Frames(*(tries * (n_full * each + n_rest * of_end) for each, of_end in zip(full, end, strict=True)))
        last = _Frames(*(np.where(n_rest > 0, of_end, each) for each, of_end in zip(full, end, strict=True)))
        return train, last

    def _exchange(self, payload_bytes: Int64, direction: Direction) -> _Frames:
        """One frame with payload each, and the frames and windows that belong to it."""
        uplink, downlink = self._modulation("uplink"), self._modulation("downlink")
        frame_bytes = np.where(payload_bytes > 0, payload_bytes + HEADER_BYTES, EMPTY_FRAME_BYTES)
        empty_bytes, none_bytes = np.full_like(frame_bytes, EMPTY_FRAME_BYTES), np.zeros_like(frame_bytes)
        if direction == "uplink":
            up_bytes, down_bytes = frame_bytes, empty_bytes if self.acknowledged else none_bytes
        else:
            up_bytes, down_bytes = empty_bytes if self.device_class == "a" else none_bytes, frame_bytes
        uplink_s = np.where(up_bytes > 0, uplink.airtime_s(up_bytes), 0.0)
        answer_s = np.where(down_bytes > 0, downlink.airtime_s(down_bytes), 0.0)
        pause_s, listening_s = self._pauses(direction, downlink.window_s)
        cycle_s = uplink_s + pause_s + listening_s + answer_s
        device_duty, gateway_duty = self._duty_cycles()
        is_pause_charged = self.device_class == "a"
        return _Frames(
            uplink_s=uplink_s,
            downlink_s=answer_s + listening_s,
            answer_s=answer_s,
            wait_s=np.full_like(uplink_s, pause_s * is_pause_charged),
            cycle_s=cycle_s,
            period_s=np.maximum(cycle_s, np.maximum(uplink_s / device_duty, answer_s / gateway_duty)),
            uplink_bytes=up_bytes.astype(np.float64),
            downlink_bytes=down_bytes.astype(np.float64),
            frames=np.sign(up_bytes).astype(np.float64),
        )

    def _pauses(self, direction: Direction, window_s: float) -> tuple[float, float]:
        """Seconds between a frame and its windows, and seconds of windows in which nothing arrives."""
        if direction == "uplink" and self.acknowledged:
            return _FIRST_WINDOW_S, 0.0
        if self.device_class == "c":
            return 0.0, 0.0
        return _SECOND_WINDOW_S - window_s, window_s if direction == "downlink" else 2 * window_s

    def _used(self) -> dict[str, Coefficient]:
        """The rows of the reading in use, by what they are."""
        whose = "board" if self.power == "board" else "chip"
        used = {name: row(self.kind, f"{whose}_{name}") for name in ("supply_v", "rx_ma", "wait_ma", "sleep_ua")}
        if self.power == "board":
            return used | {name: row(self.kind, f"board_{name}") for name in ("tx_ma", "frame_mc")}
        if self.power == "chip":
            return used | {"tx_ma": row(self.kind, f"chip_tx_{self.tx_power_dbm:g}dbm_ma")}
        return used | {
            "efficiency": row(self.kind, "linear_efficiency"),
            "standby_ma": row(self.kind, "chip_standby_ma"),
        }

    def _uplink_w(self) -> Coefficient:
        used = self._used()
        if self.power != "linear":
            return self._watts("uplink_w", used["tx_ma"])
        return combine(
            f"{self.kind}.uplink_w",
            "W",
            lambda supply_v, *rest: supply_v * linear_tx_ma(self.tx_power_dbm, supply_v, *rest) / 1e3,
            *(used[name] for name in ("supply_v", "efficiency", "standby_ma")),
        )

    def _frame_j(self) -> Coefficient:
        if self.power != "board":
            return absent(self.kind, "frame_j", "J", "a chip by itself has no wake-up of its board")
        return combine(
            f"{self.kind}.frame_j",
            "J",
            lambda supply_v, charge_mc: supply_v * charge_mc / 1e3,
            self._used()["supply_v"],
            self._used()["frame_mc"],
        )

    def _watts(self, name: str, current_ma: Coefficient) -> Coefficient:
        supply_v = self._used()["supply_v"]
        return combine(f"{self.kind}.{name}", "W", lambda volts, ma: volts * ma / 1e3, supply_v, current_ma)


def _comparisons(power: Reading, tx_power_dbm: float) -> list[Note]:
    """How a reading compares with what was measured."""
    if power == "board":
        return [
            reproduced("lorawan.lifetime_j", _five_minutes(LoRaWan(power="board"))),
            Note(
                "unvalidated", "no end-to-end energy of a board outside its source was compared; boards differ tenfold"
            ),
        ]
    if power == "linear":
        return [Note("unvalidated", "a transmitter of constant efficiency, not a chip")]
    if tx_power_dbm != LoRaWan.tx_power_dbm:
        return [Note("unvalidated", f"the chip was compared at {LoRaWan.tx_power_dbm:g} dBm only")]
    return [compared("lorawan.confirmed_message_j", transfer(LoRaWan(acknowledged=True), uplink_bytes=10))]


def _five_minutes(radio: LoRaWan) -> Joules:
    """Joules of sending 10 bytes and resting for what is left of 5 minutes."""
    rest_w = radio.coefficients()["rest_w"]
    rest_s = 300 - float(radio.carry(np.array([10], dtype=np.int64), "uplink").seconds[0])
    low, typical, high = transfer(radio, uplink_bytes=10)
    return low + rest_s * rest_w.low, typical + rest_s * rest_w.typical, high + rest_s * rest_w.high
