/*
 * Tests in a browser, one after the other: test("what is so", async (t) => …).
 * A test fails when it throws, takes too long, or when a page of its own complained:
 * an error, a word on the console, a breach of the content security policy.
 * Ends with `N passed, N failed`.
 */
import {mkdir} from "node:fs/promises";
import assert from "node:assert/strict";
import {DESK, launch} from "./browser.mjs";
import {SCENES, SOLVES, Standin} from "./standin.mjs";

const LIMIT_MS = 60000;
const tests = [];
export const test = (name, body, ms = LIMIT_MS) => tests.push({name, body, ms});
export {assert};

/* Waits for what must become true; says what it was waiting for: words, or a function that knows them by then. */
export async function until(what, probe, ms = 10000) {
    const end = Date.now() + ms;
    for (;;) {
        const found = await probe();
        if (found) return found;
        if (Date.now() > end) throw new Error(`waited ${ms} ms for: ${typeof what === "function" ? what() : what}`);
        await new Promise((done) => setTimeout(done, 20));
    }
}

/* --- of any page ---------------------------------------------------------------------- */

export const text = (page, selector) => page.locator(selector).innerText();
export const says = (page, selector, words) => until(`${selector} says ${words}`, async () => (await page.locator(selector).allInnerTexts()).join("\n").includes(words));
/* The last order to that path that the stand-in got, once there are n. */
export const order = (s, path, n = 1) => until(`order ${path}`, () => s.orders.filter((o) => o.path.endsWith(path)).length >= n && s.orders.findLast((o) => o.path.endsWith(path)));

/* Waits until the tiles are what the API tells when it is asked, and not only what the page was sent. */
export const agrees = (page, ms) => until(() => `the tiles are as the API tells: ${page.differ}`, async () => !(page.differ = await page.evaluate(async () => {
    const part = (name) => import(new URL(name, location)), [{get}, {apply, newStore, tiles}, {callOf}] = await Promise.all(["api.js", "model.js", "words.js"].map(part));
    const [{machines}, match, status] = await Promise.all(["machines", "match", "status"].map((path) => get(path))), store = newStore();
    apply(store, "snapshot", {machines, match, status});
    const told = tiles(store).map((t) => `${t.machine ? callOf(t.machine) : t.agent} ${t.state}`);
    const shown = [...document.querySelectorAll(".tile")].map((el) => `${el.querySelector(".who").textContent} ${/s-(\w+)/.exec(el.className)[1]}`);
    return String(told) !== String(shown) && `${told} by the API, ${shown} on the page`;
})), ms);

/* Controls without a name, ids that are there twice, icons that are read. */
export const unnamed = (page) => page.evaluate(() => {
    const ids = [...document.querySelectorAll("[id]")].map((el) => el.id), wrong = ids.filter((id, i) => ids.indexOf(id) !== i);
    for (const el of document.querySelectorAll("button, input, select, a, summary, progress, dialog, [role]:not([role=cell])"))
        if (!(el.textContent.trim() || el.getAttribute("aria-label") || el.getAttribute("aria-labelledby") || [...(el.labels ?? [])].some((label) => label.textContent.trim()) || el.id === "said" || el.getAttribute("role") === "alert" || el.closest("[hidden]") || el.closest("dialog:not([open])")))
            wrong.push(el.outerHTML.slice(0, 80));
    for (const el of document.querySelectorAll(".state .icon, .now .icon")) if (el.getAttribute("aria-hidden") !== "true") wrong.push("an icon that is read");
    return wrong;
});

/* Text against what is behind it, as WCAG 2.2 computes it: AA. */
const lowContrast = (page) => page.evaluate(() => {
    const canvas = new OffscreenCanvas(1, 1).getContext("2d", {willReadFrequently: true});
    const parse = (css) => { canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = css; canvas.fillRect(0, 0, 1, 1); const [r, g, b, a] = canvas.getImageData(0, 0, 1, 1).data; return [r, g, b, a / 255]; };
    const over = (top, under) => top.slice(0, 3).map((c, i) => c * top[3] + under[i] * (1 - top[3]));
    const luminance = (rgb) => rgb.map((c) => (c / 255 <= 0.04045 ? c / 255 / 12.92 : ((c / 255 + 0.055) / 1.055) ** 2.4)).reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
    const behind = (el) => { if (!el) return [255, 255, 255]; const c = parse(getComputedStyle(el).backgroundColor); return c[3] === 1 ? c.slice(0, 3) : over(c, behind(el.parentElement)); };
    const low = new Map();
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    let seen = 0;
    while (walker.nextNode()) {
        const el = walker.currentNode.parentElement;
        if (!walker.currentNode.data.trim() || !el.checkVisibility() || el.closest(":disabled, .unseen, svg")) continue;
        const style = getComputedStyle(el), under = behind(el), ink = over(parse(style.color), under);
        const [a, b] = [luminance(ink), luminance(under)].sort((x, y) => y - x), ratio = (a + 0.05) / (b + 0.05), size = parseFloat(style.fontSize);
        const need = size >= 24 || (size >= 18.66 && style.fontWeight >= 700) ? 3 : 4.5;
        seen++;
        if (ratio < need) low.set(`${el.className || el.nodeName} in ${el.closest("[class]")?.parentElement?.className}: ${ratio.toFixed(2)}, ${ink} on ${under}`, walker.currentNode.data.slice(0, 20));
    }
    return {low: [...low], seen};
});

