/* The questions before an action. */

import {ask} from "./dialog.js";
import {h} from "./dom.js";
import {obstacle} from "./model.js";
import {byName, called, callOf, count, host, listed, name} from "./words.js";

/* For each action: its button, the question, and what will happen. */
export const ACTIONS = {
  deploy: ["Deploy", "Deploy to", "pyDCOP is brought up to date, and the agents start. What is up to date is not changed."],
  start: ["Start", "Start the agents of", "Agents that run are not touched."],
  stop: ["Stop", "Stop the agents of", "Their computation is lost. They stay stopped until a start, deploy or boot."],
  restart: ["Restart", "Restart the agents of", "Their computation is lost."],
  rollback: ["Roll back", "Roll back", "The previous version of pyDCOP becomes current, and the agents restart. Debian packages stay."],
  identify: ["Blink", "Blink the light of", "The activity light blinks for ten seconds, so that you can find it."],
  reboot: ["Reboot", "Reboot", "The agents stop, and the machine reboots."],
  poweroff: ["Power off", "Power off", "The agents stop and the machine powers off. It must be switched on again by hand."],
  accept: ["Accept", "Accept", "From now on this key is trusted. The machine's own screen shows it with ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub."],
  replace: ["Trust the new key", "Trust the new key of", "Only if you know why it changed, such as a reflashed card. The old key is then no longer trusted."],
  forget: ["Forget", "Forget", "Its trusted key, names and record are deleted. While it is on the network it stays in the list, as new."],
};

const rows = (items) => h("ul.names", {tabindex: 0, "aria-label": "Machines"}, items);

/* Shows which machines are meant, and which are left out and why; null, or the machines. */
export function askAction(action, machines) {
  const meant = machines.filter((m) => !obstacle(action, m)).sort((a, b) => byName(callOf(a), callOf(b)));
  const left = machines.filter((m) => obstacle(action, m)), one = meant.length === 1;
  const key = action === "accept", changed = key && meant.some((m) => m.trust.state === "changed");
  const [yes, question, says] = ACTIONS[changed ? "replace" : action];
  return ask({
    title: meant.length ? [question, " ", one ? called(meant[0]) : count(meant.length, "machine"), "?"] : "There is nothing to do",
    body: [
      meant.length > 0 && [h("p", says), rows(meant.map((m) =>
        h("li", h("b", called(m)), m.agents?.length && m.host && [" on ", host(m)],
          key && h("small", "shows ", h("code", m.hostkey)), key && m.trust.pin && h("small", "trusted is ", h("code", m.trust.pin)))))],
      left.length > 0 && h("p", "Left out: ", listed(left.map((m) => [called(m), ` (${obstacle(action, m)})`]), 8), "."),
    ],
    yes: meant.length > 0 && (one ? yes : `${yes} ${count(meant.length, "machine")}`),
    danger: changed || /poweroff|reboot|stop|rollback|forget/.test(action), answer: () => meant,
  });
}

/* Null, or the names that a person gave a machine. */
export const askNames = (m, names, missing) => ask({
  title: ["Name ", called(m)], yes: "Give the name",
  body: [h("p", "It is written to the settings of ", host(m), " and advertised at once; an agent that runs there restarts with it."),
    missing.length > 0 && h("p", "Missing: ", listed(missing.map(name)), "."),
    h("label", "Agent (several: separated by commas)", h("input", {name: "agents", autocomplete: "off", spellcheck: "false", value: names.join(", ")}))],
  answer: ({agents}) => agents.value.split(",").map((one) => one.trim()).filter(Boolean),
});

/* Null: it stays in the queue of --later. */
export const askUnqueue = (who) => ask({
  title: ["Take ", name(who), " out of the queue?"], yes: "Take it out", body: h("p", "It is not deployed to when it is back."),
});

/* Null, or the plan. */
export const askPlan = (plan, machines) => ask({
  title: `Give ${count(plan.length, "machine")} a name?`, yes: "Give names", answer: () => plan,
  body: [h("p", "The names are written to the machines' settings."), rows(
    plan.map((a) => h("li", host(machines.get(a.ref)), " becomes ", h("b", name(a.agent)))))],
});
