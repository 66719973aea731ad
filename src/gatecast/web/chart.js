// One chart: lines and bands over shared steps, as SVG by hand.  It is as wide as the page allows, takes its colours from
// the page's styles, and is read by pointer, finger, keyboard and as a table.

const SVG = "http://www.w3.org/2000/svg";

export function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value === false || value == null) continue;
    if (key in made && typeof value !== "string") made[key] = value;
    else made.setAttribute(key, value === true ? "" : value);
  }
  made.append(...children);
  return made;
}

function drawn(name, attributes, ...children) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

export function number(value, digits = 4) {
  if (value == null || !Number.isFinite(value)) return "–";
  const size = Math.abs(value);
  if (size && (size < 1e-4 || size >= 1e9)) return value.toExponential(2);
  return value.toLocaleString("en", {maximumSignificantDigits: Math.max(digits, Math.ceil(Math.log10(size + 1)))});
}

// Round numbers that cover a range, about `count` of them.
function ticks(low, high, count) {
  const rough = (high - low) / Math.max(1, count), power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 2.5, 5, 10].map(factor => factor * power).find(size => size >= rough * .999) || rough;
  const found = [];
  for (let at = Math.ceil(low / step); at * step <= high + step * 1e-9; at++) found.push(at * step);
  return found;
}

// Powers of ten within a range, at most about `count` of them.
function powers(low, high, count) {
  const first = Math.ceil(Math.log10(low)), last = Math.floor(Math.log10(high)), found = [];
  const apart = Math.max(1, Math.ceil((last - first + 1) / count));
  for (let power = first; power <= last; power += apart) found.push(10 ** power);
  return found;
}

// Pieces of a path: it is lifted where a value is missing, and where a forecast begins anew.
function path(values, x, y, begins) {
  let text = "", down = false;
  values.forEach((value, at) => {
    if (value == null || !Number.isFinite(value)) { down = false; return; }
    if (begins && begins.has(at)) down = false;
    text += `${down ? "L" : "M"}${x(at).toFixed(1)} ${y(value).toFixed(1)}`;
    down = true;
  });
  return text;
}

function area(low, high, x, y, begins) {
  let text = "", run = [];
  const close = () => {
    if (run.length === 1) run.push(run[0]);
    if (run.length) text += "M" + run.map(at => `${x(at).toFixed(1)} ${y(high[at]).toFixed(1)}`).join("L") + "L" +
      run.reverse().map(at => `${x(at).toFixed(1)} ${y(low[at]).toFixed(1)}`).join("L") + "Z";
    run = [];
  };
  low.forEach((value, at) => {
    if (begins && begins.has(at)) close();
    if (value == null || high[at] == null) close(); else run.push(at);
  });
  close();
  return text;
}

/* Draw into a figure.  A chart is
     title, summary    words
     steps             what stands below, one for each place
     lines             {name, values, colour, dash, width, always}: a switch for each that is not always there
     bands             {of, name, low, high}: belongs to a line and is shown with it
     begins            places at which forecasts begin anew
     mark              {at, words}: a line upwards, such as the last value known
     logarithmic       whether what is drawn, all of it above 0, differs by orders of magnitude */
