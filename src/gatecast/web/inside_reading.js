// Unpacks what the page was given and reads a series with a network, step by step; see inside_network.js for the arithmetic.
"use strict";
const GateReading = (() => {
  const PARTS = {lstm: ["input", "forget", "candidate", "output", "c", "h"], rnn: ["h"]}, APART = 128;
  const bytes = text => Uint8Array.from(atob(text), letter => letter.charCodeAt(0)).buffer;
  const float64 = text => new Float64Array(bytes(text));

  function weightsOf(text, shapes) {  // by layer and name
    const all = new Float32Array(bytes(text)), layers = [], head = {};
    let at = 0;
    for (const [name, shape] of Object.entries(shapes)) {
      const size = shape.reduce((a, b) => a * b), part = all.subarray(at, (at += size)), words = name.split(".");
      if (words[0] === "head") head[words[1]] = part;
      else (layers[words[1]] = layers[words[1]] || {})[words[2]] = part;
    }
    return {layers, head};
  }
  function rowsOf(table) {
    if (!table) return null;
    const all = float64(table.values), n = table.columns;
    return Array.from({length: all.length / n}, (_, k) => Array.from(all.slice(k * n, (k + 1) * n)));
  }
  function unpack(told, network, series) {  // one network over one series; numbers from text
    const {constants, quantiles} = told, net = told.networks[network], over = told.series[series];
    return {
      ...net, constants, quantiles, skipped: over.skipped, first: over.first, times: over.times,
      values: float64(over.values), past: over.past.map(float64), known: over.known.map(float64), static: over.static,
      widening: rowsOf(net.widening),
      units: net.units[series],
      checkpoints: net.checkpoints.map(({label, weights}) => ({label, ...weightsOf(weights, net.shapes)})),
      D: net.shapes[`${net.prefix}.0.hidden_DK`][0],
    };
  }

  class Reader {
    // one checkpoint over one series; the steps before the shown ones are read once
    constructor(model, checkpoint) {
      Object.assign(this, {model, weights: checkpoint});
      this.start = this.begin();
      for (let t = 0; t < model.first; t++) this.step(this.start, t, model.values[t], null, true);
    }
    begin() {
      const {model} = this, D = model.D;
      const scaler = new GateNetwork.Scaler(model.scaling, model.constants, model.past.length, model.known.length);
      const states = this.weights.layers.map(() => ({h: new Float64Array(D), c: new Float64Array(D)}));
      return {scaler, states, head: new Float64Array(D)};
    }
    scale(scaler, t, value, observed) {  // past-only columns are hidden where the network reads its own output
      const {past, known, static: still} = this.model;
      return scaler.read(value, past.map(x => (observed ? x[t] : NaN)), known.map(x => x[t]), still);
    }
    step(state, t, value, held, observed) {  // before a series' first value nothing is read
      const x = this.scale(state.scaler, t, value, observed);
      if (!state.scaler.age) return null;
      const {did, head} = GateNetwork.stack(x, state.states, this.weights.layers, held);
      state.states = did;
      state.head = head;
      return {x, did};
    }
    ahead(scaler, head, t, horizon) {
      const {known, widening} = this.model;
      return GateNetwork.forecast(scaler, head, this.weights.head, horizon, k => known.map(x => x[t + k]), widening);
    }
    // All steps shown.  held: per layer the pinned gates (NaN is free) and muted units; own: the last step before the
    // network reads its own medians, or Infinity.
    read(values, held, own) {
      const {D, first, cell, quantiles} = this.model, steps = values.length - first, M = (quantiles.length - 1) / 2;
      const parts = PARTS[cell];
      const layers = this.weights.layers.map(() =>
        Object.fromEntries(parts.map(part => [part, new Float64Array(steps * D).fill(NaN)])));
      const trace = {
        reader: this, own, layers, values: values.slice(), head: new Float64Array(steps * D), stops: [],
        level: new Float64Array(steps), scale: new Float64Array(steps),
      };
      const state = {scaler: GateNetwork.clone(this.start.scaler), states: this.start.states, head: this.start.head};
      for (let at = 0; at < steps; at++) {
        const t = first + at;
        if (at % APART === 0) trace.stops.push(GateNetwork.clone(state.scaler));
        if (t > own) trace.values[t] = this.ahead(state.scaler, state.head, t - 1, 1)[0][M];
        const done = this.step(state, t, trace.values[t], held, t <= own);
        (done ? done.did : state.states).forEach((did, place) => {
          for (const part of parts) if (did[part]) layers[place][part].set(did[part], at * D);
        });
        trace.head.set(state.head, at * D);
        trace.level[at] = state.scaler.level;
        trace.scale[at] = state.scaler.scale;
      }
      return trace;
    }
  }

  function scalerAt(trace, t) {  // what was known of the series at a step, from the nearest stop before it
    const {reader} = trace, {first} = reader.model, stop = Math.floor((t - first) / APART);
    const scaler = GateNetwork.clone(trace.stops[stop]);
    let channels = null;
    for (let s = first + stop * APART; s <= t; s++) channels = reader.scale(scaler, s, trace.values[s], s <= trace.own);
    return {scaler, channels};
  }
  function forecast(trace, t, horizon) {  // quantiles (horizon, Q) of what comes after step t, in original units
    const {reader} = trace, {D, first} = reader.model, at = (t - first) * D;
    return reader.ahead(scalerAt(trace, t).scaler, trace.head.subarray(at, at + D), t, horizon);
  }
  function oneStepError(trace) {  // mean distance of the median, one step ahead, from the true values shown
    const {reader} = trace, {model} = reader, {D, first} = model, M = (model.quantiles.length - 1) / 2;
    let scaler = null, sum = 0, count = 0;
    for (let at = 0; at + 1 < model.values.length - first; at++) {
      const t = first + at;
      if (at === 0) scaler = GateNetwork.clone(trace.stops[0]);
      reader.scale(scaler, t, trace.values[t], t <= trace.own);
      if (!scaler.age || !Number.isFinite(model.values[t + 1])) continue;
      sum += Math.abs(reader.ahead(scaler, trace.head.subarray(at * D, (at + 1) * D), t, 1)[0][M] - model.values[t + 1]);
      count += 1;
    }
    return count ? sum / count : NaN;
  }

  return {unpack, Reader, scalerAt, forecast, oneStepError};
})();
