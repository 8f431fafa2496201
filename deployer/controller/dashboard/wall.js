/* The list for the wall: names, machines and addresses at load time; and a label for each
 * machine, whose QR code opens its tile. */

import {get} from "./api.js";
import {$, h} from "./dom.js";
import {apply, newStore, tiles} from "./model.js";
import {callOf, count, host, hostOf, name, visible} from "./words.js";

const row = ({machine: m, agent}) => h("tr", {class: m?.online ? null : "absent"},
  h("td", m && !m.agents?.length ? "–" : name(m ? callOf(m) : agent)), h("td", m ? host(m) : "missing", m && !m.online && " (offline)"),
  h("td", m?.addresses?.map((a, i) => [i > 0 && h("br"), h("code", visible(a))])), h("td", visible(m?.model)));

const card = ({machine: m}) => {
  const of = encodeURIComponent(new URL(`./#m=${m.ref}`, location));
  return h("li", h("img", {src: `api/v1/qr?of=${of}`, alt: `QR code of ${visible(hostOf(m))}`}),
    h("p", h("b", m.agents?.length ? name(callOf(m)) : "no name"), h("span", host(m))));
};

let machines = [];

$("print").onclick = () => print();
$("labels").onclick = ({target}) => {
  const on = $("cards").hidden;
  target.setAttribute("aria-pressed", on);
  $("cards").hidden = !on;
  $("cards").replaceChildren(...machines.map(card));
  document.querySelector("table").hidden = on;
};
try {
  const store = newStore(), [{machines: told}, match] = await Promise.all([get("machines"), get("match")]);
  apply(store, "snapshot", {machines: told, match});
  document.title = $("title").textContent = visible(match.problem?.name || "Machines");
  $("when").textContent = `${count(told.length, "machine")}, ${new Date().toLocaleString()}`;
  $("rows").replaceChildren(...tiles(store).map(row));
  machines = tiles(store).filter((t) => t.machine);
} catch (error) {
  $("when").textContent = visible(error.message);
}
