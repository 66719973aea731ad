// The page of gatecast serve.  It asks the server and shows what comes back; nothing is forecast here.

import {answered, ask, byId, complain, trying} from "/web/asking.js";
import {chart, element, number} from "/web/chart.js";
import {showLab} from "/web/lab.js";

const HISTORY = 200;  // values that are drawn before a forecast
const LABELS = {LSTM: "LSTM", ZeroShot: "Zero-shot", LastValue: "Last value", Drift: "Drift", SeasonalNaive: "Seasonal naive", AR: "AR"};
const DASHES = {LastValue: "7 4", Drift: "2 3", SeasonalNaive: "9 3 2 3", AR: "4 2", ZeroShot: "11 3"};
const MODES = {
  ahead: ["Beyond the end", "What comes after the last value known, with the range in which 80 % and 95 % of outcomes should lie."],
  point_by_point: ["Point by point", "One step ahead from every point of the test part. It always looks good: so does yesterday's value."],
  multi_sequence: ["Multi-sequence", "Many steps ahead from a few points of the test part: this is what a forecast is worth."],
  full_sequence: ["Full sequence", "One run over the whole test part on the network's own output."],
};
const state = {data: null, name: "", table: {}, preview: null, ahead: null, model: null, charts: null, trained: null, mode: "ahead", events: null, asked: 0};

// ------------------------------------------------------------------------------------------------------- the data

async function takeFile(file) {
  if (!file) return;
  const response = await fetch("/v1/uploads", {
    method: "POST", body: file,
    headers: {"Content-Type": "application/octet-stream", "X-Filename": encodeURIComponent(file.name)},
  });
  const kept = await answered(response);
  byId("dataset").value = "";
  byId("dataset-about").textContent = "";
  await take({upload: kept.id}, kept.name, kept.columns);
}

async function takeDataset(name) {
  if (!name) return;
  byId("file").value = "";
  byId("dataset-about").textContent = byId("dataset").selectedOptions[0].dataset.about;
  await take({dataset: name}, name, []);
}

async function take(data, name, columns) {
  stopWatching();
  Object.assign(state, {data, name, table: {}, preview: null, ahead: null, model: null, charts: null, trained: null, mode: "ahead"});
  const choices = [element("option", {value: ""}, "found by itself"), ...columns.map(each => element("option", {value: each}, each))];
  for (const id of ["time", "target"]) byId(id).replaceChildren(...choices.map(choice => choice.cloneNode(true)));
  for (const id of ["time", "target"]) byId(id).parentElement.hidden = !columns.length;
  byId("columns").hidden = true;
  await look();
}

function table() { return {...state.data, ...state.table}; }

// Ask what is wrong, show the series, and forecast it if it can be.
async function look() {
  const asked = ++state.asked;
  byId("found").hidden = false;
  byId("ahead").hidden = true;
  byId("found-text").replaceChildren(element("p", {class: "note"}, "Looking …"));
  let report;
  try { report = await ask("/v1/check", table()); } catch (error) { byId("found-text").replaceChildren(); throw error; }
  if (asked !== state.asked) return;
  showReport(report);
  if (!report.ok) return;
  await showSeries();
}

function showReport(report) {
  const facts = [`${state.name}: ${number(report.rows, 12)} rows`];
  if (report.first) facts.push(`${report.first} to ${report.last}`);
  if (report.frequency) facts.push(report.frequency);
  if (report.series > 1) facts.push(`${number(report.series, 12)} series`);
  if (Math.max(1, ...report.season_length) > 1) facts.push(`season of ${report.season_length.join(" and ")} steps`);
  const parts = [element("p", {}, facts.join(" · "))];
  if (report.forecastability) parts.push(element("p", {}, report.forecastability));
  for (const found of report.findings) {
    const words = {error: "Error", warning: "Warning", note: "Note"}[found.severity];
    const lines = [element("p", {}, element("strong", {}, `${words}: `), found.message)];
    if (found.rows.length) lines.push(element("p", {class: "note"}, `Rows ${found.rows.join(", ")}${found.count > found.rows.length ? " …" : ""}`));
    if (found.fix) lines.push(element("p", {class: "note"}, `To do: ${found.fix}`));
    parts.push(element("div", {class: `finding ${found.severity}`}, ...lines));
  }
  const count = kind => report.findings.filter(found => found.severity === kind).length;
  if (!report.findings.length) parts.push(element("p", {}, "Nothing wrong was found."));
  else if (!report.ok) parts.push(element("p", {}, `It cannot be forecast as it is: ${count("error")} error${count("error") > 1 ? "s" : ""}.`));
  byId("found-text").replaceChildren(...parts);
  byId("columns").hidden = byId("time").parentElement.hidden;
}

