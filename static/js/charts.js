// Draws every figure.chart over its server-made picture, once Plotly is there.
(() => {
  const config = { displayModeBar: false, responsive: true, locale: "en", doubleClick: false };
  let plotly;

  // A megabyte: it must not share the line with what is seen first.
  const painted = new Promise((resolve) => {
    const seen = (list) => list.getEntriesByName("first-contentful-paint").forEach(resolve);
    new PerformanceObserver(seen).observe({ type: "paint", buffered: true });
  });

  const fetched = () =>
    new Promise((resolve, reject) => {
      // Plotly fills this element; one of its own would lack the policy's nonce.
      const style = document.createElement("style");
      style.id = "plotly.js-style-global";
      style.nonce = document.querySelector("script[nonce]")?.nonce ?? "";
      const script = document.createElement("script");
      script.src = document.body.dataset.plotlySrc;
      script.onload = () => resolve(window.Plotly);
      script.onerror = () => reject(new Error("Plotly did not load; the pictures stay"));
      document.head.append(style, script);
    });

  const load = () => (plotly ??= painted.then(fetched));

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
    if (!live.isConnected) plot.append(live);
    await Plotly.react(live, data, layout, config);
    plot.querySelector(".chart__svg")?.setAttribute("hidden", ""); // paper still takes it
  };

  const drawAll = (root) => {
    const own = root.matches?.("figure.chart") ? [root] : [];
    for (const figure of [...own, ...root.querySelectorAll("figure.chart[data-chart]")]) {
      draw(figure).catch((error) => console.warn(error.message));
    }
  };

  document.addEventListener("htmx:load", ({ detail }) => drawAll(detail.elt));
  document.addEventListener("themechange", () => window.Plotly && drawAll(document));
  document.addEventListener("htmx:beforeCleanupElement", ({ detail: { elt } }) => {
    if (elt.matches?.(".chart__live")) window.Plotly?.purge(elt);
  });
})();
