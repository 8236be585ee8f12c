// Turns a chart's data into what Plotly draws; colours come from the tokens in force.
window.chartFigure = (spec, colour, width) => {
  const symbols = { usd: "$", eur: "€", gbp: "£", jpy: "¥", inr: "₹" };
  const code = (spec.currency || "usd").toLowerCase();
  const symbol = symbols[code] || `${code.toUpperCase()} `;
  const isMoney = spec.unit === "usd" || spec.unit === "money";
  // Plotly reads tags and entities in every text; a product may be named `<b>`.
  const plain = (text) =>
    String(text).replace(/[&<>]/g, (c) => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;" })[c]);
  // Two decimals, and two digits of what is less; the table below has all digits.
  const number = (value, least) =>
    value !== 0 && Math.abs(value) < 0.01
      ? value.toLocaleString("en", { maximumSignificantDigits: 2 })
      : value.toLocaleString("en", { minimumFractionDigits: least, maximumFractionDigits: 2 });
  const shown = (value, empty) => {
    if (value === null) return empty || "no data";
    if (!isMoney) return `${number(value, 0)} ${spec.unit === "count" ? "" : spec.unit}`;
    return `${value < 0 ? "−" : ""}${symbol}${number(Math.abs(value), 2)}`;
  };
  // A bucket that nothing was recorded of has no value; its sum says why.
  const markOf = (i) => spec.marks?.[i];
  const isEmpty = (i) => markOf(i) !== undefined && markOf(i).kind !== "partial";
  const isPartial = (i) => markOf(i)?.kind === "partial";
  const per = (whole, partial) => spec.x.map((_, i) => (isPartial(i) ? partial : whole));
  // A bar without a value has no hover box: one of height 0 says why there is none.
  // No markup in it: Plotly would style it inline, which the policy forbids.
  const hover = (name, y, empty) => ({
    name: plain(name),
    x: spec.x,
    y: y.map((value, i) => (isEmpty(i) ? null : value ?? (empty && spec.kind !== "lines" ? 0 : null))),
    customdata: y.map((value) => shown(value, empty)),
    hovertemplate: `${plain(name)}: %{customdata}<extra></extra>`,
  });

  const trace = ({ name, y, tone, forecast, area, empty }) => {
    const fill = colour(`--series-${tone}`);
    if (spec.kind === "lines") {
      const line = { color: fill, width: 2, shape: "linear", dash: forecast ? "2px,5px" : "solid" };
      const pale = fill.replace("rgb(", "rgba(").replace(")", ", 0.12)");
      const below = area ? { fill: "tozeroy", fillcolor: pale } : {};
      return { ...hover(name, y), ...below, type: "scatter", mode: "lines", line, connectgaps: false };
    }
    const edge = { color: colour("--surface"), width: spec.x.length > 120 ? 0 : 1 };
    const pattern = { shape: per("", "/"), fillmode: "overlay", fgopacity: 0.6, size: 6 };
    pattern.fgcolor = colour("--surface");
    const marker = { color: fill, line: edge, opacity: per(1, 0.6), pattern };
    return { ...hover(name, y, empty), type: "bar", marker };
  };

  // Bars with a base are not stacked.
  const slot = spec.x.length > 1 ? (Date.parse(spec.x.at(-1)) - Date.parse(spec.x[0])) / (spec.x.length - 1) : 86_400_000;
  const missing = spec.x.filter((_, i) => markOf(i)?.kind === "missing");
  const hatch = () => ({
    type: "bar", x: missing, y: missing.map(() => spec.top), base: missing.map(() => 0), width: slot, hoverinfo: "skip",
    marker: { color: "rgba(0,0,0,0)", pattern: { shape: "/", fillmode: "replace", fgcolor: colour("--line-strong"), size: 7, solidity: 0.12 } },
  });
  const compared = ({ name, y }) => ({
    ...hover(name, y), y, customdata: y.map((value) => shown(value)), type: "bar", base: y.map(() => 0), width: slot * 0.9,
    marker: { color: "rgba(0,0,0,0)", line: { color: colour("--text-muted"), width: 1.5 } },
  });
  const unpriced = (places) => ({
    type: "scatter", mode: "markers", cliponaxis: false, name: "No price",
    x: places.map(({ at }) => spec.x[at]), y: places.map(() => 0), customdata: places.map(({ names }) => plain(names)),
    hovertemplate: "No price: %{customdata}<extra></extra>",
    marker: { size: 7, color: colour("--surface"), line: { color: colour("--warn-fill"), width: 2 } },
  });
  const sums = () => {
    const total = (i) => Number(spec.series.reduce((sum, s) => sum + (s.y[i] || 0), 0).toPrecision(15));
    const y = spec.x.map((_, i) => total(i));
    const text = (i) => (isEmpty(i) ? markOf(i).text : shown(y[i]) + (markOf(i) ? ` (${plain(markOf(i).text)})` : ""));
    const unseen = { type: "scatter", mode: "lines", line: { width: 0 }, opacity: 0 };
    return { ...hover("Total", y), y, customdata: spec.x.map((_, i) => text(i)), ...unseen };
  };

  const data = spec.series.map(trace);
  if (missing.length) data.push(hatch());
  if (spec.compared) data.push(compared(spec.compared));
  if (spec.unpriced?.length) data.push(unpriced(spec.unpriced));
  const isBars = spec.kind !== "lines";
  if (isBars && (spec.series.length > 1 || Object.keys(spec.marks ?? {}).length)) data.unshift(sums());
  return { data, layout: window.chartLayout({ spec, colour, width, plain, symbol, isMoney }) };
};
