// Keyboard and menus: "/" or Ctrl K finds the search field, Escape closes what floats.
(() => {
  const openMenus = () => document.querySelectorAll("details.menu[open]");

  const isTyping = (target) =>
    target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName);

  const search = (event) => {
    const field = document.querySelector("[data-search]");
    const page = document.querySelector("a[data-search-page]");
    if (!field && !page) return;
    event.preventDefault();
    if (field) {
      field.focus();
      field.select();
    } else {
      page.click();
    }
  };

  document.addEventListener("keydown", (event) => {
    const plain = !event.ctrlKey && !event.metaKey && !event.altKey;
    if (event.key === "/" && plain && !isTyping(event.target)) search(event);
    if (event.key.toLowerCase() === "k" && (event.ctrlKey || event.metaKey)) search(event);
    if (event.key !== "Escape") return;
    for (const menu of openMenus()) {
      menu.open = false;
      menu.querySelector("summary").focus();
    }
  });

  document.addEventListener("click", (event) => {
    for (const menu of openMenus()) {
      if (!menu.contains(event.target)) menu.open = false;
    }
  });

  // A link in search of a field: the page it leads to gets the focus there.
  document.addEventListener("htmx:load", () => {
    if (location.hash === "#search") document.querySelector("[data-search]")?.focus();
  });
})();
