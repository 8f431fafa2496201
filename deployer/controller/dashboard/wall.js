/* The list for the wall: names, machines and addresses at load time. */

import {get} from "./api.js";
import {$, h} from "./dom.js";
import {apply, newStore, tiles} from "./model.js";
import {callOf, count, host, name, visible} from "./words.js";

const row = ({machine: m, agent}) => h("tr", {class: m?.online ? null : "absent"},
  h("td", m && !m.agents?.length ? "–" : name(m ? callOf(m) : agent)), h("td", m ? host(m) : "missing", m && !m.online && " (offline)"),
  h("td", m?.addresses?.map((a, i) => [i > 0 && h("br"), h("code", visible(a))])), h("td", visible(m?.model)));

$("print").onclick = () => print();
try {
  const store = newStore(), [{machines}, match] = await Promise.all([get("machines"), get("match")]);
  apply(store, "snapshot", {machines, match});
  document.title = $("title").textContent = visible(match.problem?.name || "Machines");
  $("when").textContent = `${count(machines.length, "machine")}, ${new Date().toLocaleString()}`;
  $("rows").replaceChildren(...tiles(store).map(row));
} catch (error) {
  $("when").textContent = visible(error.message);
}