export async function checkContrast(page, where, least = 30) {
    await page.evaluate(() => Promise.all(document.getAnimations().filter((a) => a.effect.getTiming().iterations === 1).map((a) => a.finished)));
    const {low, seen} = await lowContrast(page);
    assert.ok(seen > least, `${where}: only ${seen} texts`);
    assert.deepEqual(low, [], where);
}

/* --- tests ------------------------------------------------------------------------------ */

class Scene {
    constructor(browser) { Object.assign(this, {browser, closing: [], pages: [], complaints: [], expected: []}); }

    /* A stand-in that plays one of SCENES or SOLVES, or one of its own. */
    async service(scene = {}) {
        const s = await (typeof scene === "string" ? await {...SCENES, ...SOLVES}[scene]() : new Standin(scene)).start();
        this.closing.push(() => s.stop().catch(() => {}));
        return s;
    }
    /* A page with the service's dashboard, once it is live. */
    async open(service, {token = true, path = "", live = true, before, ...options} = {}) {
        const context = await this.browser.newContext({viewport: DESK, ...options});
        this.closing.push(() => context.close());
        const page = await context.newPage();
        page.setDefaultTimeout(10000);
        this.pages.push(page);
        page.on("pageerror", (error) => this.complaints.push(`error: ${error.message}`));
        page.on("console", (m) => ["error", "warning"].includes(m.type()) && this.complaints.push(`console: ${m.text()}`));
        page.on("dialog", (d) => { this.complaints.push(`a script's dialog: ${d.message()}`); d.dismiss(); });
        page.on("request", (r) => r.url().startsWith(service.url) || r.url().startsWith("data:") || this.complaints.push(`asks for ${r.url()}`));
        await page.addInitScript(() => addEventListener("securitypolicyviolation", (e) => console.error(`CSP: ${e.violatedDirective} ${e.blockedURI}`)));
        if (before) await before(page);
        await page.goto((token ? service.urlWithToken : service.url).replace("/#", `/${path}#`) + (token ? "" : path));
        if (live) {
            await page.waitForSelector("#link[data-state=live]");
            await page.waitForFunction(() => !document.getElementById("sentence").textContent.match(/^L(ook|oad)ing/));
        }
        return page;
    }
    /* Complaints that a test wants: by words in them. */
    expect(...words) { this.expected.push(...words); }
    /* How it looked when it failed: a picture each, and what it said last. */
    async failed(name) {
        await mkdir("build/logs", {recursive: true});
        for (const [i, page] of this.pages.filter((p) => !p.isClosed()).entries()) {
            const path = `build/logs/browser-${name.replace(/\W+/g, "-").slice(0, 40)}-${i}.png`;
            await page.screenshot({path}).catch(() => {});
            console.log(`    ${path}: ${await page.locator("#toasts").innerText({timeout: 1000}).catch(() => "")}`);
        }
    }
    async end() {
        for (const close of this.closing.reverse()) await close();
        const left = this.complaints.filter((c) => !this.expected.some((words) => c.includes(words)));
        assert.deepEqual(left, [], "the page complained");
    }
}

export async function main() {
    const wanted = process.argv.slice(2), browser = await launch();
    let passed = 0, failed = 0;
    for (const {name, body, ms} of tests) {
        if (wanted.length && !wanted.some((words) => name.includes(words))) continue;
        const scene = new Scene(browser), begun = Date.now();
        let timer, wrong;
        try {
            const late = new Promise((_, fail) => { timer = setTimeout(() => fail(new Error(`not done after ${ms} ms`)), ms); });
            await Promise.race([body(scene), late]);
        } catch (error) {
            wrong = error;
        }
        clearTimeout(timer);
        if (wrong) await scene.failed(name);
        try { await scene.end(); } catch (error) { wrong ??= error; }
        wrong ? failed++ : passed++;
        console.log(`${wrong ? "not ok" : "ok"} ${name} (${Date.now() - begun} ms)${wrong ? `\n    ${String(wrong.stack).replace(/\n/g, "\n    ")}` : ""}`);
    }
    await browser.close();
    console.log(`${passed} passed, ${failed} failed`);
    process.exit(failed || !passed ? 1 : 0);
}
