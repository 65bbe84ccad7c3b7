"""A client of plain federated averaging; the mods make it QuantFL, and unreliable where a test asks for it."""

import threading

from flwr.app import Context, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp
from mnist_app.task import problem, to_record, to_vector

from harness.flower import CodedClient
from harness.flower.records import PAYLOAD


def faulty(message: Message, context: Context, call_next):  # type: ignore[no-untyped-def]
    """Outside of the codec: what a network or a broken client does to a reply."""
    config, client = context.run_config, context.node_config["partition-id"]
    is_due = message.content["config"]["server-round"] == config["fault-round"]
    if is_due and client == config["silent-client"]:
        threading.Event().wait()
    reply = call_next(message, context)
    if is_due and client == config["corrupt-client"]:
        array = reply.content["arrays"][PAYLOAD]
        array.data = array.data[:-1] + bytes([array.data[-1] ^ 1])
    return reply


app = ClientApp(mods=[faulty, CodedClient("quantfl", downlink="quantfl")])


@app.train()
def train(message: Message, context: Context) -> Message:
    mnist, client = problem(context.run_config), context.node_config["partition-id"]
    model, _ = mnist.train(to_vector(message.content["arrays"]), client, message.content["config"]["server-round"])
    metrics = MetricRecord({"num-examples": mnist.n_examples[client]})
    return Message(RecordDict({"arrays": to_record(model, mnist.layout), "metrics": metrics}), reply_to=message)