async function showSeries(id) {
  const body = {...table(), points: HISTORY};
  if (id) body.unique_id = id;
  state.preview = await ask("/v1/series", body);
  const several = state.preview.series > 1;
  byId("series-field").hidden = !several;
  if (several) {
    byId("columns").hidden = false;
    byId("series").replaceChildren(...state.preview.ids.map(each => element("option", {value: each}, each)));
    byId("series").value = state.preview.unique_id;
  }
  if (!id) byId("horizon").value = Math.max(1, Math.min(24, Math.floor(state.preview.steps / 5)));
  byId("ahead").hidden = false;
  await forecast();
}

// ----------------------------------------------------------------------------------------------------- the forecast

async function forecast() {
  const horizon = byId("horizon").valueAsNumber;
  if (!(horizon >= 1)) return;
  const asked = ++state.asked, body = {...table(), horizon, level: [80, 95]};
  const made = [ask("/v1/forecast", body)];
  if (state.model) made.push(ask("/v1/forecast", {...body, model: state.model}));
  const answers = await Promise.all(made);
  if (asked !== state.asked) return;
  state.ahead = answers;
  byId("notes").replaceChildren(...[...new Set(answers.flatMap(each => each.notes))].map(note => element("li", {}, note)));
  if (state.mode === "ahead") showMode();
}

function newest(preview, most) { return {...preview, ds: preview.ds.slice(-most), y: preview.y.slice(-most)}; }

function aheadChart() {
  const preview = newest(state.preview, Math.max(40, 5 * state.ahead[0].rows.length)), past = preview.y.length, seen = preview.y.filter(value => value != null);
  const mine = state.ahead.map(answer => ({name: answer.model, rows: answer.rows.filter(row => row.unique_id === preview.unique_id)}));
  const rows = mine[0].rows, lead = mine[mine.length - 1], steps = [...preview.ds, ...rows.map(row => row.ds)];
  const pad = values => [...Array(past - 1).fill(null), preview.y[past - 1], ...values];
  const lines = mine.reverse().map(({name, rows: of}) => ({
    name: LABELS[name], values: pad(of.map(row => row[name])), colour: name, dash: name === "LSTM" ? "" : DASHES[name], width: 2.4}));
  lines.push({name: LABELS.LastValue, values: [...Array(past - 1).fill(null), ...Array(rows.length + 1).fill(seen[seen.length - 1])], colour: "LastValue", dash: DASHES.LastValue, always: true});
  lines.push({name: preview.target, values: [...preview.y, ...rows.map(() => null)], colour: "ink", width: 1.4, always: true});
  const band = level => ({of: LABELS[lead.name], name: `${level} %`, colour: lead.name,
    low: pad(lead.rows.map(row => row[`${lead.name}-lo-${level}`])), high: pad(lead.rows.map(row => row[`${lead.name}-hi-${level}`]))});
  const last = lead.rows[lead.rows.length - 1];
  return {
    title: `${preview.target}: ${rows.length} steps beyond the end`, steps, lines, bands: [band(95), band(80)], mark: {at: past - 1},
    summary: `${LABELS[lead.name]} says ${number(last[lead.name])} for ${last.ds}, 80 % between ${number(last[`${lead.name}-lo-80`])} and ${number(last[`${lead.name}-hi-80`])}; the last value is ${number(seen[seen.length - 1])}.`,
  };
}

function testChart(mode) {
  const {history, modes, target, unit} = state.charts, made = modes[mode], before = mode === "point_by_point" ? 0 : history.y.length;
  const steps = [...history.ds.slice(history.ds.length - before), ...made.ds], pad = values => [...Array(before).fill(null), ...values];
  const lines = Object.entries(made.models).filter(([name]) => name in LABELS).map(([name, values]) => ({
    name: LABELS[name], values: pad(values), colour: name, dash: DASHES[name], width: name === "LSTM" ? 2.2 : 1.6, always: name === "LastValue"}));
  lines.push({name: target, values: [...history.y.slice(history.y.length - before), ...made.y], colour: "ink", width: 1.3, always: true, whole: true});
  const bands = [95, 80].filter(level => made[`lo-${level}`]).map(level => ({
    of: LABELS.LSTM, name: `${level} %`, colour: "LSTM", low: pad(made[`lo-${level}`]), high: pad(made[`hi-${level}`])}));
  const scores = state.trained.scores.filter(row => row.mode === mode), rmse = name => scores.find(row => row.model === name)?.rmse;
  return {
    title: `${MODES[mode][0]}: ${target}${unit && unit !== target ? `, ${unit}` : ""}`, steps, lines, bands, begins: made.begins.map(at => at + before),
    summary: `RMSE of the LSTM ${number(rmse("LSTM"))}, of the last value ${number(rmse("LastValue"))}.`,
  };
}

