// Draws the tab Inside and listens to it.  What is drawn comes from inside_reading.js and inside_network.js.
"use strict";
(() => {
  const by = id => document.getElementById(`inside-${id}`),
    root = document.getElementById("inside");
  const told = JSON.parse(by("told").textContent);
  const GUTTER = 46,
    RIGHT = 8,
    MAPS = [
      {
        part: "forget",
        colour: "LSTM",
        title: "Forget gate",
        means: "what it kept of its memory",
        ends: ["0 forgot", "1 kept"],
      },
      {
        part: "input",
        colour: "SeasonalNaive",
        title: "Input gate",
        means: "how much it let in",
        ends: ["0 shut", "1 open"],
      },
      {
        part: "candidate",
        colour: "Drift",
        title: "Candidate",
        means: "what it wanted to write",
        ends: ["−1", "1"],
        around: true,
      },
      {
        part: "c",
        colour: "ink",
        title: "Cell state",
        means: "what it remembers: kept memory plus what was written",
        around: true,
      },
      {
        part: "output",
        colour: "LastValue",
        title: "Output gate",
        means: "how much of it it showed",
        ends: ["0 shut", "1 open"],
      },
      {
        part: "h",
        colour: "AR",
        title: "Output h",
        means: "what it said, to the other units and to the forecast",
        ends: ["−1", "1"],
        around: true,
      },
    ];
  const GATES = ["input", "forget", "output"];
  const ORDERS = {
    half_life: [
      "memory length",
      "Longest memory on top: how many steps until the forget gate has let half of the memory go.",
    ],
    level: [
      "what follows the level",
      "On top units whose memory rises with the level of the series, at the bottom those that fall with it.",
    ],
    slope: [
      "what follows the slope",
      "On top units whose memory rises while the series rises, at the bottom the opposite.",
    ],
    season: [
      "what follows the season",
      "On top units whose memory goes with the season, at the bottom those against it.",
    ],
    shock: ["what follows shocks", "On top units whose memory jumps when a value comes as a surprise."],
    number: ["number", "As they are numbered in the network."],
  };
  const FOLLOWS = {level: "the level", slope: "the slope", season: "the season", shock: "shocks"};
  const readers = [];
  let model = null,
    base = null,
    trace = null,
    fan = null,
    baseFan = null,
    measuring = 0;
  const view = {},
    now = {
      moment: 0,
      from: "end",
      own: Infinity,
      layer: 0,
      unit: 0,
      order: "half_life",
      colours: "values",
      cursor: 0,
      held: [],
      values: null,
    };

  // ------------------------------------------------------------------------------------------- numbers and words
  const seen = Number.isFinite,
    minus = text => text.replace(/-/g, "−").replace(/e\+?/, " × 10^");
  const number = (x, digits = 3) =>
    !seen(x)
      ? "missing"
      : minus(
          x === 0
            ? "0"
            : Math.abs(x) >= 1e6 || Math.abs(x) < 1e-4
              ? x.toExponential(digits - 1)
              : Number(x.toPrecision(Math.max(digits, Math.ceil(Math.log10(Math.abs(x) + 1e-9))))).toString(),
        );
  const fixed = (x, places = 3) => minus(Math.abs(x) < 0.5 * 10 ** -places ? (0).toFixed(places) : x.toFixed(places));
  const percent = x => `${Math.round(100 * x)} %`;
  const unit = told.unit ? ` ${told.unit}` : "";
  const timeOf = t =>
    t < model.values.length ? told.times[t - model.first] : `${t - model.values.length + 1} after the end`;
  const element = (name, words = {}, ...children) => {
    const made = Object.assign(document.createElement(name), words);
    made.append(...children);
    return made;
  };
  const colour = name => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
  const rgb = name => {
    const hex = colour(name).replace("#", ""),
      long = hex.length === 3 ? [...hex].map(x => x + x).join("") : hex;
    return [0, 2, 4].map(at => parseInt(long.slice(at, at + 2), 16));
  };
  const halfLife = steps =>
    steps === null || steps > 9999
      ? "forgets next to nothing"
      : steps < 1
        ? "forgets half in less than a step"
        : `forgets half in ${number(steps, 2)} step${steps < 1.5 ? "" : "s"}`;

  // ------------------------------------------------------------------------------------------- what is computed
  const free = () =>
    model.checkpoints[0].layers.map(() =>
      Object.fromEntries(
        [...GATES, "candidate"]
          .map(gate => [gate, new Float64Array(model.D).fill(NaN)])
          .concat([["muted", new Uint8Array(model.D)]]),
      ),
    );
  const last = () => model.values.length - 1;
  const touched = () =>
    now.values.some((x, t) => x !== model.values[t] && (seen(x) || seen(model.values[t]))) || held() || seen(now.own);
  const held = () => now.held.some(layer => layer.muted.some(Boolean) || GATES.some(gate => layer[gate].some(seen)));
  const origin = () => (now.from === "cursor" ? now.cursor : last());

  function reader(moment) {
    return (readers[moment] = readers[moment] || new GateReading.Reader(model, model.checkpoints[moment]));
  }
  function compute() {
    // read the shown steps anew, as they are asked for and as they came
    trace = reader(now.moment).read(now.values, now.held, now.own);
    if (!base || base.moment !== now.moment)
      base = {moment: now.moment, trace: touched() ? reader(now.moment).read(model.values, free(), Infinity) : trace};
    trace.error = null;
    clearTimeout(measuring);
    measuring = setTimeout(measure, 120);
    ask();
  }
  function ask() {
    // the forecasts from the origin, as things are and as they were before any change
    fan = GateReading.forecast(trace, origin(), model.horizon);
    baseFan = touched() ? GateReading.forecast(base.trace, origin(), model.horizon) : null;
    draw();
  }
  function measure() {
    // how far the median was from the true value, one step ahead, on the steps shown
    for (const each of new Set([base.trace, trace]))
      if (each.error == null) each.error = GateReading.oneStepError(each);
    say();
  }
  const RANK = [redraw, point, draw, ask, compute]; // each does all that those before it do
  let due = null;
  function later(act) {
    // once, with the next picture
    if (!due)
      requestAnimationFrame(() => {
        const most = due;
        due = null;
        most();
        root.removeAttribute("aria-busy");
      });
    if (!due || RANK.indexOf(act) > RANK.indexOf(due)) due = act;
    root.setAttribute("aria-busy", "true");
  }

  // ------------------------------------------------------------------------------------------- drawing
  const middle = () => (model.quantiles.length - 1) / 2;
  const x = (t, width) => GUTTER + ((t - view.a + 0.5) / (view.b - view.a)) * (width - GUTTER - RIGHT);
  const stepAt = (px, width) => Math.floor(view.a + ((px - GUTTER) / (width - GUTTER - RIGHT)) * (view.b - view.a));

  function surface(canvas) {
    // a clean canvas in CSS pixels
    const width = canvas.clientWidth,
      height = canvas.clientHeight,
      sharp = Math.min(3, devicePixelRatio || 1);
    if (canvas.width !== Math.round(width * sharp) || canvas.height !== Math.round(height * sharp))
      [canvas.width, canvas.height] = [Math.round(width * sharp), Math.round(height * sharp)];
    const pen = canvas.getContext("2d");
    pen.setTransform(sharp, 0, 0, sharp, 0, 0);
    pen.clearRect(0, 0, width, height);
    pen.font = "12px system-ui, -apple-system, 'Segoe UI', Roboto, 'Liberation Sans', Arial, sans-serif";
    return {pen, width, height};
  }
  function ticks(low, high, most) {
    const rough = (high - low) / most,
      power = 10 ** Math.floor(Math.log10(rough)),
      made = [];
    const step = [1, 2, 5, 10].map(x => x * power).find(x => x >= rough);
    for (let at = Math.ceil(low / step) * step; at <= high + step * 1e-9; at += step)
      made.push(Math.abs(at) < step * 1e-9 ? 0 : at);
    return made;
  }
  function line(pen, points, style, width, dash = []) {
    pen.beginPath();
    pen.strokeStyle = style;
    pen.lineWidth = width;
    pen.setLineDash(dash);
    pen.lineJoin = "round";
    let on = false;
    for (const [px, py] of points) {
      if (!seen(py)) {
        on = false;
        continue;
      }
      if (on) pen.lineTo(px, py);
      else pen.moveTo(px, py);
      on = true;
    }
    pen.stroke();
    pen.setLineDash([]);
  }
  function cursorLine(pen, height, width) {
    const at = x(now.cursor, width);
    if (at >= GUTTER && at <= width - RIGHT)
      line(
        pen,
        [
          [at, 0],
          [at, height],
        ],
        colour("ink"),
        1,
      );
    if (now.under !== undefined && now.under !== now.cursor)
      line(
        pen,
        [
          [x(now.under, width), 0],
          [x(now.under, width), height],
        ],
        colour("axis"),
        1,
        [3, 3],
      );
  }
  function timeTicks(pen, width, y) {
    pen.fillStyle = colour("muted");
    pen.textBaseline = "top";
    pen.textAlign = "center";
    const apart = Math.max(1, Math.ceil((view.b - view.a) / Math.max(2, Math.floor((width - GUTTER) / 110))));
    for (let t = Math.ceil(view.a / apart) * apart; t < view.b; t += apart) {
      const text = t < model.values.length ? told.times[t - model.first] : `+${t - model.values.length + 1}`;
      const half = pen.measureText(text).width / 2,
        at = x(t, width);
      if (at - half > GUTTER - 20 && at + half < width) {
        pen.fillText(text, at, y + 6);
        line(
          pen,
          [
            [at, y],
            [at, y + 4],
          ],
          colour("axis"),
          1,
        );
      }
    }
  }
  function drawSeries() {
    const canvas = by("series"),
      {pen, width, height} = surface(canvas),
      bottom = height - 24,
      M = middle(),
      from = origin();
    const shown = [],
      within = (t, value) => {
        if (t >= view.a && t < view.b && seen(value)) shown.push(value);
      };
    for (let t = view.a; t < Math.min(view.b, model.values.length); t++) {
      within(t, trace.values[t]);
      within(t, model.values[t]);
    }
    fan.forEach((row, k) => {
      within(from + 1 + k, row[1]);
      within(from + 1 + k, row.at(-2));
    });
    (baseFan || []).forEach((row, k) => within(from + 1 + k, row[M]));
    let [low, high] = shown.length ? [Math.min(...shown), Math.max(...shown)] : [0, 1];
    if (!(high > low)) [low, high] = [low - (Math.abs(low) || 1) * 0.1, high + (Math.abs(high) || 1) * 0.1];
    const room = 0.06 * (high - low);
    [low, high] = [low - room, high + room];
    const y = value => bottom - ((value - low) / (high - low)) * (bottom - 6);
    Object.assign(view, {low, high, y, bottom});
    pen.textAlign = "right";
    pen.textBaseline = "middle";
    pen.fillStyle = colour("muted");
    for (const at of ticks(low, high, 4)) {
      line(
        pen,
        [
          [GUTTER, y(at)],
          [width - RIGHT, y(at)],
        ],
        colour("grid"),
        1,
      );
      pen.fillText(
        Math.abs(at) >= 1e5 ? at.toExponential(1) : minus(String(Number(at.toPrecision(6)))),
        GUTTER - 6,
        y(at),
      );
    }
    timeTicks(pen, width, bottom);
    pen.save();
    pen.beginPath();
    pen.rect(GUTTER, 0, width - GUTTER - RIGHT, bottom);
    pen.clip();
    if (seen(now.own)) {
      pen.fillStyle = colour("soft");
      pen.fillRect(x(now.own + 0.5, width), 0, width, bottom);
    }
    const start = [x(from, width), y(trace.values[from])];
    for (const [outer, alpha] of [
      [1, 0.16],
      [2, 0.2],
      [4, 0.26],
    ]) {
      pen.beginPath();
      pen.fillStyle = colour("LSTM");
      pen.globalAlpha = alpha;
      if (seen(start[1])) pen.moveTo(...start);
      fan.forEach((row, k) => pen.lineTo(x(from + 1 + k, width), y(row[outer])));
      for (let k = fan.length - 1; k >= 0; k--) pen.lineTo(x(from + 1 + k, width), y(fan[k].at(-1 - outer)));
      pen.fill();
    }
    pen.globalAlpha = 1;
    const steps = [];
    for (let t = Math.max(view.a - 1, model.first); t < Math.min(view.b + 1, model.values.length); t++) steps.push(t);
    if (touched())
      line(
        pen,
        steps.map(t => [x(t, width), y(model.values[t])]),
        colour("muted"),
        1.5,
        [2, 3],
      );
    line(
      pen,
      steps.map(t => [x(t, width), y(trace.values[t])]),
      colour("ink"),
      1.7,
    );
    if (view.b - view.a < 160)
      for (const t of steps)
        if (seen(trace.values[t])) {
          pen.beginPath();
          pen.fillStyle = colour(trace.values[t] === model.values[t] ? "ink" : "LastValue");
          pen.arc(x(t, width), y(trace.values[t]), 2.2, 0, 7);
          pen.fill();
        }
    if (baseFan)
      line(
        pen,
        baseFan.map((row, k) => [x(from + 1 + k, width), y(row[M])]),
        colour("muted"),
        2,
        [5, 4],
      );
    line(
      pen,
      fan.map((row, k) => [x(from + 1 + k, width), y(row[M])]),
      colour("LSTM"),
      2.4,
    );
    cursorLine(pen, bottom, width);
    pen.restore();
    const ring = by("handle"),
      at = x(now.cursor, width),
      value = trace.values[now.cursor];
    const there = at >= GUTTER && at <= width - RIGHT && now.cursor <= now.own;
    ring.style.display = there ? "block" : "none";
    ring.style.left = `${at}px`;
    ring.style.top = `${seen(value) ? y(value) : bottom - 8}px`;
  }

  function shades(map, around) {
    // 256 colours from one end to the other
    const paper = rgb("soft"),
      blue = rgb("LSTM"),
      orange = rgb("LastValue"),
      own = rgb(map.colour),
      made = new Uint8ClampedArray(256 * 3);
    const mix = (a, b, share) => a.map((value, place) => value + (b[place] - value) * share);
    for (let at = 0; at < 256; at++) {
      const share = at / 255,
        side = 2 * share - 1;
      const shade = around ? mix(paper, side < 0 ? orange : blue, Math.abs(side) ** 0.8) : mix(paper, own, share);
      made.set(shade, 3 * at);
    }
    return made;
  }
  function picture(map) {
    // the heat map of all shown steps, one pixel for a step of a unit
    const table = trace.layers[now.layer][map.part],
      D = model.D,
      steps = table.length / D;
    const away = now.colours === "away",
      means = new Float64Array(D);
    if (away)
      for (let d = 0; d < D; d++) {
        let sum = 0,
          count = 0;
        for (let at = d; at < table.length; at += D)
          if (seen(table[at])) {
            sum += table[at];
            count += 1;
          }
        means[d] = count ? sum / count : 0;
      }
    let high = 1;
    if (away || map.part === "c") {
      high = 0;
      for (let at = 0; at < table.length; at++)
        if (Math.abs(table[at] - means[at % D]) > high) high = Math.abs(table[at] - means[at % D]);
      high = high || 1;
    }
    const around = away || map.around,
      low = around ? -high : 0,
      colours = shades(map, around),
      paper = rgb("paper");
    const image = map.pixels.getContext("2d").createImageData(steps, D),
      data = image.data;
    map.order.forEach((unit, row) => {
      for (let at = 0; at < steps; at++) {
        const value = table[at * D + unit] - means[unit],
          place = 4 * (row * steps + at),
          missing = value !== value;
        const shade = 3 * Math.max(0, Math.min(255, Math.round(((value - low) / (high - low)) * 255)));
        for (let part = 0; part < 3; part++) data[place + part] = missing ? paper[part] : colours[shade + part];
        data[place + 3] = 255;
      }
    });
    map.pixels.width = steps;
    map.pixels.height = D;
    map.pixels.getContext("2d").putImageData(image, 0, 0);
    const css = at => `rgb(${[0, 1, 2].map(part => colours[3 * at + part]).join(" ")})`;
    map.legend.style.background = `linear-gradient(90deg, ${css(0)}, ${css(64)}, ${css(128)}, ${css(191)}, ${css(255)})`;
    [map.left.textContent, map.rightEnd.textContent] = away
      ? [`${number(-high, 2)} below`, `${number(high, 2)} above its mean`]
      : map.ends || [number(-high, 2), number(high, 2)];
  }
  function drawMap(map) {
    const {pen, width, height} = surface(map.canvas),
      steps = model.values.length,
      D = model.D,
      tall = height;
    pen.imageSmoothingEnabled = false;
    const a = Math.max(view.a, model.first),
      b = Math.min(view.b, steps);
    if (b > a)
      pen.drawImage(
        map.pixels,
        a - model.first,
        0,
        b - a,
        D,
        x(a - 0.5, width),
        0,
        x(b - 0.5, width) - x(a - 0.5, width),
        tall,
      );
    if (view.b > steps) {
      pen.fillStyle = colour("soft");
      pen.fillRect(x(Math.max(steps, view.a) - 0.5, width), 0, width, tall);
      pen.clearRect(width - RIGHT, 0, RIGHT, tall);
    }
    const row = map.order.indexOf(now.unit),
      high = tall / D;
    pen.strokeStyle = colour("ink");
    pen.lineWidth = 1.2;
    pen.strokeRect(GUTTER, row * high - 0.5, width - GUTTER - RIGHT, high + 1);
    pen.fillStyle = colour("ink");
    pen.textAlign = "right";
    pen.textBaseline = "middle";
    pen.fillText(`unit ${now.unit}`, GUTTER - 4, Math.max(7, Math.min(tall - 7, (row + 0.5) * high)));
    cursorLine(pen, tall, width);
  }
  function drawLines() {
    const {pen, width, height} = surface(by("lines")),
      D = model.D,
      bottom = height - 24,
      gap = 14,
      half = (bottom - gap) / 2,
      layer = trace.layers[now.layer];
    const steps = [];
    for (let t = Math.max(view.a, model.first); t < Math.min(view.b, model.values.length); t++) steps.push(t);
    const points = (part, y) => steps.map(t => [x(t, width), y(layer[part][(t - model.first) * D + now.unit])]);
    const axis = (low, high, top, marks) => {
      const y = value => top + half - 3 - ((value - low) / (high - low)) * (half - 6);
      pen.textAlign = "right";
      pen.textBaseline = "middle";
      pen.fillStyle = colour("muted");
      for (const at of marks) {
        line(
          pen,
          [
            [GUTTER, y(at)],
            [width - RIGHT, y(at)],
          ],
          colour("grid"),
          1,
        );
        pen.fillText(number(at, 2), GUTTER - 6, y(at));
      }
      return y;
    };
    const gates = axis(0, 1, 0, [0, 0.5, 1]);
    for (const map of MAPS) if (GATES.includes(map.part)) line(pen, points(map.part, gates), colour(map.colour), 1.8);
    let most = 1;
    for (const t of steps) most = Math.max(most, Math.abs(layer.c[(t - model.first) * D + now.unit]) || 0);
    const states = axis(-most, most, half + gap, [-most, 0, most]);
    for (const [part, dash, thick] of [
      ["candidate", [1, 3], 1.6],
      ["h", [], 1.6],
      ["c", [], 2.4],
    ])
      line(pen, points(part, states), colour(MAPS.find(map => map.part === part).colour), thick, dash);
    timeTicks(pen, width, bottom);
    cursorLine(pen, bottom, width);
  }

  // ------------------------------------------------------------------------------------------- the arithmetic of a step
  const strong = text => element("b", {textContent: text});
  const plain = parts => parts.map(part => (typeof part === "string" ? document.createTextNode(part) : part));
  function terms(rows) {
    const body = element("tbody");
    for (const [name, value, weight] of rows)
      body.append(
        element(
          "tr",
          {},
          element("th", {scope: "row", textContent: name}),
          element("td", {textContent: fixed(value)}),
          element("td", {textContent: `× ${fixed(weight)}`}),
          element("td", {textContent: `= ${fixed(value * weight)}`}),
        ),
      );
    const box = element("div", {
      className: "scroll",
      tabIndex: 0,
      role: "region",
      ariaLabel: "Terms of the sum, scrollable",
    });
    box.append(
      element(
        "table",
        {className: "terms"},
        element(
          "thead",
          {},
          element(
            "tr",
            {},
            ...["read", "value", "weight", "product"].map(text => element("th", {scope: "col", textContent: text})),
          ),
        ),
        body,
      ),
    );
    return box;
  }
  function sums() {
    // the step's equations with the numbers of this unit
    const list = by("sums"),
      t = now.cursor,
      at = t - model.first,
      D = model.D,
      d = now.unit,
      layer = trace.layers[now.layer];
    const open = new Set([...list.querySelectorAll("details[open]")].map(each => each.dataset.part));
    const value = (part, when = at) =>
      when < 0 ? reader(now.moment).start.states[now.layer][part][d] : layer[part][when * D + d];
    by("step").textContent =
      `The arithmetic of this step: ${timeOf(t)}, ${seen(trace.values[t]) ? `value ${number(trace.values[t], 5)}${unit}` : "value missing"}`;
    list.replaceChildren();
    if (!seen(value("forget"))) {
      list.append(element("li", {textContent: "The series has not begun: nothing is read, and the memory is empty."}));
      return;
    }
    const weights = reader(now.moment).weights.layers[now.layer],
      K = 4 * D;
    const before = part =>
      at > 0
        ? trace.layers[now.layer][part].subarray((at - 1) * D, at * D)
        : reader(now.moment).start.states[now.layer][part];
    const channels = now.layer === 0 ? GateReading.scalerAt(trace, t).channels : below(at);
    const names =
      now.layer === 0
        ? told.channels.map(name => name.replaceAll("_", " "))
        : Array.from({length: D}, (_, u) => `unit ${u} of the layer below`);
    const item = (map, words, details) => {
      const key = element("i", {className: "key"}),
        math = element("span", {className: "math"}, key, ...plain(words));
      key.style.background = `var(--${map.colour})`;
      const means = element("span", {className: "means", textContent: map.told});
      if (!details) {
        list.append(element("li", {}, math, means));
        return;
      }
      const box = element("details", {open: open.has(map.part)}, element("summary", {}, math, means), details);
      box.dataset.part = map.part;
      list.append(element("li", {}, box));
    };
    const gate = (part, place, name, squash, words) => {
      const map = MAPS.find(each => each.part === part),
        column = place * D + d,
        old = before("h"),
        pin = now.held[now.layer][part][d];
      const rows = Array.from(channels, (x, c) => [names[c], x, weights.input_CK[c * K + column]]);
      const heard = Array.from(old, (x, u) => [`last output of unit ${u}`, x, weights.hidden_DK[u * K + column]]);
      const total = pairs => pairs.reduce((sum, [, x, w]) => sum + x * w, 0),
        bias = weights.bias_K[column];
      const z = total(rows) + total(heard) + bias,
        made = value(part);
      const biggest = [...rows, ...heard].sort((p, q) => Math.abs(q[1] * q[2]) - Math.abs(p[1] * p[2])).slice(0, 10);
      const rest = total(rows) + total(heard) - total(biggest);
      const box = element(
        "div",
        {},
        element("p", {className: "note", textContent: "The ten largest terms of the sum:"}),
        terms(biggest),
        element("p", {className: "note", textContent: `All others together ${fixed(rest)}; the bias ${fixed(bias)}.`}),
      );
      item(
        {...map, told: words(made)},
        seen(pin)
          ? [`${name} = `, strong(fixed(made)), ` (pinned; the network says ${fixed(squash[1](z))})`]
          : [
              `${name} = ${squash[0]}(${fixed(total(rows))} from what came in + ${fixed(total(heard))} from last outputs + ${fixed(bias)} bias) = ${squash[0]}(${fixed(z)}) = `,
              strong(fixed(made)),
            ],
        box,
      );
    };
    const sigma = ["σ", GateNetwork.sigmoid],
      tanh = ["tanh", Math.tanh],
      cBefore = value("c", at - 1);
    gate("forget", 1, "forget", sigma, f => `It keeps ${percent(f)} of its memory.`);
    gate("input", 0, "input", sigma, i => `It lets in ${percent(i)} …`);
    gate("candidate", 2, "candidate", tanh, g => `… of this: ${fixed(value("input") * g)} is written.`);
    item({...MAPS[3], told: "What it now remembers: what was kept, plus what was written."}, [
      `cell = forget × cell before + input × candidate = ${fixed(value("forget"))} × ${fixed(cBefore)} + ${fixed(value("input"))} × ${fixed(value("candidate"))} = `,
      strong(fixed(value("c"))),
    ]);
    gate("output", 3, "output", sigma, o => `It shows ${percent(o)}.`);
    const muted = now.held[now.layer].muted[d];
    item(
      {
        ...MAPS[5],
        told: muted
          ? "It is muted: nobody hears it."
          : "What it says, to the other units at the next step and to the forecast.",
      },
      muted
        ? ["h = ", strong("0"), " (muted)"]
        : [
            `h = output × tanh(cell) = ${fixed(value("output"))} × ${fixed(Math.tanh(value("c")))} = `,
            strong(fixed(value("h"))),
          ],
    );
    list.append(headItem(open));
    list.lastChild.classList.add("all");
  }
  function below(at) {
    // what the layer under the chosen one handed on
    const D = model.D,
      sum = new Float64Array(D);
    for (let place = 0; place < now.layer; place++)
      for (let d = 0; d < D; d++) sum[d] += trace.layers[place].h[at * D + d];
    return sum;
  }
  function headItem(open) {
    // how all units together make the forecast of the next step
    const t = now.cursor,
      D = model.D,
      at = (t - model.first) * D,
      {scaler} = GateReading.scalerAt(trace, t);
    const question = scaler.ask(
        1,
        model.known.map(x => x[t + 1]),
      ),
      did = GateNetwork.answer(reader(now.moment).weights.head, trace.head.subarray(at, at + D), question, 1, scaler.c);
    const named = [
      "the level",
      "the newest value",
      "the newest value of this phase",
      "… of the second season's phase",
      "the smoothed value",
      "what is usual for this phase",
      "… for the second season's",
      "the trend",
    ];
    const shares = did.shares
      .map((share, a) => [share, named[a], question.candidates[a]])
      .filter(([share]) => share >= 0.005)
      .sort((p, q) => q[0] - p[0]);
    const box = element(
      "details",
      {open: open.has("head")},
      element(
        "summary",
        {},
        element(
          "span",
          {className: "math"},
          ...plain([
            "next value = level + scale × (mixture + path + correction) = ",
            `${number(scaler.level, 5)} + ${number(scaler.scale, 4)} × (${fixed(did.mixture)} + ${fixed(did.path)} + ${fixed(did.correction)}) = `,
            strong(number(scaler.level + scaler.scale * did.said[middle()], 5)),
          ]),
        ),
        element("span", {
          className: "means",
          textContent: "The forecast of the next step, its median, from what all units said.",
        }),
      ),
      element("p", {
        className: "note",
        textContent: `The mixture: ${shares.map(([share, name, far]) => `${percent(share)} ${name} (${fixed(far)})`).join(", ")}. The numbers in brackets are in scales from the level.`,
      }),
    );
    box.dataset.part = "head";
    return element("li", {}, box);
  }

  // ------------------------------------------------------------------------------------------- words beside the drawings
  function say() {
    const t = now.cursor,
      M = middle(),
      from = origin(),
      next = fan[0],
      value = trace.values[t];
    const was = baseFan ? `, ${number(baseFan[0][M], 5)} before your changes` : "";
    const error =
      trace.error == null
        ? ""
        : ` One step ahead its median is off by ${number(trace.error, 3)} on average over the steps shown${touched() && base.trace.error != null ? ` (${number(base.trace.error, 3)} before your changes)` : ""}.`;
    by("said").textContent =
      `At ${timeOf(t)}: ${seen(value) ? number(value, 5) + unit : "missing"}${value !== model.values[t] && seen(model.values[t]) ? ` (truly ${number(model.values[t], 5)})` : ""}. ` +
      `Forecast of the step after ${from === last() ? "the end" : timeOf(from)}: ${number(next[M], 5)}${unit}, 90 % between ${number(next[1], 5)} and ${number(next.at(-2), 5)}${was}.${error}`;
    by("series").setAttribute("aria-valuenow", t - model.first);
    by("series").setAttribute("aria-valuetext", `${timeOf(t)}: ${seen(value) ? number(value, 5) : "missing"}`);
    const ring = by("handle"),
      [low, high] = model.range;
    ring.setAttribute("aria-valuemin", low);
    ring.setAttribute("aria-valuemax", high);
    ring.setAttribute("aria-valuenow", seen(value) ? value : low);
    ring.setAttribute("aria-valuetext", seen(value) ? number(value, 5) : "missing");
    by("undo").disabled = !touched();
  }
  function pressed(buttons, chosen) {
    for (const button of buttons) button.setAttribute("aria-pressed", String(button.dataset.value === chosen));
  }
  function pinned(gate, units) {
    // how a gate is held for these units: free, shut, open, or in different ways
    const kinds = new Set(
      units.map(d => {
        const pin = now.held[now.layer][gate][d];
        return !seen(pin) ? "free" : pin === 0 ? "shut" : "open";
      }),
    );
    return kinds.size === 1 ? [...kinds][0] : "";
  }
  function showHeld() {
    const all = Array.from({length: model.D}, (_, d) => d);
    for (const map of MAPS) if (map.set) pressed(map.set.children, pinned(map.part, all));
    for (const set of by("pins").querySelectorAll(".set[data-gate]"))
      pressed(set.children, pinned(set.dataset.gate, [now.unit]));
    const mute = by("pins").querySelector("[data-mute]");
    mute.setAttribute("aria-pressed", String(Boolean(now.held[now.layer].muted[now.unit])));
    pressed(root.querySelectorAll("[data-from]"), now.from);
    for (const button of root.querySelectorAll("[data-from]"))
      button.setAttribute("aria-pressed", String(button.dataset.from === now.from));
    for (const button of root.querySelectorAll("[data-reads]"))
      button.setAttribute("aria-pressed", String((button.dataset.reads === "own") === seen(now.own)));
  }
  function aboutUnit() {
    const units = told.units[now.layer],
      d = now.unit,
      what = units.strongest[d];
    by("unit-title").textContent =
      `Unit ${d}${model.checkpoints[0].layers.length > 1 ? ` of layer ${now.layer + 1}` : ""}`;
    const measured = Object.keys(FOLLOWS)
      .filter(name => units[name][d] !== null)
      .map(name => `${FOLLOWS[name]} ${fixed(units[name][d], 2)}`);
    by("unit-about").textContent =
      `It ${halfLife(units.half_life[d])}${what ? ` and follows ${FOLLOWS[what]} most` : ", and follows none of level, slope, season and shocks clearly"}${measured.length ? ` (correlation with ${measured.join(", ")})` : ""}. Measured on the kept weights and the true values.`;
    by("unit").value = String(d);
  }
  function redraw() {
    drawSeries();
    for (const map of MAPS) drawMap(map);
    drawLines();
  }
  function point() {
    redraw();
    sums();
    say();
    showHeld();
  } // at another step or unit
  function draw() {
    for (const map of MAPS) picture(map);
    point();
  }

  // ------------------------------------------------------------------------------------------- acting on it
  function look(a, b) {
    // which steps are in view; a little of the future belongs to it
    const first = model.first,
      end = model.values.length + model.horizon,
      span = Math.max(12, Math.min(Math.round(b - a), end - first));
    view.a = Math.max(first, Math.min(Math.round(a), end - span));
    view.b = view.a + span;
  }
  function setCursor(t) {
    now.cursor = Math.max(model.first, Math.min(last(), t));
    const span = view.b - view.a;
    if (now.cursor < view.a || now.cursor >= view.b) look(now.cursor - span / 2, now.cursor + span / 2);
    later(now.from === "cursor" ? ask : point);
  }
  function setValue(value) {
    if (!seen(value) || now.cursor > now.own) return;
    now.values[now.cursor] = value;
    later(compute);
  }
  function choose(unit) {
    now.unit = unit;
    aboutUnit();
    later(point);
  }
  function hold(gate, units, how) {
    for (const d of units) now.held[now.layer][gate][d] = how === "free" ? NaN : how === "shut" ? 0 : 1;
    later(compute);
  }
  function order() {
    const units = told.units[now.layer],
      numbers = Array.from({length: model.D}, (_, d) => d),
      key = now.order;
    const size = d => {
      const value = units[key][d];
      return value === null ? (key === "half_life" ? Infinity : 0) : value;
    };
    const sorted = key === "number" ? numbers : numbers.sort((p, q) => size(q) - size(p) || p - q);
    for (const map of MAPS) map.order = sorted;
    by("order").textContent = ORDERS[key][1];
  }
  function buttons(options, act) {
    const set = element("div", {className: "set"});
    set.setAttribute("role", "group");
    for (const [value, text] of options) {
      const button = element("button", {type: "button", textContent: text});
      button.dataset.value = value;
      button.setAttribute("aria-pressed", "false");
      button.addEventListener("click", () => act(value));
      set.append(button);
    }
    return set;
  }
  const HOLDS = [
    ["free", "free"],
    ["shut", "shut"],
    ["open", "open"],
  ];

  function pointing(canvas, moved) {
    // press and drag moves the cursor; a mouse above shows where it is
    const where = event => {
      const box = canvas.getBoundingClientRect();
      return {t: stepAt(event.clientX - box.left, box.width), y: (event.clientY - box.top) / box.height};
    };
    let dragging = false;
    canvas.addEventListener("pointerdown", event => {
      dragging = true;
      canvas.setPointerCapture(event.pointerId);
      setCursor(where(event).t);
      moved(where(event), true);
    });
    canvas.addEventListener("pointermove", event => {
      const at = where(event);
      if (dragging) setCursor(at.t);
      else {
        now.under = Math.max(model.first, Math.min(last(), at.t));
        later(redraw);
      }
      moved(at, false);
    });
    for (const end of ["pointerup", "pointercancel"])
      canvas.addEventListener(end, () => {
        dragging = false;
      });
    canvas.addEventListener("pointerleave", () => {
      now.under = undefined;
      by("under").textContent = "";
      later(redraw);
    });
  }
  function makeMaps() {
    const tall = Math.max(72, Math.min(176, model.D * 2.75));
    for (const map of MAPS) {
      map.canvas = element("canvas");
      map.canvas.style.height = `${tall}px`;
      map.canvas.setAttribute("role", "img");
      map.canvas.setAttribute(
        "aria-label",
        `${map.title}, ${map.means}: one row for each unit, one column for each step; the list of units and the arithmetic below tell the same in numbers`,
      );
      map.pixels = document.createElement("canvas");
      [map.left, map.legend, map.rightEnd] = [
        element("span", {textContent: map.ends ? map.ends[0] : ""}),
        element("i"),
        element("span", {textContent: map.ends ? map.ends[1] : ""}),
      ];
      const top = element(
        "div",
        {className: "top"},
        element("h3", {textContent: map.title}),
        element("p", {textContent: map.means}),
        element("span", {className: "legend"}, map.left, map.legend, map.rightEnd),
      );
      if (GATES.includes(map.part)) {
        map.set = buttons(HOLDS, how =>
          hold(
            map.part,
            Array.from({length: model.D}, (_, d) => d),
            how,
          ),
        );
        map.set.setAttribute("aria-label", `${map.title} of all units`);
        top.append(map.set);
      }
      by("maps").append(element("div", {className: "map"}, top, map.canvas));
      const unitAt = y => map.order[Math.max(0, Math.min(model.D - 1, Math.floor(y * model.D)))];
      pointing(map.canvas, ({t, y}, press) => {
        const d = unitAt(y),
          at = Math.max(model.first, Math.min(last(), t));
        if (press) choose(d);
        by("under").textContent =
          `Under the pointer: unit ${d}, ${timeOf(at)}: ${map.title.toLowerCase()} ${fixed(trace.layers[now.layer][map.part][(at - model.first) * model.D + d])}`;
      });
    }
    by("keys").append(
      ...MAPS.filter(map => GATES.includes(map.part))
        .concat(MAPS.filter(map => !GATES.includes(map.part)))
        .map(map => {
          const dash = element("i", {className: map.part === "candidate" ? "dashed" : ""});
          dash.style.borderColor = `var(--${map.colour})`;
          return element("span", {}, dash, map.title.replace("Output h", "h"));
        }),
    );
  }
  function makePins() {
    for (const map of MAPS)
      if (GATES.includes(map.part)) {
        const set = buttons(HOLDS, how => hold(map.part, [now.unit], how));
        set.dataset.gate = map.part;
        set.setAttribute("aria-label", `${map.title} of this unit`);
        by("pins").append(element("div", {className: "field"}, element("span", {textContent: map.title}), set));
      }
    const mute = element("button", {type: "button", className: "plain", textContent: "Mute this unit"});
    mute.dataset.mute = "";
    mute.addEventListener("click", () => {
      now.held[now.layer].muted[now.unit] ^= 1;
      later(compute);
    });
    by("pins").append(element("div", {className: "set"}, mute));
  }
  function fill(select, rows) {
    select.replaceChildren(...rows.map(([value, text]) => element("option", {value, textContent: text})));
  }
  function unitsOf(layer) {
    fill(
      by("unit"),
      Array.from({length: model.D}, (_, d) => [d, `${d}: ${halfLife(told.units[layer].half_life[d])}`]),
    );
  }

  function listen() {
    const series = by("series"),
      handle = by("handle"),
      plot = series.parentElement;
    pointing(series, () => {});
    const keys = {ArrowLeft: -1, ArrowRight: 1, PageUp: -10, PageDown: 10, Home: -Infinity, End: Infinity};
    series.addEventListener("keydown", event => {
      if (!(event.key in keys)) return;
      event.preventDefault();
      setCursor(
        event.key === "Home"
          ? model.first
          : event.key === "End"
            ? last()
            : now.cursor + keys[event.key] * (event.shiftKey ? 10 : 1),
      );
    });
    let drag = null;
    handle.addEventListener("pointerdown", event => {
      event.preventDefault();
      handle.focus({preventScroll: true});
      handle.setPointerCapture(event.pointerId);
      drag = {...view};
    });
    handle.addEventListener("pointermove", event => {
      if (!drag) return;
      const at = event.clientY - plot.getBoundingClientRect().top;
      setValue(drag.low + ((drag.bottom - at) / (drag.bottom - 6)) * (drag.high - drag.low));
    });
    for (const end of ["pointerup", "pointercancel"])
      handle.addEventListener(end, () => {
        drag = null;
      });
    handle.addEventListener("keydown", event => {
      const step = {ArrowUp: 1, ArrowDown: -1, PageUp: 10, PageDown: -10}[event.key],
        [low, high] = model.range;
      if (event.key === "ArrowLeft" || event.key === "ArrowRight") {
        event.preventDefault();
        setCursor(now.cursor + keys[event.key]);
      }
      if (!step) return;
      event.preventDefault();
      const value = now.values[now.cursor];
      setValue((seen(value) ? value : (low + high) / 2) + (step * (high - low)) / 100);
    });
    for (const button of root.querySelectorAll("[data-move]"))
      button.addEventListener("click", () => {
        const span = view.b - view.a,
          kind = button.dataset.move,
          centre = kind === "closer" ? Math.max(view.a, Math.min(view.b, now.cursor)) : (view.a + view.b) / 2;
        if (kind === "earlier") look(view.a - span / 2, view.b - span / 2);
        if (kind === "later") look(view.a + span / 2, view.b + span / 2);
        if (kind === "closer") look(centre - span / 4, centre + span / 4);
        if (kind === "wider") look(centre - span, centre + span);
        if (kind === "all") look(model.first, Infinity);
        later(redraw);
      });
    for (const button of root.querySelectorAll("[data-from]"))
      button.addEventListener("click", () => {
        now.from = button.dataset.from;
        later(ask);
      });
    for (const button of root.querySelectorAll("[data-reads]"))
      button.addEventListener("click", () => {
        now.own = button.dataset.reads === "own" ? now.cursor : Infinity;
        later(compute);
      });
    by("moment").addEventListener("input", event => {
      now.moment = Number(event.target.value);
      moment();
      later(compute);
    });
    by("sort").addEventListener("change", event => {
      now.order = event.target.value;
      order();
      later(draw);
    });
    by("colours").addEventListener("change", event => {
      now.colours = event.target.value;
      later(draw);
    });
    by("unit").addEventListener("change", event => choose(Number(event.target.value)));
    by("layer").addEventListener("change", event => {
      now.layer = Number(event.target.value);
      now.unit = 0;
      unitsOf(now.layer);
      order();
      choose(MAPS[0].order[0]);
      later(draw);
    });
    by("undo").addEventListener("click", undo);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => later(draw));
    new ResizeObserver(() => later(redraw)).observe(series);
  }
  function undo() {
    Object.assign(now, {held: free(), values: model.values.slice(), own: Infinity});
    later(compute);
  }
  function moment() {
    const {label} = model.checkpoints[now.moment];
    by("moment-name").textContent = label;
    by("moment").setAttribute("aria-valuetext", label);
  }
  function notes() {
    const steps = model.values.length - model.first,
      lines = [
        `The newest ${steps.toLocaleString("en")} steps are shown${model.first ? `; the state has run in over the ${model.first.toLocaleString("en")} before them` : ", from the first one on"}${told.skipped ? `, and the ${told.skipped.toLocaleString("en")} earliest are not read` : ""}.`,
        `Scaling, cell, head and quantiles are computed in this page in double precision from ${Object.values(
          told.shapes,
        )
          .map(shape => shape.reduce((a, b) => a * b))
          .reduce((a, b) => a + b)
          .toLocaleString("en")} weights; nothing is fetched and no result is stored in it.`,
        `The forecast reaches ${model.horizon} steps, as far as the head was trained. The bands hold 90, 80 and 40 %, as the network says them and as its validation widened them; in the scores of a run they also follow what came of earlier forecasts.`,
        "A pinned gate or a muted unit is held from the first step shown on. Units are sorted by what was measured on the kept weights and the true values: correlations of the cell state over the steps shown; for shocks, of the size of its change.",
      ];
    if (model.past.length + model.known.length + model.static.length)
      lines.push(
        `The network also reads ${told.channels.length - 19} numbers from columns beside the series; they take part, and stay as they are. Where the network reads its own output, columns known only up to now are missing; beyond the end of the data, so are those known in advance.`,
      );
    by("notes").replaceChildren(...lines.map(text => element("li", {textContent: text})));
  }
  function begin() {
    // once the tab is open: canvases need their width
    if (model) return;
    model = GateReading.unpack(told);
    const values = Array.from(model.values.slice(model.first)).filter(seen);
    model.range = values.length ? [Math.min(...values), Math.max(...values)] : [0, 1];
    if (!(model.range[1] > model.range[0])) model.range = [model.range[0] - 1, model.range[0] + 1];
    Object.assign(now, {
      moment: model.checkpoints.length - 1,
      held: free(),
      values: model.values.slice(),
      cursor: last(),
    });
    for (const place of root.querySelectorAll("[data-told=name]")) place.textContent = told.name;
    for (const place of root.querySelectorAll("[data-told=series]"))
      place.textContent = told.series
        ? `the series ${told.series}`
        : told.target
          ? `the series ${told.target}`
          : "the series";
    makeMaps();
    makePins();
    by("moment").max = model.checkpoints.length - 1;
    by("moment").value = now.moment;
    by("moment").parentElement.hidden = model.checkpoints.length === 1;
    fill(
      by("layer"),
      model.checkpoints[0].layers.map((_, place) => [place, `${place + 1} of ${model.checkpoints[0].layers.length}`]),
    );
    by("layers").hidden = model.checkpoints[0].layers.length === 1;
    fill(
      by("sort"),
      Object.entries(ORDERS)
        .filter(([name]) => name === "number" || told.units[0][name].some(x => x !== null))
        .map(([name, words]) => [name, words[0]]),
    );
    by("series").setAttribute("aria-valuemax", last() - model.first);
    unitsOf(0);
    order();
    now.unit = MAPS[0].order[0];
    const narrow = by("series").clientWidth < 520;
    look(model.values.length - (narrow ? 90 : 240), model.values.length + Math.min(model.horizon, narrow ? 30 : 60));
    setCursor(last() - Math.min(Math.floor((view.b - view.a) / 4), steps() - 1));
    moment();
    aboutUnit();
    notes();
    listen();
    compute();
    root.dataset.drawn = "true";
    window.gatecastInside = {model, now, reader, compute, trace: () => trace, fan: () => fan, readers};
  }
  const steps = () => model.values.length - model.first;

  const tabs = [...document.querySelectorAll("[role=tab]")];
  function show(tab, focus) {
    for (const each of tabs) {
      const chosen = each === tab;
      each.setAttribute("aria-selected", String(chosen));
      each.tabIndex = chosen ? 0 : -1;
      document.getElementById(each.getAttribute("aria-controls")).hidden = !chosen;
    }
    if (focus) tab.focus();
    if (tab.id === "tab-inside") begin();
    dispatchEvent(new Event("resize"));
  }
  for (const [place, tab] of tabs.entries()) {
    tab.addEventListener("click", () => {
      show(tab);
      history.replaceState(null, "", tab.id === "tab-inside" ? "#inside" : "#");
    });
    tab.addEventListener("keydown", event => {
      if (event.key === "ArrowLeft" || event.key === "ArrowRight") show(tabs[1 - place], true);
    });
  }
  const named = () => {
    const inside = document.getElementById("tab-inside");
    if (inside && location.hash === "#inside") show(inside);
  };
  addEventListener("hashchange", named);
  if (tabs.length) named();
  else begin();
})();
