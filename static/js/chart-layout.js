// Axes, grid and hover box of a chart.
window.chartLayout = ({ spec, colour, width, plain, symbol, isMoney }) => {
  const font = {
    family: getComputedStyle(document.body).fontFamily,
    size: 12,
    color: colour("--text-faint"),
  };
  const monthly = spec.grain === "monthly";
  const still = { fixedrange: true, zeroline: false, ticklen: 0 };
  const ticks = spec.ticks
    ? { tickvals: spec.ticks.map((t) => t.value), ticktext: spec.ticks.map((t) => plain(t.label)) }
    : { nticks: 6, tickprefix: isMoney ? symbol : "", exponentformat: "B", separatethousands: true };
  if (spec.top) ticks.range = [0, spec.top];

  // Lines get the half slot at both ends that bars have, or the first day hits the axis.
  const [first, last] = [spec.x[0], spec.x.at(-1)].map((day) => Date.parse(day));
  const half = spec.x.length > 1 ? (last - first) / (spec.x.length - 1) / 2 : 43_200_000;
  const days = [first - half, last + half].map((at) => new Date(at).toISOString().slice(0, 19));

  const layout = {
    autosize: true,
    bargap: 0.28,
    barmode: "stack",
    dragmode: false,
    font,
    hovermode: "x unified",
    hoverlabel: {
      bgcolor: colour("--floating"),
      bordercolor: colour("--line-strong"),
      font: { ...font, color: colour("--text") },
      namelength: 32,
    },
    margin: { t: 14, r: 0, b: 26, l: 52 },
    paper_bgcolor: "rgba(0,0,0,0)",
    plot_bgcolor: "rgba(0,0,0,0)",
    showlegend: false,
    xaxis: {
      ...still,
      type: "date",
      range: days,
      showgrid: false,
      linecolor: colour("--line-strong"),
      nticks: Math.max(3, Math.floor(width / 88)),
      tickformat: monthly || spec.x.length > 370 ? "%b %Y" : "%b %-d",
      hoverformat: monthly ? "%B %Y" : "%a, %b %-d, %Y",
      ...(monthly && spec.x.length < 5 ? { tickvals: spec.x } : {}),
    },
    yaxis: { ...still, automargin: true, gridcolor: colour("--grid"), rangemode: "tozero", ...ticks },
  };
  window.chartLimits(layout, { spec, colour, font, plain });
  return layout;
};
