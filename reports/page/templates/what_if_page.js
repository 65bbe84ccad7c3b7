/* The section “What if” of a page: controls, sentence, bars, points and table of what what_if.js says.

   The choice lives in the fragment of the address: controls write it, and whatever changes it (a link, the back button)
   draws the section again. Names come from a user's file: they are only ever set as text. */
"use strict";
(() => {
  const {data, OFFERED, TYPICAL, NBSP, significant, fixed, estimate, mean, known} = window.whatIf;
  const PREFIX = "#what-if?";

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
    const body = rows.map(({name, cells, details, passThrough}) => element("tr", {},
      element("th", {scope: "row"}, name),
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
      const name = element("span", {class: "name"}, method.name);
      return element("li", {}, name, element("span", {class: "total"}, text), bar);
    }));
  }

  const MARKS = ["M-4 0A4 4 0 1 0 4 0A4 4 0 1 0-4 0", "M-4-4H4V4H-4Z", "M0-5L5 4H-5Z", "M0-5L5 0L0 5L-5 0Z",
    "M0 5L5-4H-5Z", "M-1.7-5H1.7V-1.7H5V1.7H1.7V5H-1.7V1.7H-5V-1.7H-1.7Z"];
  const COLOURS = 7, LONGEST_NAME = 26;

  function ticks(low, high) {
    const step = [1, 2, 5, 10].map(each => each * 10 ** Math.floor(Math.log10((high - low) / 4 || 1)))
      .find(each => (high - low) / each <= 5);
    const first = Math.ceil(low / step - 1e-9);
    return Array.from({length: Math.floor(high / step - first + 1e-9) + 1}, (_, i) => (first + i) * step);
  }

  function pareto(points) {  // nothing else costs less and is at least as accurate
    const isBetter = (a, b) => a.x <= b.x && a.y >= b.y && (a.x < b.x || a.y > b.y);
    return points.filter(one => !points.some(other => isBetter(other, one))).sort((a, b) => a.x - b.x);
  }

  function drawScatter({methods, scales: [[jFactor, jUnit], [gFactor, gUnit]]}) {
    const isGrams = methods.every(method => method.grams[TYPICAL] > 0);
    const points = methods.map((method, slot) => ({
      slot, name: method.name, x: isGrams ? method.grams[TYPICAL] / gFactor : method.total[TYPICAL] / jFactor,
      y: 100 * mean(method.cells.map(cell => cell.deployed_accuracy ?? NaN)),
    })).filter(({x, y}) => known(x) && known(y));
    const figure = place("scatter").closest("figure");
    figure.hidden = points.length < 2;
    if (figure.hidden) return;
    const width = matchMedia("(max-width: 40rem)").matches ? 340 : 640, height = width > 400 ? 400 : 300;
    const [left, right, top, bottom] = [46, 16, 14, 44], scores = points.map(({y}) => y);
    const span = Math.max(...scores) - Math.min(...scores) || 1, highX = 1.06 * Math.max(...points.map(({x}) => x));
    const lowY = Math.min(...scores) - 0.12 * span, highY = Math.max(...scores) + 0.12 * span;
    const at = ({x, y}) => [left + x / highX * (width - left - right),
      top + (highY - y) / (highY - lowY) * (height - top - bottom)];
    const text = (words, x, y, anchor, kind) => element("text", {x, y, "text-anchor": anchor, class: kind}, words);
    const tick = value => significant(Number(value.toPrecision(9)), 4)
      .replace(/\.?0+$/, end => end.startsWith(".") ? "" : end);
    const grid = ticks(lowY, highY).flatMap(y => {
      const height = at({x: 0, y})[1];
      return [element("line", {x1: left, x2: width - right, y1: height, y2: height}),
        text(fixed(y, span < 4 ? 1 : 0), left - 7, height + 4, "end", "tick")];
    });
    const below = ticks(0, highX).map(x => text(tick(x), at({x, y: 0})[0], height - bottom + 18, "middle", "tick"));
    const front = pareto(points), line = element("path", {class: "front", d: "M" + front.map(at).join("L")});
    const taken = points.map(point => [at(point)[0] - 6, at(point)[1] - 6, 12, 12]);
    const labels = [...front, ...points.filter(point => !front.includes(point))].flatMap(point => {
      const [x, y] = at(point), letters = [...point.name], wide = 6.4 * Math.min(letters.length, LONGEST_NAME);
      const name = letters.length > LONGEST_NAME ? letters.slice(0, LONGEST_NAME - 1).join("") + "…" : point.name;
      for (const [dx, dy, anchor] of [[9, 4, "start"], [-9, 4, "end"], [0, -10, "middle"], [0, 18, "middle"]]) {
        const from = x + dx - {start: 0, end: wide, middle: wide / 2}[anchor], box = [from, y + dy - 11, wide, 14];
        const isFree = !taken.some(([a, b, w, h]) =>
          from < a + w && from + wide > a && box[1] < b + h && box[1] + 14 > b);
        if (isFree && from > left && from + wide < width && box[1] > 0 && box[1] + 14 < height - bottom) {
          taken.push(box);
          return [text(name, x + dx, y + dy, anchor, "label")];
        }
      }
      return [];
    });
    const marks = points.map(point => element("path", {
      d: MARKS[point.slot % MARKS.length], transform: `translate(${at(point)})`,
      style: `fill: var(--series-${point.slot % COLOURS})`,
    }, element("title", {}, point.name)));
    const x = isGrams ? `CO2e, ${gUnit}` : `Energy, ${jUnit}`;
    place("scatter").setAttribute("viewBox", `0 0 ${width} ${height}`);
    place("scatter").replaceChildren(...grid, ...below, line, ...marks, ...labels,
      text(`${x}, projected (P)`, (left + width) / 2, height - 6, "middle", "axis"),
      text("Test accuracy, %", left, 10, "start", "axis"));
    const names = front.map(({name}) => name).join(", ");
    place("scatter").setAttribute("aria-label", `Test accuracy against ${x}. On the line, cheapest first: ${names}.`);
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
    const found = window.whatIf(choice);
    const isDefinition = Object.keys(choice).every(key => choice[key] === data.definition[key]);
    for (const key of Object.keys(choice)) form.elements[key].value = choice[key];
    form.elements.pue.disabled = choice.server === "excluded";
    form.elements.cast.closest("label").classList.toggle("idle", choice.network === "excluded");
    place("sentence").textContent = found.sentence;
    place("notes").replaceChildren(...found.notes.map(({isBad, text}) =>
      element("li", {class: isBad ? "bad" : ""}, text)));
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
    const {name, value} = event.target, choice = {...current, [name]: name === "pue" ? Number(value) : value};
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
    for (const [key, link] of links)
      key === target.id ? link.setAttribute("aria-current", "true") : link.removeAttribute("aria-current");
  }), {rootMargin: "-15% 0px -75% 0px"});
  document.querySelectorAll("main > section").forEach(each => seen.observe(each));
})();
