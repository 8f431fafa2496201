/* The list for the wall: names, machines, addresses; as it is now, nothing moves. */

import {get} from "./api.js";
import {$, h} from "./dom.js";
import {newStore, apply, tiles} from "./model.js";
import {callName, count, hostName, name, visible} from "./words.js";

const row = (t) => t.machine ? h("tr", {class: t.machine.online ? null : "absent"},
    h("td", {}, t.machine.agents?.length ? name(callName(t.machine)) : "–"),
    h("td", {}, name(hostName(t.machine) || t.machine.id), t.machine.online ? "" : " (offline)"),
    h("td", {}, (t.machine.addresses ?? []).map((a, i) => [i ? h("br") : "", h("code", {}, visible(a))])),
    h("td", {}, visible(t.machine.model ?? ""))) :
    h("tr", {class: "absent"}, h("td", {}, name(t.agent)), h("td", {}, "missing"), h("td"), h("td"));

async function fetchAll() {
    const store = newStore(), [{machines}, match] = await Promise.all([get("machines"), get("match")]);
    apply(store, "snapshot", {machines, match});
    return store;
}

$("print").addEventListener("click", () => print());
try {
    const store = await fetchAll(), title = visible(store.match.problem?.name || "Machines");
    document.title = $("title").textContent = title;
    $("when").textContent = `${count(store.machines.size, "machine")}, ${new Date().toLocaleString([], {dateStyle: "long", timeStyle: "short"})}`;
    $("rows").replaceChildren(...tiles(store).map(row));
} catch (error) {
    $("when").textContent = error.message;
}
