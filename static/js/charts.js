// Draws a chart with Plotly once the pointer, a touch or the focus reaches it; until then the
// server's picture with its tooltips is complete.
(() => {
  const config = { displayModeBar: false, responsive: true, locale: "en", doubleClick: false };
  let plotly;

  const fetched = (src) =>
    new Promise((resolve, reject) => {
      const script = document.createElement("script");
      script.src = src;
      script.onload = resolve;
      script.onerror = () => reject(new Error("Plotly did not load; the pictures stay"));
      document.head.append(script);
    });

  const fetchAll = async () => {
    // Plotly fills this element; one of its own would lack the policy's nonce.
    const style = document.createElement("style");
    style.id = "plotly.js-style-global";
    style.nonce = document.querySelector("script[nonce]")?.nonce ?? "";
    document.head.append(style);
    const { plotlySrc, chartScripts } = document.body.dataset;
    await Promise.all([plotlySrc, ...chartScripts.split(" ")].map(fetched));
    return window.Plotly;
  };

  const load = () => (plotly ??= fetchAll());

  // A megabyte that most visits never run: fetched ahead when nothing else is going on.
  const prefetch = () => {
    const isWanted = document.querySelector("figure.chart[data-chart]") && !window.Plotly;
    if (!isWanted || navigator.connection?.saveData || document.querySelector("link[rel=prefetch]")) return;
    document.head.append(Object.assign(document.createElement("link"), {
      rel: "prefetch", as: "script", href: document.body.dataset.plotlySrc,
    }));
  };
  const whenIdle = window.requestIdleCallback ?? ((act) => setTimeout(act, 2000));

  const coloursOf = (host) => (token) => {
    const probe = document.createElement("span");
    probe.className = "chart__probe";
    probe.style.color = `var(${token})`;
    host.append(probe);
    const { color } = getComputedStyle(probe);
    probe.remove();
    return color;
  };

  const draw = async (figure) => {
    const source = document.getElementById(figure.dataset.chart);
    const plot = figure.querySelector(".chart__plot");
    if (!source || !plot || !document.body.dataset.plotlySrc) return;
    const Plotly = await load();
    if (!plot.isConnected) return;
    const spec = JSON.parse(source.textContent);
    const { data, layout } = window.chartFigure(spec, coloursOf(plot), plot.clientWidth);
    const live = plot.querySelector(".chart__live") ?? document.createElement("div");
    live.className = "chart__live";
    live.setAttribute("aria-hidden", "true"); // as the picture that it replaces
    if (!live.isConnected) plot.append(live);
    await Plotly.react(live, data, layout, config);
    live.removeAllListeners?.("plotly_click");
    live.on("plotly_click", ({ points, event }) => {
      const link = spec.links?.[spec.x.indexOf(points[0].x)];
      if (!link) return;
      if (event?.ctrlKey || event?.metaKey) window.open(link);
      else window.location.assign(link);
    });
    live.classList.toggle("chart__live--linked", Boolean(spec.links?.length));
    plot.querySelector(".chart__svg")?.setAttribute("hidden", ""); // paper still takes it
  };

  const redraw = (figure) => draw(figure).catch((error) => console.warn(error.message));
  const wake = ({ target }) => {
    const figure = target.closest?.("figure.chart[data-chart]");
    if (!figure || figure.dataset.awake) return;
    figure.dataset.awake = "true";
    redraw(figure);
  };

  for (const type of ["pointerover", "touchstart", "focusin"]) {
    document.addEventListener(type, wake, { passive: true });
  }
  window.addEventListener("load", () => whenIdle(prefetch));
  document.addEventListener("themechange", () => {
    document.querySelectorAll("figure.chart[data-awake]").forEach(redraw);
  });
  document.addEventListener("htmx:beforeCleanupElement", ({ detail: { elt } }) => {
    if (!elt.matches?.(".chart__live")) return;
    setTimeout(() => window.Plotly?.purge(elt), 1000); // its last hover is still to come
  });
})();
