// The words beside the drawings of the tab Inside: what stands under the cursor, what is held, what a unit is like.
"use strict";
const InsideSaying = (() => {
  const {seen, number, fixed, halfLife, by, element, MAPS, FOLLOWS, ORDERS} = InsideWords;
  const {root, told, now, page, last, middle, origin, touched, timeOf} = InsideState;
  const unit = told.unit ? ` ${told.unit}` : "";
  const value5 = x => (seen(x) ? number(x, 5) : "missing");

  function say() {
    const {model, trace, base, fan, baseFan, other, otherFan} = page, t = now.cursor, M = middle(), from = origin();
    const value = trace.values[t], next = fan[0], changed = value !== model.values[t] && seen(model.values[t]);
    const was = baseFan ? `, ${number(baseFan[0][M], 5)} before your changes` : "";
    const before = touched() && base.trace.error != null ? ` (${number(base.trace.error, 3)} before your changes)` : "";
    const others = other && other.error != null ? `; that of ${other.reader.model.name}, dashed, by ${number(other.error, 3)}` : "";
    const error = trace.error == null ? "" :
      ` One step ahead its median is off by ${number(trace.error, 3)} on average over the steps shown${before}${others}.`;
    by("said").textContent =
      `At ${timeOf(t)}: ${seen(value) ? number(value, 5) + unit : "missing"}${changed ? ` (truly ${number(model.values[t], 5)})` : ""}. ` +
      `Forecast of the step after ${from === last() ? "the end" : timeOf(from)}: ${number(next[M], 5)}${unit}, ` +
      `90 % between ${number(next[1], 5)} and ${number(next.at(-2), 5)}${was}` +
      `${otherFan ? `; ${other.reader.model.name} says ${number(otherFan[0][M], 5)}` : ""}.${error}`;
    const series = by("series"), ring = by("handle"), [low, high] = model.range;
    series.setAttribute("aria-valuenow", t - model.first);
    series.setAttribute("aria-valuetext", `${timeOf(t)}: ${value5(value)}`);
    ring.setAttribute("aria-valuemin", low);
    ring.setAttribute("aria-valuemax", high);
    ring.setAttribute("aria-valuenow", seen(value) ? value : low);
    ring.setAttribute("aria-valuetext", value5(value));
    for (const map of MAPS[model.cell]) {
      const at = map.order.indexOf(now.unit);
      map.canvas.setAttribute("aria-valuenow", at + 1);
      map.canvas.setAttribute("aria-valuetext", `unit ${now.unit}, ${timeOf(t)}: ${map.title.toLowerCase()} ${valueOf(map, now.unit, t)}`);
    }
    by("undo").disabled = !touched();
  }
  function valueOf(map, d, t) {
    const value = page.trace.layers[now.layer][map.part][(t - page.model.first) * page.model.D + d];
    return seen(value) ? fixed(value) : "nothing yet";
  }

  function pressed(buttons, chosen) {
    for (const button of buttons) button.setAttribute("aria-pressed", String(button.dataset.value === chosen));
  }
  function pinned(gate, units) {  // how a gate is held for these units: free, shut, open, or in different ways
    const kinds = new Set(units.map(d => {
      const pin = now.held[now.layer][gate][d];
      return !seen(pin) ? "free" : pin === 0 ? "shut" : "open";
    }));
    return kinds.size === 1 ? [...kinds][0] : "";
  }
  function showHeld() {
    const all = Array.from({length: page.model.D}, (_, d) => d);
    for (const map of MAPS.lstm) if (map.set) pressed(map.set.children, pinned(map.part, all));
    for (const set of by("pins").querySelectorAll(".set[data-gate]"))
      pressed(set.children, pinned(set.dataset.gate, [now.unit]));
    const mute = by("pins").querySelector("[data-mute]");
    mute.setAttribute("aria-pressed", String(Boolean(now.held[now.layer].muted[now.unit])));
    for (const button of root.querySelectorAll("[data-from]"))
      button.setAttribute("aria-pressed", String(button.dataset.from === now.from));
    for (const button of root.querySelectorAll("[data-reads]"))
      button.setAttribute("aria-pressed", String((button.dataset.reads === "own") === seen(now.own)));
    pressed(by("networks").querySelectorAll("button"), String(now.network));
  }

  function aboutUnit() {
    const units = page.model.units[now.layer], d = now.unit, what = units.strongest[d];
    const layers = page.model.checkpoints[0].layers.length;
    by("unit-title").textContent = `Unit ${d}${layers > 1 ? ` of layer ${now.layer + 1}` : ""}`;
    const measured = Object.keys(FOLLOWS)
      .filter(name => units[name][d] !== null)
      .map(name => `${FOLLOWS[name]} ${fixed(units[name][d], 2)}`);
    const keeps = units.half_life ? [halfLife(units.half_life[d])] : [];
    const follows = what ? `follows ${FOLLOWS[what]} most` : "follows none of level, slope, season and shocks clearly";
    by("unit-about").textContent =
      `It ${[...keeps, follows].join(what ? " and " : ", and ")}` +
      `${measured.length ? ` (correlation with ${measured.join(", ")})` : ""}. Measured on the kept weights and the true values.`;
    by("unit").value = String(d);
  }
  function order() {
    const {model} = page, units = model.units[now.layer], numbers = Array.from({length: model.D}, (_, d) => d), key = now.order;
    const size = d => units[key][d] ?? (key === "half_life" ? Infinity : 0);
    const sorted = key === "number" ? numbers : numbers.sort((p, q) => size(q) - size(p) || p - q);
    for (const map of MAPS[model.cell]) map.order = sorted;
    by("order").textContent = ORDERS[key][1];
  }
  function moment() {
    const {label} = page.model.checkpoints[now.moment];
    by("moment-name").textContent = label;
    by("moment").setAttribute("aria-valuetext", label);
  }

  function legend() {  // what is drawn over the series
    const {model} = page, rows = [["ink", "", told.series[now.series].target || "the series"]];
    rows.push([InsideDrawing.COLOURS[model.cell], "", `forecast of ${model.name}, with 40, 80 and 90 %`]);
    told.networks.forEach((each, place) => {
      if (place !== now.network) rows.push([InsideDrawing.COLOURS[each.cell], "dashed", `forecast of ${each.name}`]);
    });
    by("legend").replaceChildren(...rows.map(([colour, kind, text]) => {
      const dash = element("i", {className: kind});
      dash.style.borderColor = `var(--${colour})`;
      return element("span", {}, dash, text);
    }));
  }
  function notes() {
    const {model} = page, steps = model.values.length - model.first, many = count => count.toLocaleString("en");
    const begun = model.first ? `; the state has run in over the ${many(model.first)} before them` : ", from the first one on";
    const skipped = model.skipped ? `, and the ${many(model.skipped)} earliest are not read` : "";
    const weights = Object.values(model.shapes).map(shape => shape.reduce((a, b) => a * b)).reduce((a, b) => a + b);
    const lines = [
      `The newest ${many(steps)} steps are shown${begun}${skipped}.`,
      `Scaling, cell, head and quantiles are computed in this page in double precision from ${many(weights)} weights; nothing is fetched and no result is stored in it.`,
      `The forecast reaches ${model.horizon} steps, as far as the head was trained. The bands hold 90, 80 and 40 %, as the network says them and as its validation widened them; in the scores of a run they also follow what came of earlier forecasts.`,
      "A pinned gate or a muted unit is held from the first step shown on. Units are sorted by what was measured on the kept weights and the true values: correlations of the cell state (of a plain RNN, of its one state) over the steps shown; for shocks, of the size of its change.",
    ];
    if (model.past.length + model.known.length + model.static.length)
      lines.push(
        `The network also reads ${model.channels.length - 19} numbers from columns beside the series; they take part, and stay as they are. Where the network reads its own output, columns known only up to now are missing; beyond the end of the data, so are those known in advance.`,
      );
    by("notes").replaceChildren(...lines.map(textContent => element("li", {textContent})));
  }
  function whatIsShown() {  // names of the network and the series, wherever they stand
    const {model} = page, {name, target} = told.series[now.series];
    const series = name ? `the series ${name}` : target ? `the series ${target}` : "the series";
    for (const place of root.querySelectorAll("[data-told=name]")) place.textContent = model.name;
    for (const place of root.querySelectorAll("[data-told=series]")) place.textContent = series;
    for (const part of root.querySelectorAll("[data-cell]")) part.hidden = part.dataset.cell !== model.cell;
  }
  return {say, valueOf, showHeld, aboutUnit, order, moment, legend, notes, whatIsShown};
})();
