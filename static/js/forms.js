// Forms: those with unsaved changes ask before they are left; an offer to undo ends.
(() => {
  const question = "Leave without saving your changes?";

  const differs = (field) => {
    if (!field.name || field.disabled || field.type === "hidden") return false;
    if (field.type === "checkbox" || field.type === "radio") {
      return field.checked !== field.defaultChecked;
    }
    if (field.options) {
      const chosen = [...field.options].findIndex((option) => option.defaultSelected);
      return field.type === "select-one" && field.selectedIndex !== Math.max(0, chosen);
    }
    return "defaultValue" in field && field.value !== field.defaultValue;
  };
  const isUnsaved = (form) =>
    !form.dataset.sent && (form.dataset.guard === "unsaved" || [...form.elements].some(differs));
  const hasUnsaved = () =>
    [...document.querySelectorAll('main form[method="post"]')].some(isUnsaved);

  document.addEventListener("submit", ({ target }) => {
    target.dataset.sent = "yes";
  });
  // Answered without a new page, such as by an error: the form is still there.
  document.addEventListener("htmx:afterRequest", ({ detail: { elt } }) => {
    if (elt.matches("form")) delete elt.dataset.sent;
  });
  window.addEventListener("beforeunload", (event) => {
    if (hasUnsaved()) event.preventDefault();
  });
  document.addEventListener("htmx:confirm", (event) => {
    if (!event.detail.elt.matches("a") || !hasUnsaved()) return;
    if (!window.confirm(question)) event.preventDefault();
  });

  const end = (offer) => setTimeout(() => offer.remove(), offer.dataset.undoSeconds * 1000);
  document.addEventListener("htmx:load", ({ detail: { elt } }) => {
    elt.querySelectorAll("[data-undo-seconds]").forEach(end);
  });
})();
