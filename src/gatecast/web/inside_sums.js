// The arithmetic of one step of one unit, with its numbers filled in, and of the forecast that all units make.
"use strict";
const InsideSums = (() => {
  const {seen, number, fixed, percent, by, element, strong, MAPS} = InsideWords;
  const {told, now, page, reader, timeOf, middle} = InsideState;
  const NAMED = [
    "the level", "the newest value", "the newest value of this phase", "… of the second season's phase",
    "the smoothed value", "what is usual for this phase", "… for the second season's", "the trend",
    "the newest value, moved as its phases usually move", "… as those of the second season do",
    "the newest value, moved as one season ago", "… as one second season ago",
  ];
  const plain = parts => parts.map(part => (typeof part === "string" ? document.createTextNode(part) : part));

  function terms(rows) {
    const head = ["read", "value", "weight", "product"].map(text => element("th", {scope: "col", textContent: text}));
    const body = rows.map(([name, value, weight]) =>
      element(
        "tr", {},
        element("th", {scope: "row", textContent: name}),
        ...[fixed(value), `× ${fixed(weight)}`, `= ${fixed(value * weight)}`].map(textContent => element("td", {textContent})),
      ));
    const table = element("table", {className: "terms"}, element("thead", {}, element("tr", {}, ...head)), element("tbody", {}, ...body));
    const box = element("div", {className: "scroll", tabIndex: 0, ariaLabel: "Terms of the sum, scrollable"}, table);
    box.setAttribute("role", "region");
    return box;
  }
  function item(map, words, means, details, open) {
    const key = element("i", {className: "key"}), math = element("span", {className: "math"}, key, ...plain(words));
    key.style.background = `var(--${map.colour})`;
    const said = element("span", {className: "means", textContent: means});
    if (!details) return element("li", {}, math, said);
    const box = element("details", {open: open.has(map.part)}, element("summary", {}, math, said), details);
    box.dataset.part = map.part;
    return element("li", {}, box);
  }

  // What a unit read at the step under the cursor: a sum over channels and over the last outputs of all units.
  function readAt() {
    const {model, trace} = page, t = now.cursor, at = t - model.first, D = model.D, d = now.unit;
    const layer = trace.layers[now.layer], weights = reader(now.moment).weights.layers[now.layer], K = weights.bias_K.length;
    const start = reader(now.moment).start.states[now.layer];
    const value = (part, when = at) => (when < 0 ? start[part][d] : layer[part][when * D + d]);
    const old = at > 0 ? layer.h.subarray((at - 1) * D, at * D) : start.h;
    const channels = now.layer === 0 ? GateReading.scalerAt(trace, t).channels : below(at);
    const names = now.layer === 0
      ? model.channels.map(name => name.replaceAll("_", " "))
      : Array.from({length: D}, (_, u) => `unit ${u} of the layer below`);
    const sum = place => {
      const column = place * D + d, bias = weights.bias_K[column];
      const rows = Array.from(channels, (x, c) => [names[c], x, weights.input_CK[c * K + column]]);
      const heard = Array.from(old, (x, u) => [`last output of unit ${u}`, x, weights.hidden_DK[u * K + column]]);
      const total = pairs => pairs.reduce((all, [, x, w]) => all + x * w, 0);
      const biggest = [...rows, ...heard].sort((p, q) => Math.abs(q[1] * q[2]) - Math.abs(p[1] * p[2])).slice(0, 10);
      const came = total(rows), last = total(heard);
      return {bias, came, last, z: came + last + bias, biggest, rest: came + last - total(biggest)};
    };
    return {value, sum};
  }
  function detailed({biggest, rest, bias}) {
    const note = textContent => element("p", {className: "note", textContent});
    return element("div", {}, note("The ten largest terms of the sum:"), terms(biggest), note(`All others together ${fixed(rest)}; the bias ${fixed(bias)}.`));
  }
  const inWords = ({came, last, bias, z}, squash) =>
    `${squash}(${fixed(came)} from what came in + ${fixed(last)} from last outputs + ${fixed(bias)} bias) = ${squash}(${fixed(z)}) = `;

  function gates({value, sum}, open) {
    const maps = Object.fromEntries(MAPS.lstm.map(map => [map.part, map])), at = now.cursor - page.model.first;
    const muted = now.held[now.layer].muted[now.unit];
    const gate = (part, place, squash, act, means) => {
      const read = sum(place), pin = now.held[now.layer][part][now.unit], made = strong(fixed(value(part)));
      const words = seen(pin)
        ? [`${part} = `, made, ` (pinned; the network says ${fixed(act(read.z))})`]
        : [`${part} = ${inWords(read, squash)}`, made];
      return item(maps[part], words, means(value(part)), detailed(read), open);
    };
    const sigma = ["σ", GateNetwork.sigmoid], product = (a, b) => `${fixed(value(a))} × ${fixed(b)}`;
    const cell = `cell = forget × cell before + input × candidate = ${product("forget", value("c", at - 1))} + ${product("input", value("candidate"))} = `;
    const shown = muted
      ? ["h = ", strong("0"), " (muted)"]
      : [`h = output × tanh(cell) = ${product("output", Math.tanh(value("c")))} = `, strong(fixed(value("h")))];
    return [
      gate("forget", 1, ...sigma, f => `It keeps ${percent(f)} of its memory.`),
      gate("input", 0, ...sigma, i => `It lets in ${percent(i)} …`),
      gate("candidate", 2, "tanh", Math.tanh, g => `… of this: ${fixed(value("input") * g)} is written.`),
      item(maps.c, [cell, strong(fixed(value("c")))], "What it now remembers: what was kept, plus what was written."),
      gate("output", 3, ...sigma, o => `It shows ${percent(o)}.`),
      item(maps.h, shown, muted ? "It is muted: nobody hears it." : "What it says, to the other units at the next step and to the forecast."),
    ];
  }
  function plainRnn({value, sum}, open) {
    const read = sum(0), map = MAPS.rnn[0];
    if (now.held[now.layer].muted[now.unit])
      return [item(map, ["h = ", strong("0"), ` (muted; the network says ${fixed(Math.tanh(read.z))})`], "It is muted: nobody hears it.", detailed(read), open)];
    const means = "All of its memory is in the last outputs, and all of them pass through the tanh again at every step: no gate can carry a value on as it is.";
    return [item(map, [`h = ${inWords(read, "tanh")}`, strong(fixed(value("h")))], means, detailed(read), open)];
  }

  function below(at) {  // what the layer under the chosen one handed on
    const {model, trace} = page, D = model.D, sum = new Float64Array(D);
    for (let place = 0; place < now.layer; place++)
      for (let d = 0; d < D; d++) sum[d] += trace.layers[place].h[at * D + d];
    return sum;
  }
  function headItem(open) {  // how all units together make the forecast of the next step
    const {model, trace} = page, t = now.cursor, D = model.D, at = (t - model.first) * D, {scaler} = GateReading.scalerAt(trace, t);
    const question = scaler.ask(1, model.known.map(x => x[t + 1]));
    const did = GateNetwork.answer(reader(now.moment).weights.head, trace.head.subarray(at, at + D), question, 1, scaler.c);
    const shares = did.shares
      .map((share, a) => [share, NAMED[a], question.candidates[a]])
      .filter(([share]) => share >= 0.005)
      .sort((p, q) => q[0] - p[0])
      .map(([share, name, far]) => `${percent(share)} ${name} (${fixed(far)})`);
    const sum = `${number(scaler.level, 5)} + ${number(scaler.scale, 4)} × (${fixed(did.mixture)} + ${fixed(did.path)} + ${fixed(did.correction)}) = `;
    const words = ["next value = level + scale × (mixture + path + correction) = ", sum, strong(number(scaler.level + scaler.scale * did.said[middle()], 5))];
    const box = element(
      "details", {open: open.has("head")},
      element(
        "summary", {},
        element("span", {className: "math"}, ...plain(words)),
        element("span", {className: "means", textContent: "The forecast of the next step, its median, from what all units said."}),
      ),
      element("p", {
        className: "note",
        textContent: `The mixture: ${shares.join(", ")}. The numbers in brackets are in scales from the level.`,
      }),
    );
    box.dataset.part = "head";
    return element("li", {className: "all"}, box);
  }

  function sums() {  // the step's equations with the numbers of this unit
    const list = by("sums"), t = now.cursor, {trace, model} = page, seenValue = seen(trace.values[t]);
    const open = new Set([...list.querySelectorAll("details[open]")].map(each => each.dataset.part));
    const unit = told.unit ? ` ${told.unit}` : "";
    by("step").textContent =
      `The arithmetic of this step: ${timeOf(t)}, ${seenValue ? `value ${number(trace.values[t], 5)}${unit}` : "value missing"}`;
    if (!begun(t)) {
      list.replaceChildren(element("li", {textContent: "The series has not begun: nothing is read, and the memory is empty."}));
      return;
    }
    const made = model.cell === "lstm" ? gates(readAt(), open) : plainRnn(readAt(), open);
    list.replaceChildren(...made, headItem(open));
  }
  const begun = t => {
    for (let s = t; s >= 0; s--) if (seen(page.trace.values[s])) return true;
    return false;
  };
  return {sums};
})();
