"""A server of plain federated averaging; two wrappers make it QuantFL, aggregated as in the harness, and log it."""

from contextlib import nullcontext

from flwr.app import ArrayRecord, Context, MetricRecord
from flwr.serverapp import Grid, ServerApp
from flwr.serverapp.strategy import FedAvg
from mnist_app.task import problem, to_record, to_vector

from harness.flower import CodedStrategy
from harness.flower_ledger import LoggedStrategy
from harness.ledger.external_logger import OpenLedger

app = ServerApp()


@app.main()
def main(grid: Grid, context: Context) -> None:
    config = context.run_config
    mnist, clients = problem(config), int(config["min-clients"])
    plain = FedAvg(fraction_evaluate=0.0, min_train_nodes=clients, min_available_nodes=clients)
    coded = CodedStrategy(plain, "quantfl", downlink="quantfl", server="mean", seed=config["seed"])
    population = int(config["clients"])
    opened = (
        OpenLedger(config["ledger"], "QuantFL both ways", config["seed"], population=population)
        if config["ledger"]
        else nullcontext()
    )

    def score(server_round: int, arrays: ArrayRecord) -> MetricRecord:
        return MetricRecord(dict(mnist.evaluate(to_vector(arrays), "test")))

    with opened as ledger:
        strategy = LoggedStrategy(coded, ledger) if ledger is not None else coded
        initial = to_record(mnist.initial_model(), mnist.layout)
        strategy.start(grid, initial, config["rounds"], timeout=config["timeout"], evaluate_fn=score)
