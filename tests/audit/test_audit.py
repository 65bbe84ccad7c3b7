"""``harness audit``: known codecs give known numbers, and every figure means what its heading says."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
from safetensors.numpy import save_file

from harness.audit.bounds import gaussian_reference_bits, shannon_bits, symbol_entropy_bits
from harness.audit.codecs import Named, all_codecs, parse_codecs
from harness.audit.measure import DRAWS, audit
from harness.audit.updates import MOST_UPDATES, drawn, find_source
from harness.core.codec_facts import facts_of
from harness.core.errors import UsageError
from harness.core.seeds import stream
from harness.core.types import Agreed, Layout, Update
from harness.wire.body import float32_bytes
from harness.wire.frame import FRAME_BYTES
from reports.audit.data import Audit, CodecAudit
from reports.audit.page import audit_report
from reports.audit.tables import audit_tables
from reports.page.html import render_html
from tests.factories import make_layout, update_of

SIZE = 100_000


def measured(*codecs: str | Named, on: str = "gaussian", size: int = SIZE) -> Audit:
    named = [each for codec in codecs for each in (parse_codecs([codec]) if isinstance(codec, str) else [codec])]
    return audit(named, find_source(on, size, 0), 0, (), lambda label: None)


def row(codec: str | Named, on: str = "gaussian", size: int = SIZE) -> CodecAudit:
    (found,) = measured(codec, on=on, size=size).codecs
    return found


@dataclass(frozen=True)
class Dithering:
    """Adds uniform noise of a width of 0.01 from one of the two sources of randomness: unbiased but for its offset.

    Noise is on the first `on_share` of the entries, in rounds from `from_round` on.
    """

    is_agreed: bool
    offset: float = 0.0
    from_round: int = 1
    on_share: float = 1.0

    kind: ClassVar[str] = "dithering"
    wire_id: ClassVar[int] = 200

    def nominal_bits(self, layout: Layout) -> float:
        return 32.0

    def init(self, layout: Layout) -> None:
        return None

    def encode(self, update: Update, state: None, rng: np.random.Generator, agreed: Agreed) -> tuple[bytes, None]:
        if self.is_agreed:
            return float32_bytes(update.values), None
        return float32_bytes(update.values + self._noise(rng, update.layout.size, agreed.round)), None

    def decode(self, body: bytes, layout: Layout, agreed: Agreed) -> Update:
        values = np.frombuffer(body, dtype="<f4").astype(np.float32)
        if self.is_agreed:
            values = values + self._noise(np.random.default_rng(agreed.round), layout.size, agreed.round)
        return Update((values + np.float32(self.offset)).astype(np.float32), layout)

    def _noise(self, rng: np.random.Generator, size: int, round: int) -> np.ndarray:
        if round < self.from_round:
            return np.zeros(size)
        return np.where(np.arange(size) < self.on_share * size, rng.uniform(-0.005, 0.005, size), 0.0)


# --- Known codecs, known numbers ---


def test_float32_is_exact_and_pays_its_frame() -> None:
    found = row("float32")
    assert found.wire_bits == 32 + 8 * FRAME_BYTES / SIZE
    assert found.nominal_bits == 32
    assert found.side_bytes == FRAME_BYTES
    assert (found.nmse, found.bias, found.worst_sigmas, found.state_bytes) == (0, 0, 0, 0)
    assert found.gain == 1
    assert (found.entropy_bits, found.bound_bits, found.gap_bits) == (None, None, None)


def test_linear8_loses_a_twelfth_of_a_squared_step() -> None:
    values = find_source("gaussian", SIZE, 0).updates[0]
    steps = [float(np.ptp(values.values[place])) / 255 for _, place in values.layout.slices()]
    shares = [tensor.size / SIZE for tensor in values.layout.tensors]
    found = row("linear8")
    assert found.nmse == pytest.approx(
        sum(w * s**2 / 12 for w, s in zip(shares, steps, strict=True)) / 0.01**2, rel=0.03
    )
    assert 5e-5 < (found.nmse or 0) < 1.5e-4
    assert found.worst_sigmas == pytest.approx(max(steps) / 2 / 0.01, rel=0.02)
    assert found.wire_bits == pytest.approx(8 + 8 * (FRAME_BYTES + 8 * 4) / SIZE)
    assert found.gap_bits == pytest.approx(found.wire_bits - 0.5 * math.log2(1 / (found.nmse or 1)))


@pytest.mark.parametrize(("on", "nmse"), [("gaussian", 1 - 2 / math.pi), ("laplace", 0.5)])
def test_the_scaled_sign_loses_what_its_paper_implies(on: str, nmse: float) -> None:
    """One magnitude for |x| leaves 1 - E|x|^2 / E x^2: .363 for Gaussian entries, .500 for Laplace ones."""
    found = row("signsgd", on)
    assert found.nmse == pytest.approx(nmse, rel=0.01)
    assert found.entropy_bits == pytest.approx(1, abs=1e-3)
    assert found.gain == pytest.approx(1 - nmse, rel=0.01), "shrinks by its error: the projection of a centroid"
    assert found.bias == found.nmse and not found.is_random


def test_quantfl_of_the_paper_takes_six_bits() -> None:
    found = row("quantfl-paper", "laplace")
    assert found.nominal_bits == 6
    assert 6 < found.wire_bits < 6.02
    assert found.side_bytes is not None and 0 < found.side_bytes < 100 and not found.is_side_over_entropy
    assert found.entropy_bits is not None and 3 < found.entropy_bits < 4.6, "its indices are far from uniform"


def test_entropy_coded_indices_pay_their_entropy_and_lose_the_same() -> None:
    packed, coded = measured("{kind: terngrad, coding: packed}", "{kind: terngrad, coding: ans}", on="laplace").codecs
    assert (coded.nmse, coded.bias, coded.entropy_bits) == (packed.nmse, packed.bias, packed.entropy_bits)
    assert coded.is_side_over_entropy and not packed.is_side_over_entropy
    assert coded.entropy_bits is not None and coded.side_bytes is not None
    assert coded.wire_bits * SIZE / 8 == pytest.approx(coded.entropy_bits * SIZE / 8 + coded.side_bytes, rel=0.01)
    assert coded.wire_bits < 1.2 < packed.wire_bits


def test_error_feedback_is_measured_on_its_first_payload_and_keeps_a_float_a_parameter() -> None:
    plain, fed = measured("signsgd", "{kind: error_feedback, inner: signsgd}").codecs
    assert (plain.state_bytes, fed.state_bytes) == (0, 4)
    assert (fed.nmse, fed.wire_bits, fed.gain) == (plain.nmse, plain.wire_bits, plain.gain)


# --- Random codecs ---


@pytest.mark.parametrize("is_agreed", [False, True], ids=["private", "agreed"])
def test_noise_of_either_kind_is_drawn_anew_and_is_no_bias(is_agreed: bool) -> None:
    found = row(Named("dithering", Dithering(is_agreed=is_agreed)))
    assert found.is_random
    assert found.nmse == pytest.approx(1 / 12, rel=0.02), "width**2 / 12 over sigma**2"
    assert found.bias is not None and found.bias < found.bias_floor < 0.001 < found.nmse / DRAWS


def test_the_floor_of_a_bias_knows_that_entries_err_unequally() -> None:
    """The same energy of noise on a hundredth of the entries scatters ten times as much as on all of them."""
    wide = row(Named("wide", Dithering(is_agreed=False)))
    narrow = row(Named("narrow", Dithering(is_agreed=False, on_share=0.01)))
    assert narrow.nmse is not None and wide.nmse == pytest.approx(100 * narrow.nmse, rel=0.05)
    assert narrow.bias_floor * 100 == pytest.approx(10 * wide.bias_floor, rel=0.1)
    assert wide.bias_floor == pytest.approx(3 * (wide.nmse or 0) * math.sqrt(2 / SIZE) / DRAWS, rel=0.1)


def test_an_unbiased_codec_stays_below_its_floor() -> None:
    """At sixty seeds, three standard deviations are exceeded at most once or twice."""
    source = drawn("laplace", 500, 0)
    named = [Named("narrow", Dithering(is_agreed=False, on_share=0.02))]
    rows = [audit(named, source, seed, (), lambda label: None).codecs[0] for seed in range(60)]
    assert sum((one.bias or 0) > one.bias_floor for one in rows) <= 2


def test_randomness_that_comes_late_is_seen() -> None:
    """Two payloads that are alike by chance do not make a codec one that does not round at random."""
    assert row(Named("late", Dithering(is_agreed=False, from_round=4)), size=1000).is_random


def test_side_information_is_of_the_payload_whose_symbols_are_counted() -> None:
    """Payloads of a random codec differ in length, and so do their entropies."""
    (named,), (update,) = parse_codecs(["{kind: terngrad, coding: ans}"]), drawn("laplace", 1000, 0).updates
    agreed = Agreed(0, 1, 0, "uplink")
    codec = named.codec
    body, _ = codec.encode(update, codec.init(update.layout), stream(0, "codec-uplink", 1, 0), agreed)
    n_bytes = len(body) + FRAME_BYTES
    entropy = symbol_entropy_bits(update, codec.decode(body, update.layout, agreed).values, n_bytes)
    found = row(named, "laplace", 1000)
    assert entropy is not None and found.entropy_bits == entropy
    assert found.side_bytes == pytest.approx(n_bytes - entropy * 1000 / 8, abs=1e-9)
    assert found.wire_bits * 1000 / 8 != n_bytes


def test_a_bias_is_found_below_the_noise() -> None:
    """An offset of a fifth of sigma is 4 % of the energy; the mean of the noise alone would add half a percent."""
    found = row(Named("offset", Dithering(is_agreed=False, offset=0.002)))
    assert found.bias == pytest.approx(0.04, rel=0.02)


def test_numbers_are_not_taken_for_symbols() -> None:
    assert row(Named("dithering", Dithering(is_agreed=False))).entropy_bits is None
    assert row("{kind: topk, ratio: 0.01}").entropy_bits is None
    assert row("{kind: qsgd, bucket: 512}").entropy_bits is None, "a scale for each block"


def test_equal_seeds_give_equal_figures() -> None:
    def facts(seed: int) -> list[object]:
        found = audit(parse_codecs(["terngrad"]), find_source("laplace", 1000, seed), seed, (), lambda label: None)
        one = found.codecs[0]
        return [one.wire_bits, one.nmse, one.bias, one.gain, one.worst_sigmas]

    assert facts(0) == facts(0) != facts(1)


@pytest.mark.parametrize("size", [1, 2, 7])
def test_tiny_updates_work(size: int) -> None:
    codecs, _ = all_codecs()
    found = audit(codecs, find_source("laplace", size, 0), 0, (), lambda label: None)
    assert "Codec audit" in render_html(audit_report(found))


# --- Theory ---


def test_the_reference_of_one_tensor_is_the_gaussian_bound() -> None:
    update = drawn("gaussian", 7, 0).updates[0]
    assert gaussian_reference_bits(update_of(update.values), 0.1) == pytest.approx(shannon_bits("gaussian", 0.1))
    assert gaussian_reference_bits(update_of(update.values), 0.0) is None
    assert gaussian_reference_bits(update_of(update.values), 2.0) == pytest.approx(0)


def test_error_is_filled_in_like_water() -> None:
    """Energies 4 and 1 an entry: at a total error of 2 both take level 1, at 3 of 5 the weak one is given up."""
    update = update_of([2.0, -2.0], [1.0, -1.0])
    assert gaussian_reference_bits(update, 2 / 5) == pytest.approx(0.5 * math.log2(4) / 2)
    assert gaussian_reference_bits(update, 3 / 5) == pytest.approx(0.5 * math.log2(4 / 2) / 2)


def test_exact_tensors_count_as_floats_in_the_entropy() -> None:
    update = update_of([1.0, 2.0, 3.0, 4.0] * 16, [0.5])
    decoded = update.values.copy()
    decoded[:64] = np.where(decoded[:64] > 2, 3.5, 1.5)
    assert symbol_entropy_bits(update, decoded, 100) == pytest.approx((64 + 32) / 65)
    assert symbol_entropy_bits(update, decoded, 11) is None, "more than was sent"
    assert symbol_entropy_bits(update, update.values, 100) is None


# --- Codecs and sources ---


def test_names_mappings_and_presets_become_codecs_once() -> None:
    found = parse_codecs(["linear8", "{kind: topk, ratio: 0.1}", "quantfl-paper", "{kind: linear8}",
                          "{kind: error_feedback, inner: {kind: topk, ratio: 1e-2}}"])  # fmt: skip
    assert [named.label for named in found] == [
        "linear8", "topk, ratio 0.1", "quantfl-paper", "error_feedback of topk, ratio 0.01",
    ]  # fmt: skip
    assert "inner: {kind: topk, ratio: 0.01" in found[-1].settings
    assert not facts_of(found[0].codec).is_entropy_coded


def test_coding_is_seen_through_a_wrapper() -> None:
    (named,) = parse_codecs(["{kind: error_feedback, inner: {kind: qsgd, coding: ans}}"])
    assert facts_of(named.codec).is_entropy_coded


def test_without_names_every_codec_with_defaults_is_taken() -> None:
    codecs, without = all_codecs()
    assert {"float32", "linear8", "quantfl", "quantfl-paper"} <= {named.label for named in codecs}
    assert "error_feedback" in without


@pytest.mark.parametrize("size", [1, 3, 999_983, 1_000_000])
def test_drawn_entries_fill_a_few_matrices(size: int) -> None:
    source = drawn("laplace", size, 0)
    layout = source.updates[0].layout
    assert layout.size == size and 1 <= len(layout.tensors) <= 4
    assert all(len(tensor.shape) == 2 for tensor in layout.tensors)


def recorded(folder: Path, round: int = 1, client: int = 3, init: str = "pretrained", cell: str = "ab12") -> Path:
    """An update as a run records it: a matrix of Laplace entries and a vector of smaller ones."""
    rng = np.random.default_rng(round)
    tensors = {"w": rng.laplace(size=(40, 50)).astype(np.float32), "b": np.full(5, 0.1, dtype=np.float32)}
    path = folder / "cells" / cell / "ledger" / "updates" / f"round-{round:04d}-client-{client:04d}.safetensors"
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file(tensors, path, {"round": str(round), "client": str(client), "init": init})
    return path


def test_recorded_updates_are_found_by_folder(tmp_path: Path) -> None:
    for round in (1, 10, 2):
        recorded(tmp_path, round)
    source = find_source(str(tmp_path), 1, 0)
    assert source.title == "3 recorded updates of 2,005 entries"
    assert "rounds 1, 2, 10; client 3; init pretrained" in source.detail
    shapes = {tensor.name: tensor.shape for tensor in source.updates[0].layout.tensors}
    assert shapes == {"w": (40, 50), "b": (5,)}
    found = measured("linear8", "float32", on=str(tmp_path))
    linear8, float32 = found.codecs
    assert float32.wire_bits == 32 + 8 * FRAME_BYTES / 2005 and float32.nmse == 0
    assert linear8.bound_bits is not None and linear8.gap_bits == pytest.approx(linear8.wire_bits - linear8.bound_bits)
    assert found.bound == "Gaussian reference" and found.lines == ()


def test_of_many_recorded_updates_a_few_are_taken_from_first_to_last(tmp_path: Path) -> None:
    for round in range(1, 12):
        recorded(tmp_path, round)
    source = find_source(str(tmp_path), 1, 0)
    assert len(source.updates) == MOST_UPDATES
    assert f"{MOST_UPDATES} of 11 in {tmp_path.name} (rounds 1, 4, 8, 11;" in source.detail


def test_the_worst_error_is_the_largest_of_all_updates(tmp_path: Path) -> None:
    """Each of another spread; the one that loses most is neither the first nor the last."""
    for round, outlier in enumerate([3.0, 40.0, 8.0], start=1):
        path = tmp_path / "cells" / "ab" / "ledger" / "updates" / f"round-{round:04d}-client-0000.safetensors"
        path.parent.mkdir(parents=True, exist_ok=True)
        values = np.random.default_rng(round).normal(size=500).astype(np.float32)
        values[7] = outlier
        save_file({"w": values.reshape(20, 25)}, path)
    alone = [
        measured("signsgd", on=str(path)).codecs[0].worst_sigmas or 0 for path in sorted(tmp_path.rglob("*.safe*"))
    ]
    assert alone[1] > alone[2] > alone[0]
    assert measured("signsgd", on=str(tmp_path)).codecs[0].worst_sigmas == alone[1]


def test_one_recorded_update_can_be_named(tmp_path: Path) -> None:
    source = find_source(str(recorded(tmp_path)), 1, 0)
    assert source.title == "1 recorded update of 2,005 entries"


@pytest.mark.parametrize(
    ("tensors", "text"),
    [
        ({"w": np.array([1.0, np.nan], dtype=np.float32)}, "tensor w holds NaN or infinity"),
        ({"w": np.array([1, 2])}, "tensor w is int64"),
        ({"w": np.zeros((0, 3), dtype=np.float32)}, "an update without entries"),
    ],
)
def test_a_file_that_is_no_update_is_refused(tmp_path: Path, tensors: dict[str, np.ndarray], text: str) -> None:
    save_file(tensors, tmp_path / "u.safetensors")
    with pytest.raises(UsageError, match=f"u.safetensors: {text}"):
        find_source(str(tmp_path / "u.safetensors"), 1, 0)


def test_an_update_of_zeros_has_no_shares(tmp_path: Path) -> None:
    save_file({"w": np.zeros((8, 8), dtype=np.float32)}, tmp_path / "zero.safetensors")
    found = measured("signsgd", "linear8", "float32", on=str(tmp_path / "zero.safetensors"))
    assert {(one.nmse, one.bias, one.gain, one.worst_sigmas, one.gap_bits) for one in found.codecs} == {(None,) * 5}
    assert "Codec audit" in render_html(audit_report(found))


# --- Page and tables ---


def test_the_page_stands_alone_and_has_every_row() -> None:
    found = measured("float32", "linear8", "signsgd", "{kind: topk, ratio: 0.1}", "sign")
    page = render_html(audit_report(found))
    assert "http:" not in page.replace("http://www.w3.org", "") and "https:" not in page and "<script" not in page
    for one in found.codecs:
        assert page.count(f'<span class="value">{one.label}</span>') == 3, "a row in each table"
        assert one.settings.replace("'", "&#39;") in page
    assert "Gish" in page and "Pradier" in page and "Shannon" in page
    assert "Off the scale: float32 (nMSE 0), sign (nMSE " in page


def test_the_answer_names_the_codec_nearest_to_the_bound() -> None:
    found = measured("float32", "linear8", "signsgd", "float16", on="laplace")
    (best,) = [one for one in found.codecs if one.label == "signsgd"]
    lead = audit_report(found).sections[0].blocks[0].text  # type: ignore[union-attr]
    assert lead.startswith("On 100,000 Laplace entries, signsgd does best against the Shannon lower bound")
    assert f"{best.gap_bits:.2f} bit above it." in lead


def test_sending_next_to_nothing_is_not_called_best() -> None:
    found = measured("signsgd", "{kind: topk, ratio: 0.001}", on="laplace")
    signsgd, topk = found.codecs
    assert (topk.gap_bits or 0) < (signsgd.gap_bits or 0)
    lead = audit_report(found).sections[0].blocks[0].text  # type: ignore[union-attr]
    assert "signsgd does best against the Shannon lower bound from 1 bit up" in lead


def test_a_gap_below_the_reference_is_said_to_be_one(tmp_path: Path) -> None:
    found = measured("signsgd", "linear8", on=str(recorded(tmp_path)))
    notes = " ".join(audit_tables(found)[1].notes)
    assert "no lower bound" in notes and "Reference" in [column.label for column in audit_tables(found)[1].columns]


def test_every_table_has_units_and_the_rows_of_all_codecs() -> None:
    found = measured("float32", "terngrad", size=1000)
    for table in audit_tables(found):
        assert [cells[0].text for cells in table.rows] == ["float32", "terngrad"]
        assert all(column.unit for column in table.columns if column.is_number)


def test_layouts_may_have_scalars_and_empty_tensors(tmp_path: Path) -> None:
    layout = make_layout((), (0, 3), (20, 30))
    tensors = {tensor.name: np.full(tensor.shape, 0.5, dtype=np.float32) for tensor in layout.tensors}
    save_file(tensors, tmp_path / "u.safetensors")
    codecs, _ = all_codecs()
    found = audit(codecs, find_source(str(tmp_path / "u.safetensors"), 1, 0), 0, (), lambda label: None)
    assert len(found.codecs) == len(codecs)
