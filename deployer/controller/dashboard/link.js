/* The connection to the service, shown at the top of a page. */

import {listen} from "./api.js";
import {$, button, fill, h} from "./dom.js";
import {clock} from "./words.js";

let link = {state: "connecting"}, told = false, retry;

export const isLive = () => link.state === "live";
export const reconnect = () => retry();

function draw() {
  const {state, since, next} = link, lost = state === "lost", wait = Math.ceil((next - Date.now()) / 1000);
  $("link").dataset.state = state;
  $("link").textContent = lost ? "Connection lost" : "Live";
  $("lost").hidden = !lost;
  document.body.classList.toggle("stale", lost && told);
  if (lost) fill($("lost"), [
    h("span", {role: "alert"}, told ? `Connection to the service lost. The page shows the state of ${clock(since)}.` : "The service does not answer."),
    h("span", wait > 0 ? `Trying again in ${wait} s` : "Trying again…"), button("Try now", "reconnect")]);
}

/* onEvent(name, data) for each event; onChange() when the connection is lost or back. */
export function connect(onEvent, onChange) {
  retry = listen((event, data) => {
    told = true;
    onEvent(event, data);
  }, (state, more) => {
    if (state === "live" && isLive()) return;
    link = {state, ...more};
    draw();
    onChange();
  });
  setInterval(() => link.state === "lost" && draw(), 500);
}
