/* The page's main part, made again at each change; dom.js merges it. */

import {ACTIONS} from "./ask.js";
import {button, code, h, icon} from "./dom.js";
import {absent, isBack, needs, obstacle} from "./model.js";
import {ago, called, callOf, clock, count, doing, host, listed, name, shape, STATES, visible} from "./words.js";

/* --- the answer --- */

export function sentence({told, match, machines}) {
  const total = match.problem?.agents, here = match.matched?.length ?? 0;
  if (!told) return "Looking for machines…";
  if (total === undefined) return machines.size ? `${count(machines.size, "machine")} found.` : "No machine yet.";
  return here < total ? `${here} of ${total} agents are here.` : `All ${total} agents are here.`;
}

/* Below it, one paragraph each: what is wrong, what is missing, what is awaited. */
export function lacks(store) {
  const {status, match} = store, by = new Map();
  const line = (words, kind) => h("p", {class: kind}, words);
  for (const {agent, seen} of absent(store)) {
    const when = seen ? `, last seen ${ago(seen)}` : ", not seen yet";
    by.set(when, [...(by.get(when) ?? []), name(agent)]);
  }
  return [
    ...(status.health?.reasons ?? []).map((reason) => line(visible(reason), "grave")),
    match.problem_error && line(["The problem file cannot be used: ", visible(match.problem_error)], "grave"),
    by.size && line(["Missing: ", [...by].map(([when, names], i) => [i ? "; " : "", listed(names), when]), ". ", code("dcop-deploy doctor"), " says why."]),
    store.told && !match.problem && line("No problem file is set: see the service's option -p."),
    status.quorum > status.present && line(`Deployment starts when ${status.quorum} machines are present; now ${status.present}.`),
    status.later?.length && line(["Deployed when back: ", listed(status.later.map((l) => {
      const who = l.agents.join(" ") || l.host;
      return [name(who), !l.at_work && button(icon("close"), "unqueue", {machine: l.machine, who}, {class: "bare", "aria-label": `Take ${who} out of the queue`}),
        ` (${visible(l.reason)} since ${clock(l.reason_since)})`];
    }))]),
    status.packing && line("pyDCOP is being built on the controller."),
    ...(match.warnings ?? []).map((warning) => line(visible(warning), "warn")),
  ];
}

export const counts = (shown) => Object.entries(STATES).map(([state, word]) => [state, word, shown.filter((t) => t.state === state).length])
  .filter(([, , n]) => n).map(([state, word, n]) => h("li", {class: `state s-${state}`, "data-key": state}, icon(shape(state)), `${n} ${word.toLowerCase()}`));

/* --- what needs a person --- */

const who = (m) => [called(m), m.agents?.length && m.host ? [" (", host(m), ")"] : ""];
const act = (words, action, machines, more, attributes) =>
  button(words, "act", {action, refs: machines.map((m) => m.ref).join(" "), ...more}, attributes);

const mayRetry = (m) => !m.error && (m.work?.verb ?? "deploy") === "deploy";

const NEEDS = {
  impostor: ({machine: m}) => ({
    what: m.trust.state === "changed" ? [who(m), " shows a key that is not the trusted one"] :
      [who(m), " shares its id with another machine that has another key"],
    why: ["A reflashed card, or an impostor; nothing is sent to it. It shows ", code(m.hostkey), m.trust.pin && ["; trusted is ", code(m.trust.pin)], "."],
    acts: m.online && act("It is the right one…", "accept", [m]),
  }),
  duplicate: ({agent, machines}) => ({
    what: [name(agent), ` is the name of ${count(machines.length, "machine")}`],
    why: ["On ", listed(machines.map(host)), ". Each needs a name of its own."],
    acts: machines.slice(0, 4).map((m) => button(["Rename ", host(m), "…"], "name", {ref: m.ref})),
  }),
  failed: ({machine: m}) => ({
    what: [who(m), m.work?.state === "retrying" ? " failed and is tried again" : m.error ? " has a wrong setting" : " failed and needs help"],
    why: visible(m.error ?? m.work?.detail ?? m.work?.why ?? "Its agent does not stay up; see its log."),
    acts: [button("Details", "open", {ref: m.ref}), mayRetry(m) && act("Retry…", "deploy", [m])],
  }),
  misnamed: ({machine: m, agent, suggestion}) => ({
    what: [name(agent), " is not in the problem", suggestion && ["; did you mean ", name(suggestion), "?"]],
    why: ["It is advertised by ", host(m), "."],
    acts: button(suggestion ? ["Correct to ", name(suggestion), "…"] : "Rename…", "name", {ref: m.ref, agent, ...(suggestion && {suggestion})}),
  }),
  new: ({machines}) => ({
    what: count(machines.length, "new machine"),
    why: "Compare the fingerprint with that on the machine's own screen, then accept it. Nothing is sent before.",
    acts: machines.length > 1 && act(`Accept all ${machines.length}…`, "accept", machines),
    more: h("details", {open: machines.length < 4}, h("summary", "Fingerprints"), h("ul.keys", machines.map((m) =>
      h("li", {"data-key": m.ref}, h("span", called(m), m.agents?.length && h("small", host(m))), code(m.hostkey), act("Accept…", "accept", [m]))))),
  }),
  assign: ({plan}, {machines}) => ({
    state: "nameless", what: `${count(plan.length, "machine")} without a name can get one`,
    why: listed(plan.map((a) => [host(machines.get(a.ref)), " becomes ", name(a.agent)]), 4), acts: button("Give names…", "name-all"),
  }),
  unverified: ({machines}) => ({
    what: `${count(machines.length, "machine")} without this fleet's signature`,
    why: [listed(machines.map(called), 6), ". Nothing is sent to them; dcop-deploy enroll gives them a key."],
  }),
};

