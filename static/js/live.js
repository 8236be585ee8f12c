// A part that renews itself each second waits while something in it is pressed: a press
// is a click only if what was pressed is still there when it ends.
(() => {
  let pressed = null;
  const press = ({ target }) => (pressed = target);
  const release = () => setTimeout(() => (pressed = null)); // after the click it makes

  for (const name of ["pointerdown", "keydown"]) document.addEventListener(name, press, true);
  for (const name of ["pointerup", "pointercancel", "keyup"]) {
    document.addEventListener(name, release, true);
  }
  window.addEventListener("blur", release); // its end is seen by another window

  // Only of those that ask again: who asks once would never be renewed.
  const waits = (elt) =>
    elt?.matches('[data-live][hx-trigger^="every"]') && elt.contains(pressed);

  document.addEventListener("htmx:beforeRequest", (event) => {
    if (waits(event.detail.elt)) event.preventDefault();
  });
  document.addEventListener("htmx:beforeSwap", ({ detail }) => {
    if (waits(detail.requestConfig.elt)) detail.shouldSwap = false;
  });
})();
