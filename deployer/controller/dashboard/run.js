/* A run of the solver: its words, its numbers, and a tile for each agent. */

import {number} from "./curve.js";
import {fill, h, icon} from "./dom.js";
import {byName, count, listed, name, visible} from "./words.js";

const VALUES = 12, TILES = 2000, LETTERS = 60, FEW = 24; /* shown of an agent, of all, of a name, of a value */

/* The first letters of a text that may be long. */
export function short(text, most = LETTERS) {
  const letters = [...String(text ?? "").slice(0, 2 * most + 2)];
  return visible(letters.length > most ? `${letters.slice(0, most).join("")}…` : letters.join(""));
}

export const seconds = (time) => {
  if (typeof time !== "number") return "–";
  const whole = Math.round(time), rest = whole % 60;
  return whole < 60 ? `${Number(time.toPrecision(3))} s` : `${number(Math.floor(whole / 60))} min${rest ? ` ${rest} s` : ""}`;
};

/* Of a status: its word, its shape, its words in a sentence. */
const STATUS = {
  finished: ["Finished", "good"], timeout: ["Time limit", "limit", "Ended by its time limit"], stopped: ["Stopped", "stopped"], failed: ["Failed", "failed"],
};
export const statusOf = (status) => (Object.hasOwn(STATUS, status) ? STATUS[status] : ["Unknown", "stopped"]);

export const isAtWork = (run) => Boolean(run) && run.state !== "ended";

const violated = (n) => (typeof n !== "number" ? "" : n ? `, ${count(n, "constraint")} violated` : ", no constraint violated");
const result = (run) => (typeof run.cost === "number" ? `cost ${number(run.cost)}${violated(run.violations)}` : "no cost");

/* The run is undefined before the service has told anything. */
export function sentence({problem, matched = []}, run) {
  const here = matched.length, all = problem?.agents;
  if (run === undefined) return "Looking for the service…";
  switch (run?.state) {
  case "starting": return `${number(run.registered)} of ${count(run.agents.length, "agent")} registered.`;
  case "running": return typeof run.cost === "number" ? `Cost ${number(run.cost)} after ${seconds(run.time)}.` : "The run has started.";
  case "ending": case "ended": {
    if (!run.status && run.state === "ending") return "Stopping…";
    const [word, , words = word] = statusOf(run.status);
    return word === "Failed" ? "The run failed." : `${words} after ${seconds(run.time)}: ${result(run)}.`;
  }
  default: return all === undefined ? "There is no problem to solve." : here < all ? `${here} of ${all} agents are here.` : `All ${all} agents are here.`;
  }
}

/* What was asked for; null where it is not known yet. */
export const parametersOf = ({parameters}) => (Array.isArray(parameters) ? parameters : Object.entries(parameters ?? {}).map(([key, value]) => `${key}:${value}`));
export const settings = (run) => [
  run.algorithm && short(run.algorithm), ...parametersOf(run).slice(0, 20).map((one) => short(one)),
  run.distribution && `distribution ${short(run.distribution)}`, run.seed != null && `seed ${short(run.seed)}`,
  run.time_limit && `at most ${seconds(run.time_limit)}`, run.heal > 0 && `heals around ${count(run.heal, "lost machine")}`,
].filter(Boolean).join(", ");

const on = (agent) => [name(short(agent.name)), agent.host && [" on ", name(short(agent.host))]];

/* Below the sentence, one paragraph each. */
export function lacks(run) {
  const line = (words, kind) => h("p", {class: kind}, words), gone = run.agents.filter((agent) => agent.state === "gone");
  const waiting = run.agents.filter((agent) => agent.state === "waiting");
  return [
    run.reason && line(short(run.reason, 1000), run.status === "failed" ? "grave" : null),
    gone.length > 0 && line(["Gone: ", listed(gone.slice(0, 100).map(on), 6), "."], "grave"),
    run.state === "starting" && run.registered > 0 && waiting.length > 0 && line(["Waiting for ", listed(waiting.slice(0, 100).map(on), 6), "."]),
    run.state === "ending" && run.status && line("The machines’ logs are being fetched."),
    run.left_out && line("Some values or names are not shown: there are too many."),
    line(settings(run)),
  ];
}

