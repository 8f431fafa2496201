/* Making and updating elements.  Everything from the network is hostile text: it
 * gets onto the page as text nodes and plain attributes, never as markup. */

/* h("p.x", {id: "y"}, "text", [more], element); attributes are optional, null and false are skipped. */
const maker = (make) => (what, ...children) => {
  const [tag, ...classes] = what.split("."), el = make(tag);
  const attributes = children[0]?.constructor === Object ? children.shift() : {};
  for (const [key, value] of Object.entries(attributes)) if (value != null && value !== false) el.setAttribute(key, value === true ? "" : value);
  el.classList.add(...classes);
  el.append(...children.flat(9).filter((child) => child != null && child !== false));
  return el;
};
export const h = maker((tag) => document.createElement(tag));
export const svg = maker((tag) => document.createElementNS("http://www.w3.org/2000/svg", tag));

export const code = (text) => text && h("code", text);

/* A shape of the page's; its word is beside it. */
export const icon = (name) => svg("svg.icon", {viewBox: "0 0 24 24", "aria-hidden": "true"}, svg("use", {href: `#i-${name}`}));

/* A button for the page's handler `does`; `data` is its argument. */
export function button(words, does, data = {}, attributes = {}) {
  const el = h("button", {type: "button", ...attributes}, words);
  Object.assign(el.dataset, {do: does, ...data});
  return el;
}

export const $ = (id) => document.getElementById(id);

/* Makes the content of `el` equal to `nodes` (a false one is skipped) and keeps focus, scrolling and open details.
 * Elements with data-key are moved, not made again. */
export function fill(el, nodes) {
  const keyed = new Map([...el.children].filter((c) => c.dataset.key).map((c) => [c.dataset.key, c]));
  let at = el.firstChild;

  for (const node of nodes.filter(Boolean).map((n) => (n instanceof Node ? n : new Text(n)))) {
    const key = node.dataset?.key, same = key ? keyed.get(key) : at?.dataset?.key ? null : at;
    if (same?.nodeName !== node.nodeName) {
      el.insertBefore(node, at);
      continue;
    }
    if (same === at) at = at.nextSibling;
    else el.insertBefore(same, at);
    if (node instanceof Text) same.data !== node.data && (same.data = node.data);
    else morph(same, node);
  }
  while (at) {
    const next = at.nextSibling;
    at.remove();
    at = next;
  }
}

function morph(old, made) {
  const kept = (name) => name === "open" && old.nodeName === "DETAILS";
  for (const {name} of [...old.attributes]) if (!made.hasAttribute(name) && !kept(name)) old.removeAttribute(name);
  for (const {name, value} of made.attributes)
    if (old.getAttribute(name) !== value && !kept(name)) old.setAttribute(name, value);
  if (old.nodeName === "INPUT") old.checked = made.checked;
  fill(old, [...made.childNodes]);
}
