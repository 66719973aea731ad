// What pointer, finger and keyboard do on the tab Inside.
"use strict";
const InsideControls = (() => {
  const {seen, by, element, MAPS, GATES} = InsideWords;
  const {root, told, now, page, view, last, steps, timeOf, later, undo} = InsideState;
  const {aboutUnit, valueOf, moment, order} = InsideSaying;
  const HOLDS = [["free", "free"], ["shut", "shut"], ["open", "open"]];
  const MOVES = {ArrowLeft: -1, ArrowRight: 1, PageUp: -10, PageDown: 10, Home: -Infinity, End: Infinity};

  function look(a, b) {  // which steps are in view; a little of the future belongs to it
    const {model} = page, first = model.first, end = model.values.length + model.horizon;
    const span = Math.max(12, Math.min(Math.round(b - a), end - first));
    view.a = Math.max(first, Math.min(Math.round(a), end - span));
    view.b = view.a + span;
  }
  function setCursor(t) {
    now.cursor = Math.max(page.model.first, Math.min(last(), t));
    const span = view.b - view.a;
    if (now.cursor < view.a || now.cursor >= view.b) look(now.cursor - span / 2, now.cursor + span / 2);
    later(now.from === "cursor" ? "ask" : "point");
  }
  function moveCursor(event) {  // by an arrow key, with Shift by ten; whether it was one
    if (!(event.key in MOVES)) return false;
    event.preventDefault();
    const by = MOVES[event.key];
    setCursor(seen(by) ? now.cursor + by * (event.shiftKey ? 10 : 1) : by < 0 ? page.model.first : last());
    return true;
  }
  function setValue(value) {
    if (!seen(value) || now.cursor > now.own) return;
    now.values[now.cursor] = value;
    later("compute");
  }
  function choose(unit) {
    now.unit = unit;
    aboutUnit();
    later("point");
  }
  function hold(gate, units, how) {
    for (const d of units) now.held[now.layer][gate][d] = how === "free" ? NaN : how === "shut" ? 0 : 1;
    later("compute");
  }
  function buttons(options, label, act) {
    const set = element("div", {className: "set"});
    set.setAttribute("role", "group");
    set.setAttribute("aria-label", label);
    for (const [value, textContent] of options) {
      const button = element("button", {type: "button", textContent});
      button.dataset.value = value;
      button.setAttribute("aria-pressed", "false");
      button.addEventListener("click", () => act(value));
      set.append(button);
    }
    return set;
  }

  function pointing(canvas, moved) {  // press and drag moves the cursor; a mouse above shows where it is
    const where = event => {
      const box = canvas.getBoundingClientRect();
      return {t: InsideDrawing.stepAt(event.clientX - box.left, box.width), y: (event.clientY - box.top) / box.height};
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
        now.under = Math.max(page.model.first, Math.min(last(), at.t));
        later("redraw");
      }
      moved(at, false);
    });
    for (const end of ["pointerup", "pointercancel"]) canvas.addEventListener(end, () => { dragging = false; });
    canvas.addEventListener("pointerleave", () => {
      now.under = undefined;
      by("under").textContent = "";
      later("redraw");
    });
  }
  function makeMap(map) {
    const {D} = page.model;
    map.canvas = element("canvas", {tabIndex: 0});
    map.canvas.style.height = `${Math.max(72, Math.min(176, D * 2.75))}px`;
    for (const [name, value] of Object.entries({
      "role": "slider", "aria-orientation": "vertical", "aria-valuemin": 1, "aria-valuemax": D,
      "aria-label": `${map.title}, ${map.means}: a row for each unit, a column for each step. Up and down choose the unit, left and right the step`,
    })) map.canvas.setAttribute(name, value);
    map.pixels = document.createElement("canvas");
    const [left, right] = map.ends || ["", ""];
    [map.left, map.legend, map.rightEnd] =
      [element("span", {textContent: left}), element("i"), element("span", {textContent: right})];
    const top = element(
      "div", {className: "top"},
      element("h3", {textContent: map.title}),
      element("p", {textContent: map.means}),
      element("span", {className: "legend"}, map.left, map.legend, map.rightEnd),
    );
    if (GATES.includes(map.part)) {
      const all = Array.from({length: D}, (_, d) => d);
      map.set = buttons(HOLDS, `${map.title} of all units`, how => hold(map.part, all, how));
      top.append(map.set);
    }
    const unitAt = y => map.order[Math.max(0, Math.min(D - 1, Math.floor(y * D)))];
    pointing(map.canvas, ({t, y}, press) => {
      const d = unitAt(y), at = Math.max(page.model.first, Math.min(last(), t));
      if (press) choose(d);
      by("under").textContent =
        `Under the pointer: unit ${d}, ${timeOf(at)}: ${map.title.toLowerCase()} ${valueOf(map, d, at)}`;
    });
    map.canvas.addEventListener("keydown", event => {
      const by = {ArrowUp: -1, ArrowDown: 1}[event.key];
      if (moveCursor(event) || !by) return;
      event.preventDefault();
      choose(map.order[Math.max(0, Math.min(D - 1, map.order.indexOf(now.unit) + by))]);
    });
    return element("div", {className: "map"}, top, map.canvas);
  }
  function makeMaps() {  // for the network that is shown
    const maps = MAPS[page.model.cell];
    by("maps").replaceChildren(...maps.map(makeMap));
    const drawn = maps.filter(map => GATES.includes(map.part)).concat(maps.filter(map => !GATES.includes(map.part)));
    by("keys").replaceChildren(...drawn.map(map => {
      const dash = element("i", {className: map.part === "candidate" ? "dashed" : ""});
      dash.style.borderColor = `var(--${map.colour})`;
      return element("span", {}, dash, map.title.replace("Output h", "h"));
    }));
  }
  function makePins() {
    const mute = element("button", {type: "button", className: "plain", textContent: "Mute this unit"});
    mute.dataset.mute = "";
    mute.addEventListener("click", () => {
      now.held[now.layer].muted[now.unit] ^= 1;
      later("compute");
    });
    const gates = MAPS[page.model.cell].filter(map => GATES.includes(map.part)).map(map => {
      const set = buttons(HOLDS, `${map.title} of this unit`, how => hold(map.part, [now.unit], how));
      set.dataset.gate = map.part;
      return element("div", {className: "field"}, element("span", {textContent: map.title}), set);
    });
    by("pins").replaceChildren(...gates, element("div", {className: "set"}, mute));
  }
  function makeNetworks(act) {  // the switch between them, where there are two
    const options = told.networks.map((each, place) => [String(place), each.name.replace(/^the /, "")]);
    by("networks").append(buttons(options, "Network that is shown", value => act(Number(value))));
    by("networks").hidden = options.length < 2;
  }

  function dragging(handle, plot) {
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
    for (const end of ["pointerup", "pointercancel"]) handle.addEventListener(end, () => { drag = null; });
    handle.addEventListener("keydown", event => {
      const step = {ArrowUp: 1, ArrowDown: -1, PageUp: 10, PageDown: -10}[event.key], [low, high] = page.model.range;
      if (event.key === "ArrowLeft" || event.key === "ArrowRight") moveCursor(event);
      if (!step) return;
      event.preventDefault();
      const value = now.values[now.cursor];
      setValue((seen(value) ? value : (low + high) / 2) + (step * (high - low)) / 100);
    });
  }
  function moveView(kind) {
    const span = view.b - view.a;
    const centre = kind === "closer" ? Math.max(view.a, Math.min(view.b, now.cursor)) : (view.a + view.b) / 2;
    if (kind === "earlier") look(view.a - span / 2, view.b - span / 2);
    if (kind === "later") look(view.a + span / 2, view.b + span / 2);
    if (kind === "closer") look(centre - span / 4, centre + span / 4);
    if (kind === "wider") look(centre - span, centre + span);
    if (kind === "all") look(page.model.first, Infinity);
    later("redraw");
  }
  function listen(showLayer) {
    const series = by("series"), clicked = (name, act) => {
      for (const button of root.querySelectorAll(`[data-${name}]`))
        button.addEventListener("click", () => act(button.dataset[name]));
    };
    pointing(series, () => {});
    series.addEventListener("keydown", moveCursor);
    dragging(by("handle"), series.parentElement);
    clicked("move", moveView);
    clicked("from", from => { now.from = from; later("ask"); });
    clicked("reads", reads => { now.own = reads === "own" ? now.cursor : Infinity; later("compute"); });
    const changed = (id, act, event = "change") => by(id).addEventListener(event, ({target}) => act(target.value));
    changed("moment", value => { now.moment = Number(value); moment(); later("compute"); }, "input");
    changed("sort", value => { now.order = value; order(); later("draw"); });
    changed("colours", value => { now.colours = value; later("draw"); });
    changed("unit", value => choose(Number(value)));
    changed("layer", value => { now.layer = Number(value); showLayer(); later("draw"); });
    by("undo").addEventListener("click", undo);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => later("draw"));
    new ResizeObserver(() => later("redraw")).observe(series);
  }
  function begin() {  // where the view and the cursor stand at first: the end of the series, and its forecast
    const {model} = page, narrow = by("series").clientWidth < 520;
    look(model.values.length - (narrow ? 90 : 240), model.values.length + Math.min(model.horizon, narrow ? 30 : 60));
    setCursor(last() - Math.min(Math.floor((view.b - view.a) / 4), steps() - 1));
  }
  return {begin, choose, makeMaps, makePins, makeNetworks, listen};
})();
