/* What is said before something is done, and asked where it must be: one modal dialog. */

import {tryToken} from "./api.js";
import {$, button, h} from "./dom.js";
import {obstacle} from "./model.js";
import {byName, callName, count, hostName, listed, name, visible} from "./words.js";

/* What an action does, in the words of its button. */
export const ACTIONS = {
    deploy: ["Deploy", "Deploy to", "pyDCOP is brought up to date there and the agents run. A machine that has it all is left as it is."],
    start: ["Start", "Start the agents of", "Agents that run already go on."],
    stop: ["Stop", "Stop the agents of", "What they compute is lost. They stay stopped until they are started, deployed or the machine boots."],
    restart: ["Restart", "Restart the agents of", "What they compute is lost."],
    rollback: ["Roll back", "Roll back", "The version of pyDCOP before the present one takes over, and the agents restart. Debian's packages stay."],
    retry: ["Retry", "Forget the failures of", "With --auto the service then tries at once."],
    identify: ["Blink", "Blink the light of", "The activity light blinks for ten seconds, so that the machine can be found."],
    reboot: ["Reboot", "Reboot", "The agents stop, the machines boot anew."],
    poweroff: ["Power off", "Power off", "The agents stop and the machines go off. Only a hand at the machine switches them on again."],
    logs: ["Read the log", "Read the log of", ""],
    accept: ["Accept", "Accept", "From now on these keys are trusted. Accept what you have compared, or what you plugged in yourself in a network that is yours alone."],
};
const GRAVE = ["poweroff", "stop", "rollback", "reboot"];

/* Shows the dialog; resolves with `answer(form)` on a yes, with null otherwise.
 * `answer` may throw an Error, whose words are shown, and the dialog stays. */
export function ask({title, body, yes, danger, answer = () => true}) {
    const dialog = $("ask"), before = document.activeElement;
    const wrong = h("p", {class: "wrong", role: "alert", hidden: true});
    const form = h("form", {}, h("h2", {id: "ask-title"}, title), body, wrong, h("div", {class: "acts"},
        button("Cancel", "cancel"), yes && h("button", {class: danger ? "main danger" : "main"}, yes)));
    dialog.replaceChildren(form);
    dialog.showModal();
    (form.querySelector("input, select") ?? form.querySelector(".acts button:last-child")).focus();
    return new Promise((resolve) => {
        form.addEventListener("submit", async (event) => {
            event.preventDefault();
            try {
                const value = await answer(form);
                dialog.returnValue = "yes";
                resolve(value);
                dialog.close();
            } catch (error) {
                wrong.textContent = error.message;
                wrong.hidden = false;
            }
        });
        dialog.addEventListener("close", () => {
            resolve(null);
            if (before?.isConnected) before.focus();
        }, {once: true});
    });
}

const fact = (m, withKey) => h("li", {}, h("b", {}, name(callName(m))),
    m.agents?.length && m.host ? [" on ", name(hostName(m))] : "", withKey ? h("small", {}, h("code", {}, m.hostkey)) : "");

/* The machines that it will be done to, and those left out with the reason; null or the refs. */
export function askAction(action, machines) {
    const [yes, title, says] = ACTIONS[action];
    const meant = machines.filter((m) => !obstacle(action, m)).sort((a, b) => byName(callName(a), callName(b)));
    const left = machines.filter((m) => obstacle(action, m));
    const whom = meant.length === 1 ? name(callName(meant[0])) : count(meant.length, "machine");
    return ask({
        title: meant.length ? [title, " ", whom, "?"] : ["Nothing to do"],
        body: [
            h("p", {}, meant.length ? says : "It can be done with none of these machines."),
            meant.length > 0 && h("ul", {class: "names", tabindex: 0, "aria-label": "Machines"}, meant.map((m) => fact(m, action === "accept"))),
            left.length > 0 && h("p", {class: "left"}, "Left out: ", listed(left.map((m) => [name(callName(m)), ` (${obstacle(action, m)})`]), 8), "."),
        ],
        yes: meant.length && (meant.length > 1 ? `${yes} ${count(meant.length, "machine")}` : yes),
        danger: GRAVE.includes(action), answer: () => meant,
    });
}

/* Of one machine, with what there is to compare. */
export function askAccept(m) {
    const changed = m.trust.state === "changed";
    const row = (words, text) => [h("dt", {}, words), h("dd", {}, h("code", {}, text))];
    return ask({
        title: [changed ? "Trust the new key of " : "Accept ", name(callName(m)), "?"],
        body: [
            h("p", {}, changed ? "Say yes only if you know why the key changed, such as a card that was written anew. The old key is not trusted any more." :
                "Is this what the machine itself shows? From now on this key is trusted, and pyDCOP may be deployed."),
            h("dl", {class: "facts"}, row("It shows", m.hostkey), m.trust.pin ? row("Trusted is", m.trust.pin) : "",
                row("On the machine", "ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub")),
        ],
        yes: changed ? "Trust the new key" : "Accept", danger: changed,
    });
}

/* Names for one machine; null or a list. */
export function askNames(m, missing) {
    const held = m.agents ?? [];
    return ask({
        title: ["Name ", name(held.length ? callName(m) : hostName(m) || m.id)],
        body: [
            h("p", {}, "It is written to the machine's own settings and is on the air at once. An agent that runs there restarts with it."),
            missing.length > 0 && h("p", {}, "Missing: ", listed(missing.map(name)), "."),
            h("label", {}, "Agent (several: a comma between)", h("input", {name: "agents", autocomplete: "off", spellcheck: "false",
                value: missing[0] ?? held.join(", ")})),
        ],
        yes: "Give the name",
        answer: (form) => {
            const agents = form.elements.agents.value.split(",").map((one) => one.trim()).filter(Boolean);
            if (!agents.length && held.length === 0) throw new Error("Type a name.");
            return agents;
        },
    });
}

/* True once there is a token that the service knows. */
export const askToken = () => ask({
    title: "Who may change things?",
    body: [
        h("p", {}, "Looking is free; what changes a machine needs the token. The service said an address with it when it started: open that, or paste the address or the token here."),
        h("p", {}, "It is in the file ", h("code", {}, "token"), " of the service's state folder."),
        h("label", {}, "Token", h("input", {name: "token", type: "password", autocomplete: "off"})),
    ],
    yes: "Use it",
    answer: async (form) => {
        const why = await tryToken(form.elements.token.value);
        if (why) throw new Error(why);
        return true;
    },
});
