/* The experiments that are kept: a list, and one or two of them side by side. */

import {BASE, get} from "./api.js";
import {drawCurve, number, pointsOf} from "./curve.js";
import {$, button, fill, h, icon} from "./dom.js";
import {isAtWork, parametersOf, seconds, short, statusOf} from "./run.js";
import {byName, clock, listed, visible} from "./words.js";

const KEPT = 20; /* experiments whose receipt and metrics are kept here */
let list = null /* or why there is none */, chosen = [] /* ids, at most two */;
const known = new Map(); /* id: {receipt, result, points} or why it cannot be read */

export const pathOf = (id) => `experiments/${encodeURIComponent(id)}`;

export async function loadList() {
  list = await get("experiments").then((told) => told.experiments, (error) => error.message);
  if (Array.isArray(list)) chosen = chosen.filter((id) => list.some((one) => one.id === id));
}

export const loadPoints = async (id) => pointsOf(await get(`${pathOf(id)}/metrics`, "text"));

async function load(id) {
  if (known.get(id)?.receipt) return;
  known.set(id, await Promise.all([get(pathOf(id)), loadPoints(id).catch(() => [])])
    .then(([{receipt, result}, points]) => ({receipt, result, points}), (error) => error.message));
  if (known.size > KEPT) known.delete([...known.keys()].find((key) => !chosen.includes(key)));
}

/* Chooses it, or no longer; of three the first one goes. */
export async function choose(id, on) {
  chosen = [...chosen.filter((one) => one !== id), ...(on ? [id] : [])].slice(-2);
  if (on) await load(id);
}
export const chooseNone = () => (chosen = []);

/* What is known of an experiment as it was asked for; for the form. */
export const receiptOf = (id) => known.get(id)?.receipt;

/* --- the list --- */

const problem = ({problem: p}) => visible([p].flat().slice(0, 4).map((one) => short(one)).join(", "));
const result = ([word, shape]) => h("span", {class: `now t-${shape}`}, icon(shape), word);

/* With roles, because a phone's styles take a table's from it. */
const cell = (...inside) => h("td", {role: "cell"}, ...inside);
const row = (one) => h("tr", {role: "row", "data-key": one.id, class: chosen.includes(one.id) ? "chosen" : null},
  cell(h("label", h("input", {type: "checkbox", "data-choose": one.id, checked: chosen.includes(one.id),
    "aria-label": `Choose the experiment of ${clock(one.started)}, ${short(one.algorithm)}, cost ${number(one.cost)}`}))),
  cell(one.started ? clock(one.started) : "–"), cell(h("bdi", problem(one))), cell(h("bdi", short(one.algorithm) || "–")), cell(result(statusOf(one.status))),
  cell(number(one.cost), one.violations > 0 && h("small", `${number(one.violations)} violated`)), cell(seconds(one.time)));

/* --- one, or two --- */

const machines = ({machines: all}) => {
  const words = (all ?? []).map((m) => [...(m.agents ?? []).slice(0, 4), m.host && `on ${m.host}`].filter(Boolean).join(" ")).sort(byName);
  return words.length ? `${number(words.length)}: ${listed(words.map((one) => short(one)), 8).join("")}` : "";
};
const FACTS = [
  ["Begun", (r) => r.started && clock(r.started)], ["Problem", (r) => problem({problem: (r.problem?.files ?? []).map((file) => file.name)})],
  ["Problem’s digest", (r) => (r.problem?.files ?? []).slice(0, 4).map((file) => visible(String(file.sha256).slice(0, 12))).join(", ")],
  ["Algorithm", (r) => short(r.algorithm)], ["Parameters", (r) => parametersOf(r).slice(0, 20).map((one) => short(one)).join(", ")],
  ["Distribution", (r) => short(r.distribution)], ["Seed", (r) => short(r.seed)], ["Time limit", (r) => r.time_limit && seconds(r.time_limit)],
  ["Heals around", (r) => r.replicas && number(r.replicas)],
  ["Result", (r) => statusOf(r.status)[0]], ["Reason", (r) => short(r.reason, 300)], ["Cost", (r) => number(r.cost)],
  ["Violated", (r) => number(r.violations)], ["Time", (r) => seconds(r.time)], ["Cycles", (r) => number(r.cycles)], ["Messages", (r) => number(r.messages)],
  ["Repairs", (r) => r.repairs?.length && number(r.repairs.length)], ["pyDCOP", (r) => short(r.pydcop?.version)], ["Machines", machines],
];

const letter = (i) => (chosen.length > 1 ? "AB"[i] : "");

/* Each is a column; of two, only what differs is shown. */
function facts(all) {
  const rows = FACTS.map(([word, fact]) => [word, all.map((one) => String(fact(one.receipt) || "–"))]).filter(([, values]) => values.some((value) => value !== "–"));
  const two = all.length > 1, same = two ? rows.filter(([, [a, b]]) => a === b) : [], shown = rows.filter((one) => !same.includes(one));
  return [
    h("table.facts-of", two && h("thead", h("tr", h("td"), all.map((_, i) => h("th", {scope: "col"}, letter(i))))),
      h("tbody", shown.map(([word, values]) => h("tr", h("th", {scope: "row"}, word), values.map((value) => h("td", h("bdi", value))))))),
    same.length > 0 && h("p.said", `The same in both: ${listed(same.map(([word]) => word), 30).join("")}.`),
  ];
}

const actsOf = (id, i, live, free) => [
  button(`Download ${letter(i) || "the folder"}`, "download", {id}, {disabled: !live}),
  h("a", {href: `${BASE}${pathOf(id)}/plot`, download: `${id}.svg`}, `Plot of ${letter(i) || "it"}`),
  chosen.length === 1 && button("Use its settings", "again", {id}, {disabled: !free}),
];

function drawChosen(live, run) {
  const all = chosen.map((id) => known.get(id)), ready = all.every((one) => one?.receipt), wrong = all.find((one) => typeof one === "string");
  const figure = $("chosen-curve"), words = ready ? "" : wrong ? visible(wrong) : "…";
  $("chosen").hidden = !chosen.length;
  if (!chosen.length) return;
  $("chosen-title").textContent = chosen.length > 1 ? "Compared" : "Chosen";
  fill($("chosen-facts"), ready ? facts(all) : [h("p.said", {role: wrong ? "alert" : null}, words)]);
  fill($("chosen-acts"), [...chosen.flatMap((id, i) => actsOf(id, i, live, ready && !isAtWork(run))), button("Choose none", "choose-none")]);

  const key = `${chosen} ${figure.clientWidth}`;
  figure.hidden = !ready;
  if (!ready || figure.dataset.drawn === key) return;
  drawCurve(figure, all.map(({points, receipt}, i) => ({points, end: receipt.time, name: letter(i) && `${letter(i)}: ${short(receipt.algorithm)}, cost ${number(receipt.cost)}`})));
  figure.dataset.drawn = `${chosen} ${figure.clientWidth}`;
}

export function drawPast(live, run) {
  $("past").hidden = list === null || (Array.isArray(list) && !list.length);
  if ($("past").hidden) return;
  const some = Array.isArray(list);
  $("past-hint").textContent = !some ? `The experiments cannot be listed. ${visible(list)}` : list.length > 1 ? "Choose one to see it below, or two to compare them." : "Choose it to see it below.";
  $("list").hidden = !some;
  fill($("experiments"), some ? list.map(row) : []);
  drawChosen(live, run);
}
