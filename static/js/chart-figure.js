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
  const from = spec.partial_from ?? spec.x.length;
  const per = (whole, partial) => spec.x.map((_, i) => (i < from ? whole : partial));
  // A bar without a value has no hover box: one of height 0 says why there is none.
  const hover = (name, y, empty) => ({
    name: plain(name),
    x: spec.x,
    y: empty && spec.kind !== "lines" ? y.map((value) => value ?? 0) : y,
    customdata: y.map((value) => shown(value, empty)),
    hovertemplate: `%{customdata}<extra>${plain(name)}</extra>`,
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

  const data = spec.series.map(trace);
  if (spec.kind !== "lines" && spec.series.length > 1) {
    const sums = spec.x.map((_, i) => spec.series.reduce((sum, s) => sum + (s.y[i] || 0), 0));
    const cents = sums.map((sum) => Number(sum.toPrecision(15)));
    const unseen = { type: "scatter", mode: "lines", line: { width: 0 }, opacity: 0 };
    data.unshift({ ...hover("Total", cents), ...unseen });
  }
  return { data, layout: window.chartLayout({ spec, colour, width, plain, symbol, isMoney }) };
};
