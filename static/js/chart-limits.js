// The limits of a chart: a line each, its name, and a ring where the days meet it.
window.chartLimits = (layout, { spec, colour, font, plain }) => {
  const limits = spec.limits ?? [];
  const first = Date.parse(spec.x[0]);
  const slot = spec.x.length > 1 ? (Date.parse(spec.x.at(-1)) - first) / (spec.x.length - 1) : 0;
  const when = (at) => new Date(first + (at - 0.5) * slot).toISOString().slice(0, 19);
  const bgcolor = colour("--surface");
  const words = (text, tone, more) => ({
    yref: "y", bgcolor, text: plain(text), font: { ...font, color: colour(`--${tone}`) },
    showarrow: false, ...more,
  });
  const taken = [];

  layout.shapes = limits.map(({ value: y, tone }) => ({
    xref: "paper", yref: "y", type: "line", x0: 0, x1: 1, y0: y, y1: y,
    line: { color: colour(`--${tone}-fill`), width: 1.5, dash: "dash" },
  }));
  layout.annotations = limits.map(({ value: y, label, tone }) => {
    const close = taken.some((other) => Math.abs(other - y) < spec.top / 10);
    taken.push(y);
    const side = close ? { x: 1, xanchor: "right" } : { x: 0, xanchor: "left" };
    return words(label, tone, { xref: "paper", y, yanchor: "bottom", ...side });
  });
  for (const { value: y, tone, met_at: at, met } of limits.filter((one) => one.met_at !== null)) {
    const side = at > 0.45 * spec.x.length
      ? { xanchor: "right", yanchor: "bottom", yshift: 4 }
      : { xanchor: "left", yanchor: "top", yshift: -5 };
    layout.annotations.push(words(met, tone, { x: when(at), y, ...side }));
    const mark = { xref: "x", yref: "y", type: "circle", xsizemode: "pixel", ysizemode: "pixel" };
    const ring = { xanchor: when(at), yanchor: y, x0: -4.5, x1: 4.5, y0: -4.5, y1: 4.5 };
    const line = { color: colour(`--${tone}-fill`), width: 2 };
    layout.shapes.push({ ...mark, ...ring, fillcolor: bgcolor, line });
  }
};
