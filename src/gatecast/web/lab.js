// The lab: a question, a prediction, and then the measurement, which the server makes in a process of its own.

import {ask, byId, complain, trying} from "/web/asking.js";
import {chart, element} from "/web/chart.js";

const SEEDS = [4, 5, 8, 12];
const DASHES = ["", "7 4", "2 3", "9 3 2 3", "11 3"];
const ENDED = ["done", "failed", "cancelled"];
const state = {offered: null, name: "", events: null, clock: 0};

const number = value => {
  if (value == null) return "none";
  const size = Math.abs(value), sign = value < 0 ? "−" : "";
  if (!size) return "0";
  if (size >= .001) return sign + (size < 1000 ? String(Number(size.toPrecision(3))) : Math.round(size).toLocaleString("en"));
  const [digits, power] = size.toExponential(2).split("e");
  return `${sign}${digits} × 10${[...power].map(each => "⁰¹²³⁴⁵⁶⁷⁸⁹"[each] || "⁻").join("")}`;
};
const about = seconds => seconds < 90 ? `about ${seconds} s` : `about ${Math.round(seconds / 60)} min`;

export async function showLab(name) {
  state.offered = state.offered || await ask("/v1/lab");
  const chosen = state.offered.find(each => each.name === name);
  byId("lab-all").hidden = Boolean(chosen);
  byId("lab-one").hidden = !chosen;
  if (!chosen) byId("labs").replaceChildren(...state.offered.map(card));
  else if (name !== state.name) showQuestion(chosen);  // else it is measured, or its result stands there still
}

function stopListening() {
  if (state.events) state.events.close();
  clearInterval(state.clock);
  state.events = null;
}

function card({name, title, question, seconds}) {
  return element("li", {}, element("h2", {}, title), element("p", {}, question),
    element("div", {class: "row"}, element("a", {class: "button", href: `#lab/${name}`}, "Predict and measure", element("span", {class: "unseen"}, `: ${title}`)),
      element("span", {class: "note"}, `takes ${about(seconds)} on a free processor`)));
}

function showQuestion(asked) {
  stopListening();
  state.name = asked.name;
  const choices = [...asked.choices, {key: "", text: "I cannot say"}].map(({key, text}) =>
    element("label", {class: "choice"}, element("input", {type: "radio", name: "prediction", value: key}), text));
  const seeds = element("select", {id: "lab-seeds"}, ...SEEDS.map(each => element("option", {value: String(each)}, `${each} seeds`)));
  seeds.value = String(asked.seeds);
  const time = element("p", {class: "note", id: "lab-time"}), begin = element("button", {type: "button", class: "main", id: "measure"}, "Measure it");
  begin.disabled = true;
  const say = () => {
    const seconds = Math.max(1, Math.round(asked.seconds * Number(seeds.value) / asked.seeds));
    time.textContent = `${begin.disabled ? "Predict first: choose one of the answers. " : ""}It takes ${about(seconds)} on a free processor, and longer on a busy one.`;
  };
  const predictions = element("fieldset", {id: "predictions"}, element("legend", {}, "Your prediction"), ...choices);
  predictions.addEventListener("change", () => { begin.disabled = false; say(); });
  seeds.addEventListener("change", say);
  begin.addEventListener("click", trying(async () => {
    const predict = predictions.querySelector(":checked").value;
    const run = await ask("/v1/lab", {name: asked.name, seeds: Number(seeds.value), ...(predict ? {predict} : {})});
    for (const each of [...predictions.querySelectorAll("input"), seeds, begin]) each.disabled = true;
    time.textContent = "";
    watch(run, asked);
  }));
  byId("lab-one").replaceChildren(
    element("p", {}, element("a", {href: "#lab"}, "← All experiments")),
    element("h1", {}, asked.title), element("p", {class: "lead"}, asked.question), predictions,
    element("div", {class: "fields"}, element("div", {}, element("label", {for: "lab-seeds"}, "Repeated with"), seeds), element("div", {}, begin)),
    time, element("div", {id: "lab-running"}), element("div", {id: "lab-result"}));
  say();
}

