/* The page: draws what the service sends, turns clicks into questions and a yes into a POST. */

import {post, takeToken} from "./api.js";
import {ACTIONS, askAction, askNames, askPlan, askUnqueue} from "./ask.js";
import {withToken} from "./dialog.js";
import {$, fill, h} from "./dom.js";
import {connect, isLive, reconnect} from "./link.js";
import {absent, apply, newStore, tiles} from "./model.js";
import {closePanel, drawPanel, follow, loadPast, loadRun, openPanel, openRef} from "./panel.js";
import {counts, lacks, needList, sentence, tile, tools} from "./view.js";
import {called, count, host, listed, name, visible} from "./words.js";

const FEW = 3; /* items that need a person are shown before "Show more" */
const store = newStore(), picked = new Set();
let active = null, allNeeds = false, drawing, said = "", saying;

/* --- drawing --- */

const draw = () => (drawing ??= setTimeout(paint, 30));

function paint() {
  clearTimeout(drawing);
  drawing = undefined;
  const {machines, match, status} = store, live = isLive(), focused = document.activeElement, shown = tiles(store);
  for (const ref of picked) machines.has(ref) || picked.delete(ref);
  if (!machines.has(active)) active = shown.find((t) => t.machine)?.key;

  const needed = needList(store, shown), rest = needed.length - FEW;
  const title = $("sentence").textContent = sentence(store);
  document.title = match.problem ? `${match.matched?.length ?? 0}/${match.problem.agents} dcop` : "dcop";
  fill($("problem"), [visible(match.problem?.name || match.problem?.files?.[0]), status.fleet && status.fleet !== "default" ? `, fleet ${visible(status.fleet)}` : ""]);
  fill($("lacks"), lacks(store));
  fill($("counts"), counts(shown));
  $("needs").hidden = !needed.length;
  fill($("needs-list"), allNeeds || rest < 2 ? needed : needed.slice(0, FEW));
  $("needs-more").hidden = rest < 2;
  $("needs-more").textContent = allNeeds ? "Show fewer" : `Show ${rest} more`;
  fill($("tools"), tools(store, shown, picked, live));
  fill($("machines"), shown.map((t) => tile(t, {picked, open: openRef(), active})));
  $("empty").hidden = !store.told || machines.size > 0;
  drawPanel(store, shown.find((t) => t.machine && t.key === openRef()), live);
  if (focused !== document.activeElement && focused.isConnected) focused.focus({preventScroll: true});

  /* For screen readers: the summary, at most every five seconds. */
  const words = store.told ? `${title}${needed.length ? ` ${count(needed.length, "thing")} to look at.` : ""}` : "";
  clearTimeout(saying);
  if (words !== said) saying = setTimeout(() => ($("said").textContent = said = words), said ? 5000 : 1000);
}

function toast(words, wrong) {
  const li = h("li", {class: wrong && "wrong", role: wrong ? "alert" : "status"}, words);
  $("toasts").append(li);
  if ($("toasts").children.length > 4) $("toasts").firstChild.remove();
  setTimeout(() => li.remove(), wrong ? 20000 : 7000);
}

/* --- doing --- */

/* Sends an order with the token and shows the result; true when it was taken. */
async function order(path, body, done, method) {
  try {
    const told = await withToken(async () => (await post(path, body, method)) ?? {}), {queued, refused = []} = told ?? {};
    if (refused.length) toast(["Refused: ", listed(refused.map((r) => [machine(r.ref) ? called(machine(r.ref)) : r.ref, ": ", visible(r.detail)]), 4)], true);
    if (told && done && queued?.length !== 0) toast(done(queued?.length));
    return told !== undefined;
  } catch (error) {
    return toast(visible(error.message), true);
  }
}

const machine = (ref) => store.machines.get(ref);

