/* What if: prices the runs anew with another radio, grid, device, supply, network, server or cast.

   Joules are one sum, amounts times coefficients, each at its low, typical and high end. The choice lives in the
   fragment of the address: controls write it, and whatever changes it (a link, the back button) draws the page again.
   Names come from a user's file: they are only ever set as text. */
"use strict";
(() => {
  const data = JSON.parse(document.getElementById("what-if-data").textContent);
  const TYPICAL = 1, NBSP = "\u00a0", MINUS = "\u2212", J_PER_KWH = 3.6e6, SMALLEST_SAVING = 1e-3;
  const PREFIX = "#what-if?";

  const named = names => names.map(name => ({name, title: name === "excluded" ? "not in the totals" : name}));
  const OFFERED = {
    radio: data.radios, grid: data.grids, device: data.devices, supply: data.supplies,
    network: named(["excluded", "average", "marginal"]), server: named(["excluded", "included"]),
    cast: named(["unicast", "multicast"]),
  };

  /* ---- numbers as text: mirrors reports/numbers.py ---- */
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

  function compared(methods, method) {  // seed by seed with its reference: see harness/statistics.py
    const other = methods.find(each => each.name === method.reference);
    const pairs = (other?.cells ?? []).map(theirs => [method.cells.find(ours => ours.seed === theirs.seed), theirs])
      .filter(([ours]) => ours);
    if (!pairs.length) return null;
    const ratio = value => pairs.flat().every(cell => value(cell) > 0)
      ? Math.exp(mean(pairs.map(([ours, theirs]) => Math.log(value(ours) / value(theirs))))) : null;
    const radio = cell => sum(["up", "down"].map(part => cell.spent[part]))[TYPICAL];
    const given = cell => radio(cell) + (cell.spent["round 0"] ?? zero())[TYPICAL];
    const saved = pairs.map(([ours, theirs]) => (theirs.total_bits - ours.total_bits) / theirs.total_bits);
    const isZero = pairs.some(([, theirs]) => radio(theirs) <= 0 || theirs.total_bits <= 0);
    const passed = pairs.map(([ours, theirs], i) => (radio(theirs) - radio(ours)) / radio(theirs) / saved[i]);
    return {
      bits: ratio(cell => cell.total_bits), multicast: ratio(cell => cell.multicast_total_bits),
      radio: ratio(given), grams: ratio(cell => cell.grams[TYPICAL]), all: ratio(cell => total(cell.spent)[TYPICAL]),
      passThrough: isZero ? data.words.zero_cost
        : Math.min(...saved.map(Math.abs)) < SMALLEST_SAVING ? data.words.nothing_saved : estimate(mean(passed)),
    };
  }

  function changed(ratio, noun) {
    if (!known(ratio)) return `an unknown change of ${noun}`;
    return `${percentEstimate(Math.abs(1 - ratio))} ${ratio <= 1 ? "less" : "more"} ${noun}`;
  }

  function sentence(choice, methods) {
    const method = methods.find(each => each.name === data.featured), radio = data.radios[by(data.radios, choice.radio)];
    const change = method && compared(methods, method);
    if (!change) return "There is no comparison: no method has finished a seed that its reference has finished as well.";
    const bits = choice.cast === "unicast" ? change.bits : change.multicast, {client, operator, hasOwn} = grids(choice);
    const fewer = Math.abs(1 - bits) < 5e-4 ? "as many" : `${percent(Math.abs(1 - bits))} ${bits < 1 ? "fewer" : "more"}`;
    const joined = fewer === "as many" ? "as" : "than", among = key => OFFERED[key].find(({name}) => name === choice[key]);
    const beyond = [choice.network !== "excluded" && `the network (${choice.network})`,
      choice.server !== "excluded" && `the server (PUE ${choice.pue})`].filter(Boolean);
    const place = hasOwn ? beyond.length ? `${client.title}; network and server: ${operator.title}` : client.title
      : `${among("supply").title.toLowerCase()}, ${client.title}`;
    return `On ${radio.title} and ${among("device").title}, ${data.name_of.short} sent ${fewer} total bits in ${choice.cast} ` +
      `${joined} ${data.name_of.reference}. That takes ${changed(change.radio, "device-radio joules")} ` +
      `(pass-through ${change.passThrough}), ${changed(change.all, "joules in total")}` +
      `${beyond.length ? ` with ${beyond.join(" and ")}` : ""}, and ${changed(change.grams, "CO2e")} (${place}).`;
  }

  function notes(choice) {
    const device = data.devices[by(data.devices, choice.device)], radio = data.radios[by(data.radios, choice.radio)];
    const marked = [...radio.notes, ...device.notes.map(note => note.replace(": ", `: on ${device.title}, `))];
    const said = marked.map(note => note.startsWith("infeasible: ") ? `Not possible: ${note.slice(12)}.` : `${note}.`);
    if (!radio.is_validated) said.push(`${radio.title} was not compared with a measured whole.`);
    if (data.left_out.length) said.push(`Not offered here: ${data.left_out.join("; ")}. In the terminal they are.`);
    if (grids(choice).hasOwn) said.push("This supply sees no grid; the grid is that of network and server alone.");
    if (data.runs.every(run => !run.computing[0])) said.push("Computing was not recorded: it is in no figure.");
    return said;
  }

  function quoted(text) {
    return /^[\w.,:=\/-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
  }

  function command(choice) {
    const isOperator = grids(choice).hasOwn && !data.operator_grid && (choice.network + choice.server) !== "excludedexcluded";
    const words = ["harness price", quoted(data.folder), "--radio", quoted(choice.radio), "--device", choice.device];
    if (!grids(choice).hasOwn) words.push("--grid", quoted(choice.grid));
    for (const key of ["supply", "network", "server", "cast", "pue"])
      if (choice[key] !== data.definition[key]) words.push("--set", `${key}=${choice[key]}`);
    if (isOperator) words.push("--set", quoted(`operator_grid=${choice.grid}`));
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
        cells: [...parts.map(part => cell(method.parts[part], jFactor)), cell(method.total, jFactor), cell(method.grams, gFactor)],
        passThrough: compared(methods, method)?.passThrough ?? (method.reference ? "not paired" : "reference"),
      })),
      sentence: sentence(choice, methods), notes: notes(choice), command: command(choice),
      methods, parts, scales: [[jFactor, jUnit], [gFactor, gUnit]],
    };
  }
  window.whatIf = Object.assign(said, {significant, fixed, scale});

  /* ---- drawing: everything through textContent and attributes, nothing as markup ---- */
  const section = document.getElementById("what-if"), form = section.querySelector("form");
  const place = name => section.querySelector(`[data-place="${name}"]`);

  function element(tag, attributes = {}, ...children) {
    const isSvg = ["svg", "path", "text", "line", "g", "title"].includes(tag);
    const made = isSvg ? document.createElementNS("http://www.w3.org/2000/svg", tag) : document.createElement(tag);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    made.append(...children);
    return made;
  }

  function drawTable({columns, rows}) {
    const head = columns.map(([label, unit]) => element("th", {scope: "col", class: "number"}, label,
      element("span", {class: "unit"}, unit)));
    const body = rows.map(({name, cells, details, passThrough}) => element("tr", {}, element("th", {scope: "row"}, name),
      ...cells.map((text, i) => {
        const value = element("span", {class: "value"}, text), detail = details[i - cells.length + 2];
        return element("td", {class: "number"}, value, ...(detail ? [element("span", {class: "detail"}, detail)] : []));
      }), element("td", {class: /\d/.test(passThrough[0] + passThrough[1]) ? "number" : "number muted"},
        element("span", {class: "value"}, passThrough))));
    place("head").replaceChildren(element("tr", {}, element("th", {scope: "col"}, "Method"), ...head,
      element("th", {scope: "col", class: "number"}, "pass-through", element("span", {class: "unit"}, "radio"))));
    place("body").replaceChildren(...body);
  }

  function drawBars({methods, parts, rows, scales: [[factor, unit]]}) {
    const longest = Math.max(...methods.map(method => method.total[2]).filter(Number.isFinite)) || 1;
    const width = value => `${100 * value / longest}%`;
    place("legend").replaceChildren(...parts.map(part => element("li", {"data-part": part}, part)));
    place("bars").replaceChildren(...methods.map((method, i) => {
      const bar = element("div", {class: "bar"}, ...parts.filter(part => method.parts[part]).map(part => {
        const piece = element("span", {"data-part": part});
        piece.style.width = width(method.parts[part][TYPICAL]);
        return piece;
      }));
      const whisker = element("span", {class: "whisker"});
      [whisker.style.left, whisker.style.width] = [width(method.total[0]), width(method.total[2] - method.total[0])];
      bar.append(whisker);
      const text = `${estimate(method.total[TYPICAL] / factor)}${NBSP}${unit}`;
      return element("li", {}, element("span", {class: "name"}, method.name), element("span", {class: "total"}, text), bar);
    }));
  }

  const MARKS = ["M-4 0A4 4 0 1 0 4 0A4 4 0 1 0-4 0", "M-4-4H4V4H-4Z", "M0-5L5 4H-5Z", "M0-5L5 0L0 5L-5 0Z", "M0 5L5-4H-5Z",
    "M-1.7-5H1.7V-1.7H5V1.7H1.7V5H-1.7V1.7H-5V-1.7H-1.7Z"];
  const COLOURS = 7;

  function ticks(low, high) {
    const step = [1, 2, 5, 10].map(each => each * 10 ** Math.floor(Math.log10((high - low) / 4 || 1)))
      .find(each => (high - low) / each <= 5);
    const first = Math.ceil(low / step - 1e-9);
    return Array.from({length: Math.floor(high / step - first + 1e-9) + 1}, (_, i) => (first + i) * step);
  }

  function pareto(points) {  // nothing else costs less and is at least as accurate
    return points.filter(one => !points.some(other => other.x <= one.x && other.y >= one.y && (other.x < one.x || other.y > one.y)))
      .sort((a, b) => a.x - b.x);
  }

  function drawScatter({methods, scales: [[jFactor, jUnit], [gFactor, gUnit]]}) {
    const isGrams = methods.every(method => method.grams[TYPICAL] > 0);
    const points = methods.map((method, slot) => ({slot, name: method.name, y: 100 * mean(method.cells.map(cell => cell.test_accuracy ?? NaN)),
      x: isGrams ? method.grams[TYPICAL] / gFactor : method.total[TYPICAL] / jFactor})).filter(({x, y}) => known(x) && known(y));
    const figure = place("scatter").closest("figure");
    figure.hidden = points.length < 2;
    if (figure.hidden) return;
    const width = matchMedia("(max-width: 40rem)").matches ? 340 : 640, height = width > 400 ? 400 : 300;
    const [left, right, top, bottom] = [46, 16, 14, 44], span = Math.max(...points.map(({y}) => y)) - Math.min(...points.map(({y}) => y)) || 1;
    const highX = 1.06 * Math.max(...points.map(({x}) => x)), lowY = Math.min(...points.map(({y}) => y)) - 0.12 * span;
    const highY = Math.max(...points.map(({y}) => y)) + 0.12 * span;
    const at = ({x, y}) => [left + x / highX * (width - left - right), top + (highY - y) / (highY - lowY) * (height - top - bottom)];
    const text = (words, x, y, anchor, kind) => element("text", {x, y, "text-anchor": anchor, class: kind}, words);
    const tick = value => significant(Number(value.toPrecision(9)), 4).replace(/\.?0+$/, end => end.startsWith(".") ? "" : end);
    const grid = ticks(lowY, highY).flatMap(y => [element("line", {x1: left, x2: width - right, y1: at({x: 0, y})[1], y2: at({x: 0, y})[1]}),
      text(fixed(y, span < 4 ? 1 : 0), left - 7, at({x: 0, y})[1] + 4, "end", "tick")]);
    const below = ticks(0, highX).map(x => text(tick(x), at({x, y: 0})[0], height - bottom + 18, "middle", "tick"));
    const front = pareto(points), line = element("path", {class: "front", d: "M" + front.map(at).join("L")});
    const taken = points.map(point => [at(point)[0] - 6, at(point)[1] - 6, 12, 12]);
    const labels = [...front, ...points.filter(point => !front.includes(point))].flatMap(point => {
      const [x, y] = at(point), name = point.name.length > 26 ? point.name.slice(0, 25) + "…" : point.name, wide = 6.4 * [...name].length;
      for (const [dx, dy, anchor] of [[9, 4, "start"], [-9, 4, "end"], [0, -10, "middle"], [0, 18, "middle"]]) {
        const from = x + dx - {start: 0, end: wide, middle: wide / 2}[anchor], box = [from, y + dy - 11, wide, 14];
        const isFree = !taken.some(([a, b, w, h]) => from < a + w && from + wide > a && box[1] < b + h && box[1] + 14 > b);
        if (isFree && from > left && from + wide < width && box[1] > 0 && box[1] + 14 < height - bottom) {
          taken.push(box);
          return [text(name, x + dx, y + dy, anchor, "label")];
        }
      }
      return [];
    });
    const marks = points.map(point => element("path", {d: MARKS[point.slot % MARKS.length], transform: `translate(${at(point)})`,
      style: `fill: var(--series-${point.slot % COLOURS})`}, element("title", {}, point.name)));
    const x = isGrams ? `CO2e, ${gUnit}` : `Energy, ${jUnit}`;
    place("scatter").setAttribute("viewBox", `0 0 ${width} ${height}`);
    place("scatter").replaceChildren(...grid, ...below, line, ...marks, ...labels,
      text(`${x}, projected (P)`, (left + width) / 2, height - 6, "middle", "axis"), text("Test accuracy, %", left, 10, "start", "axis"));
    place("scatter").setAttribute("aria-label", `Test accuracy against ${x}. On the Pareto line, cheapest first: ${front.map(({name}) => name).join(", ")}.`);
  }

  /* ---- the choice: from the fragment to the page, and from the controls to the fragment ---- */
  function read(fragment) {
    const choice = {...data.definition}, given = new URLSearchParams(fragment.slice(PREFIX.length));
    for (const [key, value] of given) {
      const pue = Number(value);
      if (key === "pue" && pue >= 1 && pue <= 3) choice.pue = pue;
      else if (OFFERED[key]?.some(({name}) => name === value)) choice[key] = value;
    }
    return choice;
  }

  function draw(choice) {
    const found = said(choice), isDefinition = Object.keys(choice).every(key => choice[key] === data.definition[key]);
    for (const key of Object.keys(choice)) form.elements[key].value = choice[key];
    form.elements.pue.disabled = choice.server === "excluded";
    form.elements.cast.closest("label").classList.toggle("idle", choice.network === "excluded");
    place("sentence").textContent = found.sentence;
    place("notes").replaceChildren(...found.notes.map(note => element("li", {class: note.startsWith("Not possible") ? "bad" : ""}, note)));
    place("state").textContent = isDefinition ? "As in the definition." : "Not as in the definition.";
    form.elements.reset.disabled = isDefinition;
    place("command").textContent = found.command;
    drawTable(found);
    drawBars(found);
    drawScatter(found);
    return choice;
  }

  let current = data.definition;
  function follow() {  // a fragment that names a section leaves the choice as it is
    const fragment = location.hash;
    if (fragment === "" || fragment.startsWith(PREFIX)) current = draw(read(fragment));
    return fragment.startsWith(PREFIX);
  }

  for (const [key, entries] of Object.entries(OFFERED))
    form.elements[key].replaceChildren(...entries.map(({name, title}) => element("option", {value: name},
      key === "grid" && title !== name ? `${title} (${name})` : title)));
  form.addEventListener("submit", event => event.preventDefault());
  form.addEventListener("change", event => {
    if (!event.target.checkValidity()) return event.target.reportValidity();
    const choice = {...current, [event.target.name]: event.target.name === "pue" ? Number(event.target.value) : event.target.value};
    const changes = Object.entries(choice).filter(([key, value]) => value !== data.definition[key]);
    location.hash = PREFIX + new URLSearchParams(changes);
  });
  form.elements.reset.addEventListener("click", () => { location.hash = PREFIX; });
  addEventListener("hashchange", follow);
  matchMedia("(max-width: 40rem)").addEventListener("change", () => draw(current));
  section.classList.add("live");
  if (follow()) section.scrollIntoView({behavior: "instant"});
  else draw(current);

  /* ---- the contents mark the section that is being read ---- */
  const links = new Map([...document.querySelectorAll("nav a")].map(link => [link.hash.slice(1), link]));
  const seen = new IntersectionObserver(entries => entries.filter(entry => entry.isIntersecting).forEach(({target}) => {
    for (const [key, link] of links) key === target.id ? link.setAttribute("aria-current", "true") : link.removeAttribute("aria-current");
  }), {rootMargin: "-15% 0px -75% 0px"});
  document.querySelectorAll("main > section").forEach(each => seen.observe(each));
})();
