/* What if: prices the runs anew with another radio, grid, device, supply, network, server or cast.

   Joules are one sum, amounts times coefficients, each at its low, typical and high end. All text that the page shows
   of a choice is made here; what_if_page.js draws it. */
"use strict";
(() => {
  const data = JSON.parse(document.getElementById("what-if-data").textContent);
  const TYPICAL = 1, NBSP = "\u00a0", MINUS = "\u2212", J_PER_KWH = 3.6e6, SMALLEST_SAVING = 1e-3, LEAST_CHANGE = 5e-4;

  const named = names => names.map(name => ({name, title: name === "excluded" ? "not in the totals" : name}));
  const OFFERED = {
    radio: data.radios, grid: data.grids, device: data.devices, supply: data.supplies,
    network: named(["excluded", "average", "marginal"]), server: named(["excluded", "included"]),
    cast: named(["unicast", "multicast"]),
  };

  /* ---- numbers as text: mirrors reports/texts/numbers.py ---- */
  const HELD_DIGITS = 12, ESTIMATE_DIGITS = 2;
  const STEPS = {
    J: [[1e9, "GJ"], [1e6, "MJ"], [1e3, "kJ"], [1, "J"], [1e-3, "mJ"], [1e-6, "µJ"]],
    g: [[1e6, "t"], [1e3, "kg"], [1, "g"], [1e-3, "mg"], [1e-6, "µg"]],
  };

  function held(value) {  // twelve digits as a whole number, and the power of ten of the last
    const [mantissa, exponent] = Math.abs(value).toExponential(HELD_DIGITS - 1).split("e");
    return [Number(mantissa.replace(".", "")), Number(exponent) - HELD_DIGITS + 1];
  }

  function decimal(digits, exponent) {  // digits * 10^exponent with commas between thousands
    let text = String(digits);
    if (exponent >= 0) text += "0".repeat(digits ? exponent : 0);
    else text = text.padStart(1 - exponent, "0");
    const whole = exponent < 0 ? text.slice(0, exponent) : text;
    return whole.replace(/\B(?=(\d{3})+$)/g, ",") + (exponent < 0 ? "." + text.slice(exponent) : "");
  }

  function atExponent(value, exponent) {  // halves away from zero
    const [digits, last] = held(value), drop = exponent - last;
    if (drop <= 0) return BigInt(digits) * 10n ** BigInt(-drop);
    return drop > HELD_DIGITS ? 0 : Math.floor((digits + 5 * 10 ** (drop - 1)) / 10 ** drop);
  }

  function significant(value, digits) {
    if (!Number.isFinite(value)) return "NaN";
    if (value === 0) return "0";
    let exponent = held(value)[1] + HELD_DIGITS - digits, rounded = atExponent(value, exponent);
    if (rounded >= 10 ** digits) rounded = atExponent(value, ++exponent);
    return (value < 0 ? MINUS : "") + decimal(rounded, exponent);
  }

  function fixed(value, decimals) {
    const rounded = atExponent(value, -decimals);
    return (value < 0 && rounded ? MINUS : "") + decimal(rounded, -decimals);
  }

  function scale(values, base, headroom = 1) {
    const known = values.filter(Number.isFinite).map(Math.abs);
    const largest = Number(Math.max(0, ...known).toExponential(HELD_DIGITS - 1));
    return STEPS[base].find(([factor]) => largest >= headroom * factor) ?? (largest ? STEPS[base].at(-1) : [1, base]);
  }

  const estimate = value => significant(value, ESTIMATE_DIGITS);
  const percent = share => `${fixed(100 * share, 1)}${NBSP}%`;
  const percentEstimate = share => `${estimate(100 * share)}${NBSP}%`;

  /* ---- joules and grams of one run: a triple of low, typical and high each ---- */
  const zero = () => [0, 0, 0];
  const plus = (a, b) => a.map((end, i) => end + b[i]);
  const times = (amount, ...ends) => zero().map((_, i) => ends.reduce((product, each) => product * each[i], amount));
  const sum = triples => triples.reduce(plus, zero());
  const by = (entries, name) => entries.findIndex(entry => entry.name === name);

  const PARTS = ["compute", "up", "down", "round 0", "standby", "network", "server"];

  function joules(run, choice) {
    const at = by(data.devices, choice.device), which = by(data.radios, choice.radio);
    const radio = data.radios[which], on = run.radios[which], timed = on.devices[at];
    const carried = way => {
      const [sessions, tail_s] = way === "uplink" ? timed.slice(0, 2) : timed.slice(2, 4);
      const amounts = [["sessions", sessions], ["tail_s", tail_s], ...data.carried.map((key, i) => [key, on[way][i]])];
      return sum(amounts.map(([key, amount]) => times(amount, radio.prices[key])));
    };
    const found = {up: carried("uplink"), down: carried("downlink")};
    const phases = run.computing[at];
    if (phases) found.compute = sum(Object.values(phases).map(([seconds, ...watts]) => times(seconds, watts)));
    if (on.provisioning) found["round 0"] = on.provisioning;
    if (timed[5]) found.standby = timed[5];
    if (choice.network !== "excluded") {
      const mbit = on.mbit[choice.cast === "unicast" ? 0 : 1];
      found.network = sum(data.networks[radio.access][choice.network].map(price => times(mbit, price)));
    }
    if (choice.server === "included") found.server = times(timed[4], data.server_w, pue(choice));
    return found;
  }

  function pue(choice) {
    return choice.pue === data.definition.pue ? data.pue : [choice.pue, choice.pue, choice.pue];
  }

  function grids(choice) {
    const chosen = data.grids[by(data.grids, choice.grid)];
    const own = data.supplies[by(data.supplies, choice.supply)].own_grid;
    return {client: own ?? chosen, operator: data.operator_grid ?? chosen, hasOwn: Boolean(own)};
  }

  function grams(run, choice, spent) {
    const supply = data.supplies[by(data.supplies, choice.supply)], {client, operator} = grids(choice);
    const per = grid => (grid.g_per_kwh ?? [NaN, NaN, NaN]).map(value => value / J_PER_KWH);
    const made = run.radios[by(data.radios, choice.radio)].devices[by(data.devices, choice.device)][6];
    const terms = Object.entries(spent).map(([part, energy]) => part === "network" || part === "server"
      ? times(1, energy, per(operator)) : times(1, energy, supply.j_per_j, per(client)));
    return sum(made ? [...terms, made] : terms);
  }

  /* ---- what is said of a choice: all text that is drawn, so that a test can ask for it ---- */
  const mean = values => values.reduce((a, b) => a + b, 0) / values.length;
  const meanOf = triples => zero().map((_, i) => mean(triples.map(triple => triple[i])));
  const total = spent => sum(Object.values(spent));
  const known = value => value !== null && Number.isFinite(value);

  function priced(choice) {
    const runs = data.runs.map(run => {
      const spent = joules(run, choice);
      return {spent, grams: grams(run, choice, spent)};
    });
    return data.methods.map((method, number) => {
      const cells = data.cells.filter(cell => cell.method === number).map(cell => ({...cell, ...runs[cell.run]}));
      const parts = Object.fromEntries(PARTS.filter(part => cells.every(cell => cell.spent[part]))
        .map(part => [part, meanOf(cells.map(cell => cell.spent[part]))]));
      return {...method, cells, parts, total: total(parts), grams: meanOf(cells.map(cell => cell.grams))};
    });
  }

  function compared(methods, method) {  // seed by seed with its reference: see harness/tables/pairs.py
    const other = methods.find(each => each.name === method.reference);
    const pairs = (other?.cells ?? []).map(theirs => [method.cells.find(ours => ours.seed === theirs.seed), theirs])
      .filter(([ours]) => ours);
    if (!pairs.length) return null;
    const onOne = pairs.filter(([ours, theirs]) => ours.machine === theirs.machine);  // joules of computing rest on it
    const ratio = (value, among = pairs) => among.length && among.flat().every(cell => value(cell) > 0)
      ? Math.exp(mean(among.map(([ours, theirs]) => Math.log(value(ours) / value(theirs))))) : null;
    const radio = cell => sum(["up", "down"].map(part => cell.spent[part]))[TYPICAL];
    const given = cell => radio(cell) + (cell.spent["round 0"] ?? zero())[TYPICAL];
    const saved = pairs.map(([ours, theirs]) => (theirs.total_bits - ours.total_bits) / theirs.total_bits);
    const isZero = pairs.some(([, theirs]) => radio(theirs) <= 0 || theirs.total_bits <= 0);
    const passed = pairs.map(([ours, theirs], i) => (radio(theirs) - radio(ours)) / radio(theirs) / saved[i]);
    return {
      bits: ratio(cell => cell.total_bits), multicast: ratio(cell => cell.multicast_total_bits),
      radio: ratio(given), grams: ratio(cell => cell.grams[TYPICAL], onOne),
      all: ratio(cell => total(cell.spent)[TYPICAL], onOne),
      passThrough: isZero ? data.words.zero_cost
        : Math.min(...saved.map(Math.abs)) < SMALLEST_SAVING ? data.words.nothing_saved : estimate(mean(passed)),
    };
  }

  function changed(ratio, noun) {
    if (!known(ratio)) return `an unknown change of ${noun}`;
    return `${percentEstimate(Math.abs(1 - ratio))} ${ratio <= 1 ? "less" : "more"} ${noun}`;
  }

  function sentence(choice, methods) {
    const method = methods.find(each => each.name === data.featured), change = method && compared(methods, method);
    if (!change)
      return "There is no comparison: no method has finished a seed that its reference has finished as well.";
    const {client, operator, hasOwn} = grids(choice);
    const among = key => OFFERED[key].find(({name}) => name === choice[key]);
    const bits = choice.cast === "unicast" ? change.bits : change.multicast;
    const isEqual = Math.abs(1 - bits) < LEAST_CHANGE;
    const fewer = isEqual ? "as many" : `${percent(Math.abs(1 - bits))} ${bits < 1 ? "fewer" : "more"}`;
    const beyond = [choice.network !== "excluded" && `the network (${choice.network})`,
      choice.server !== "excluded" && `the server (PUE ${choice.pue})`].filter(Boolean);
    const place = hasOwn ? beyond.length ? `${client.title}; network and server: ${operator.title}` : client.title
      : `${among("supply").title.toLowerCase()}, ${client.title}`;
    return `On ${among("radio").title} and ${among("device").title}, ${data.name_of.short} sent ${fewer} total bits ` +
      `in ${choice.cast} ${isEqual ? "as" : "than"} ${data.name_of.reference}. ` +
      `That takes ${changed(change.radio, "device-radio joules")} (pass-through ${change.passThrough}), ${changed(change.all, "joules in total")}` +
      `${beyond.length ? ` with ${beyond.join(" and ")}` : ""}, and ${changed(change.grams, "CO2e")} (${place}).`;
  }

  function notes(choice) {
    const device = data.devices[by(data.devices, choice.device)], radio = data.radios[by(data.radios, choice.radio)];
    const onDevice = device.notes.map(note => ({...note, text: `on ${device.title}, ${note.text}`}));
    const said = [...radio.notes, ...onDevice].map(({kind, text}) => kind === "infeasible"
      ? {isBad: true, text: `Not possible: ${text}.`} : {isBad: false, text: `${kind}: ${text}.`});
    const add = text => said.push({isBad: false, text});
    if (!radio.is_validated) add(`${radio.title} was not compared with a measured whole.`);
    if (data.left_out.length) add(`Not offered here: ${data.left_out.join("; ")}. In the terminal they are.`);
    if (grids(choice).hasOwn) add("This supply sees no grid; the grid is that of network and server alone.");
    if (data.runs.every(run => !run.computing[0])) add("Computing was not recorded: it is in no figure.");
    return said;
  }

  function quoted(text) {
    return /^[\w.,:=\/-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
  }

  function command(choice) {
    const hasOperator = choice.network !== "excluded" || choice.server !== "excluded";
    const isOperator = grids(choice).hasOwn && !data.operator_grid && hasOperator;
    const radio = data.radios[by(data.radios, choice.radio)], grid = data.grids[by(data.grids, choice.grid)];
    const words = ["harness price", quoted(data.folder), "--radio", quoted(radio.argument), "--device", choice.device];
    if (!grids(choice).hasOwn)
      words.push(...grid.argument ? ["--set", quoted(`grids=[${grid.argument}]`)] : ["--grid", quoted(choice.grid)]);
    for (const key of ["supply", "network", "server", "cast", "pue"])
      if (choice[key] !== data.written[key]) words.push("--set", `${key}=${choice[key]}`);
    for (const change of data.changes) words.push("--set", quoted(change));
    if (isOperator) words.push("--set", quoted(`operator_grid=${grid.argument ?? choice.grid}`));
    return words.join(" ");
  }

  function said(choice) {
    const methods = priced(choice), {client} = grids(choice);
    const parts = PARTS.filter(part => methods.some(method => method.parts[part]));
    const [jFactor, jUnit] = scale(methods.map(method => method.total[TYPICAL]), "J");
    const [gFactor, gUnit] = scale(methods.map(method => method.grams[TYPICAL]), "g");
    const cell = (triple, factor) => triple && known(triple[TYPICAL]) ? estimate(triple[TYPICAL] / factor) : "unknown";
    const range = (triple, factor) => {
      const [low, high] = [triple[0], triple[2]].map(end => estimate(end / factor));
      return known(triple[TYPICAL]) && low !== high ? `${low} to ${high}` : "";
    };
    return {
      columns: [...parts.map(part => [part, jUnit]), ["total", jUnit], [client.name, gUnit]],
      rows: methods.map(method => ({
        name: method.name, details: [range(method.total, jFactor), range(method.grams, gFactor)],
        cells: [...parts.map(part => cell(method.parts[part], jFactor)), cell(method.total, jFactor),
          cell(method.grams, gFactor)],
        passThrough: compared(methods, method)?.passThrough ?? (method.reference ? "not paired" : "reference"),
      })),
      sentence: sentence(choice, methods), notes: notes(choice), command: command(choice),
      methods, parts, scales: [[jFactor, jUnit], [gFactor, gUnit]],
    };
  }
  window.whatIf = Object.assign(said, {data, OFFERED, TYPICAL, NBSP, significant, fixed, scale, estimate, mean, known});
})();