export function chart(figure, spec) {
  const hidden = figure.hiddenLines || (figure.hiddenLines = new Set());
  const keys = element("ul", {class: "keys"}), place = element("div"), begins = new Set(spec.begins || []);
  const readout = element("p", {class: "readout"});
  const numbers = element("details", {}, element("summary", {}, "As a table"));
  const caption = element("figcaption", {}, spec.title);
  const read = document.activeElement === figure.querySelector("svg[role=img]");
  let at = null, svg = null, width = 0;

  const shown = () => spec.lines.filter(line => line.always || !hidden.has(line.name));
  for (const line of spec.lines) {
    const sample = drawn("svg", {viewBox: "0 0 28 10", "aria-hidden": "true"}, drawn("line", {
      x1: 0, x2: 28, y1: 5, y2: 5, stroke: `var(--${line.colour})`, "stroke-width": 2.5, "stroke-dasharray": line.dash || ""}));
    let key = element("span", {}, sample, line.name);
    if (!line.always) {
      key = element("button", {type: "button", "aria-pressed": String(!hidden.has(line.name))}, sample, line.name);
      key.addEventListener("click", () => {
        if (!hidden.delete(line.name)) hidden.add(line.name);
        key.setAttribute("aria-pressed", String(!hidden.has(line.name)));
        draw();
      });
    }
    keys.append(element("li", {}, key));
  }

  function draw() {
    width = place.clientWidth || 320;
    const height = spec.height || (width < 520 ? 240 : 320), top = 10, bottom = 30;
    const lines = shown(), names = new Set(lines.map(line => line.name));
    const bands = (spec.bands || []).filter(band => names.has(band.of));
    let low = Infinity, high = -Infinity;
    for (const values of [...lines.map(line => line.values), ...bands.flatMap(band => [band.low, band.high])]) {
      for (const value of values) if (value != null && Number.isFinite(value)) { low = Math.min(low, value); high = Math.max(high, value); }
    }
    if (!(low <= high)) { low = 0; high = 1; }
    const bent = Boolean(spec.logarithmic) && low > 0, size = bent ? Math.log10 : value => value;
    if (bent) { low = 10 ** (Math.log10(low) - .1); high = 10 ** (Math.log10(high) + .1); }
    const room = (high - low) * .04 || Math.abs(high) * .1 || 1;
    if (!bent) { low -= room; high += room; }
    const marks = bent ? powers(low, high, height / 40) : ticks(low, high, height / 60), texts = marks.map(value => number(Math.abs(value) < (high - low) * 1e-9 ? 0 : value));
    const left = 12 + 7.2 * Math.max(2, ...texts.map(text => text.length)), right = 12;
    const count = spec.steps.length;
    const x = place_ => left + (count > 1 ? place_ / (count - 1) : .5) * (width - left - right);
    const y = value => top + (size(high) - size(value)) / (size(high) - size(low)) * (height - top - bottom);
    const parts = [];
    marks.forEach((value, index) => parts.push(
      drawn("line", {x1: left, x2: width - right, y1: y(value), y2: y(value), stroke: "var(--grid)"}),
      drawn("text", {x: left - 8, y: y(value) + 4, "text-anchor": "end", fill: "var(--muted)", "font-size": 12}, texts[index])));
    const many = Math.max(2, Math.min(count, Math.floor((width - left) / 110)));
    for (let index = 0; index < many && count > 1; index++) {
      const step = Math.round(index * (count - 1) / (many - 1)), anchor = index === 0 ? "start" : index === many - 1 ? "end" : "middle";
      parts.push(drawn("text", {x: x(step), y: height - 8, "text-anchor": anchor, fill: "var(--muted)", "font-size": 12}, String(spec.steps[step])));
    }
    bands.forEach((band, index) => parts.push(drawn("path", {
      d: area(band.low, band.high, x, y, begins), fill: `var(--${band.colour})`, opacity: index % 2 ? .22 : .14})));
    if (spec.mark) parts.push(
      drawn("line", {x1: x(spec.mark.at), x2: x(spec.mark.at), y1: top, y2: height - bottom, stroke: "var(--axis)", "stroke-dasharray": "4 3"}));
    for (const line of [...lines].reverse()) {
      const d = path(line.values, x, y, begins.size > 1 && !line.whole ? begins : null);
      parts.push(drawn("path", {d, fill: "none", stroke: `var(--${line.colour})`, "stroke-width": line.width || 1.8, "stroke-dasharray": line.dash || "", "stroke-linejoin": "round", "stroke-linecap": "round", "data-line": line.name}));
    }
    const cursor = drawn("line", {x1: 0, x2: 0, y1: top, y2: height - bottom, stroke: "var(--ink)", "stroke-width": 1, visibility: "hidden"});
    svg = drawn("svg", {viewBox: `0 0 ${width} ${height}`, height, tabindex: "0", role: "img", "aria-label": `${spec.title}. ${spec.summary || ""} Arrow keys read single steps.`}, ...parts, cursor);
    const focused = place.contains(document.activeElement);
    place.replaceChildren(svg);
    if (focused) svg.focus({preventScroll: true});
    const point = to => {
      at = Math.max(0, Math.min(count - 1, to));
      cursor.setAttribute("x1", x(at)); cursor.setAttribute("x2", x(at));
      cursor.setAttribute("visibility", "visible");
      const told = [String(spec.steps[at])];
      for (const line of shown()) if (line.values[at] != null) told.push(`${line.name} ${number(line.values[at], 5)}`);
      for (const band of bands) if (band.low[at] != null) told.push(`${band.name} ${number(band.low[at])} to ${number(band.high[at])}`);
      readout.textContent = told.join(" · ");
    };
    const follow = event => {
      const box = svg.getBoundingClientRect();
      point(Math.round(((event.clientX - box.left) * width / box.width - left) / (width - left - right) * (count - 1)));
    };
    svg.addEventListener("pointermove", follow);
    svg.addEventListener("pointerdown", follow);
    svg.addEventListener("keydown", event => {
      const moves = {ArrowLeft: -1, ArrowRight: 1, PageUp: -10, PageDown: 10};
      if (event.key in moves) point((at ?? (moves[event.key] > 0 ? -1 : count)) + moves[event.key]);
      else if (event.key === "Home") point(0);
      else if (event.key === "End") point(count - 1);
      else return;
      readout.setAttribute("aria-live", "polite");
      event.preventDefault();
    });
  }

  numbers.addEventListener("toggle", () => {
    if (!numbers.open || numbers.querySelector("table")) return;
    const head = element("tr", {}, ...["step", ...spec.lines.map(line => line.name)].map(name => element("th", {scope: "col"}, name)));
    const rows = spec.steps.map((step, row) => element("tr", {}, element("th", {scope: "row"}, String(step)),
      ...spec.lines.map(line => element("td", {class: "number"}, number(line.values[row], 6)))));
    numbers.append(element("div", {class: "scroll", tabindex: "0", role: "region", "aria-label": `${spec.title}, as a table`},
      element("table", {}, element("thead", {}, head), element("tbody", {}, ...rows))));
  });
  if (figure.watcher) figure.watcher.disconnect();
  figure.replaceChildren(caption, keys, place, readout, ...(spec.plain ? [] : [numbers]));
  draw();
  if (read) svg.focus({preventScroll: true});
  figure.watcher = new ResizeObserver(() => { if (place.clientWidth && place.clientWidth !== width) draw(); });
  figure.watcher.observe(place);
}
