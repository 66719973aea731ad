// Draws the tab Inside on its canvases: the series with its forecasts, the heat maps, and the lines of one unit.
"use strict";
const InsideDrawing = (() => {
  const {seen, minus, number, by, colour, rgb, MAPS, GATES} = InsideWords;
  const {now, page, view, middle, origin, touched} = InsideState;
  const RIGHT = 8, LEAST_GUTTER = 46;
  const COLOURS = {lstm: "LSTM", rnn: "AutoETS"};  // of a network's forecast
  view.gutter = LEAST_GUTTER;

  const x = (t, width) => view.gutter + ((t - view.a + 0.5) / (view.b - view.a)) * (width - view.gutter - RIGHT);
  const stepAt = (px, width) =>
    Math.floor(view.a + ((px - view.gutter) / (width - view.gutter - RIGHT)) * (view.b - view.a));
  const inView = margin => {
    const {model} = page, from = Math.max(view.a - margin, model.first), to = Math.min(view.b + margin, model.values.length);
    return Array.from({length: Math.max(0, to - from)}, (_, place) => from + place);
  };

  function surface(canvas) {  // a clean canvas in CSS pixels
    const width = canvas.clientWidth, height = canvas.clientHeight, sharp = Math.min(3, devicePixelRatio || 1);
    const size = [Math.round(width * sharp), Math.round(height * sharp)];
    if (canvas.width !== size[0] || canvas.height !== size[1]) [canvas.width, canvas.height] = size;
    const pen = canvas.getContext("2d");
    pen.setTransform(sharp, 0, 0, sharp, 0, 0);
    pen.clearRect(0, 0, width, height);
    pen.font = "12px system-ui, -apple-system, 'Segoe UI', Roboto, 'Liberation Sans', Arial, sans-serif";
    return {pen, width, height};
  }
  function ticks(low, high, most) {
    const rough = (high - low) / most, power = 10 ** Math.floor(Math.log10(rough)), made = [];
    const step = [1, 2, 5, 10].map(each => each * power).find(each => each >= rough);
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
      if (!seen(py)) { on = false; continue; }
      if (on) pen.lineTo(px, py);
      else pen.moveTo(px, py);
      on = true;
    }
    pen.stroke();
    pen.setLineDash([]);
  }
  const upright = (pen, at, height, style, dash) => line(pen, [[at, 0], [at, height]], style, 1, dash);
  const level = (pen, y, width, style) => line(pen, [[view.gutter, y], [width - RIGHT, y]], style, 1);
  function cursorLine(pen, height, width) {
    const at = x(now.cursor, width);
    if (at >= view.gutter && at <= width - RIGHT) upright(pen, at, height, colour("ink"));
    if (now.under !== undefined && now.under !== now.cursor)
      upright(pen, x(now.under, width), height, colour("axis"), [3, 3]);
  }
  function beside(pen, marks, y, width, text) {  // lines across, with their values at the left
    pen.textAlign = "right";
    pen.textBaseline = "middle";
    pen.fillStyle = colour("muted");
    for (const at of marks) {
      level(pen, y(at), width, colour("grid"));
      pen.fillText(text(at), view.gutter - 6, y(at));
    }
  }
  function timeTicks(pen, width, y) {
    const {model} = page, room = Math.max(2, Math.floor((width - view.gutter) / 110));
    const apart = Math.max(1, Math.ceil((view.b - view.a) / room));
    pen.fillStyle = colour("muted");
    pen.textBaseline = "top";
    pen.textAlign = "center";
    for (let t = Math.ceil(view.a / apart) * apart; t < view.b; t += apart) {
      const text = t < model.values.length ? model.times[t - model.first] : `+${t - model.values.length + 1}`;
      const half = pen.measureText(text).width / 2, at = x(t, width);
      if (at - half <= view.gutter - 20 || at + half >= width) continue;
      pen.fillText(text, at, y + 6);
      line(pen, [[at, y], [at, y + 4]], colour("axis"), 1);
    }
  }

  // ------------------------------------------------------------------------------------------- the series
  const inShort = at => (Math.abs(at) >= 1e5 ? minus(at.toExponential(1)) : minus(String(Number(at.toPrecision(6)))));
  function range() {  // of what is in view
    const {model, trace, fan} = page, M = middle(), from = origin(), shown = [];
    const within = (t, value) => { if (t >= view.a && t < view.b && seen(value)) shown.push(value); };
    for (const t of inView(0)) { within(t, trace.values[t]); within(t, model.values[t]); }
    fan.forEach((row, k) => { within(from + 1 + k, row[1]); within(from + 1 + k, row.at(-2)); });
    for (const more of [page.baseFan, page.otherFan]) (more || []).forEach((row, k) => within(from + 1 + k, row[M]));
    let [low, high] = shown.length ? [Math.min(...shown), Math.max(...shown)] : [0, 1];
    if (!(high > low)) [low, high] = [low - (Math.abs(low) || 1) * 0.1, high + (Math.abs(high) || 1) * 0.1];
    const room = 0.06 * (high - low);
    return [low - room, high + room];
  }
  function bands(pen, width, y) {  // 90, 80 and 40 %
    const {trace, fan} = page, from = origin(), start = [x(from, width), y(trace.values[from])];
    for (const [outer, alpha] of [[1, 0.16], [2, 0.2], [4, 0.26]]) {
      pen.beginPath();
      pen.fillStyle = colour(COLOURS[page.model.cell]);
      pen.globalAlpha = alpha;
      if (seen(start[1])) pen.moveTo(...start);
      fan.forEach((row, k) => pen.lineTo(x(from + 1 + k, width), y(row[outer])));
      for (let k = fan.length - 1; k >= 0; k--) pen.lineTo(x(from + 1 + k, width), y(fan[k].at(-1 - outer)));
      pen.fill();
    }
    pen.globalAlpha = 1;
  }
  function dots(pen, steps, width, y) {
    const {trace, model} = page;
    for (const t of steps) {
      if (!seen(trace.values[t])) continue;
      pen.beginPath();
      pen.fillStyle = colour(trace.values[t] === model.values[t] ? "ink" : "LastValue");
      pen.arc(x(t, width), y(trace.values[t]), 2.2, 0, 7);
      pen.fill();
    }
  }
  function drawSeries() {
    const {pen, width, height} = surface(by("series")), bottom = height - 24, M = middle(), from = origin();
    const {trace, model} = page, [low, high] = range(), marks = ticks(low, high, 4);
    view.gutter = Math.max(LEAST_GUTTER, ...marks.map(at => Math.ceil(pen.measureText(inShort(at)).width) + 12));
    const y = value => bottom - ((value - low) / (high - low)) * (bottom - 6);
    Object.assign(view, {low, high, y, bottom});
    beside(pen, marks, y, width, inShort);
    timeTicks(pen, width, bottom);
    pen.save();
    pen.beginPath();
    pen.rect(view.gutter, 0, width - view.gutter - RIGHT, bottom);
    pen.clip();
    if (seen(now.own)) {
      pen.fillStyle = colour("soft");
      pen.fillRect(x(now.own + 0.5, width), 0, width, bottom);
    }
    bands(pen, width, y);
    const steps = inView(1), along = values => steps.map(t => [x(t, width), y(values[t])]);
    const median = fan => fan.map((row, k) => [x(from + 1 + k, width), y(row[M])]);
    if (touched()) line(pen, along(model.values), colour("muted"), 1.5, [2, 3]);
    line(pen, along(trace.values), colour("ink"), 1.7);
    if (view.b - view.a < 160) dots(pen, steps, width, y);
    if (page.baseFan) line(pen, median(page.baseFan), colour("muted"), 2, [5, 4]);
    if (page.otherFan) line(pen, median(page.otherFan), colour(COLOURS[page.other.reader.model.cell]), 2, [9, 3]);
    line(pen, median(page.fan), colour(COLOURS[model.cell]), 2.4);
    cursorLine(pen, bottom, width);
    pen.restore();
    const ring = by("handle"), at = x(now.cursor, width), value = trace.values[now.cursor];
    const there = at >= view.gutter && at <= width - RIGHT && now.cursor <= now.own;
    ring.style.display = there ? "block" : "none";
    ring.style.left = `${at}px`;
    ring.style.top = `${seen(value) ? y(value) : bottom - 8}px`;
  }

  // ------------------------------------------------------------------------------------------- the heat maps
  function shades(map, around) {  // 256 colours from one end to the other
    const paper = rgb("soft"), blue = rgb("LSTM"), orange = rgb("LastValue"), own = rgb(map.colour);
    const mix = (a, b, share) => a.map((value, place) => value + (b[place] - value) * share);
    const made = new Uint8ClampedArray(256 * 3);
    for (let at = 0; at < 256; at++) {
      const share = at / 255, side = 2 * share - 1;
      made.set(around ? mix(paper, side < 0 ? orange : blue, Math.abs(side) ** 0.8) : mix(paper, own, share), 3 * at);
    }
    return made;
  }
  function means(table, D) {  // of each unit over the steps shown
    const made = new Float64Array(D);
    for (let d = 0; d < D; d++) {
      let sum = 0, count = 0;
      for (let at = d; at < table.length; at += D) if (seen(table[at])) { sum += table[at]; count += 1; }
      made[d] = count ? sum / count : 0;
    }
    return made;
  }
  function picture(map) {  // the heat map of all shown steps, one pixel for a step of a unit
    const table = page.trace.layers[now.layer][map.part], D = page.model.D, steps = table.length / D;
    const away = now.colours === "away", from = away ? means(table, D) : new Float64Array(D);
    let high = 1;
    if (away || map.part === "c") {
      high = 0;
      for (let at = 0; at < table.length; at++)
        if (Math.abs(table[at] - from[at % D]) > high) high = Math.abs(table[at] - from[at % D]);
      high = high || 1;
    }
    const around = away || map.around, low = around ? -high : 0, colours = shades(map, around), paper = rgb("paper");
    [map.pixels.width, map.pixels.height] = [steps, D];
    const context = map.pixels.getContext("2d"), image = context.createImageData(steps, D), data = image.data;
    map.order.forEach((unit, row) => {
      for (let at = 0; at < steps; at++) {
        const value = table[at * D + unit] - from[unit], place = 4 * (row * steps + at), missing = value !== value;
        const shade = 3 * Math.max(0, Math.min(255, Math.round(((value - low) / (high - low)) * 255)));
        for (let part = 0; part < 3; part++) data[place + part] = missing ? paper[part] : colours[shade + part];
        data[place + 3] = 255;
      }
    });
    context.putImageData(image, 0, 0);
    const css = at => `rgb(${[0, 1, 2].map(part => colours[3 * at + part]).join(" ")})`;
    map.legend.style.background = `linear-gradient(90deg, ${[0, 64, 128, 191, 255].map(css).join(", ")})`;
    [map.left.textContent, map.rightEnd.textContent] = away
      ? [`${number(-high, 2)} below`, `${number(high, 2)} above its mean`]
      : map.ends || [number(-high, 2), number(high, 2)];
  }
  function drawMap(map) {
    const {pen, width, height} = surface(map.canvas), {model} = page, steps = model.values.length, D = model.D;
    pen.imageSmoothingEnabled = false;
    const a = Math.max(view.a, model.first), b = Math.min(view.b, steps), left = x(a - 0.5, width);
    if (b > a) pen.drawImage(map.pixels, a - model.first, 0, b - a, D, left, 0, x(b - 0.5, width) - left, height);
    if (view.b > steps) {
      pen.fillStyle = colour("soft");
      pen.fillRect(x(Math.max(steps, view.a) - 0.5, width), 0, width, height);
      pen.clearRect(width - RIGHT, 0, RIGHT, height);
    }
    const row = map.order.indexOf(now.unit), high = height / D;
    pen.strokeStyle = colour("ink");
    pen.lineWidth = 1.2;
    pen.strokeRect(view.gutter, row * high - 0.5, width - view.gutter - RIGHT, high + 1);
    pen.fillStyle = colour("ink");
    pen.textAlign = "right";
    pen.textBaseline = "middle";
    pen.fillText(`unit ${now.unit}`, view.gutter - 4, Math.max(7, Math.min(height - 7, (row + 0.5) * high)));
    cursorLine(pen, height, width);
  }

  // ------------------------------------------------------------------------------------------- the lines of one unit
  const STYLES = {candidate: [[1, 3], 1.6], h: [[], 1.6], c: [[], 2.4]};
  function drawLines() {
    const {pen, width, height} = surface(by("lines")), {model, trace} = page, D = model.D, bottom = height - 24, gap = 14;
    const gated = model.cell === "lstm", half = gated ? (bottom - gap) / 2 : bottom;
    const layer = trace.layers[now.layer], maps = MAPS[model.cell], steps = inView(0);
    const points = (part, y) => steps.map(t => [x(t, width), y(layer[part][(t - model.first) * D + now.unit])]);
    const axis = (low, high, top, marks) => {
      const y = value => top + half - 8 - ((value - low) / (high - low)) * (half - 16);
      beside(pen, marks, y, width, at => number(at, 2));
      return y;
    };
    if (gated) {
      const y = axis(0, 1, 0, [0, 0.5, 1]);
      for (const map of maps) if (GATES.includes(map.part)) line(pen, points(map.part, y), colour(map.colour), 1.8);
    }
    let most = 1;
    if (gated) for (const t of steps) most = Math.max(most, Math.abs(layer.c[(t - model.first) * D + now.unit]) || 0);
    const y = axis(-most, most, gated ? half + gap : 0, [-most, 0, most]);
    for (const [part, [dash, thick]] of Object.entries(STYLES))
      if (part in layer) line(pen, points(part, y), colour(maps.find(map => map.part === part).colour), thick, dash);
    timeTicks(pen, width, bottom);
    cursorLine(pen, bottom, width);
  }

  return {COLOURS, stepAt, drawSeries, picture, drawMap, drawLines};
})();
