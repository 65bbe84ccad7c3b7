"""What benchmarks of training compare: the same work on both sides, and a line for what is not there."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.benchmarks import fedavg_speed
from tests.benchmarks.simulators import job
from tests.benchmarks.simulators.__main__ import CONTENDERS, Contender, measured


@pytest.fixture
def arrays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A job of four clients with 40 images of noise each, two a round."""
    for name, value in {"CLIENTS": 4, "COHORT": 2, "EXAMPLES": 40}.items():
        monkeypatch.setattr(job, name, value)
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (200, 28, 28), dtype=np.uint8)
    labels = rng.integers(0, 10, 200)
    parts = {"images": images[:160], "labels": labels[:160], "test_images": images[160:], "test_labels": labels[160:]}
    np.savez(tmp_path / "mnist.npz", **parts)
    return tmp_path / "mnist.npz"


def test_the_bare_loop_does_what_the_harness_does(arrays: Path) -> None:
    """The same clients, batches and steps: after two rounds the models differ in their last digits only."""
    ours, theirs, apart = fedavg_speed.beside_bare(arrays, rounds=2)
    assert len(ours) == len(theirs) == 2
    assert apart < 1e-5
    start = fedavg_speed.problem_of(arrays).initial_model()
    bare = fedavg_speed.Bare(arrays, start)
    bare.round(1)
    assert np.abs(bare.model.numpy() - start).max() > 1e-3


def test_threads_that_take_turns_give_one_model(arrays: Path) -> None:
    """It raises where they do not."""
    one, two = fedavg_speed.threads_in_turns(arrays, rounds=2)
    assert len(one) == len(two) == 2


def test_every_contender_has_its_script() -> None:
    folder = Path(fedavg_speed.__file__).parent / "simulators"
    assert {contender.script for contender in CONTENDERS} == {path.name for path in folder.glob("run_*.py")}


def test_a_contender_that_is_not_there_is_one_line_that_says_how_to_install_it(
    arrays: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BENCH_PFL", "/nowhere/python")
    said = measured(Contender("run_pfl.py", 1, "pip install it"), arrays, 1)
    assert said == "pfl was left out: no /nowhere/python. Make an environment there: pip install it"


@pytest.mark.parametrize(
    ("script", "text"),
    [
        ("raise ImportError('no module of this name')", "it ended with 1: ImportError: no module of this name"),
        ("pass", "it ended with 0: it said nothing"),
    ],
)
def test_a_contender_that_fails_is_one_line(arrays: Path, tmp_path: Path, script: str, text: str) -> None:
    (tmp_path / "run_it.py").write_text(script)
    # An absolute path stays what it is behind the folder of the scripts.
    said = measured(Contender(str(tmp_path / "run_it.py"), 1), arrays, 1)
    assert isinstance(said, str) and said.endswith(f"was left out: {text}")


def test_what_a_contender_says_is_read(arrays: Path, tmp_path: Path) -> None:
    said = {"name": "it", "wall_s": [1.0], "cpu_s": [2.0], "accuracy": 0.5, "start_s": 3.0}
    (tmp_path / "run_it.py").write_text(f"print('noise'); print('(actor) ' + {job.MARK + json.dumps(said)!r})")
    assert measured(Contender(str(tmp_path / "run_it.py"), 1), arrays, 1) == said
    assert Contender("run_it.py", 1).python == sys.executable
