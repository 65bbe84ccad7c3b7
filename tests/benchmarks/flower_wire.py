"""What Flower puts around payloads: a federation of four nodes on loopback, every byte on its sockets accounted for.

``python -m tests.benchmarks.flower_wire`` prints the table that ``transport: flower`` of `radio_models.overhead` rests
on.
"""

import tempfile
from pathlib import Path

from harness.parts import registry
from tests.federations import federation, framing


def main() -> None:
    """Run three rounds and print."""
    registry.build("task", {"kind": "mnist", "model": "mlp", "clients": 4}).prepare([0])
    with tempfile.TemporaryDirectory() as folder, federation(Path(folder) / "flower") as running:
        out, _ = running.start().communicate()
        found = framing(running.wires)
    print(found if found.n_messages else out)


if __name__ == "__main__":
    main()