export const numbers = (run) => [
  ["Cost", number(run.cost)], ["Violated", number(run.violations)], ["Time", seconds(run.time)],
  ["Cycle", number(run.cycle)], ["Messages", number(run.messages)], ["Registered", `${number(run.registered)} of ${number(run.agents.length)}`],
].map(([word, value]) => h("div", h("dt", word), h("dd", value)));

export const notes = (run) => run.notes.slice(-50).reverse().map((note) => h("li", short(note, 500)));

/* --- the agents --- */

/* The state of a tile: its words, its shape. */
const STATES = {
  gone: ["Gone", "gone"], absent: ["Did not register", "failed"], waiting: ["Waiting", "waiting"], registered: ["Registered", "good"],
  busy: ["At work", "busy"], done: ["Took part", "good"],
};

function stateOf(agent, {state}) {
  if (agent.state === "gone") return "gone";
  if (agent.state === "waiting") return state === "ended" ? "absent" : "waiting";
  return {starting: "registered", ended: "done"}[state] ?? "busy";
}

const tiles = new Map(); /* agent: {li, words, values (a variable: its value)} */

function makeTile(agent, state, values, before, rest) {
  const [word, shape] = STATES[state];
  return h("li", {class: `agent state s-${state}`},
    h("bdi.who", short(agent.name)), h("span.more", agent.host ? name(short(agent.host)) : "\u00a0"),
    h("dl", [...values].map(([variable, value]) => h("div", {class: before && value !== undefined && before.get(variable) !== value ? "fresh" : null},
      h("dt", h("bdi", short(variable, FEW))), h("dd", value === undefined ? "–" : h("bdi", short(value, FEW)))))),
    rest > 0 && h("span.more", `and ${number(rest)} more`),
    h("span.now", icon(shape), word));
}

/* Makes the list equal to the run: the gone first, then by name.  Only what has changed is made again. */
export function drawAgents(list, run) {
  const gone = (agent) => agent.state === "gone", used = new Set();
  const shown = [...run.agents].sort((a, b) => gone(b) - gone(a) || byName(a.name, b.name)).slice(0, TILES);
  let at = list.firstChild;

  for (const agent of shown) {
    const state = stateOf(agent, run), all = agent.variables ?? [], rest = all.length - VALUES, was = tiles.get(agent.name);
    const values = new Map(all.slice(0, VALUES).map((variable) => [variable, Object.hasOwn(run.values, variable) ? String(run.values[variable]) : undefined]));
    const words = JSON.stringify([state, agent.host, rest, ...values]);
    if (used.has(agent.name)) continue;
    used.add(agent.name);
    let li = was?.li;
    if (was?.words !== words) {
      li = makeTile(agent, state, values, was?.values, rest);
      tiles.set(agent.name, {li, words, values});
      if (was?.li === at) at = at?.nextSibling;
      was?.li.remove();
    }
    if (li === at) at = at.nextSibling;
    else list.insertBefore(li, at);
  }
  for (const [key, {li}] of tiles) if (!used.has(key) && tiles.delete(key)) li.remove();
  return run.agents.length > TILES ? `${number(run.agents.length - TILES)} more agents are not shown.` : "";
}

export function drawCounts(list, run) {
  const all = run.agents.map((agent) => stateOf(agent, run));
  fill(list, Object.entries(STATES).map(([state, [word, shape]]) => [state, word, shape, all.filter((one) => one === state).length]).filter(([, , , n]) => n)
    .map(([state, word, shape, n]) => h("li", {class: `state s-${state}`, "data-key": state}, icon(shape), `${number(n)} ${word.toLowerCase()}`)));
}