function watch(run, asked) {
  const status = element("p", {role: "status", id: "lab-state"}), clock = element("p", {class: "note"}), begun = Date.now();
  const bar = element("progress", {"aria-label": "The experiment is measured"}), cancel = element("button", {type: "button", id: "lab-cancel"}, "Cancel");
  cancel.addEventListener("click", trying(() => ask(`/v1/lab/${run.id}/cancel`, {})));
  byId("lab-running").replaceChildren(status, bar, clock, cancel);
  const say = words => { status.textContent = words; };
  const tick = () => { clock.textContent = `${Math.round((Date.now() - begun) / 1000)} s of ${about(run.seconds)}`; };
  say("Waiting for a free place …");
  tick();
  const events = new EventSource(`/v1/lab/${run.id}/events`);
  Object.assign(state, {events, clock: setInterval(tick, 1000)});
  const heard = (kind, act) => events.addEventListener(kind, event => act(JSON.parse(event.data)));
  events.addEventListener("error", () => {  // a connection that breaks is taken up again; one that is refused is closed
    if (events.readyState !== EventSource.CLOSED || state.events !== events) return;
    stopListening();
    byId("lab-running").replaceChildren();
    complain({message: "The server tells no more of this experiment: it was started anew, or too many watch."});
    again(asked, byId("lab-running"));
  });
  heard("stage", ({stage}) => say({measuring: "Measuring …", writing: "Writing the answer …"}[stage] || stage));
  heard("note", ({note}) => say(`Measuring: ${note} …`));
  heard("state", async ({state: now, error}) => {
    if (now === "running") say("Loading what it needs …");
    if (!ENDED.includes(now)) return;
    if (state.events !== events) { events.close(); return; }
    stopListening();
    byId("lab-running").replaceChildren(status);
    say({done: "Measured.", cancelled: "Cancelled. Nothing was kept.", failed: "The experiment failed."}[now]);
    if (now === "failed") complain(error || {message: "the experiment failed"});
    if (now === "done") await trying(async () => showResult(await ask(`/v1/lab/${run.id}`)))();
    if (now !== "done" || !byId("lab-result").childElementCount) again(asked, byId("lab-running"));
  });
}

function again(asked, place) {
  const button = element("button", {type: "button"}, "Predict and measure again");
  button.addEventListener("click", () => { showQuestion(asked); byId("lab-one").querySelector("input").focus(); });
  place.append(button);
}

function showResult({id, name, result}) {
  const asked = state.offered.find(each => each.name === name), measures = [...new Set(result.rows.map(row => row.measure))];
  const links = element("ul", {class: "row"},
    element("li", {}, element("a", {class: "button", href: `/v1/lab/${id}/page?download=true`, download: `${name}.html`}, "Download as a page")));
  const others = element("li");
  again(asked, others);
  links.append(others);
  const figures = result.lines.map(each => [each, element("figure")]);
  byId("lab-result").replaceChildren(
    element("section", {class: "verdict", "aria-label": "The answer"},
      ...(result.reply ? [element("p", {class: "reply"}, result.reply)] : []), element("p", {id: "lab-sentence"}, result.sentence)),
    element("h2", {}, "What was measured"), element("p", {class: "caption"}, `${result.confidence} A ring is a seed, the dot the median.`),
    element("div", {class: "tables"}, ...measures.map(measure => dots(measure, result.rows.filter(row => row.measure === measure)))),
    ...figures.flatMap(([each, figure]) => [figure, element("p", {class: "caption"}, `Across: ${each.axes[0]}. Upwards: ${each.axes[1]}.`)]),
    ...result.notes.map(note => element("p", {class: "note"}, note)),
    element("details", {}, element("summary", {}, "How it was measured"), element("p", {class: "note"}, result.method)), links);
  for (const [each, figure] of figures) lines(figure, each);
}

// One measure as a table whose middle column is drawn: every seed, their range, and the median.
function dots(measure, rows) {
  const values = rows.flatMap(row => row.values).filter(Number.isFinite), low = Math.min(...values), high = Math.max(...values);
  const bent = low > 0 && high > 100 * low, size = bent ? Math.log10 : value => value;
  const [from, to] = bent ? [size(low), size(high)] : [Math.min(0, low), Math.max(high, low < 0 ? 0 : low * 1.0001)];
  const at = value => to > from ? 100 * (size(value) - from) / (to - from) : 50;
  const put = (kind, left, width) => {
    const mark = element("i", {class: kind});
    mark.style.left = `${left}%`;
    if (width !== undefined) mark.style.width = `${width}%`;
    return mark;
  };
  const body = rows.map(row => {
    const known = row.values.filter(Number.isFinite), same = row.low === row.high;
    const track = element("div", {class: "track"}, put("range", at(row.low), at(row.high) - at(row.low)),
      ...known.map(value => put("seed", at(value))), put("median", at(row.median)));
    return element("tr", {}, element("th", {scope: "row"}, row.what), element("td", {class: "bar", "aria-hidden": "true"}, track),
      element("td", {class: "number"}, number(row.median), ...(same ? [] : [element("small", {}, `${number(row.low)} to ${number(row.high)}`)])));
  });
  return element("table", {class: "dots"}, element("caption", {}, measure + (bent ? " (drawn in powers of ten)" : "")),
    element("thead", {class: "unseen"}, element("tr", {}, ...["of", "drawn", "median, and the lowest to the highest seed"].map(each => element("th", {scope: "col"}, each)))),
    element("tbody", {}, ...body));
}

function lines(figure, told) {
  chart(figure, {
    title: told.title, steps: told.places, logarithmic: told.logarithmic,
    lines: told.lines.map(({what, colour, median}, place) => ({name: what, values: median, colour, dash: DASHES[place % DASHES.length], width: 2})),
    bands: told.lines.map(({what, colour, low, high}) => ({of: what, name: `${what}, seeds`, colour, low, high})),
    summary: told.lines.map(({what, median}) => `${what} ends at ${number(median[median.length - 1])}`).join("; "),
  });
}
