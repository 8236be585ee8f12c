// The command palette: "/" or Ctrl K opens it, arrows choose, Enter goes, Escape closes.
// The server answers what is typed (htmx); here is only what the keyboard does.
(() => {
  const palette = () => document.getElementById("palette");
  const input = () => palette().querySelector("input");
  const options = () => [...palette().querySelectorAll("[data-result]")];
  const chosen = () => palette().querySelector('[aria-selected="true"]');
  let goes = false; // Enter was pressed before the answer to the text was there
  let waits = false;

  const isTyping = (target) =>
    target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName);

  const open = () => {
    const dialog = palette();
    if (dialog.open) return input().select();
    goes = false;
    dialog.showModal(); // the browser gives the focus back when it closes
    input().select();
    waits = true;
    htmx.trigger(dialog.querySelector("form"), "palette-open");
  };

  const choose = (option) => {
    for (const other of options()) other.setAttribute("aria-selected", String(other === option));
    if (!option) return input().removeAttribute("aria-activedescendant");
    input().setAttribute("aria-activedescendant", option.id);
    option.scrollIntoView({ block: "nearest" });
  };

  const move = (step) => {
    const all = options();
    const index = all.indexOf(chosen()) + step;
    choose(all[(index + all.length) % all.length]);
  };

  const go = () => {
    const option = chosen();
    if (option) option.click();
    else if (!waits) location.assign(`${palette().dataset.url}?${new URLSearchParams({ q: input().value })}`);
  };

  // For people who hear the page, results are the options of the field.
  const prepare = () => {
    options().forEach((option, index) => {
      option.id = `palette-option-${index}`;
      option.setAttribute("role", "option");
      option.tabIndex = -1;
    });
    for (const part of palette().querySelectorAll(".results :is(h2, ul, li)")) part.setAttribute("role", "presentation");
    for (const group of palette().querySelectorAll(".results section")) group.setAttribute("role", "group");
    for (const titled of palette().querySelectorAll("[id^=results-]")) titled.id = `palette-${titled.id}`;
    for (const group of palette().querySelectorAll("[aria-labelledby^=results-]"))
      group.setAttribute("aria-labelledby", `palette-${group.getAttribute("aria-labelledby")}`);
    palette().querySelector("#search-results")?.removeAttribute("id");
    choose(options()[0]);
  };

  document.addEventListener("keydown", (event) => {
    if (!palette()) return;
    const plain = !event.ctrlKey && !event.metaKey && !event.altKey;
    const slash = event.key === "/" && plain && !isTyping(event.target);
    const k = event.key.toLowerCase() === "k" && (event.ctrlKey || event.metaKey) && !event.altKey;
    if (slash || k) {
      event.preventDefault();
      open();
    } else if (palette().open && event.target === input()) {
      const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
      if (!step && event.key !== "Enter") return;
      if (event.isComposing) return;
      event.preventDefault();
      if (step) move(step);
      else if (waits) goes = true;
      else go();
    }
  });

  document.addEventListener("input", (event) => {
    if (palette()?.open && event.target === input()) waits = true;
  });

  document.addEventListener("click", (event) => {
    const dialog = palette();
    if (!dialog) return;
    if (event.target.closest("[data-palette-open]") && !event.ctrlKey && !event.metaKey) {
      event.preventDefault();
      event.stopPropagation();
      open();
    } else if (event.target === dialog || event.target.closest("[data-palette-close]")) {
      dialog.close();
    } else if (event.target.closest("#palette [data-result]")) {
      dialog.close();
    }
  }, true);

  // A late answer would remove the link that was chosen, and htmx forgets with it that the
  // address changes.
  document.addEventListener("htmx:beforeSwap", ({ detail }) => {
    if (detail.target?.id === "palette-results" && !palette().open) detail.shouldSwap = false;
  });

  document.addEventListener("htmx:afterSwap", ({ detail: { target, requestConfig } }) => {
    if (target?.id !== "palette-results") return;
    waits = requestConfig.parameters.q !== undefined && requestConfig.parameters.q !== input().value;
    prepare();
  });

  document.addEventListener("htmx:afterSettle", ({ detail: { target } }) => {
    if (target?.id !== "palette-results" || !goes || waits) return;
    goes = false;
    go();
  });
})();
