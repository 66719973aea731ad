// The whole network in plain JavaScript: scaling, cell, head and quantiles, one value at a time.
// docs/arithmetic.md states every step; gatecast/stream.py and gatecast/tracing.py are what tests hold this file to.
// It computes and does not draw; at most 200 lines.  Key: C channel, D unit, E head unit, K = 4 D gates or steps ahead.
"use strict";
const GateNetwork = (() => {
  const sigmoid = x => 1 / (1 + Math.exp(-x)), silu = x => x * sigmoid(x), seen = Number.isFinite;
  const softplus = x => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)));
  const held = (x, low, high) => Math.max(low, Math.min(high, x));
  const squash = (x, unit) => unit > 0 && seen(x) ? Math.asinh(x / unit) : 0;
  const logRatio = (p, q) => p > 0 && q > 0 ? held(Math.log(p / q), -7, 7) / 3 : 0;

  function clone(x) {  // an independent copy of a state; plain objects are settings and are shared
    if (x instanceof Float64Array) return x.slice();
    if (Array.isArray(x)) return x.map(clone);
    if (!x || typeof x !== "object" || x.constructor === Object) return x;
    const other = Object.create(Object.getPrototypeOf(x));
    for (const name of Object.keys(x)) other[name] = clone(x[name]);
    return other;
  }

  // ------------------------------------------------------------------------------ scaling: sections 1 to 3
  class Mean {  // smoothed at a rate, corrected for its start
    constructor(rate) { this.rate = rate; this.keep = 1; this.sum = 0; this.value = 0; }
    absorb(x) {
      [this.keep, this.sum] = [this.keep * (1 - this.rate), this.sum + this.rate * (x - this.sum)];
      this.value = this.sum / (1 - this.keep);
    }
  }
  class Season {  // the last season's values, their mean, and of every phase its newest value and what is usual
    constructor(length, rate) {
      Object.assign(this, {length, middle: NaN, change: NaN, usualLast: NaN, raw: new Float64Array(length).fill(NaN)});
      [this.newest, this.usual] = [this.raw.slice(), Array.from({length}, () => new Mean(rate))];
    }
    usually(phase) { return this.usual[phase].keep < 1 ? this.usual[phase].value : NaN; }
    read(step, value) {  // [the change since one season before, by how much the usual missed it]
      const at = step % this.length, before = this.raw[at];
      this.raw[at] = value;
      if (!seen(value)) return [NaN, NaN];
      this.newest[at] = value;
      if (this.length === 1) { this.middle = value; return [value - before, NaN]; }
      const known = this.raw.filter(seen);
      this.middle = known.reduce((sum, x) => sum + x, 0) / known.length;
      const away = value - this.middle, usual = this.usually(at);
      this.usual[at].absorb(away);
      Object.assign(this, {change: value - before, usualLast: this.usual[at].value});
      return [this.change, away - usual];
    }
  }
  class Column {  // a column beside the series, under a running mean and spread of its own
    constructor({SLOW_RATE}, floor) {
      Object.assign(this, {mean: new Mean(SLOW_RATE), spread: new Mean(SLOW_RATE), before: NaN, floor});
    }
    get unit() { return Math.max(this.spread.value, 1e-9 * Math.abs(this.mean.value), this.floor); }
    read(x) {
      const change = x - this.before;
      if (seen(x)) { this.mean.absorb(x); this.spread.absorb(Math.abs(x - this.mean.value)); }
      this.before = x;
      return [squash(x - this.mean.value, this.unit), squash(change, this.unit), +seen(x)];
    }
  }
  class Scaler {  // what the network reads of a series so far; scaling and c (constants) are plain settings
    constructor(scaling, c, past, known) {
      Object.assign(this, {scaling, c, step: -1, age: 0, gap: 0, last: NaN, before: NaN, hasSeason: false});
      const rate = scaling.seasons[0] >= 12 ? .05 : .1;
      this.seasons = scaling.seasons.map(length => new Season(length, c.PHASE_RATE));
      [this.size, this.short, this.long, this.fast, this.slow, this.smooth, this.rise, this.seasonRise, this.far] =
        [c.SIZE_RATE, rate, rate, c.FAST_RATE, c.SLOW_RATE, c.PHASE_RATE, rate, rate, rate].map(each => new Mean(each));
      this.fixed = scaling.kind === "fixed";
      [this.level, this.scale] = this.fixed ? [scaling.level, scaling.scale] : [0, 0];
      this.past = Array.from({length: past}, () => new Column(c, 0));
      this.known = Array.from({length: known}, () => new Column(c, c.KNOWN_FLOOR));
    }
    get lengths() { return [...this.scaling.seasons, 1].slice(0, 2); }
    get slope() { return this.hasSeason ? this.seasonRise.value / this.seasons[0].length : this.rise.value; }
    read(value, past, known, fixedColumns) {  // absorb a step; the channels in the order of section 3
      const there = seen(value), {c, fixed, scaling} = this, oldLevel = this.level, started = this.age > 0;
      this.step += 1;
      const seasonal = this.seasons.map(season => season.read(this.step, value));
      while (seasonal.length < 2) seasonal.push([NaN, NaN]);
      const surprises = seasonal.map(p => p[1]), changes = [value - this.before, ...seasonal.map(p => p[0])];
      [this.before, this.gap] = [value, started && !there ? this.gap + 1 : 0];
      if (seen(changes[0])) this.rise.absorb(changes[0]);
      if (seen(changes[0])) for (const mean of [this.short, this.fast, this.slow]) mean.absorb(Math.abs(changes[0]));
      if (seen(changes[1])) { this.hasSeason = true; this.seasonRise.absorb(changes[1]); }
      const sizes = changes.map(Math.abs);
      [this.long, this.far].forEach((mean, place) => seen(sizes[place + 1]) && mean.absorb(sizes[place + 1]));
      if (there) {
        this.last = value; this.age += 1; this.smooth.absorb(value); this.size.absorb(Math.abs(value));
        if (!fixed) this.level = this.seasons[0].middle;
      }
      const followed = this.hasSeason ? this.long.value : this.short.value, far = this.far.keep < 1 && scaling.nearest;
      if (!fixed) this.scale = Math.max(far ? Math.min(followed, this.far.value) : followed, c.FLOOR * this.size.value);
      const {level, scale, lengths} = this;
      const units = fixed ? [scaling.change, ...scaling.season_changes, 1] : [scale, scale, scale];
      const rough = fixed || !there ? [0, 0, 0] :
        [logRatio(this.fast.value, scale), logRatio(this.slow.value, scale), logRatio(scale, this.size.value)];
      return Float32Array.from([
        squash(value - level, scale), started && !fixed ? squash(level - oldLevel, scale) : 0,
        ...changes.map((x, place) => squash(x, units[place])), ...rough,
        Math.log1p(Math.min(this.age, c.MOST_AGE)) / 5, Math.log1p(Math.min(this.gap, c.MOST_GAP)) / 5,
        ...lengths.map(length => Math.log(length) / 4), +there, ...changes.map(x => +seen(x)),
        squash(value - this.smooth.value, scale), ...surprises.map((x, place) => squash(x, units[place + 1])),
        ...this.past.flatMap((column, place) => column.read(past[place])),
        ...this.known.flatMap((column, place) => column.read(known[place])), ...fixedColumns]);
    }
    ask(k, knownThen) {  // section 5: the features of the step k ahead, and the normalised candidates, NaN where none
      const {c, level, scale, lengths} = this;
      const found = Array(c.CANDIDATES).fill(NaN);
      [found[0], found[1], found[4]] = [level, this.last, this.age ? this.smooth.value : NaN];
      this.seasons.forEach((season, place) => {
        if (season.length === 1) return;
        const phase = (this.step + k) % season.length;
        found[2 + place] = season.newest[phase];
        found[5 + place] = season.middle + season.usually(phase);
        found[8 + place] = this.last + season.usually(phase) - season.usualLast;
        found[10 + place] = season.newest[phase] + season.change;
      });
      found[7] = (seen(found[5]) ? found[5] : this.last) + (Math.min(this.gap, c.MOST_GAP) + k) * this.slope;
      const normal = x => scale > 0 ? held((x - level) / scale, -c.FARTHEST, c.FARTHEST) : 0;
      const candidates = found.map(x => seen(x) ? normal(x) : NaN), far = candidates.map(x => squash(x, 1));
      const turns = lengths.map(m => 2 * Math.PI * k / m).flatMap((turn, place) => lengths[place] > 1 ?
        [Math.sin(turn), Math.cos(turn)] : [0, 0]);
      const features = [...far.slice(1, 4), ...candidates.slice(1, 4).map(x => +seen(x)), Math.log(k) / 4, k / c.REACH,
        ...turns, ...lengths.map(m => Math.log(m) / 4), ...far.slice(4), ...this.known.flatMap((column, j) =>
          [squash(knownThen[j], 1), squash(knownThen[j] - column.mean.value, column.unit)])];
      return {features, candidates};
    }
  }

  // ------------------------------------------------------------------------------ the cell: section 4
  function times(x, W, bias) {  // x · W + bias, W as [rows][columns] laid end to end
    const K = bias.length, z = Float64Array.from(bias);
    for (let row = 0; row < x.length; row++) {
      const at = row * K, xr = x[row];
      if (xr !== 0) for (let k = 0; k < K; k++) z[k] += xr * W[at + k];
    }
    return z;
  }
  function cell(x, state, layer, held) {  // forget some of the old, write some of the new, show some of the result
    const D = state.h.length, z = times(state.h, layer.hidden_DK, times(x, layer.input_CK, layer.bias_K)), out = {};
    for (const name of ["input", "forget", "candidate", "output", "c", "h"]) out[name] = new Float64Array(D);
    const gate = (name, d, said) => (out[name][d] = held && seen(held[name][d]) ? held[name][d] : said);
    for (let d = 0; d < D; d++) {
      const i = gate("input", d, sigmoid(z[d])), f = gate("forget", d, sigmoid(z[D + d]));
      const g = gate("candidate", d, Math.tanh(z[2 * D + d])), o = gate("output", d, sigmoid(z[3 * D + d]));
      out.c[d] = f * state.c[d] + i * g;
      out.h[d] = held && held.muted[d] ? 0 : o * Math.tanh(out.c[d]);
    }
    return out;
  }
  function plain(x, state, layer, held) {  // the plain RNN: everything that is carried is computed anew
    const z = times(state.h, layer.hidden_DK, times(x, layer.input_CK, layer.bias_K));
    return {h: z.map((zd, d) => held && held.muted[d] ? 0 : Math.tanh(zd)), c: state.c};
  }
  function stack(x, states, layers, held) {  // all layers at one step: what each did, and what the head sees
    let below = x;
    const did = layers.map((layer, place) => {
      const step = layer.bias_K.length === states[place].h.length ? plain : cell;
      const out = step(below, states[place], layer, held && held[place]);
      below = place === 0 ? out.h : below.map((b, d) => b + out.h[d]);
      return out;
    });
    return {did, head: below};
  }

  // ------------------------------------------------------------------------------ the head: sections 6 and 8
  function answer(head, h, {features, candidates}, k, c) {  // quantiles of one step ahead, in scales around the level
    const e = times(features, head.question_FE, times(h, head.state_DE, head.bias_E)).map(silu);
    const out = times(times(e, head.middle_ED, head.middle_bias_D).map(silu), head.out_DO, head.out_bias_O);
    const A = candidates.length, top = Math.max(...candidates.map((x, a) => seen(x) ? out[a] : -Infinity));
    const power = candidates.map((x, a) => seen(x) ? Math.exp(out[a] - top) : 0), all = power.reduce((a, b) => a + b);
    const shares = power.map(x => x / all), mixture = candidates.reduce((sum, x, a) => sum + (x * shares[a] || 0), 0);
    const at = 2 * k / c.REACH - 1, chebyshev = [1, at];
    while (chebyshev.length < head.path_bias_J.length) chebyshev.push(2 * at * chebyshev.at(-1) - chebyshev.at(-2));
    const path = times(h, head.path_DJ, head.path_bias_J).reduce((sum, x, j) => sum + x * chebyshev[j], 0);
    const said = [mixture + path + out[A]], outward = Array.from(out.slice(A + 1), softplus), M = outward.length / 2;
    for (const below of outward.slice(0, M).reverse()) said.unshift(said[0] - below);
    for (const above of outward.slice(M)) said.push(said.at(-1) + above);
    return {said, shares, mixture, path, correction: out[A]};
  }
  function widen(quantiles, factors) {  // where validation asked for it; the median stays, and none cross
    const M = (quantiles[0].length - 1) / 2;
    return quantiles.map((row, k) => {
      const factor = q => factors ? factors[Math.min(k, factors.length - 1)][q] : 1;
      const away = row.map((x, q) => (q < M ? row[M] - x : x - row[M]) * factor(q));
      for (const side of [-1, 1])
        for (let q = 1; q <= M; q++) away[M + side * q] = Math.max(away[M + side * q], away[M + side * (q - 1)]);
      return row.map((_, q) => q < M ? row[M] - away[q] : row[M] + away[q]);
    });
  }
  function forecast(scaler, h, head, horizon, knownAhead, factors) {  // of the next steps, in original units
    const c = scaler.c, made = [];
    for (let k = 1; k <= horizon; k++) {
      made.push(answer(head, h, scaler.ask(k, knownAhead(k)), k, c).said.map(x => scaler.level + scaler.scale * x));
    }
    return widen(made, factors);
  }

  return {Scaler, clone, stack, answer, forecast, times, sigmoid};
})();