function showMode() {
  if (!state.ahead) return;
  const tabs = byId("modes"), offered = state.charts && state.charts.modes ? Object.keys(MODES) : ["ahead"];
  if (!offered.includes(state.mode)) state.mode = "ahead";
  tabs.hidden = offered.length < 2;
  if (tabs.children.length !== offered.length) tabs.replaceChildren(...offered.map(mode => element("button", {
    type: "button", role: "tab", id: `mode-${mode}`, "aria-controls": "mode"}, MODES[mode][0])));
  for (const tab of tabs.children) {
    const chosen = tab.id === `mode-${state.mode}`;
    tab.setAttribute("aria-selected", String(chosen));
    tab.tabIndex = chosen ? 0 : -1;
  }
  byId("mode").setAttribute("aria-labelledby", offered.length < 2 ? "ahead-title" : `mode-${state.mode}`);
  byId("mode-words").textContent = MODES[state.mode][1];
  chart(byId("chart"), state.mode === "ahead" ? aheadChart() : testChart(state.mode));
}

function chooseMode(event) {
  const tab = event.target.closest("[role=tab]");
  if (!tab) return;
  const all = [...byId("modes").children], at = all.indexOf(tab);
  let to = at;
  if (event.type === "keydown") {
    const moves = {ArrowLeft: at - 1, ArrowRight: at + 1, Home: 0, End: all.length - 1};
    if (!(event.key in moves)) return;
    event.preventDefault();
    to = (moves[event.key] + all.length) % all.length;
  }
  state.mode = all[to].id.slice(5);
  showMode();
  byId(`mode-${state.mode}`).focus();
}

// ----------------------------------------------------------------------------------------------------- the training

async function train() {
  const body = {...table()}, whole = id => byId(id).valueAsNumber;
  for (const id of ["updates", "units", "seed"]) if (whole(id) >= 0) body[id] = whole(id);
  if (byId("plain").checked) body.inside = true;
  const longest = Math.max(1, Math.floor(state.preview.steps / 10) - 1);
  body.horizon = Math.max(1, Math.min(whole("horizon") || 1, longest));
  const job = await ask("/v1/models", body);
  Object.assign(state, {model: null, charts: null, trained: null, mode: "ahead", ahead: state.ahead.slice(0, 1)});
  for (const id of ["verdict", "scores-part", "downloads-part"]) byId(id).hidden = true;
  showMode();
  watch(job.id);
}

function stopWatching() {
  if (state.events) state.events.close();
  state.events = null;
  byId("training").hidden = true;
  byId("cancel").hidden = true;
  byId("train").disabled = false;
}

function watch(id) {
  stopWatching();
  const losses = {training: [], validation: []}, events = new EventSource(`/v1/models/${id}/events`);
  state.events = events;
  Object.assign(byId("progress"), {max: 1, value: 0});
  byId("training").hidden = byId("cancel").hidden = false;
  byId("train").disabled = true;
  byId("loss").replaceChildren();
  byId("live").replaceChildren();
  byId("cancel").onclick = trying(() => ask(`/v1/models/${id}/cancel`, {}));
  const say = words => { byId("training-state").textContent = words; };
  say("Waiting for a free place …");
  const heard = (kind, act) => events.addEventListener(kind, event => act(JSON.parse(event.data)));
  events.addEventListener("error", () => {  // a connection that breaks is taken up again; one that is refused is closed
    if (events.readyState !== EventSource.CLOSED || state.events !== events) return;
    stopWatching();
    complain({message: "The server tells no more of this training: it was started anew, or too many watch. A training that is done stands among the models."});
  });
  heard("stage", ({stage}) => say({reading: "Reading the data …", training: "Training …", contrast: "Training a plain RNN for contrast …", judging: "Judging against the baselines …", writing: "Writing the report …"}[stage] || stage));
  heard("progress", step => {
    Object.assign(byId("progress"), {max: step.updates, value: step.update});
    losses.training.push([step.update, step.loss]);
    if (step.validation != null) { losses.validation.push([step.update, step.validation]); showLosses(losses); }
  });
  heard("look", look => {
    say(`Training: update ${byId("progress").value} of ${byId("progress").max}, validation loss ${number(look.validation)}`);
    showLook(look);
  });
  heard("state", async ({state: now, error}) => {
    if (now === "running") say("Loading PyTorch …");
    if (!["done", "failed", "cancelled"].includes(now)) return;
    events.close();
    if (state.events !== events) return;
    state.events = null;
    byId("cancel").hidden = true;
    byId("train").disabled = false;
    say({done: "Trained.", cancelled: "Cancelled. Nothing was kept.", failed: "The training failed."}[now]);
    if (now === "failed") complain(error || {message: "the training failed"});
    if (now === "done") await trying(finish)(id);
    await listModels();
  });
}

