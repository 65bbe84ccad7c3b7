"""``harness audit`` on the command line: what is printed, what is written, and one line for each mistake."""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from harness.cli import app
from harness.wire.frame import FRAME_BYTES

SMALL = ("--size", "1000")


def said(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> tuple[int, str, str]:
    code = app.run(["audit", *map(str, arguments)])
    out, err = capsys.readouterr()
    return code, out, err


def test_rows_stand_beside_each_other(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = said(capsys, "float32", "{kind: topk, ratio: 0.1}", "--on", "gaussian", *SMALL)
    assert (code, err) == (0, "")
    assert out.count("1,000 Gaussian entries") == 3
    (sent,) = re.findall(r"^ float32 +(\S+) +32\.00 ", out, re.MULTILINE)
    assert float(sent) == pytest.approx(32 + 8 * FRAME_BYTES / 1000, abs=0.01)
    assert out.count("topk, ratio 0.1") == 3


@pytest.mark.parametrize("width", [80, 100])
def test_tables_fit_the_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, width: int
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    long = "{kind: error_feedback, inner: {kind: qsgd, levels: 7, norm: linf, bucket: 512, coding: ans}}"
    code, out, _ = said(capsys, "float16", "sign", long, *SMALL)
    assert code == 0
    assert max(len(line.rstrip()) for line in out.splitlines()) <= width
    assert "…" not in out
    for heading in ("bit/param", "byte", "share", "sigma", "ns/param", "MB/s", "B/param"):
        assert heading in out


def test_the_page_is_written_where_it_is_asked_for(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    code, out, _ = said(capsys, "linear8", *SMALL, "--out", tmp_path / "new" / "page.html")
    assert code == 0 and f"wrote {tmp_path / 'new' / 'page.html'}" in out.replace("\n", "")
    assert "linear8" in (tmp_path / "new" / "page.html").read_text(encoding="utf-8")
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["page.html"]


def test_recorded_updates_are_audited(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    folder = tmp_path / "results" / "cells" / "ab12" / "ledger" / "updates"
    folder.mkdir(parents=True)
    tensors = {"layer.weight": np.random.default_rng(0).laplace(size=(30, 20)).astype(np.float32)}
    facts = {"round": "1", "client": "3", "init": "random"}
    save_file(tensors, folder / "round-0001-client-0003.safetensors", facts)
    code, out, _ = said(capsys, "linear8", "--on", tmp_path / "results")
    assert code == 0
    assert "1 recorded update of 600 entries" in out and "Reference" in out


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["linear9"], "linear9: codec: .*Did you mean linear8?"),
        (["{kind: topk, ratio: 7}"], "codec.ratio: must be above 0 and at most 1 (got 7.0)"),
        (["{kind: topk, ratoi: 0.1}"], "Did you mean ratio?"),
        (["topk"], "topk: codec.ratio: missing"),
        (["{kind: error_feedback, inner: {kind: topk, ratio: 7}}"], "codec.inner.ratio: must be"),
        (["{kind: topk"], "not valid YAML"),
        (["[float32]"], "a list is no codec"),
        ([""], "an empty text is no codec"),
        (["float32", "--on", "laplce"], "Did you mean laplace?"),
        (["float32", "--on", "EMPTY"], "`record: {updates_at: [1, 10], clients: 2}` records them"),
        (["float32", "--out", "page.pdf"], "--out page.pdf: the page is HTML"),
    ],
    ids=str,
)
def test_a_mistake_is_one_line(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, arguments: list[str], text: str
) -> None:
    code, out, err = said(capsys, *(str(tmp_path) if word == "EMPTY" else word for word in arguments), *SMALL)
    assert (code, out) == (2, "")
    (line,) = err.splitlines()
    assert line.startswith("error: ")
    assert re.search(".*".join(map(re.escape, text.split(".*"))), line)


@pytest.mark.parametrize("size", ["0", "-3", "many", "1000000000"])
def test_a_size_out_of_range_is_refused(capsys: pytest.CaptureFixture[str], size: str) -> None:
    code, out, err = said(capsys, "float32", "--size", size)
    assert (code, out) == (2, "") and "--size" in err


def test_a_page_that_cannot_be_written_is_the_machines_fault(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "page.html").mkdir()
    code, _, err = said(capsys, "float32", *SMALL, "--out", tmp_path / "page.html")
    assert code == 5 and "page.html" in err and "Traceback" not in err


def test_an_audit_loads_neither_torch_nor_figures() -> None:
    script = (
        "import sys\nfrom harness.cli import app\nassert app.run(['audit', 'linear8', '--size', '100']) == 0\n"
        "print([name for name in ('torch', 'datasets', 'sklearn', 'codecarbon', 'matplotlib') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
