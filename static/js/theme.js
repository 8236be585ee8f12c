// Applies the stored theme before the first paint; loaded without `defer` for that.
// Without script, or without a choice, the system decides.
(() => {
  const root = document.documentElement;
  const modes = ["light", "dark"];

  const read = () => {
    try {
      return localStorage.getItem("theme");
    } catch {
      return null; // storage may be forbidden; the choice then lasts for this page
    }
  };

  const apply = (choice) => {
    const mode = modes.includes(choice) ? choice : "auto";
    root.dataset.theme = mode;
    for (const button of document.querySelectorAll("[data-theme-choice]")) {
      button.setAttribute("aria-pressed", String(button.dataset.themeChoice === mode));
    }
    document.dispatchEvent(new CustomEvent("themechange"));
  };

  root.dataset.scripted = "";
  apply(read());

  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-theme-choice]");
    if (!button) return;
    try {
      localStorage.setItem("theme", button.dataset.themeChoice);
    } catch {
      // applied all the same
    }
    apply(button.dataset.themeChoice);
  });

  // The buttons come after this script, and again with every boosted page.
  document.addEventListener("DOMContentLoaded", () => apply(read()));
  document.addEventListener("htmx:load", () => apply(root.dataset.theme));
  window.addEventListener("storage", (event) => event.key === "theme" && apply(read()));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () =>
    document.dispatchEvent(new CustomEvent("themechange")),
  );
})();
