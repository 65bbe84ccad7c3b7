"""Names every result of a report: text as printed, ends, and the raw number behind it."""

from collections.abc import Iterator

from reports.document import Cell
from reports.latex.result import Result
from reports.latex.result_times import time_results
from reports.sections.contrasts import named_contrasts
from reports.sections.shadows import coding_name, codings
from reports.tables import lookup, priced
from reports.tables.columns import METHOD_BITS
from reports.tables.lookup import Estimate, Range, is_known
from reports.tables.read import Tables
from reports.texts import phrases
from reports.texts.numbers import MINUS, NBSP, TABLE_HEADROOM, scale

_COUNTED = (*METHOD_BITS, "reference_bits", "frame_bits", "provisioning_bits")
_COMPARED_SCORES = ("validation_accuracy", "test_accuracy", "sent_test_accuracy", "deployed_accuracy")
_SCORES = ("initial_accuracy", *_COMPARED_SCORES)
_WORDS = {
    "uplink_bits": "uplink bits",
    "downlink_bits": "downlink bits, unicast",
    "total_bits": "total bits, unicast",
    "multicast_downlink_bits": "downlink bits, multicast",
    "multicast_total_bits": "total bits, multicast",
    "reference_bits": "the same vectors as raw float32, unicast",
    "frame_bits": "bits of frames, unicast",
    "provisioning_bits": "bits given to clients before round 1",
    "initial_accuracy": "validation accuracy at round 0",
    "validation_accuracy": "mean of the last validation accuracies, at most five",
    "test_accuracy": "test accuracy of the final round",
    "sent_test_accuracy": "test accuracy of the final model as clients would decode it",
    "deployed_accuracy": "test accuracy that counts: as clients decode the model where scored, else the server's",
    "radio_energy_j": "device-radio energy",
    "device_energy_j": "device energy",
    "deployment_energy_j": "energy of all that is in the totals",
    "carbon_g": "carbon",
}


def results(tables: Tables) -> Iterator[Result]:
    """All results that are known, method by method; what is not known has no entry."""
    counted = [lookup.mean(tables, name, key) for name in lookup.methods(tables) for key in _COUNTED]
    factor, unit = scale([estimate.value for estimate in counted if estimate], "bit")
    joules = {radio: _joules(tables, radio) for radio in priced.radios(tables)}
    grams = {radio: _grams(tables, radio) for radio in priced.radios(tables)}
    yield from _contrasts(tables)
    for method in lookup.methods(tables):
        yield from _bits(tables, method, factor, unit)
        yield from _scores(tables, method)
        yield from _changes(tables, method)
        for radio in priced.radios(tables):
            yield from _pass_through(tables, method, radio)
            yield from _energy(tables, method, radio, joules[radio])
            yield from time_results(tables, method, radio)
            for grid in priced.grids_of(tables, radio):
                yield from _carbon(tables, method, (radio, grid), grams[radio])


def _contrasts(tables: Tables) -> Iterator[Result]:
    for contrast in named_contrasts(tables):
        cell, estimate = contrast.cell, contrast.estimate
        words = f"contrast in {contrast.quantity}: {contrast.formula}"
        raw_unit = "(points)" if contrast.unit == "points" else "(factor)"
        yield from _of_estimate(tables, (contrast.name, "contrast"), cell, estimate, "", raw_unit, words)


def _bits(tables: Tables, method: str, factor: float, unit: str) -> Iterator[Result]:
    for key in _COUNTED:
        estimate = lookup.mean(tables, method, key)
        cell = phrases.bits(estimate, factor)
        yield from _of_estimate(tables, (method, key), cell, estimate, f"{NBSP}{unit}", "bit", f"{_WORDS[key]}, mean")


def _scores(tables: Tables, method: str) -> Iterator[Result]:
    for key in _SCORES:
        estimate = lookup.mean(tables, method, key)
        words = f"{_WORDS[key]}, mean"
        yield from _of_estimate(tables, (method, key), phrases.accuracy(estimate), estimate, "", "(share)", words)
    for key in _COMPARED_SCORES:
        estimate = lookup.pair(tables, method, key)
        path, words = (method, f"{key} difference"), f"{_WORDS[key]}, paired difference in percentage points"
        cell = phrases.points(estimate)
        yield from _of_estimate(tables, path, cell, estimate, "", "(share)", words)


def _changes(tables: Tables, method: str) -> Iterator[Result]:
    for key in METHOD_BITS:
        yield from _ratio(tables, method, key, is_fact=True)
    for coding in codings(tables, method):
        yield from _ratio(tables, method, f"total_bits_as_{coding}", is_fact=True)
    has_operators = bool(set(tables.breakdown["component"]) & set(lookup.OPERATORS))
    for radio in priced.radios(tables):
        for key in ("radio_energy_j", "device_energy_j", *(["deployment_energy_j"] if has_operators else [])):
            yield from _ratio(tables, method, key, radio, is_fact=False)
        for grid in priced.grids_of(tables, radio):
            yield from _ratio(tables, method, "carbon_g", radio, grid, is_fact=False)


