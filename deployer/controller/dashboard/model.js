/* What the page knows, and what follows from it.  No DOM, no network. */

import {byName, callOf} from "./words.js";

const STEPS = 64; /* kept for a machine */

/* Whose plug was pulled and put back?  It is lit for so long. */
const LIT_MS = 20000;
export const isBack = (m) => m?.online && Date.now() - m.back < LIT_MS;

export const newStore = () => ({
  told: false, status: {}, match: {}, machines: new Map(),
  work: new Map(), /* ref: {run, note, steps: Map(name: the last event of it)} */
});

function workOf({work}, {ref, run}) {
  if (work.get(ref)?.run !== run) work.set(ref, {run, note: "", steps: new Map()});
  return work.get(ref);
}

const takes = {
  snapshot(s, {status, match, machines}) {
    Object.assign(s, newStore(), {told: true, status: status ?? {}, match: match ?? {}, machines: new Map(machines.map((m) => [m.ref, m]))});
  },
  machine(s, {machine: m}) {
    const known = s.machines.get(m.ref);
    s.machines.set(m.ref, {...m, back: m.online && known?.online === false ? Date.now() : known?.back});
  },
  gone: (s, {ref}) => [s.machines, s.work].forEach((kept) => kept.delete(ref)),
  match: (s, match) => (s.match = match),
  status: (s, status) => (s.status = status),
  step(s, step) {
    const {steps} = workOf(s, step), m = s.machines.get(step.ref);
    if (steps.has(step.step) || steps.size < STEPS) steps.set(step.step, step);
    if (m?.work.state === "running" && m.work.run === step.run)
      m.work = {...m.work, phase: "steps", step: step.step, number: step.number, total: step.total};
  },
  note: (s, note) => (workOf(s, note).note = note.text),
};

/* Applies an event; unknown ones are ignored. */
export const apply = (store, event, data) => Object.hasOwn(takes, event) && takes[event](store, data);

/* The most urgent state of a machine, one of STATES. */
function stateOf(m, twice, wrong, auto) {
  const work = m.work ?? {}, trust = m.trust?.state;
  if (trust === "changed" || trust === "doubtful") return "impostor";
  if (work.state === "running" || work.state === "packing") return "deploying";
  if (!m.online) return "offline";
  if (trust === "unverified") return "unverified";
  if (work.state === "queued") return "queued";
  if (twice) return "duplicate";
  if (work.state === "stuck" || work.state === "retrying") return "failed";
  if (trust === "new") return "new";
  if (wrong.length) return "misnamed";
  if (!m.agents?.length) return "nameless";
  if (m.state === "failed") return "failed";
  if (work.state === "waiting" && auto) return "waiting";
  if (work.state !== "ok" && /failed|refused|unreachable/.test(work.outcome)) return "failed";
  return m.state === "running" || m.state === "stopped" ? m.state : "ready";
}

/* The machines with that name that are not impostors. */
const holders = ({machines}, agent) => [...machines.values()].filter((m) =>
  m.online && m.agents?.includes(agent) && /accepted|new/.test(m.trust?.state));

/* By agent name, the nameless last: {machine, state, wrong} (wrong: its names that are not in
 * the problem), or {agent, seen, state: "missing"} for a name that no machine has. */
export function tiles(store) {
  const {duplicates = [], unexpected = []} = store.match;
  const all = [...store.machines.values()].map((m) => {
    const has = (agent) => m.agents?.includes(agent);
    const wrong = unexpected.filter((u) => u.machine === m.id && has(u.agent));
    const twice = duplicates.some((d) => has(d.agent) && holders(store, d.agent).length > 1);
    return {key: m.ref, name: m.agents?.[0] ?? "", rest: callOf(m) + m.ref, machine: m, wrong, state: stateOf(m, twice, wrong, store.status.auto)};
  });
  const gone = missing(store).map((one) => ({key: `missing ${one.agent}`, name: one.agent, rest: "", state: "missing", ...one}));
  return [...all, ...gone].sort((a, b) => !a.name - !b.name || byName(a.name, b.name) || byName(a.rest, b.rest));
}

function missing({match}) {
  const seen = new Map(match.reserved?.map((r) => [r.agent, r.last_seen]));
  return (match.missing ?? []).map((agent) => ({agent, seen: seen.get(agent)}));
}

/* {agent, seen} for each absent agent, its machine unknown or offline. */
export function absent(store) {
  const all = [...store.machines.values()];
  const off = (store.match.offline ?? []).map((agent) => ({agent, seen: all.find((m) => !m.online && m.agents?.includes(agent))?.last_seen}));
  return [...missing(store), ...off].sort((a, b) => byName(a.agent, b.agent));
}

/* Why the action is not possible for a machine, or null. */
export function obstacle(action, m) {
  const trust = m.trust?.state;
  if (action === "forget") return null;
  if (!m.online) return "offline";
  if (action === "accept") return m.hostkey && /new|changed|doubtful/.test(trust) ? null : "nothing to accept";
  if (trust !== "accepted") return "not accepted";
  return action === "deploy" && !m.agents?.length ? "no name" : null;
}

/* What needs a person, the most urgent first. */
export function needs(store, shown) {
  const {match, machines, status} = store;
  const of = (state) => shown.filter((t) => t.state === state).map(({machine}) => ({machine}));
  const there = shown.filter((t) => t.machine?.online), kind = (word, items) => items.map((item) => ({kind: word, ...item}));
  const some = (word, items) => (items.length ? [{kind: word, machines: items.map((t) => t.machine)}] : []);
  const plan = status.assign ? [] : (match.assignments ?? []).filter((a) => machines.has(a.ref));

  return [
    kind("impostor", of("impostor")),
    kind("duplicate", (match.duplicates ?? []).map(({agent}) => ({agent, machines: holders(store, agent)})).filter((d) => d.machines.length > 1)),
    kind("failed", [...of("failed"), ...there.filter((t) => t.machine.error && t.state !== "failed")]),
    kind("misnamed", there.filter((t) => t.state !== "unverified").flatMap(({machine, wrong}) => wrong.map((w) => ({...w, machine})))),
    some("new", there.filter((t) => t.machine.trust?.state === "new")),
    plan.length ? [{kind: "assign", plan}] : [],
    some("unverified", of("unverified")),
  ].flat();
}