const DO = {
  async act({action, refs}) {
    const meant = await askAction(action, refs.split(" ").map(machine).filter(Boolean));
    if (!meant) return;
    const done = {accept: "Accepted", forget: "Forgotten"}[action];
    if (done) {
      for (const m of meant)
        if (!(await order(`machines/${m.ref}/${action}`, action === "forget" ? {} : {hostkey: m.hostkey, replace: m.trust.state === "changed"}))) return;
      toast(`${done}: ${count(meant.length, "machine")}.`);
    } else if (await order(action, {machines: meant.map((m) => m.ref)}, (n) => `${ACTIONS[action][0]}: ${count(n, "machine")}, queued.`)) picked.clear();
    draw();
  },
  async name({ref, agent, suggestion}) {
    const m = machine(ref), held = m.agents ?? [], missing = absent(store).map((one) => one.agent);
    const offered = suggestion ? held.map((one) => (one === agent ? suggestion : one)) : held.length ? held : missing.slice(0, 1);
    const agents = await askNames(m, offered, missing);
    if (agents) order(`machines/${ref}/assign`, {agents}, () => [host(m), agents.length ? [" becomes ", name(agents.join(", "))] : " loses its name", "."]);
  },
  async "name-all"() {
    if (await askPlan(store.match.assignments ?? [], store.machines)) order("assign", {}, (n) => `Giving names to ${count(n, "machine")}.`);
  },
  async unqueue({machine, who}) {
    if (await askUnqueue(who)) order(`later/${machine}`, undefined, () => [name(who), " is out of the queue."], "DELETE");
  },
  async open({ref}) {
    if (openRef() === ref) return DO.close();
    openPanel(active = ref);
    paint();
    $("panel-title").focus();
    $("panel").scrollTop = 0;
    await loadPast();
    draw();
  },
  close() {
    if (openRef() !== null) closePanel();
    draw();
  },
  log: ({of}) => withToken(() => follow(of, draw)),
  cancel: () => $("ask").close(),
  reconnect,
  more: () => paint((allNeeds = !allNeeds)),
  "pick-all": () => paint(store.machines.forEach((_, ref) => picked.add(ref))),
  "pick-none": () => paint(picked.clear()),
};

document.addEventListener("click", ({target}) => {
  const el = target.closest("[data-do]");
  if (el) DO[el.dataset.do](el.dataset);
});

document.addEventListener("change", ({target}) => {
  const ref = target.dataset.pick;
  if (!ref) return;
  if (target.checked) picked.add(active = ref);
  else picked.delete(active = ref);
  draw();
});

document.addEventListener("toggle", async ({target}) => {
  const {run, ref} = target.dataset ?? {};
  if (run && target.open && machine(ref)) draw(await loadRun(run, machine(ref)));
}, true);

/* Tiles are one stop of Tab, with arrows between them; Space selects, Enter opens. */
document.addEventListener("keydown", (event) => {
  const {key, target} = event, li = target.closest(".tile"), all = [...$("machines").children];
  if ($("ask").open || event.ctrlKey || event.altKey || event.metaKey) return;
  if (key === "Escape") return openRef() === null ? DO["pick-none"]() : DO.close();
  if (!li) return;
  const columns = all.filter((el) => el.offsetTop === all[0].offsetTop).length, at = all.indexOf(li);
  const step = {ArrowLeft: -1, ArrowRight: 1, ArrowUp: -columns, ArrowDown: columns, Home: 1, End: -1}[key];
  let to = key === "Home" ? 0 : key === "End" ? all.length - 1 : at + step;
  while (all[to]?.querySelector("button") === null) to += step; /* a missing machine has no button */
  if (key === " " && target.matches("button")) li.querySelector("input").click();
  else if (step && all[to]) {
    all[to].firstChild.focus();
    active = all[to].dataset.key;
    draw();
  } else return;
  event.preventDefault();
});
/* In Firefox the Space that selects would also open. */
document.addEventListener("keyup", (event) => event.key === " " && event.target.matches(".tile > button") && event.preventDefault());

/* --- begin --- */

/* The address of a label's QR code: the machine that is opened when it is known. */
let wanted = /^#m=([\w.-]+)$/.exec(location.hash)?.[1];
takeToken();
addEventListener("hashchange", takeToken);
connect((event, data) => {
  apply(store, event, data);
  if (machine(wanted)) DO.open({ref: wanted}, (wanted = null));
  if (openRef() !== null && (event === "snapshot" || data.ended)) loadPast().then(draw);
  draw();
}, draw);
paint();
setInterval(draw, 5000); /* "3 minutes ago" */
