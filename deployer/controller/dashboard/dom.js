/*
 * Making and updating elements.
 *
 * All that comes from the network is hostile text: it gets onto the page by
 * text nodes and by attributes that carry no code, never as markup.
 */

const SVG = "http://www.w3.org/2000/svg";

/* h("p", {class: "x"}, "text", [more], element): null, undefined and false are
 * left out, of attributes and of children. */
export function h(tag, attributes, ...children) {
    const el = document.createElement(tag);
    for (const [key, value] of Object.entries(attributes ?? {}))
        if (value !== null && value !== undefined && value !== false)
            el.setAttribute(key, value === true ? "" : String(value));
    add(el, children);
    return el;
}

function add(el, children) {
    for (const child of children) {
        if (Array.isArray(child)) add(el, child);
        else if (child instanceof Node) el.append(child);
        else if (child !== null && child !== undefined && child !== false) el.append(String(child));
    }
}

/* One of the shapes of index.html; the word stands beside it. */
export function icon(name) {
    const svg = document.createElementNS(SVG, "svg"), use = document.createElementNS(SVG, "use");
    svg.setAttribute("class", `icon i-${name}`);
    svg.setAttribute("aria-hidden", "true");
    use.setAttribute("href", `#i-${name}`);
    svg.append(use);
    return svg;
}

/* A button that app.js knows by `does`; `data` tells to what. */
export function button(words, does, data = {}, attributes = {}) {
    const el = h("button", {type: "button", "data-do": does, ...attributes}, words);
    for (const [key, value] of Object.entries(data)) el.dataset[key] = value;
    return el;
}

export const $ = (id) => document.getElementById(id);

/* Makes `old` like `made`, keeping what need not change: focus, scrolling, what
 * a person has unfolded.  Children with data-key keep their elements when they move. */
export function morph(old, made) {
    for (const {name} of [...old.attributes])
        if (!made.hasAttribute(name) && !(name === "open" && old.nodeName === "DETAILS")) old.removeAttribute(name);
    for (const {name, value} of made.attributes)
        if (old.getAttribute(name) !== value && !(name === "open" && old.nodeName === "DETAILS"))
            old.setAttribute(name, value);
    if (old.nodeName === "INPUT") old.checked = made.hasAttribute("checked");
    fill(old, [...made.childNodes]);
}

const keyOf = (node) => node.dataset?.key;

/* The same for what is inside. */
export function fill(el, nodes) {
    const keyed = new Map();
    for (const child of el.children) if (keyOf(child) !== undefined) keyed.set(keyOf(child), child);

    let at = el.firstChild;
    for (const node of nodes) {
        const key = keyOf(node);
        const same = key !== undefined ? keyed.get(key) : at && keyOf(at) === undefined ? at : null;
        if (!same || same.nodeName !== node.nodeName) {
            el.insertBefore(node, at);
            continue;
        }
        if (same === at) at = at.nextSibling;
        else el.insertBefore(same, at);
        if (node.nodeType === Node.TEXT_NODE) {
            if (same.data !== node.data) same.data = node.data;
        } else morph(same, node);
        keyed.delete(key);
    }
    while (at) {
        const next = at.nextSibling;
        at.remove();
        at = next;
    }
}
