// Rows by keyboard: j and k move between the links of a list's rows, Enter opens one.
(() => {
  const isTyping = (target) =>
    target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName);

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target)) return;
    if (event.key !== "j" && event.key !== "k") return;
    const links = [...document.querySelectorAll("[data-row-link]")];
    if (!links.length || document.querySelector("dialog[open]")) return;
    const at = links.indexOf(document.activeElement);
    const next = event.key === "j" ? at + 1 : Math.max(at, 1) - 1;
    links[Math.min(next, links.length - 1)].focus();
    event.preventDefault();
  });
})();
