/* Cost against time, as SVG: axes with numbers, and a line for each of at most two runs. */

import {h, svg} from "./dom.js";

const HEIGHT = 278, TOP = 14, BOTTOM = 44, LETTER = 7.2; /* px */
const POINTS = 4000; /* kept of a run at work */
const drawable = (value) => typeof value === "number" && Math.abs(value) < 1e300;

/* At most six digits of what is not whole. */
export const number = (n) => (typeof n !== "number" ? "–" : Number.isInteger(n) && Math.abs(n) < 1e15 ? n.toLocaleString("en") : String(Number(n.toPrecision(6))));

/* Appends a point [seconds, cost] of a run at work; of many, every other one is kept. */
export function addPoint(points, time, cost) {
  const last = points.at(-1);
  if (!drawable(time) || !drawable(cost) || (last && (time < last[0] || (time === last[0] && cost === last[1])))) return;
  points.push([time, cost]);
  if (points.length > POINTS) points.splice(0, points.length, ...points.filter((_, i) => i % 2));
}

/* The points of metrics.csv. */
export function pointsOf(csv) {
  const [head, ...lines] = csv.split("\n"), at = ["time", "cost"].map((key) => head.trim().split(",").indexOf(key));
  return lines.map((line) => line.split(",")).map((cells) => at.map((i) => (cells[i]?.trim() ? Number(cells[i]) : NaN)))
    .filter((point) => point.every(drawable)).sort((a, b) => a[0] - b[0]);
}

/* From the multiple of a round step below `low` to that above `high`. */
function scale(low, high, wanted) {
  if (!(high > low)) [low, high] = low ? [low - Math.abs(low) / 10, high + Math.abs(low) / 10] : [low, low + 1];
  const rough = (high - low) / wanted, power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].find((n) => n * power >= rough * 0.999) * power;
  const first = Math.floor(low / step + 1e-9), ticks = Math.max(1, Math.ceil(high / step - 1e-9) - first);
  return Array.from({length: ticks + 1}, (_, i) => Number(((first + i) * step).toPrecision(12)));
}

/* A value holds until the next one.  In a column of pixels only the lowest, the highest and the last are drawn. */
function path(points, end, x, y) {
  let d = "", column = null, low, high, last;
  const flush = () => {
    if (column === null) return;
    d += d ? `H${column}` : `M${column} ${y(last)}`;
    if (low !== high) d += `V${y(high)}V${y(low)}`;
    d += `V${y(last)}`;
  };
  for (const [time, cost] of points) {
    const at = Math.round(x(time));
    if (at !== column) {
      flush();
      [column, low, high] = [at, cost, cost];
    }
    [low, high, last] = [Math.min(low, cost), Math.max(high, cost), cost];
  }
  flush();
  return `${d}H${Math.max(column, Math.round(x(end)))}`;
}

/* Puts it into `figure`, as wide as that is.  series: {name, points, end}, with a name where there are two. */
export function drawCurve(figure, series) {
  const lines = series.map((one, i) => ({...one, i})).filter(({points}) => points.length);
  const width = Math.max(260, Math.floor(figure.clientWidth));
  const legend = series.length > 1 && h("ul.legend", series.map(({name}, i) =>
    h("li", svg("svg", {width: 34, height: 12, "aria-hidden": "true"}, svg("path", {class: `line-${i}`, d: "M1 6H33"})), name)));
  if (!lines.length) return figure.replaceChildren(h("p.none", "No cost is known."), ...[legend].filter(Boolean));

  const costs = lines.flatMap(({points}) => points.map((point) => point[1]));
  const [lowest, highest] = costs.reduce(([a, b], cost) => [Math.min(a, cost), Math.max(b, cost)], [Infinity, -Infinity]);
  const rows = scale(lowest, highest, 5), labels = rows.map(number), left = 30 + LETTER * Math.max(...labels.map((one) => one.length));
  const ends = lines.map(({points, end}) => Math.max(end ?? 0, points.at(-1)[0]));
  const columns = scale(0, Math.max(...ends), Math.max(2, Math.min(8, Math.floor(width / 90))));
  const right = width - Math.max(16, (LETTER / 2) * number(columns.at(-1)).length);
  const x = (time) => left + (time / columns.at(-1)) * (right - left), floor = HEIGHT - BOTTOM;
  const y = (cost) => Number((floor - ((cost - rows[0]) / (rows.at(-1) - rows[0])) * (floor - TOP)).toFixed(1));
  const words = lines.map(({name, points}, i) => `${name ? `${name}: ` : ""}cost ${number(points[0][1])} at ${number(points[0][0])} s, ` +
    `${number(points.at(-1)[1])} at ${number(ends[i])} s`).join("; ");

  figure.replaceChildren(svg("svg", {viewBox: `0 0 ${width} ${HEIGHT}`, role: "img", "aria-label": `Cost over time: ${words}`},
    rows.map((cost, i) => [svg("path.grid", {d: `M${left} ${y(cost)}H${right}`}), svg("text.end", {x: left - 8, y: y(cost) + 4}, labels[i])]),
    columns.map((time) => [svg("path.axis", {d: `M${x(time)} ${floor}v5`}), svg("text.middle", {x: x(time), y: floor + 19}, number(time))]),
    svg("path.axis", {d: `M${left} ${TOP}V${floor}H${right}`}),
    svg("text.middle", {x: (left + right) / 2, y: HEIGHT - 6}, "time in seconds"),
    svg("text.middle", {transform: `translate(12 ${(TOP + floor) / 2}) rotate(-90)`}, "cost"),
    lines.map(({points, i}, n) => svg("path", {class: `line-${i}`, d: path(points, ends[n], x, y)})),
    lines.map(({points, i}, n) => svg("circle", {class: `end-${i}`, cx: x(ends[n]), cy: y(points.at(-1)[1]), r: 4}))), ...[legend].filter(Boolean));
}
