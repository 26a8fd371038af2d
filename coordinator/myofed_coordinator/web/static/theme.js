"use strict";
// Before the page is drawn: the colours that this browser was told to keep, if any; else those of the system.
(() => {
  try {
    const kept = window.localStorage.getItem("myofed-theme");
    if (kept === "light" || kept === "dark") {
      document.documentElement.dataset.theme = kept;
    }
  } catch (error) {
    // A browser that keeps nothing follows the system.
  }
})();