function showLosses({training, validation}) {
  const spread = (pairs, steps) => { const found = new Map(pairs); return steps.map(step => found.get(step) ?? null); };
  const steps = validation.map(([step]) => step);
  chart(byId("loss"), {
    title: "Loss on the validation part", steps, height: 220, plain: true,
    lines: [{name: "validation", values: validation.map(([, loss]) => loss), colour: "LSTM", width: 2.2, always: true},
      {name: "training batch", values: spread(training, steps), colour: "muted", dash: "3 3", width: 1.4, always: true}],
    summary: `From ${number(validation[0][1])} to ${number(validation[validation.length - 1][1])} after ${steps[steps.length - 1]} updates.`,
  });
}

function showLook(look) {
  chart(byId("live"), {
    title: "The forecast of the test part, as it is by now", steps: look.ds, height: 220, plain: true,
    lines: [{name: "LSTM", values: [...look.median, ...Array(Math.max(0, look.ds.length - look.median.length)).fill(null)], colour: "LSTM", width: 2.2, always: true},
      {name: "Last value", values: look.ds.map(() => look.last), colour: "LastValue", dash: DASHES.LastValue, always: true},
      {name: "truth", values: look.y, colour: "ink", width: 1.4, always: true}],
    bands: [{of: "LSTM", name: "80 %", colour: "LSTM", low: look["lo-80"], high: look["hi-80"]}],
    summary: `After ${look.update} updates, validation loss ${number(look.validation)}.`,
  });
}

// ------------------------------------------------------------------------------------------------------- the result

async function finish(id) {
  const file = name => ask(`/v1/models/${id}/files/${name}`);
  [state.trained, state.charts] = await Promise.all([file("result.json"), file("charts.json")]);
  state.model = id;
  byId("sentence").textContent = state.trained.verdict.sentence;
  byId("unlooked").textContent = (state.trained.unlooked || []).join(" ");
  byId("verdict").hidden = false;
  showScores(state.trained.scores);
  showDownloads(id);
  state.mode = state.charts.modes ? "multi_sequence" : "ahead";
  const drawn = ["LSTM", "LastValue", "ZeroShot", state.trained.verdict.best_baseline];  // the others are a switch away
  byId("chart").hiddenLines = new Set(Object.keys(LABELS).filter(name => !drawn.includes(name)).map(name => LABELS[name]));
  showMode();
  await forecast();
}

function showScores(scores) {
  const columns = "rmse" in scores[0] ? ["rmse", "mae", "mase", "crps"] : ["mase", "wql", "coverage_80", "coverage_90"];
  const titles = {rmse: "RMSE", mae: "MAE", mase: "MASE", crps: "CRPS", wql: "WQL", coverage_80: "in the 80 %", coverage_90: "in the 90 %"};
  const head = element("thead", {}, element("tr", {}, element("th", {scope: "col"}, "model"),
    ...columns.map(name => element("th", {scope: "col", class: "number"}, titles[name]))));
  const groups = [...new Set(scores.map(row => row.mode))];
  const bodies = groups.map(mode => element("tbody", {},
    ...(mode ? [element("tr", {}, element("th", {colspan: String(columns.length + 1), scope: "rowgroup"}, element("strong", {}, MODES[mode][0])))] : []),
    ...scores.filter(row => row.mode === mode).map(row => element("tr", {class: row.model === "LSTM" ? "own" : ""},
      element("th", {scope: "row"}, LABELS[row.model] || row.model),
      ...columns.map(name => element("td", {class: "number"}, number(row[name])))))));
  byId("scores").replaceChildren(head, ...bodies);
  byId("scores-part").hidden = false;
}

function showDownloads(id) {
  const links = {"report.html": "Report", "forecasts.csv": "Forecasts (CSV)", "model.safetensors": "Model", "config.toml": "Settings"};
  byId("downloads").replaceChildren(...Object.entries(links).map(([name, words]) => element("li", {},
    element("a", {class: "button", href: `/v1/models/${id}/files/${name}?download=true`, download: name}, words))));
  byId("downloads").append(element("li", {}, element("a", {class: "button", href: `#inside/${id}`}, "Look inside")));
  byId("downloads-part").hidden = false;
}

