/* The page that solves: what is asked for, what happens, and what has been. */

import {get, post, takeToken} from "./api.js";
import {addPoint, drawCurve} from "./curve.js";
import {withToken} from "./dialog.js";
import {$, button, fill, h} from "./dom.js";
import {connect, isLive, reconnect} from "./link.js";
import {choose, chooseNone, drawPast, loadList, loadPoints, pathOf, receiptOf} from "./past.js";
import {drawAgents, drawCounts, isAtWork, lacks, notes, numbers, parametersOf, sentence, short} from "./run.js";
import {byName, count, listed, name, visible} from "./words.js";

const form = $("setup");
let match = {}, run, points = [], drawing, drawn = "", said = "", saying, sent = false; /* run: undefined before the service has told, null for none */

/* --- drawing --- */

const draw = () => (drawing ??= setTimeout(paint, 50));

/* Why a run cannot begin, or what lacks for it. */
function before() {
  const away = [...(match.missing ?? []), ...(match.offline ?? [])].sort(byName).map((agent) => name(short(agent)));
  if (match.problem_error) return ["The problem file cannot be used: ", short(match.problem_error, 500)];
  if (!match.problem) return "No problem file is set: see the service's option -p.";
  return away.length > 0 && ["Missing: ", listed(away.slice(0, 100), 12), "."];
}

function paint() {
  drawing = undefined;
  const live = isLive(), told = run !== undefined, {problem} = match, work = isAtWork(run), title = sentence(match, run), focused = document.activeElement;
  $("sentence").textContent = title;
  document.title = run ? title : "Solve";
  fill($("problem"), [problem ? `${short(problem.name || problem.files?.[0])}, ${count(problem.agents, "agent")}, ${count(problem.variables ?? 0, "variable")}` : ""]);
  fill($("lacks"), [...(run ? lacks(run) : []), ...(work || !told ? [] : [before()].filter(Boolean).map((words) => h("p", {class: problem ? null : "grave"}, words)))]);
  fill($("tell"), [
    work && button("Stop", "stop", {key: "stop"}, {class: "danger", disabled: !live || run.state === "ending"}),
    !work && run?.id && button("Download the folder", "download", {key: "download", id: run.id}, {disabled: !live})]);
  form.hidden = work || !told;
  $("go").disabled = !live || !problem || sent;
  $("run").hidden = !run;
  if (run) paintRun();
  drawPast(live, run);
  if (!focused.checkVisibility() || focused.disabled) $("sentence").focus({preventScroll: true});
  else if (focused !== document.activeElement) focused.focus({preventScroll: true});
  speak();
}

function paintRun() {
  const key = `${points.length} ${points.at(-1)} ${run.started} ${run.time} ${$("curve").clientWidth}`;
  if (key !== drawn) drawCurve($("curve"), [{points, end: run.time}]);
  drawn = key;
  fill($("numbers"), numbers(run));
  fill($("notes"), notes(run));
  drawCounts($("counts"), run);
  $("more").textContent = drawAgents($("agents"), run);
}

/* For screen readers, at most every five seconds: the state, what was said last; the cost only at the end. */
function speak() {
  const words = run === undefined ? "" : run?.state === "running" ? `The run is at work. ${short(run.notes.at(-1), 200)}` : `${$("sentence").textContent} ${short(run?.reason, 300)}`;
  if (words === said) return;
  clearTimeout(saying);
  saying = setTimeout(() => ($("said").textContent = said = words), said ? 5000 : 1000);
}

/* --- what the service sends --- */

function take(next) {
  const same = run && next && next.started === run.started, ended = next?.state === "ended" && !(same && run.state === "ended");
  if (!same) points = [];
  run = next && {...next, notes: next.notes ?? [], agents: next.agents ?? [], values: next.values ?? (same ? run.values : {})};
  if (run) addPoint(points, run.time, run.cost);
  if (ended && run.id) loadWhole(run);
}

/* The page may have been opened in mid-run: what is kept has all of it. */
async function loadWhole({id, started}) {
  const whole = await loadPoints(id).catch(() => []);
  if (run?.started === started && whole.length) points = whole;
  draw();
}

const past = () => loadList().then(draw);