def _ratio(
    tables: Tables, method: str, key: str, radio: str = "", grid: str = "", *, is_fact: bool
) -> Iterator[Result]:
    """A ratio to the reference as a signed change and, for sentences, as the saving: the same without its sign."""
    estimate = lookup.pair(tables, method, key, radio, grid)
    cell = phrases.change(estimate, is_fact=is_fact)
    where = [part for part in (radio, grid) if part]
    words = _words(key) + (f" on {' and grid '.join(where)}" if where else "")
    path = (method, f"{_quantity(key)} change", *where)
    yield from _of_estimate(tables, path, cell, estimate, "", "(ratio)", f"{words}, change to the reference")
    if cell.value is not None and cell.value < 0:
        saved = Cell(cell.text.removeprefix(MINUS), value=cell.value)
        path = (method, f"{_quantity(key)} saving", *where)
        bare = Estimate(0, estimate.value, None, None, "") if estimate else None
        yield from _of_estimate(tables, path, saved, bare, "", "(ratio)", f"{words}, saving against the reference")


def _words(key: str) -> str:
    coded = key.removeprefix("total_bits_as_")
    return _WORDS[key] if coded == key else f"total bits, unicast, with indices coded as {coding_name(coded)}"


def _pass_through(tables: Tables, method: str, radio: str) -> Iterator[Result]:
    estimate = lookup.pair(tables, method, "pass_through", radio)
    path, words = (method, "pass-through", radio), f"share of radio joules saved / share of bits saved on {radio}"
    yield from _of_estimate(tables, path, phrases.quotient(estimate), estimate, "", "", words)


def _joules(tables: Tables, radio: str) -> tuple[float, str]:
    """Factor and unit of joules with a radio, the same for all methods."""
    totals = [lookup.total(lookup.energy(tables, name, radio)) for name in lookup.methods(tables)]
    return scale([amount.typical for amount in totals if amount], "J", TABLE_HEADROOM)


def _grams(tables: Tables, radio: str) -> tuple[float, str]:
    """Factor and unit of grams with a radio, the same for all methods and grids."""
    names = lookup.methods(tables)
    every = [lookup.carbon(tables, name, radio, place) for name in names for place in priced.grids_of(tables, radio)]
    return scale([amount.typical for amount in every if amount], "g")


def _energy(tables: Tables, method: str, radio: str, scaled: tuple[float, str]) -> Iterator[Result]:
    parts, (factor, unit) = lookup.energy(tables, method, radio), scaled
    named = {f"{key} energy": amount for key, amount in parts.items()}
    sums = {"device energy": lookup.total(lookup.of_clients(parts))}
    if set(parts) & set(lookup.OPERATORS):
        sums["deployment energy"] = lookup.total(parts)
    for quantity, amount in {**sums, **named}.items():
        words = f"{quantity.replace('_', ' ')} on {radio}, {phrases.PROJECTED}, typical"
        yield from _of_range(tables, (method, quantity, radio), amount, factor, (unit, "J"), words)


def _carbon(tables: Tables, method: str, scenario: tuple[str, str], scaled: tuple[float, str]) -> Iterator[Result]:
    (radio, grid), (factor, unit) = scenario, scaled
    words = f"carbon on {radio} and grid {grid}, {phrases.PROJECTED}, typical"
    amount = lookup.carbon(tables, method, radio, grid)
    yield from _of_range(tables, (method, "carbon", radio, grid), amount, factor, (unit, "g"), words)


def _of_estimate(
    tables: Tables, path: tuple[str, ...], cell: Cell, estimate: Estimate | None, unit: str, raw_unit: str, words: str
) -> Iterator[Result]:
    if estimate is None or estimate.value is None:
        return
    raw_ends = (estimate.low, estimate.high) if estimate.low is not None and estimate.high is not None else None
    meaning = f"{words}; {path[0]}; {estimate.n} seeds" if estimate.n else f"{words}; {path[0]}"
    full = (str(tables.context["name"]), *path)
    yield Result(full, f"{cell.text}{unit}", cell.ends, estimate.value, raw_ends, raw_unit, meaning)


def _of_range(
    tables: Tables,
    path: tuple[str, ...],
    amount: Range | None,
    factor: float,
    units: tuple[str, str],
    words: str,
) -> Iterator[Result]:
    if amount is None or not is_known(amount.typical):
        return
    unit, raw_unit = units
    cell = phrases.assumed(amount, factor)
    full = (str(tables.context["name"]), *path)
    ends = (amount.low, amount.high)
    yield Result(full, f"{cell.text}{NBSP}{unit}", cell.ends, amount.typical, ends, raw_unit, f"{words}; {path[0]}")


def _quantity(key: str) -> str:
    """A column as words without its unit; bits are what they are called by.

    >>> _quantity("carbon_g"), _quantity("total_bits")
    ('carbon', 'total bits')
    """
    for unit in ("_j", "_g"):
        key = key.removesuffix(unit)
    return key.replace("_", " ")