// ------------------------------------------------------------------------------------------- models, Inside and Lab

async function listModels() {
  const models = await ask("/v1/models"), done = models.filter(model => model.state === "done");
  byId("models").replaceChildren(...models.map(model => {
    const when = new Date(model.created).toLocaleString([], {dateStyle: "medium", timeStyle: "short"});
    const remove = element("button", {type: "button"}, "Delete", element("span", {class: "unseen"}, ` the model of ${model.name}, ${when}`));
    remove.addEventListener("click", trying(async () => {
      await ask(`/v1/models/${model.id}`, undefined, "DELETE");
      if (state.model === model.id) state.model = null;
      await listModels();
    }));
    const words = model.state === "done" ? model.sentence : model.error ? model.error.message : model.state;
    const links = model.state === "done" ? [element("li", {}, element("a", {class: "button", href: `#inside/${model.id}`}, "Look inside", element("span", {class: "unseen"}, ` the model of ${model.name}, ${when}`)))] : [];
    return element("li", {}, element("p", {}, element("strong", {}, model.name), ` · ${when}`), element("p", {class: "note"}, words),
      element("ul", {class: "row"}, ...links, element("li", {}, remove)));
  }));
  if (!models.length) byId("models").replaceChildren(element("li", {class: "note"}, "None yet."));
  byId("inside-model").replaceChildren(...done.map(model => element("option", {value: model.id}, `${model.name}, ${model.created.slice(0, 16).replace("T", " ")} UTC`)));
  byId("inside-none").hidden = done.length > 0;
  byId("inside-model").parentElement.parentElement.hidden = !done.length;
}

function showInside(id) {
  const choice = byId("inside-model");
  if (id) choice.value = id;
  const model = choice.value, frame = byId("inside-frame");
  byId("inside-links").hidden = !model;
  if (!model) { frame.replaceChildren(); return; }
  const address = `/v1/models/${model}/files/report.html`;
  byId("inside-open").href = `${address}#inside`;
  if (frame.dataset.model !== model) {
    frame.dataset.model = model;
    frame.replaceChildren(element("iframe", {src: `${address}#inside`, sandbox: "allow-scripts", title: "The report of the run"}));
  }
}

async function go() {
  const [place, id] = location.hash.slice(1).split("/"), known = ["forecast", "inside", "lab"].includes(place) ? place : "forecast";
  for (const each of ["forecast", "inside", "lab"]) byId(`${each}-place`).hidden = each !== known;
  for (const link of document.querySelectorAll("nav a")) {
    if (link.dataset.place === known) link.setAttribute("aria-current", "page"); else link.removeAttribute("aria-current");
  }
  document.title = {forecast: "gatecast", inside: "Inside · gatecast", lab: "Lab · gatecast"}[known];
  if (known === "inside") { await listModels(); showInside(id); }
  if (known === "lab") await showLab(id || "");
}

// --------------------------------------------------------------------------------------------------------- beginning

function listen() {
  byId("file").addEventListener("change", trying(event => takeFile(event.target.files[0])));
  byId("dataset").addEventListener("change", trying(event => takeDataset(event.target.value)));
  for (const id of ["time", "target"]) byId(id).addEventListener("change", trying(async () => {
    if (byId(id).value) state.table[id] = byId(id).value; else delete state.table[id];
    Object.assign(state, {model: null, charts: null, trained: null, mode: "ahead"});
    await look();
  }));
  byId("series").addEventListener("change", trying(event => showSeries(event.target.value)));
  byId("horizon").addEventListener("change", trying(forecast));
  byId("train").addEventListener("click", trying(train));
  byId("modes").addEventListener("click", chooseMode);
  byId("modes").addEventListener("keydown", chooseMode);
  byId("inside-model").addEventListener("change", () => showInside());
  addEventListener("hashchange", trying(async () => { await go(); byId("place").focus(); }));
  for (const kind of ["dragover", "dragleave", "drop"]) addEventListener(kind, event => {
    event.preventDefault();
    byId("drop").classList.toggle("over", kind === "dragover");
    if (kind === "drop" && event.dataTransfer.files.length) trying(takeFile)(event.dataTransfer.files[0]);
  });
}

listen();
await trying(async () => {
  const sets = await ask("/v1/datasets");
  byId("dataset").append(...sets.map(set => element("option", {value: set.name, "data-about": set.about}, `${set.title} (${number(set.points, 12)} points)`)));
  await listModels();
  await go();
})();
document.body.dataset.ready = "true";
