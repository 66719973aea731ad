// The tab Inside: which network over which series is shown, and the tabs of the page.  Its parts are in other files:
// inside_network.js computes, inside_reading.js reads a series, inside_state.js holds how things stand,
// inside_drawing.js draws, inside_sums.js and inside_saying.js put numbers into words, inside_controls.js listens.
"use strict";
(() => {
  const {by, fill, halfLife, MAPS, ORDERS} = InsideWords;
  const {told, now, page, hooks, later, last, reader, compute, readers, root} = InsideState;
  const {choose, makeMaps, makePins, makeNetworks, listen} = InsideControls;
  const {say, showHeld, aboutUnit, order, moment, legend, notes, whatIsShown} = InsideSaying;

  Object.assign(hooks, {
    say,
    redraw() {
      InsideDrawing.drawSeries();
      for (const map of MAPS[page.model.cell]) InsideDrawing.drawMap(map);
      InsideDrawing.drawLines();
    },
    point() {  // at another step or unit
      hooks.redraw();
      InsideSums.sums();
      say();
      showHeld();
    },
    draw() {
      for (const map of MAPS[page.model.cell]) InsideDrawing.picture(map);
      hooks.point();
    },
  });

  function showLayer(unit) {  // the units of a layer, in their order; the first of them is looked at
    const units = page.model.units[now.layer], numbers = Array.from({length: page.model.D}, (_, d) => d);
    fill(by("unit"), numbers.map(d => [d, units.half_life ? `${d}: ${halfLife(units.half_life[d])}` : d]));
    order();
    choose(unit ?? MAPS[page.model.cell][0].order[0]);
  }
  function show(network, series) {  // one of the networks over one of the series
    InsideState.choose(network, series);
    const {model} = page, layers = model.checkpoints[0].layers.length, units = model.units[now.layer];
    const orders = Object.entries(ORDERS).filter(([name]) => name === "number" || (units[name] || []).some(x => x !== null));
    now.order = now.order || orders[0][0];
    makeMaps();
    makePins();
    by("moment").max = model.checkpoints.length - 1;
    by("moment").value = now.moment;
    by("moment").parentElement.hidden = model.checkpoints.length === 1;
    fill(by("layer"), model.checkpoints[0].layers.map((_, place) => [place, `${place + 1} of ${layers}`]));
    by("layer").value = now.layer;
    by("layers").hidden = layers === 1;
    fill(by("sort"), orders.map(([name, words]) => [name, words[0]]));
    by("sort").value = now.order;
    by("series").setAttribute("aria-valuemax", last() - model.first);
    by("lines").style.height = model.cell === "lstm" ? "17rem" : "10rem";
    whatIsShown();
    legend();
    notes();
    moment();
    showLayer(now.unit);
  }
  function begin() {  // once the tab is open: canvases need their width
    if (page.model) return;
    show(0, 0);
    makeNetworks(network => { show(network, now.series); later("compute"); });
    fill(by("which"), told.series.map(({name}, place) => [place, name]));
    by("whiches").hidden = told.series.length < 2;
    by("which").addEventListener("change", event => {
      show(now.network, Number(event.target.value));
      InsideControls.begin();
      later("compute");
    });
    InsideControls.begin();
    listen(showLayer);
    compute();
    root.dataset.drawn = "true";
    window.gatecastInside = {
      get model() { return page.model; }, now, reader, compute, trace: () => page.trace, fan: () => page.fan, readers, show,
    };
  }

  const tabs = [...document.querySelectorAll("[role=tab]")];
  function open(tab, focus) {
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
      open(tab);
      history.replaceState(null, "", tab.id === "tab-inside" ? "#inside" : "#");
    });
    tab.addEventListener("keydown", event => {
      if (event.key === "ArrowLeft" || event.key === "ArrowRight") open(tabs[1 - place], true);
    });
  }
  const named = () => {
    const inside = document.getElementById("tab-inside");
    if (inside && location.hash === "#inside") open(inside);
  };
  addEventListener("hashchange", named);
  if (tabs.length) named();
  else begin();
})();
