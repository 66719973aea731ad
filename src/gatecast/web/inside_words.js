// Numbers, times and small parts of the page as text and elements, for the tab Inside.
"use strict";
const InsideWords = (() => {
  const seen = Number.isFinite;
  const minus = text => text.replace(/-/g, "−").replace(/e\+?/, " × 10^");
  const number = (x, digits = 3) => {
    if (!seen(x)) return "missing";
    if (x === 0) return "0";
    const size = Math.abs(x);
    if (size >= 1e6 || size < 1e-4) return minus(x.toExponential(digits - 1));
    return minus(String(Number(x.toPrecision(Math.max(digits, Math.ceil(Math.log10(size + 1e-9)))))));
  };
  const fixed = (x, places = 3) => minus(Math.abs(x) < 0.5 * 10 ** -places ? (0).toFixed(places) : x.toFixed(places));
  const percent = x => `${Math.round(100 * x)} %`;
  const halfLife = steps => {
    if (steps === null || steps > 9999) return "forgets next to nothing";
    if (steps < 1) return "forgets half in less than a step";
    return `forgets half in ${number(steps, 2)} step${steps < 1.5 ? "" : "s"}`;
  };

  const by = id => document.getElementById(`inside-${id}`);
  const element = (name, words = {}, ...children) => {
    const made = Object.assign(document.createElement(name), words);
    made.append(...children);
    return made;
  };
  const strong = text => element("b", {textContent: text});
  const fill = (select, rows) =>
    select.replaceChildren(...rows.map(([value, text]) => element("option", {value, textContent: text})));

  const colour = name => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
  const rgb = name => {
    const hex = colour(name).replace("#", "");
    const long = hex.length === 3 ? [...hex].map(x => x + x).join("") : hex;
    return [0, 2, 4].map(at => parseInt(long.slice(at, at + 2), 16));
  };

  // What is drawn of each kind of network, a heat map for each; ``end`` are the words at the ends of its colours.
  const MAPS = {
    lstm: [
      {part: "forget", colour: "LSTM", title: "Forget gate", means: "what it kept of its memory", ends: ["0 forgot", "1 kept"]},
      {part: "input", colour: "SeasonalNaive", title: "Input gate", means: "how much it let in", ends: ["0 shut", "1 open"]},
      {part: "candidate", colour: "Drift", title: "Candidate", means: "what it wanted to write", ends: ["−1", "1"], around: true},
      {part: "c", colour: "ink", title: "Cell state", means: "what it remembers: kept memory plus what was written", around: true},
      {part: "output", colour: "LastValue", title: "Output gate", means: "how much of it it showed", ends: ["0 shut", "1 open"]},
      {part: "h", colour: "AR", title: "Output h", means: "what it said, to the other units and to the forecast", ends: ["−1", "1"], around: true},
    ],
    rnn: [
      {part: "h", colour: "AR", title: "State h", means: "all it carries: made anew at every step, and what it says", ends: ["−1", "1"], around: true},
    ],
  };
  const GATES = ["input", "forget", "output"];
  const FOLLOWS = {level: "the level", slope: "the slope", season: "the season", shock: "shocks"};
  const ORDERS = {
    half_life: ["memory length", "Longest memory on top: how many steps until the forget gate has let half of the memory go."],
    level: ["what follows the level", "On top units whose memory rises with the level of the series, at the bottom those that fall with it."],
    slope: ["what follows the slope", "On top units whose memory rises while the series rises, at the bottom the opposite."],
    season: ["what follows the season", "On top units whose memory goes with the season, at the bottom those against it."],
    shock: ["what follows shocks", "On top units whose memory jumps when a value comes as a surprise."],
    number: ["number", "As they are numbered in the network."],
  };
  return {seen, minus, number, fixed, percent, halfLife, by, element, strong, fill, colour, rgb, MAPS, GATES, FOLLOWS, ORDERS};
})();