async function algorithms() {
  const {algorithms: all} = await get("solve/algorithms").catch(() => ({algorithms: []}));
  const select = form.elements.algorithm, {value} = select;
  if (!all.length) return;
  select.replaceChildren(select.options[0], ...all.slice(0, 100).map((one) => h("option", {value: one}, short(one))));
  chooseAlgorithm(value);
}

const isPlain = (value) => typeof value === "string" && /^\w{1,64}$/.test(value);

/* Another pyDCOP may have had one that is not in the list. */
function chooseAlgorithm(value) {
  const select = form.elements.algorithm, isKnown = [...select.options].some((one) => one.value === value);
  if (!isKnown && isPlain(value)) select.append(h("option", {value}, value));
  select.value = isKnown || isPlain(value) ? value : "";
}

function hear(event, data) {
  if (event === "snapshot") {
    match = data.match ?? {};
    if (run === undefined) $("settings").open = !data.solve;
    take(data.solve ?? null);
    past();
    algorithms();
  } else if (event === "match") match = data;
  else if (event === "solve") take(data);
  else if (event === "experiment") past();
  draw();
}

/* --- what a person does --- */

/* What `does` with the token; why it failed is said. */
async function attempt(does) {
  $("wrong").textContent = "";
  try {
    return await withToken(does);
  } catch (error) {
    $("wrong").textContent = visible(error.message);
  }
}

/* The form as the API wants it; what is empty is left to the service. */
function wanted({algorithm, parameters, time_limit: limit, seed, heal, distribution, partial}) {
  const all = parameters.value.split(/[\s,]+/).filter(Boolean), wrong = all.find((one) => !/^[^:]+:./.test(one));
  if (wrong) throw new Error(`A parameter is NAME:VALUE, such as variant:B. “${wrong}” is not.`);
  return {
    ...(algorithm.value && {algorithm: algorithm.value}), ...(all.length && {parameters: all}), ...(distribution.value.trim() && {distribution: distribution.value.trim()}),
    time_limit: Number(limit.value), ...(seed.value && {seed: Number(seed.value)}), ...(heal.value > 0 && {heal: Number(heal.value)}), ...(partial.checked && {partial: true}),
  };
}

form.onsubmit = async (event) => {
  event.preventDefault();
  if (sent) return;
  sent = true;
  draw();
  const told = await attempt(() => post("solve", wanted(form.elements)));
  sent = false;
  if (told?.solve) {
    if (!run || run.started !== told.solve.started) take(told.solve); /* what the stream has told already is newer */
    $("settings").open = false;
    $("sentence").focus();
  }
  draw();
};

const DO = {
  stop: () => attempt(() => post("solve/stop", {})),
  async download({id}) {
    const file = await attempt(() => get(`${pathOf(id)}/folder`, "blob", 600000));
    if (!file) return;
    const url = URL.createObjectURL(file);
    h("a", {href: url, download: `${id}.tar`}).click();
    setTimeout(() => URL.revokeObjectURL(url), 60000);
  },
  again({id}) {
    const receipt = receiptOf(id), fields = form.elements;
    const {distribution} = receipt, named = isPlain(distribution) && distribution !== "file"; /* a file's is not kept by a name */
    const values = {parameters: parametersOf(receipt).join(", "), time_limit: receipt.time_limit ?? 60, seed: receipt.seed, heal: receipt.replicas ?? 0, distribution: named ? distribution : ""};
    for (const [key, value] of Object.entries(values)) fields[key].value = value ?? "";
    chooseAlgorithm(receipt.algorithm ?? "");
    fields.partial.checked = false;
    $("settings").open = true;
    $("go").focus();
  },
  "choose-none": chooseNone,
  cancel: () => $("ask").close(),
  reconnect,
};

document.addEventListener("click", async ({target}) => {
  const el = target.closest("[data-do]");
  if (!el) return;
  await DO[el.dataset.do](el.dataset);
  draw();
});
document.addEventListener("change", ({target}) => {
  const id = target.dataset.choose;
  if (id === undefined) return;
  choose(id, target.checked).then(draw);
  draw();
});

/* --- begin --- */

takeToken();
addEventListener("hashchange", takeToken);
addEventListener("resize", draw);
connect(hear, draw);
paint();
