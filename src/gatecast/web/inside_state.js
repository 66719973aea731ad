// How the tab Inside stands: which network over which series, what was changed, and what was computed from that.
"use strict";
const InsideState = (() => {
  const {seen, by, GATES} = InsideWords;
  const root = document.getElementById("inside");
  const told = JSON.parse(by("told").textContent);
  const now = {
    network: 0, series: 0, moment: 0, from: "end", own: Infinity, layer: 0, unit: 0, order: "", colours: "values", cursor: 0, held: [], values: null,
  };
  // model: a network over a series; trace and fan: what it did and forecasts; base and baseFan: before any change;
  // other: the forecast of the network that is not shown.
  const page = {model: null, trace: null, fan: null, base: null, baseFan: null, other: null, otherFan: null};
  const view = {};  // the steps in view, and how the series is drawn
  const opened = {}, readers = [], kept = {};
  const hooks = {redraw() {}, point() {}, draw() {}, say() {}};  // what is drawn; inside.js says how
  let measuring = 0;

  const modelOf = (network, series) =>
    (opened[`${network} ${series}`] = opened[`${network} ${series}`] || GateReading.unpack(told, network, series));
  const free = model =>
    model.checkpoints[0].layers.map(() => ({
      ...Object.fromEntries([...GATES, "candidate"].map(gate => [gate, new Float64Array(model.D).fill(NaN)])),
      muted: new Uint8Array(model.D),
    }));
  const last = () => page.model.values.length - 1;
  const steps = () => page.model.values.length - page.model.first;
  const middle = () => (page.model.quantiles.length - 1) / 2;
  const origin = () => (now.from === "cursor" ? now.cursor : last());
  const held = () => now.held.some(layer => layer.muted.some(Boolean) || GATES.some(gate => layer[gate].some(seen)));
  const moved = () => now.values.some((x, t) => x !== page.model.values[t] && (seen(x) || seen(page.model.values[t])));
  const touched = () => moved() || held() || seen(now.own);
  const timeOf = t =>
    t <= last() ? page.model.times[t - page.model.first] : `${t - last()} after the end`;

  // Show a network over a series.  What was changed of the values stays while the series does; what is held of a network
  // is kept for when it is shown again.
  function choose(network, series) {
    const model = modelOf(network, series), again = page.model && series === now.series;
    if (page.model) kept[now.network] = {moment: now.moment, held: now.held, layer: now.layer, unit: now.unit, order: now.order};
    const left = kept[network] || {moment: model.checkpoints.length - 1, held: free(model), layer: 0, unit: null, order: ""};
    Object.assign(now, left, {network, series});
    if (!again) Object.assign(now, {values: model.values.slice(), own: Infinity, cursor: model.values.length - 1});
    Object.assign(page, {model, base: null, other: null});
    readers.length = 0;
    const values = Array.from(model.values.slice(model.first)).filter(seen);
    const [low, high] = values.length ? [Math.min(...values), Math.max(...values)] : [0, 1];
    model.range = high > low ? [low, high] : [low - 1, high + 1];
  }
  function reader(moment) {
    return (readers[moment] = readers[moment] || new GateReading.Reader(page.model, page.model.checkpoints[moment]));
  }
  function otherReader() {  // the network that is not shown, as it was kept
    const network = 1 - now.network, model = modelOf(network, now.series);
    return (model.reader = model.reader || new GateReading.Reader(model, model.checkpoints.at(-1)));
  }

  function compute() {  // read the shown steps anew, as they are asked for and as they came
    page.trace = reader(now.moment).read(now.values, now.held, now.own);
    if (told.networks.length > 1) page.other = otherReader().read(now.values, null, now.own);
    if (!page.base || page.base.moment !== now.moment)
      page.base = {moment: now.moment, trace: touched() ? reader(now.moment).read(page.model.values, free(page.model), Infinity) : page.trace};
    page.trace.error = null;
    clearTimeout(measuring);
    measuring = setTimeout(measure, 120);
    ask();
  }
  function ask() {  // the forecasts from the origin, as things are and as they were before any change
    page.fan = GateReading.forecast(page.trace, origin(), page.model.horizon);
    page.baseFan = touched() ? GateReading.forecast(page.base.trace, origin(), page.model.horizon) : null;
    page.otherFan = page.other ? GateReading.forecast(page.other, origin(), page.other.reader.model.horizon) : null;
    hooks.draw();
  }
  function measure() {  // how far the median was from the true value, one step ahead, on the steps shown
    for (const each of new Set([page.base.trace, page.trace, page.other]))
      if (each && each.error == null) each.error = GateReading.oneStepError(each);
    hooks.say();
  }

  const RANK = ["redraw", "point", "draw", "ask", "compute"];  // each does all that those before it do
  const acts = {redraw: () => hooks.redraw(), point: () => hooks.point(), draw: () => hooks.draw(), ask, compute};
  let due = null;
  function later(act) {  // once, with the next picture
    if (!due)
      requestAnimationFrame(() => {
        const most = due;
        due = null;
        acts[most]();
        root.removeAttribute("aria-busy");
      });
    if (!due || RANK.indexOf(act) > RANK.indexOf(due)) due = act;
    root.setAttribute("aria-busy", "true");
  }
  function undo() {
    Object.assign(now, {held: free(page.model), values: page.model.values.slice(), own: Infinity});
    for (const network of Object.values(kept)) network.held.forEach(layer => {
      layer.muted.fill(0);
      for (const gate of [...GATES, "candidate"]) layer[gate].fill(NaN);
    });
    later("compute");
  }
  return {root, told, now, page, view, readers, hooks, choose, free, last, steps, middle, origin, touched, timeOf, reader, compute, later, undo};
})();
