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
  layout.shapes = window.chartLimits({ spec, colour });
  return layout;
};

// The limits of a chart: a line each, and a ring where the days meet it. The legend names them.
window.chartLimits = ({ spec, colour }) => {
  const limits = spec.limits ?? [];
  const first = Date.parse(spec.x[0]);
  const slot = spec.x.length > 1 ? (Date.parse(spec.x.at(-1)) - first) / (spec.x.length - 1) : 0;
  const when = (at) => new Date(first + (at - 0.5) * slot).toISOString().slice(0, 19);

  const lines = limits.map(({ value: y, tone }) => ({
    xref: "paper", yref: "y", type: "line", x0: 0, x1: 1, y0: y, y1: y,
    line: { color: colour(`--${tone}-fill`), width: 1.5, dash: "dash" },
  }));
  const rings = limits.filter((limit) => limit.reached_at !== null).map(({ value: y, tone, reached_at: at }) => ({
    xref: "x", yref: "y", type: "circle", xsizemode: "pixel", ysizemode: "pixel",
    xanchor: when(at), yanchor: y, x0: -4.5, x1: 4.5, y0: -4.5, y1: 4.5,
    fillcolor: colour("--surface"), line: { color: colour(`--${tone}-fill`), width: 2 },
  }));
  return [...lines, ...rings];
};