export const needList = (store, shown) => needs(store, shown).map((need) => {
  const {state = need.kind, what, why, acts, more} = NEEDS[need.kind](need, store);
  return h("li", {class: need.kind === "impostor" ? "need state s-impostor" : "need", "data-key": `${need.kind} ${need.agent} ${need.machine?.ref}`},
    h("span", {class: `mark state s-${state}`}, icon(shape(state))),
    h("div", h("p.what", what), h("p", why)), acts && h("div.acts", acts), more);
});

/* --- tools and tiles --- */

/* A button for each action that is possible for one of the machines. */
export const actions = (machines, live, which) => which.split(" ").filter((action) => machines.some((m) => !obstacle(action, m)))
  .map((action) => act(`${ACTIONS[action][0]}…`, action, machines, {key: action},
    {disabled: !live, class: {deploy: "main", accept: "main", poweroff: "danger", forget: "danger"}[action]}));

const OFTEN = "deploy start stop identify";
export const ALL = `${OFTEN} restart rollback reboot poweroff`;

export function tools({machines}, shown, picked, live) {
  const all = [...machines.values()], some = all.filter((m) => picked.has(m.ref));
  const failed = shown.filter((t) => t.state === "failed" && mayRetry(t.machine)).map((t) => t.machine);
  if (!all.length) return [];
  return [h("b", some.length ? `${some.length} selected` : "All machines"),
    ...actions(some.length ? some : all, live, some.length ? ALL : OFTEN),
    !some.length && failed.length > 1 && act(`Retry ${failed.length} failed…`, "deploy", failed, {}, {disabled: !live}),
    some.length ? button("Select none", "pick-none") : button("Select all", "pick-all")];
}

/* What a machine does, in one word and in more: [word, more, [step, total]]. */
export function saying({state, machine: m, wrong, seen}) {
  const work = m?.work ?? {}, word = STATES[state];
  switch (state) {
  case "missing": return [word, seen ? `seen ${ago(seen)}` : "not seen yet"];
  case "offline": return [word, m.last_seen && `seen ${ago(m.last_seen)}`];
  case "deploying":
    if (work.state === "packing") return ["Preparing", "building pyDCOP"];
    return [doing(work.verb), work.step ? `${work.number} of ${work.total}: ${visible(work.step)}` : visible(work.phase), work.total && [work.number, work.total]];
  case "queued": return [word, doing(work.verb)];
  case "misnamed": return [word, wrong[0].suggestion ? ["is it ", name(wrong[0].suggestion), "?"] : "not in the problem"];
  case "failed": return [work.state === "retrying" ? "Trying again" : word, visible(work.why)];
  case "waiting": return [word, visible(work.why)];
  case "nameless": return [word, work.assigned?.length && ["gets ", name(work.assigned[0])]];
  default: return [word, work.held && "left alone by --auto"];
  }
}

export function tile(t, {picked, open, active}) {
  const m = t.machine, [word, more, bar] = saying(t), title = m ? callOf(m) : t.agent, tabindex = m?.ref === active ? 0 : -1;
  const chosen = picked.has(m?.ref), lit = isBack(m), inside = [
    h("bdi", {class: title.length > 10 ? "who long" : "who"}, visible(title)),
    h("span.more", lit ? "back just now" : more || (m?.agents?.length ? host(m) : "\u00a0")),
    h("span.now", icon(shape(t.state)), word), bar && h("progress", {value: bar[0], max: bar[1], "aria-label": "Steps"})];
  return h("li", {class: `tile state s-${t.state}${chosen ? " chosen" : ""}${lit ? " lit" : ""}`, "data-key": t.key},
    m ? h("button", {type: "button", "data-do": "open", "data-ref": m.ref, tabindex, "aria-expanded": String(open === m.ref)}, inside) : h("div", inside),
    m && h("label.pick", h("input", {type: "checkbox", "data-pick": m.ref, checked: chosen, tabindex, "aria-label": `Select ${title}`})));
}
