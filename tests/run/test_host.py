"""Provenance: the machine without its name, the code with its state."""

import socket
import subprocess
from pathlib import Path

import pytest

import harness
from harness.parts.facts_version import FACTS_VERSION, source_digest
from harness.run.engines import host as provenance
from harness.run.engines.host import copy_gb_per_s, describe_code, describe_facts_code, describe_host, gemm_gflops


def test_a_machine_is_told_apart_and_not_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(provenance, "gemm_gflops", lambda: 20.0)
    monkeypatch.setattr(socket, "gethostname", lambda: "alpha")
    first = describe_host()
    monkeypatch.setattr(socket, "gethostname", lambda: "beta")
    second = describe_host()
    assert len(first.machine) == 12 and first.machine != second.machine
    assert "alpha" not in str(first)


def test_a_host_lists_what_shapes_results() -> None:
    host = describe_host()
    assert host.n_threads >= 1 and host.gemm_gflops > 0 and host.copy_gb_per_s is not None and host.copy_gb_per_s > 0
    assert {"python", "torch", "numpy", "codecarbon"} <= set(host.versions)
    assert all(version[0].isdigit() for version in host.versions.values())
    assert host.platform.startswith("Linux ") or host.platform.startswith("Darwin ")


def test_a_package_that_is_not_there_is_said_to_be(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(provenance, "_PACKAGES", ("no-such-package",))
    monkeypatch.setattr(provenance, "gemm_gflops", lambda: 20.0)
    assert describe_host().versions["no-such-package"] == "not installed"


def test_the_matrix_rate_is_flops_by_cpu_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """A product that takes 0.01 s of CPU time, on a clock of our own: 2 * 64^3 flop / 0.01 s."""
    ticks = iter(number * 0.01 for number in range(100))
    monkeypatch.setattr(provenance.time, "thread_time", lambda: next(ticks))
    assert gemm_gflops(size=64, repeats=3) == pytest.approx(2 * 64**3 / 0.01 / 1e9)


def test_the_rate_of_copying_counts_bytes_read_and_bytes_written(monkeypatch: pytest.MonkeyPatch) -> None:
    """1,000 bytes in 0.01 s of CPU time, on a clock of our own: 2 * 1000 B / 0.01 s."""
    ticks = iter(number * 0.01 for number in range(100))
    monkeypatch.setattr(provenance.time, "thread_time", lambda: next(ticks))
    assert copy_gb_per_s(n_bytes=1000, repeats=3) == pytest.approx(2 * 1000 / 0.01 / 1e9)


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The harness as if it were installed in `tmp_path`."""
    (tmp_path / "harness").mkdir()
    (tmp_path / "harness" / "__init__.py").write_text("")
    monkeypatch.setattr(harness, "__file__", str(tmp_path / "harness" / "__init__.py"))
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
    return tmp_path


def git(folder: Path, *arguments: str) -> None:
    identity = ("-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false")
    subprocess.run(["git", *identity, *arguments], cwd=folder, check=True, capture_output=True)


@pytest.fixture
def committed(checkout: Path) -> Path:
    git(checkout, "init")
    git(checkout, "add", "-A")
    git(checkout, "commit", "-m", "first")
    return checkout


def test_an_installation_has_a_version_and_no_commit(checkout: Path) -> None:
    assert describe_code() == {"version": harness.__version__, "commit": None, "is_dirty": None}


def test_facts_keep_the_version_and_the_digest_of_their_code(checkout: Path) -> None:
    assert describe_facts_code() == {
        **describe_code(),
        "facts_version": FACTS_VERSION,
        "source_digest": source_digest(),
    }


def test_a_clean_checkout_has_its_commit(committed: Path) -> None:
    code = describe_code()
    assert len(code["commit"]) == 40 and int(code["commit"], 16) >= 0
    assert code["is_dirty"] is False


def test_changed_sources_are_told(committed: Path) -> None:
    (committed / "harness" / "__init__.py").write_text("changed = True\n")
    assert describe_code()["is_dirty"] is True


def test_results_beside_the_sources_are_no_change(committed: Path) -> None:
    (committed / "results").mkdir()
    (committed / "results" / "x").write_text("")
    assert describe_code()["is_dirty"] is False


def test_a_checkout_without_git_has_no_commit(committed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    assert describe_code() == {"version": harness.__version__, "commit": None, "is_dirty": None}
