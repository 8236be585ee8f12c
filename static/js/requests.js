// What people see of htmx's requests: a line while they last, a toast when they fail.
(() => {
  let pending = 0;

  const count = (step) => {
    pending = Math.max(0, pending + step);
    document.querySelector(".progress")?.toggleAttribute("data-busy", pending > 0);
  };

  // Reading again is harmless; a write may have been done, and its form is still there.
  const retryOf = ({ elt, target, boosted, requestConfig: sent, pathInfo }) => {
    if (sent?.verb !== "get") return null;
    if (boosted || !elt.isConnected) return () => location.assign(pathInfo.finalRequestPath);
    return () => htmx.ajax("GET", sent.path, { source: elt, target });
  };

  const toast = (text, retry) => {
    const list = document.getElementById("toasts");
    const template = document.getElementById("failure-toast");
    if (!list || !template) return;
    const copy = template.content.cloneNode(true);
    copy.querySelector(".toast__text").textContent = text;
    const button = copy.querySelector(".toast__retry");
    button.hidden = !retry;
    button.addEventListener("click", () => {
      button.closest(".toast").remove();
      retry();
    });
    list.append(copy);
  };

  const isQuiet = (elt) => elt.matches("[data-live]"); // renews itself each second

  // The part that will be replaced says so; what sent the request keeps the keyboard.
  document.addEventListener("htmx:beforeRequest", ({ detail: { elt, target, boosted } }) => {
    if (isQuiet(elt)) return;
    count(1);
    if (!boosted) target.setAttribute("aria-busy", "true");
    const menu = elt.matches("form") ? elt.closest("details.menu") : null;
    menu?.querySelector("summary").focus();
    menu?.removeAttribute("open");
  });
  document.addEventListener("htmx:afterRequest", ({ detail: { elt, target } }) => {
    if (!isQuiet(elt)) count(-1);
    target.removeAttribute("aria-busy");
  });

  document.addEventListener("htmx:sendError", ({ detail }) =>
    isQuiet(detail.elt) ||
    toast("Can’t reach the server. Check your connection and try again.", retryOf(detail)),
  );
  document.addEventListener("htmx:timeout", ({ detail }) =>
    toast("The server took too long to respond. Reload the page to see the result.", retryOf(detail)),
  );
  document.addEventListener("htmx:responseError", ({ detail }) => {
    if (detail.xhr.status < 500) return; // said in the page itself
    const id = detail.xhr.getResponseHeader("X-Request-ID");
    toast(`Something went wrong on the server.${id ? ` Request ID ${id}.` : ""}`, retryOf(detail));
  });

  // What was refused has the keyboard. A boosted page is a new one: it starts at its content.
  document.addEventListener("htmx:afterSettle", ({ detail: { elt, boosted } }) => {
    const wrong = elt.querySelector('[aria-invalid="true"]');
    if (wrong) wrong.focus();
    else if (boosted) document.getElementById("main")?.focus({ preventScroll: true });
  });

  document.addEventListener("click", (event) => {
    event.target.closest(".toast__close")?.closest(".toast").remove();
  });
  document.addEventListener("htmx:load", ({ detail: { elt } }) => {
    const tab = elt.querySelector(".tabs__link[aria-current]");
    const row = tab?.parentElement; // alone: the page stays where its address leads
    if (row) row.scrollLeft = tab.offsetLeft + tab.offsetWidth - row.offsetLeft - row.clientWidth;
    for (const done of elt.querySelectorAll(".toast--success, .toast--info")) {
      setTimeout(() => done.matches(":hover, :focus-within") || done.remove(), 8000);
    }
  });
})();
