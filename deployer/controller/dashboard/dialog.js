/* The modal dialog, and the question for the token. */

import {haveToken, tryToken} from "./api.js";
import {$, button, h} from "./dom.js";
import {visible} from "./words.js";

/* Resolves with answer(elements) on a yes, null on a no.  If answer throws, its message is shown. */
export function ask({title, body, yes, danger, answer = () => true}) {
  const dialog = $("ask"), before = document.activeElement, wrong = h("p.wrong", {role: "alert"});
  const form = h("form", h("h2", {id: "ask-title"}, title), body, wrong, h("div", {class: "acts"},
    button("Cancel", "cancel"), yes && h("button", {class: danger ? "main danger" : "main"}, yes)));
  dialog.replaceChildren(form);
  dialog.showModal();
  (form.querySelector("input") ?? form.querySelector(danger ? ".acts *" : ".acts :last-child")).focus();
  return new Promise((resolve) => {
    let value = null;
    form.onsubmit = async (event) => {
      event.preventDefault();
      try {
        value = await answer(form.elements);
        dialog.close();
      } catch (error) {
        wrong.textContent = visible(error.message);
      }
    };
    dialog.onclose = () => {
      resolve(value);
      if (before.isConnected) before.focus();
    };
  });
}

/* True when the service has accepted a token. */
const askToken = () => ask({
  title: "Token needed", yes: "Use it", answer: ({token}) => tryToken(token.value),
  body: [h("p", "Changes need the token. Paste it, or the address that the service printed when it started. It is also in the file “token” of its state folder."),
    h("label", "Token", h("input", {name: "token", type: "password", autocomplete: "off"}))],
});

/* What `send` resolves to; where the token is missing or wrong, a person is asked for it.
 * undefined: none was given. */
export async function withToken(send) {
  while (haveToken() || (await askToken())) {
    try {
      return await send();
    } catch (error) {
      if (error.status !== 401) throw error;
    }
  }
}
